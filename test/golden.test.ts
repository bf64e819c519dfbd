import t from 'tap'
import {
  canonicalJson,
  type LogRecord,
  poolDigest,
  RECORD_SCHEMAS,
  RELEASE_REASONS,
  RESULT_CLASSES,
  ROLES,
  sweepSpecSchema
} from '#protocol'
import { goldenSets, meaningOf, readGolden } from './helpers/golden.js'
import { goldenLogs } from './helpers/golden-logs.js'
import { foldAll } from './helpers/records.js'

for (const { name, digest, meaning, logs } of goldenSets()) {
  t.test(`${name}: logs of that release fold to the same pool for ever (rule L5)`, async t => {
    t.same(meaningOf(foldAll(readGolden(logs).entries)), meaning)
    t.equal(poolDigest(foldAll(readGolden([...logs].reverse()).entries)), digest, 'in whatever order')
  })
}

t.test('there are golden logs, with holes and a kind from a newer release among them', async t => {
  const sets = goldenSets()
  t.ok(sets.length >= 3)
  const found = sets.filter(({ name }) => name.endsWith('/everything')).map(({ logs }) => readGolden(logs))
  for (const { holes, unknownKinds, entries } of found) t.same([holes, unknownKinds, entries.length > 20], [3, 1, true])
})

t.test('the golden logs of the next release hold every kind, field, class, reason and role that there is', async t => {
  const records = Object.values(goldenLogs()).flatMap(logs => readGolden(logs).entries.map(({ record }) => record))
  for (const [kind, schema] of Object.entries(RECORD_SCHEMAS)) {
    const written = new Set(records.filter(record => record.kind === kind).flatMap(record => Object.keys(record)))
    const { shape } = schema as unknown as { readonly shape: object }
    t.same([...written].sort(), Object.keys(shape).sort(), kind)
  }
  const specs = records.flatMap(record => (record.kind === 'sweep-submitted' ? [record.spec] : []))
  t.same([...new Set(specs.flatMap(Object.keys))].sort(), Object.keys(sweepSpecSchema.shape).sort())
  const valuesOf = (field: string, kind: LogRecord['kind']) => {
    const found = records.filter(record => record.kind === kind).map(record => Object.entries(record))
    return [...new Set(found.flat().flatMap(([name, value]) => (name === field ? [value] : [])))].sort()
  }
  t.same(valuesOf('class', 'attempt-finished'), [...RESULT_CLASSES].sort())
  t.same(valuesOf('reason', 'trial-released'), [...RELEASE_REASONS].sort())
  t.same(valuesOf('role', 'member-admitted'), [...ROLES].sort())
})

t.test('self-test: another record in a golden log is another pool', async t => {
  const [set] = goldenSets()
  t.ok(set)
  const { entries } = readGolden(set?.logs ?? [])
  t.not(poolDigest(foldAll(entries.slice(0, -2))), set?.digest)
  t.not(canonicalJson(meaningOf(foldAll(entries.slice(0, 4)))), canonicalJson(set?.meaning))
})
