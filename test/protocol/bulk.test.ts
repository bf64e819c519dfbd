/**
 * Bulk blocks: what fits is whole, what does not is cut, and what is none is no block.
 */
import fc from 'fast-check'
import t from 'tap'
import { type Bulk, decodeBulk, encodeBulk, LIMITS } from '#protocol'
import { idFor } from '../helpers/records.js'

const ABOUT = { sweep: idFor('sweep'), trial: 4, attempt: 1 }
const BULK: Bulk = {
  ...ABOUT,
  curve: [
    [1, 0.5],
    [2, 0.25]
  ],
  tail: 'epoch 2\n'
}

function bytesOf(item: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(item))
}

t.test('a block is read back as it was written', async t => {
  t.same(decodeBulk(encodeBulk(BULK), ABOUT), BULK)
})

t.test('the fullest block that a runner makes fits, whatever script its output is in', async t => {
  const curve = Array.from({ length: LIMITS.curvePointsRunning }, (_, i): [number, number] => [
    i + 0.1234567890123456,
    -Math.PI * 1e-300
  ])
  for (const character of ['x', '漢', '"', '\u0001', '\ud800']) {
    const bulk = { ...BULK, curve, tail: character.repeat(LIMITS.bulkTailChars) }
    t.same(decodeBulk(encodeBulk(bulk), ABOUT), bulk, character)
  }
})

t.test('what is over a limit loses the start of its output and every other point of its curve', async t => {
  const curve = Array.from({ length: LIMITS.curvePointsRunning + 2 }, (_, i): [number, number] => [i, i])
  const tail = `${'x'.repeat(LIMITS.bulkTailChars)}end`
  const read = decodeBulk(encodeBulk({ ...BULK, curve, tail }), ABOUT)
  t.equal(read?.curve.length, curve.length / 2)
  t.equal(read?.tail.length, LIMITS.bulkTailChars)
  t.ok(read?.tail.endsWith('end'))
})

t.test("another attempt's block is no block of this one", async t => {
  const bytes = encodeBulk(BULK)
  for (const other of [{ sweep: idFor('other') }, { trial: 5 }, { attempt: 2 }])
    t.equal(decodeBulk(bytes, { ...ABOUT, ...other }), undefined)
})

t.test('bytes that break a limit or the shape are no block', async t => {
  let deep: unknown = 1
  for (let i = 0; i < 100; i++) deep = [deep]
  const wrong: unknown[] = [
    { ...BULK, curve: [[1, 'x']] },
    { ...BULK, curve: [[1, null]] },
    { ...BULK, curve: [[1]] },
    { ...BULK, curve: Array.from({ length: LIMITS.curvePointsRunning + 1 }, (_, i) => [i, 0]) },
    { ...BULK, tail: 'x'.repeat(LIMITS.bulkTailChars + 1) },
    { ...BULK, tail: 7 },
    { ...BULK, extra: deep },
    [],
    null
  ]
  for (const item of wrong) t.equal(decodeBulk(bytesOf(item), ABOUT), undefined)
  t.equal(decodeBulk(bytesOf({ ...BULK, extra: 'x'.repeat(LIMITS.bulkBlockBytes) }), ABOUT), undefined, 'too large')
  t.equal(
    decodeBulk(bytesOf({ ...BULK, extra: 1 }), ABOUT)?.tail,
    BULK.tail,
    'a field of a newer release is passed over'
  )
})

t.test('no bytes make the reading throw', async t => {
  const damaged = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.nat()).map(([at, byte, end]) => {
    const bytes = encodeBulk(BULK)
    bytes[at % bytes.length] = byte
    return bytes.slice(0, bytes.length - (end % 3))
  })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged), bytes => {
      const read = decodeBulk(bytes, ABOUT)
      return read === undefined || read.curve.every(point => point.every(Number.isFinite))
    }),
    { numRuns: 2000 }
  )
  t.pass()
})
