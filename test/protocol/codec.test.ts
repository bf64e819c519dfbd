import fc from 'fast-check'
import t from 'tap'
import {
  canonicalJson,
  type Decoded,
  decodeBlock,
  type Entry,
  encodeBlock,
  encodeBlocks,
  LIMITS,
  type LogRecord,
  PoolError,
  RECORD_KINDS,
  RECORD_SCHEMAS,
  type RecordOf
} from '#protocol'
import { createDraw, type Draw } from '../helpers/draw.js'
import { randomLogs } from '../helpers/random-pool.js'
import { idFor, resultOf } from '../helpers/records.js'

const HOSTILE_INPUTS = 100_000
const SEED = 20260101

const utf8 = (text: string) => new TextEncoder().encode(text)
const records = (seed: number, size: number): LogRecord[] =>
  randomLogs(seed, size)
    .flat()
    .map(({ record }: Entry) => record)
const recordsIn = (places: readonly Decoded[]) => places.flatMap(place => ('record' in place ? [place.record] : []))
const report: RecordOf<'attempt-reported'> = {
  kind: 'attempt-reported',
  clock: 1,
  at: 1,
  sweep: idFor('sweep'),
  trial: 0,
  attempt: 1,
  step: 1,
  value: 0.5
}

/** Values where they do not belong, as JSON text: what a liar, a bit error or a newer release may write. */
const ODD = [
  ...['null', 'true', '-0', '1e308', '-1e999', '9007199254740993', '1e-400', '0.1', '-1', '""', '[]', '{}'],
  ...['"\\u0000"', '"\\ud800"', '{"__proto__":{"polluted":1}}', '{"constructor":{"prototype":{"polluted":1}}}'],
  ...[
    '{"toString":1}',
    '"__proto__"',
    `"${'f'.repeat(64)}"`,
    `"${'x'.repeat(20_000)}"`,
    `${'['.repeat(500)}${']'.repeat(500)}`
  ]
]

/** One hostile input: noise, a valid block with flipped bits or cut short, or one with odd values. */
function hostile(draw: Draw, blocks: readonly Uint8Array[]): Uint8Array {
  switch (draw.integer(4)) {
    case 0:
      return Uint8Array.from({ length: draw.integer(60) }, () => draw.integer(256))
    case 1: {
      const bytes = Uint8Array.from(draw.pick(blocks))
      for (let flips = 1 + draw.integer(3); flips > 0; flips--) {
        const at = draw.integer(bytes.length)
        bytes[at] = (bytes[at] ?? 0) ^ (1 << draw.integer(8))
      }
      return bytes
    }
    case 2:
      return draw.pick(blocks).subarray(0, draw.integer(2000))
    default:
      return utf8(withOddValue(draw, new TextDecoder().decode(draw.pick(blocks))))
  }
}

/** Puts an odd value in place of one of the text's values, or an odd field in front of the first. */
function withOddValue(draw: Draw, text: string): string {
  if (draw.once(4)) return text.replace('{', `{"__proto__":${draw.pick(ODD)},"added":${draw.pick(ODD)},`)
  const values = [...text.matchAll(/:("[^"]*"|[-\d.e+]+|\[\]|\{\})/g)]
  if (values.length === 0) return draw.pick(ODD)
  const { index, 0: found } = draw.pick(values)
  return `${text.slice(0, index)}:${draw.pick(ODD)}${text.slice(index + found.length)}`
}

/** Says what is wrong with one place of a decoded block; nothing when all is as promised. */
function flaw(place: Decoded): string | undefined {
  if (Object.keys(place).length !== 1) return 'it is not exactly one of three'
  if (!('record' in place)) return undefined
  const { record } = place
  if (!Object.hasOwn(RECORD_SCHEMAS, record.kind)) return 'its kind is unknown'
  if (Object.getPrototypeOf(record) !== Object.prototype) return 'it has a prototype of its own'
  const [again] = decodeBlock(encodeBlock([record]))
  return again && 'record' in again && canonicalJson(again.record) === canonicalJson(record)
    ? undefined
    : 'it does not come back as it was'
}

t.test('a record nested too deeply is a hole, however deep: reading it must not depend on the stack', async t => {
  for (const depth of [20, 3000, 100_000]) {
    const nested = `${'['.repeat(depth)}${']'.repeat(depth)}`
    const [place] = decodeBlock(
      new TextEncoder().encode(`[{"kind":"sweep-stopped","clock":1,"at":1,"extra":${nested}}]`)
    )
    t.match(place, { hole: /inside each other|no JSON/ }, `${depth} lists`)
  }
})

t.test(`total: nothing makes it throw, and what it returns is sound (rule L4; seed ${SEED})`, async t => {
  const draw = createDraw(SEED)
  const blocks = records(SEED, 300).map(record => encodeBlock([record]))
  const seen = { record: 0, unknownKind: 0, hole: 0 }
  const flaws: string[] = []
  for (let n = 0; n < HOSTILE_INPUTS; n++) {
    for (const place of decodeBlock(hostile(draw, blocks))) {
      const [kind] = Object.keys(place) as (keyof typeof seen)[]
      if (kind) seen[kind]++
      const found = flaw(place)
      if (found !== undefined) flaws.push(`input ${n}: ${found}`)
    }
  }
  t.same(flaws, [])
  t.ok(
    Object.values(seen).every(count => count > 100),
    `all three were met often: ${JSON.stringify(seen)}`
  )
  t.notOk('polluted' in {}, 'no prototype was touched')
})

t.test('what is written is read back, in order', async t => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 60 }), (seed, size) => {
      const written = records(seed, size)
      const places = encodeBlocks(written).flatMap(decodeBlock)
      return canonicalJson(recordsIn(places)) === canonicalJson(written) && places.length === written.length
    })
  )
  t.same(decodeBlock(encodeBlock([])), [])
})

t.test('each kind has a schema, and no kind is called like a part of every object', async t => {
  t.same(Object.keys(RECORD_SCHEMAS), RECORD_KINDS)
  for (const kind of ['__proto__', 'constructor', 'toString', 'hasOwnProperty'])
    t.same(decodeBlock(utf8(`[{"kind":"${kind}"}]`)), [{ unknownKind: kind }])
})

t.test('unknown kinds are told from holes, and neither blocks what is behind it', async t => {
  const places = ['{"kind":"trial-blessed","sweep":1}', '{"kind":"sweep-stopped"}', '7', 'null', '[]', '{"kind":7}']
  const decoded = decodeBlock(utf8(`[${places.join(',')},${canonicalJson(report)}]`))
  t.same(decoded, [
    { unknownKind: 'trial-blessed' },
    { hole: 'a sweep-stopped that breaks its shape at clock' },
    { hole: 'a place that is no record' },
    { hole: 'a place that is no record' },
    { hole: 'a place that is no record' },
    { hole: 'a record without a kind' },
    { record: report }
  ])
})

t.test('a field of a newer release is left out, and the record counts (rule L5)', async t => {
  t.same(decodeBlock(utf8(canonicalJson([{ ...report, added: { by: 'a newer release' } }]))), [{ record: report }])
})

t.test('a block that is none is one hole', async t => {
  const holes = (bytes: Uint8Array) => decodeBlock(bytes).map(place => ('hole' in place ? place.hole : ''))
  t.same(holes(new Uint8Array()), ['a block that is no JSON'])
  t.same(holes(utf8('{}')), ['a block that is no list'])
  t.same(holes(Uint8Array.of(0x5b, 0x22, 0xff, 0x22, 0x5d)), ['a block that is no JSON'], 'bytes that are no UTF-8')
  t.same(holes(utf8('['.repeat(LIMITS.blockBytes))), ['a block that is no JSON'])
  t.same(holes(utf8(`[${'0,'.repeat(LIMITS.recordsPerBlock)}0]`)), ['a block of 1001 records'])
  t.same(holes(new Uint8Array(LIMITS.blockBytes + 1)), [`a block of ${LIMITS.blockBytes + 1} bytes`])
})

t.test('numbers that JSON can write and a record cannot hold are holes', async t => {
  const withValue = (field: string, value: string) =>
    decodeBlock(
      utf8(`[${canonicalJson(report).replace(`"${field}":${report[field as 'step']}`, `"${field}":${value}`)}]`)
    )
  t.match(withValue('value', '1e999'), [{ hole: /value/ }], 'more than a double')
  t.match(withValue('clock', '281474976710657'), [{ hole: /clock/ }], 'a clock beyond the limit')
  t.match(withValue('clock', '1.5'), [{ hole: /clock/ }])
  t.match(withValue('attempt', '0'), [{ hole: /attempt/ }])
  t.match(withValue('trial', '-1'), [{ hole: /trial/ }])
  t.match(withValue('value', '1e-999'), [{ record: { value: 0 } }])
})

t.test('limits: what is too large is refused by its writer and a hole at its readers', async t => {
  const about = { sweep: idFor('sweep'), trial: 0, attempt: 1 }
  const parameters = Object.fromEntries(
    Array.from({ length: LIMITS.parametersPerSweep }, (_, n) => [`p${n}`, 'é'.repeat(LIMITS.valueChars / 4)])
  )
  const large = { ...resultOf(about, 'error', { parameters }), clock: 1, at: 1 }
  const refusal = { name: 'PoolError', code: 'RECORD_TOO_LARGE' }
  t.throws(() => encodeBlock([large]), refusal)
  t.throws(() => encodeBlock([large]), PoolError)
  t.same(decodeBlock(utf8(canonicalJson([large]))), [{ hole: 'a attempt-finished that is too large' }])
  t.throws(() => encodeBlock(Array.from({ length: LIMITS.recordsPerBlock + 1 }, () => report)), refusal)
  const wide = { ...large, parameters: Object.fromEntries(Object.entries(parameters).slice(0, 25)) }
  t.throws(() => encodeBlock(Array.from({ length: 30 }, () => wide)), refusal, 'together they are too many bytes')
})

t.test('too large is what has more bytes as canonical JSON, whatever it is made of', async t => {
  const about = { sweep: idFor('sweep'), trial: 0, attempt: 1 }
  const chars = ['x', 'é', '€', '\u0001', '"', '\ud800', '😀'] as const
  const seen = { fits: 0, isTooLarge: 0 }
  const anyPart = fc.tuple(fc.constantFrom(...chars), fc.integer({ min: 0, max: 400 }))
  const anyMetrics = fc.array(fc.constantFrom(0, -1.2345678901234567e-308, 1e20, 0.1), { maxLength: 32 })
  fc.assert(
    fc.property(fc.array(anyPart, { minLength: 20, maxLength: 24 }), anyMetrics, (parts, numbers) => {
      const parameters = Object.fromEntries(parts.map(([char, count], n) => [`p${n}`, char.repeat(count)]))
      const metrics = Object.fromEntries(numbers.map((value, n) => [`m${n}`, value]))
      const record: LogRecord = { ...resultOf(about, 'error', { parameters, metrics }), clock: 1, at: 1 }
      const fits = utf8(canonicalJson(record)).length <= LIMITS.recordBytes
      seen[fits ? 'fits' : 'isTooLarge']++
      const [place] = decodeBlock(utf8(`[${JSON.stringify(record)}]`))
      return place !== undefined && 'record' in place === fits
    }),
    { numRuns: 300 }
  )
  t.ok(seen.fits > 30 && seen.isTooLarge > 30, JSON.stringify(seen))
})

t.test('the last level of lists that a record may have, and the first that it may not', async t => {
  const lists = (depth: number) => `${'['.repeat(depth)}7${']'.repeat(depth)}`
  const block = (depth: number) => utf8(`[${canonicalJson(report).replace('{', `{"added":${lists(depth)},`)}]`)
  t.same(decodeBlock(block(LIMITS.recordDepth - 1)), [{ record: report }])
  t.match(decodeBlock(block(LIMITS.recordDepth)), [{ hole: /inside each other/ }])
  t.same(decodeBlock(utf8(`[${canonicalJson(report).replace('{', `{"added":${'['.repeat(16)}${']'.repeat(16)},`)}]`)), [
    { record: report }
  ])
})

t.test('encodeBlocks: every record in order, each block within its limits and as full as they allow', async t => {
  const sizes = fc.array(fc.integer({ min: 0, max: LIMITS.messageChars }), { maxLength: 400 })
  const about = { sweep: idFor('sweep'), trial: 0, attempt: 1 }
  const sized = (chars: number) => ({ ...resultOf(about, 'error', { message: 'é'.repeat(chars) }), clock: 1, at: 1 })
  fc.assert(
    fc.property(sizes, chars => {
      const all = chars.map(sized)
      const bytes = encodeBlocks(all)
      const blocks = bytes.map(block => recordsIn(decodeBlock(block)))
      const isFull = blocks.every((block, n) => {
        const next = blocks[n + 1]?.[0]
        return next === undefined || utf8(canonicalJson([...block, next])).length > LIMITS.blockBytes
      })
      const isWithin = bytes.every(block => block.length <= LIMITS.blockBytes)
      return isFull && isWithin && canonicalJson(blocks.flat()) === canonicalJson(all)
    }),
    { numRuns: 30 }
  )
  const many = Array.from({ length: 2 * LIMITS.recordsPerBlock + 1 }, () => report)
  t.same(
    encodeBlocks(many).map(block => decodeBlock(block).length),
    [LIMITS.recordsPerBlock, LIMITS.recordsPerBlock, 1]
  )
  t.same(encodeBlocks([]), [])
})

t.test('encodeBlocks: a block is filled to the last byte, and not one further', async t => {
  const bytesOf = (block: readonly LogRecord[]) => utf8(canonicalJson(block)).length
  const large = (chars: number): LogRecord => {
    const about = { sweep: report.sweep, trial: 0, attempt: 1 }
    return { ...resultOf(about, 'error', { message: 'x'.repeat(chars) }), clock: 1, at: 1 }
  }
  const before = Array.from({ length: 25 }, () => large(10_000))
  const room = LIMITS.blockBytes - bytesOf([...before, large(0)])
  t.ok(room > 0 && room < LIMITS.recordBytes / 2, `the last record may have ${room} more bytes`)
  t.same(
    encodeBlocks([...before, large(room)]).map(block => block.length),
    [LIMITS.blockBytes]
  )
  t.same(
    encodeBlocks([...before, large(room + 1)]).map(block => decodeBlock(block).length),
    [before.length, 1]
  )
})
