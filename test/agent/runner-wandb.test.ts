/**
 * What W&B's library writes offline, read as reports: a file recorded with wandb 0.31, and bytes that nobody wrote.
 */
import { appendFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { createWandbDecoder } from '../../agent/runner/wandb-log.js'
import { createWandbReader } from '../../agent/runner/wandb-reader.js'

const RECORDED = await readFile(join(import.meta.dirname, '../fixtures/wandb-runs/run-recorded.wandb'))
const decoded = (...chunks: readonly Uint8Array[]) => {
  const decoder = createWandbDecoder()
  return chunks.flatMap(chunk => decoder.push(chunk))
}

t.test(
  'the recorded run: each entry of its history, across blocks, then what the program wrote into its summary',
  async t => {
    t.ok(RECORDED.length > 32 * 1024, 'a second block')
    const lines = decoded(RECORDED)
    t.equal(lines.length, 83)
    const numbers = lines.map(line => JSON.parse(line.replace('NaN', 'null')))
    for (let step = 0; step < 80; step++) {
      t.same(numbers[step], { step, val_loss: 1 / (step + 1), 'train.acc': step / 10, negative: -step + 0 }, `${step}`)
    }
    t.equal(lines[80], '{"val_loss": NaN, "step": 80}')
    t.same(numbers[81], { val_loss: 0.25, global_step: 777 }, 'a step of its own goes before')
    t.same(numbers[82], { final: 3 })
  }
)

t.test('however the bytes are cut, the lines are the same', async t => {
  const whole = decoded(RECORDED)
  fc.assert(
    fc.property(fc.array(fc.nat(RECORDED.length), { maxLength: 20 }), cuts => {
      const ends = [...cuts, RECORDED.length].sort((a, b) => a - b)
      const chunks = ends.map((end, i) => RECORDED.subarray(ends[i - 1] ?? 0, end))
      return JSON.stringify(decoded(...chunks)) === JSON.stringify(whole)
    }),
    { numRuns: 30 }
  )
  t.same(
    decoded(...Array.from(RECORDED.subarray(0, 9000), byte => Uint8Array.of(byte))),
    whole.slice(0, decoded(RECORDED.subarray(0, 9000)).length)
  )
})

t.test('no bytes make it throw, and a damaged block costs its own records', async t => {
  const isLine = (line: string) => /^\{"(?:[^"\\]|\\.)*": \S+(?:, "(?:[^"\\]|\\.)*": \S+)*\}$/.test(line)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => decoded(RECORDED.subarray(0, 7), bytes).every(isLine))
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(RECORDED.length - 1), fc.nat(255)), { maxLength: 40 }), changes => {
      const bytes = Uint8Array.from(RECORDED)
      for (const [at, byte] of changes) bytes[at] = byte
      return decoded(bytes).every(isLine)
    }),
    { numRuns: 50 }
  )
  const bytes = Uint8Array.from(RECORDED)
  bytes.fill(0xff, 7, 32 * 1024)
  const left = decoded(bytes)
  t.ok(left.length > 5 && left.length < 40)
  t.equal(left.at(-1), '{"final": 3}')
})

t.test('values of every form that the library had, and names that are none', async t => {
  const message = (field: number, bytes: readonly number[]) => [field * 8 + 2, bytes.length, ...bytes]
  const text = (value: string) => [...Buffer.from(value)]
  const json = (value: string) => [0x82, 0x01, value.length, ...text(value)]
  const double = [...new Uint8Array(Float64Array.of(0.5).buffer)]
  const items = [
    [...message(1, text('old')), ...json('1.5')],
    [...message(2, text('a')), ...message(2, text('b')), ...json('-2e-3')],
    [...message(1, text('integer')), 5 * 8, 5],
    [...message(1, text('number')), 6 * 8 + 1, ...double],
    [...message(1, text('text')), ...json('"x"')],
    [...message(1, text('forged')), ...json('1, "x": 2')],
    [...message(1, text('say "hi"')), ...json('Infinity')],
    [...json('1')]
  ]
  const record = message(
    2,
    items.flatMap(item => message(1, item))
  )
  const file = [...RECORDED.subarray(0, 7), 0, 0, 0, 0, record.length, 0, 1, ...record]
  const expected = '{"old": 1.5, "a.b": -2e-3, "integer": -3, "number": 0.5, "say \\"hi\\"": Infinity}'
  t.same(decoded(Uint8Array.from(file)), [expected])
})

t.test('the reader follows every run of an attempt while it grows, and no links', async t => {
  const folder = t.testdir({ elsewhere: {} })
  const reader = createWandbReader(folder)
  t.equal(await reader.next(), undefined)
  const run = join(folder, 'wandb', 'offline-run-20260101_120000-one')
  await mkdir(run, { recursive: true })
  await writeFile(join(folder, 'wandb', 'debug.log'), '')
  await symlink(run, join(folder, 'wandb', 'latest-run'))
  await symlink(join(folder, 'elsewhere'), join(folder, 'wandb', 'offline-run-20260101_120001-two'))
  await writeFile(join(folder, 'elsewhere', 'run-two.wandb'), RECORDED)
  t.equal(await reader.next(), undefined)
  await writeFile(join(run, 'run-one.wandb'), RECORDED.subarray(0, 9000))
  const first = (await reader.next()) ?? []
  await appendFile(join(run, 'run-one.wandb'), RECORDED.subarray(9000))
  const second = (await reader.next()) ?? []
  t.equal(first.length + second.length, 83)
  t.match(first[1], { step: 1, metrics: { val_loss: 0.5 } })
  t.match(second.at(-3), { step: 80, nonFinite: ['val_loss'] })
  t.match(second.at(-1), { step: 777, metrics: { final: 3 } }, 'the summary belongs to the last step')
  t.equal(await reader.next(), undefined)
  const other = join(folder, 'wandb', 'offline-run-20260101_120002-three')
  await mkdir(other)
  await writeFile(join(other, 'run-three.wandb'), RECORDED)
  t.equal((await reader.next())?.length, 83)
})
