/**
 * Narrowing: where the best lie, how much room is left around them, and the ends at which all were bad.
 */
import fc from 'fast-check'
import t from 'tap'
import type { NumericDimension } from '../../protocol/search/dimension.js'
import { badEndOf, narrowingOf } from '../../protocol/search/narrowing.js'

const LINEAR: NumericDimension = { kind: 'numeric', name: 'x', low: 0, high: 10, isLog: false }
const LOG: NumericDimension = { ...LINEAR, low: 1e-5, high: 0.1, isLog: true }
const WHOLE: NumericDimension = { ...LINEAR, low: 1, high: 9, step: 1 }

t.test('a tenth of the range is left on each side, or half of what the best take', async t => {
  t.same(narrowingOf(LINEAR, [5, 5.5, 6]), { bestLow: 5, bestHigh: 6, next: { low: 4, high: 7 } })
  t.same(narrowingOf(LINEAR, [3, 6]), { bestLow: 3, bestHigh: 6, next: { low: 1.5, high: 7.5 } })
  t.same(narrowingOf(LOG, [1e-3, 2e-3]), { bestLow: 1e-3, bestHigh: 2e-3, next: { low: 0.000398, high: 0.00503 } })
  t.same(narrowingOf(WHOLE, [5]), { bestLow: 5, bestHigh: 5, next: { low: 4, high: 6 } }, 'steps are kept')
})

t.test('a range that would hardly shrink stays; without a best one nothing is said', async t => {
  t.same(narrowingOf(LINEAR, [1, 5]), { bestLow: 1, bestHigh: 5, next: { low: 0, high: 7 } })
  t.same(narrowingOf(LINEAR, [2, 8]), { bestLow: 2, bestHigh: 8 })
  t.equal(narrowingOf(LINEAR, []), undefined)
})

t.test('the best at one end point beyond it, at both they do not', async t => {
  t.match(narrowingOf(LINEAR, [9.9, 9.5]), { edge: 'high', next: { low: 8.5, high: 10 } })
  t.match(narrowingOf(LOG, [1e-5]), { edge: 'low' })
  t.notOk('edge' in (narrowingOf(LINEAR, [0, 10]) ?? {}))
})

t.test('property: a narrowed range lies within the old one and holds the best', async t => {
  const dimension = fc
    .record({
      low: fc.double({ min: 1e-9, max: 1e6, noNaN: true }),
      factor: fc.double({ min: 1.001, max: 1e9, noNaN: true }),
      isLog: fc.boolean(),
      isStepped: fc.boolean()
    })
    .map(
      ({ low, factor, isLog, isStepped }): NumericDimension => ({
        ...LINEAR,
        low: isStepped ? Math.ceil(low) : low,
        high: isStepped ? Math.ceil(low * factor) + 1 : low * factor,
        isLog,
        ...(isStepped ? { step: 1 } : {})
      })
    )
  const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 9 })
  fc.assert(
    fc.property(dimension, shares, (range, all) => {
      const { low, high, step } = range
      const best = all.map(share => {
        const value = Math.min(high, low + share * (high - low))
        return step ? Math.floor(value) : value
      })
      const { next } = narrowingOf(range, best) ?? {}
      if (!next) return true
      const isWithin = next.low >= low && next.high <= high && next.low < next.high
      return isWithin && best.every(value => value >= next.low && value <= next.high)
    })
  )
  t.pass()
})

const trials = (bad: readonly number[], good: readonly number[]) =>
  [...bad.map(value => ({ value, isBad: true })), ...good.map(value => ({ value, isBad: false }))].reverse()

t.test('the end at which all were bad is named by the innermost of them', async t => {
  const good = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
  t.same(badEndOf(trials([0.9, 0.8, 1], good), 1), { side: 'above', bound: 0.8, trials: 3 })
  t.same(badEndOf(trials([0.01, 0.02, 0.03, 0.35], good), 2), undefined, 'with a third bad, three in a row are chance')
  t.same(badEndOf(trials([0.01, 0.02, 0.03, 0.04, 0.35], good), 1), { side: 'below', bound: 0.04, trials: 4 })
  t.equal(badEndOf(trials([0.8, 0.9], good), 1), undefined, 'two say nothing')
})

t.test('what a good trial had too is no bad value; where all are bad no end is', async t => {
  t.equal(badEndOf(trials([3, 3, 3, 3], [1, 2, 3]), 1), undefined)
  t.equal(badEndOf(trials([1, 2, 3, 4], []), 1), undefined)
  t.equal(badEndOf([], 1), undefined)
})
