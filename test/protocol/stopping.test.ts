import fc from 'fast-check'
import t from 'tap'
import { rankCorrelation, rankWarning } from '../../protocol/stopping/correlation.js'
import { lossAt, percentileOf } from '../../protocol/stopping/curve.js'
import type { Progress, StoppingContext, StoppingRule } from '../../protocol/stopping/rule.js'
import { bracketSizes, crc32, createBrackets, rungsOf } from '../../protocol/stopping/rungs.js'
import { verdictOf } from '../../protocol/stopping/verdict.js'
import { promotionOf } from '../bench/promotion.js'

const CONTEXT: StoppingContext = { sweep: 'demo', fullSteps: 27 }

/** A trial with a report at each step from 1. */
function progress(trial: number, losses: readonly number[], isComplete = false): Progress {
  return { trial, reports: losses.map((loss, n) => [n + 1, loss] as const), isComplete }
}

/** Trials with one value each, in the order of their arrival: C goes on, S stops. */
function arrivals(rule: StoppingRule, values: readonly number[]): string {
  const trials = values.map((value, trial) => progress(trial, [value]))
  return trials.map((own, n) => (verdictOf(rule, own, trials.slice(0, n), CONTEXT).stops ? 'S' : 'C')).join('')
}

/** Runs curves one after the other: C was complete, S@2 stopped at its second step. */
function inTurn(rule: StoppingRule, curves: readonly (readonly number[])[]): string {
  const context = { sweep: 'demo', fullSteps: 3 }
  const seen: Progress[] = []
  const ends = curves.map((curve, trial) => {
    const stop = curve.findIndex((_, n) => verdictOf(rule, progress(trial, curve.slice(0, n + 1)), seen, context).stops)
    seen.push(progress(trial, stop < 0 ? curve : curve.slice(0, stop + 1), stop < 0))
    return stop < 0 ? 'C' : `S@${stop + 1}`
  })
  return ends.join(' ')
}

t.test('golden: successive halving, in the order of arrival, as Optuna 5.0.0 decides', async t => {
  const asha = (eta: number) => ({ rule: 'asha', eta, minSteps: 1 }) as const
  t.equal(arrivals(asha(3), [5, 4, 6, 3, 7, 2, 1]), 'CCSCSCC')
  t.equal(arrivals(asha(4), [5, 4, 6, 3, 7, 2, 1, 8, 2.5]), 'CCSCSCCSS')
  t.equal(arrivals(asha(3), [1, 1, Number.NaN, 1]), 'CCSC', 'equal values go on, what is no number stops')
  t.equal(arrivals(asha(3), [Number.POSITIVE_INFINITY, 2]), 'SC')
})

t.test('golden: the median rule, as Optuna 5.0.0 decides', async t => {
  const curves = [
    [3, 2, 1],
    [4, 3, 3],
    [5, 1, 9],
    [3.6, 2.6, 2],
    [9, 9, 9],
    [Number.NaN, 1, 1]
  ]
  const rule = { rule: 'median', startUpTrials: 2, everySteps: 1 } as const
  t.equal(inTurn(rule, curves), 'C C S@1 S@1 S@1 S@1')
  t.equal(inTurn({ ...rule, warmUpSteps: 2 }, curves), 'C C C S@2 S@2 C', 'the third has its best of 1 at step 2')
})

t.test('golden: brackets of Hyperband', async t => {
  t.same(bracketSizes(5, 3), [81, 34, 15, 8, 5], "the paper's formula for R = 81, eta = 3")
  t.same(bracketSizes(4, 3), [27, 12, 6, 4])
  const rule = { rule: 'hyperband', eta: 3, minSteps: 1 } as const
  const brackets = Array.from({ length: 20 }, (_, trial) => createBrackets(rule, CONTEXT)(trial).bracket)
  t.equal(brackets.join(' '), '3 0 0 1 0 0 1 0 0 1 0 3 2 0 0 2 3 0 0 0', 'as Optuna 5.0.0 for a study named demo')
  t.same(createBrackets(rule, CONTEXT)(3), { bracket: 1, rungs: [3, 9] })
  t.same(createBrackets(rule, CONTEXT)(0), { bracket: 3, rungs: [] }, 'one bracket stops nothing')
  t.same(createBrackets(rule, { sweep: 'demo' })(0), { bracket: 0, rungs: rungsOf(rule) }, 'nobody knows the length')
  t.equal(crc32('123456789'), 0xcbf43926, 'the check value of the standard')
  t.equal(crc32(''), 0)
})

t.test('hyperband: only trials of one bracket are compared', async t => {
  const rule = { rule: 'hyperband', eta: 3, minSteps: 1 } as const
  const others = [progress(1, [1, 1, 1]), progress(2, [1, 1, 1]), progress(3, [9, 9, 4])]
  const verdict = verdictOf(rule, progress(6, [9, 9, 5]), others, CONTEXT)
  t.match(verdict, { bracket: 1, rung: 3, stops: true, entries: [{ trial: 3 }, { trial: 6 }] })
})

t.test('rungs: from a seventeenth of the length, never inside the warm-up, never at the end', async t => {
  const asha = { rule: 'asha', eta: 3 } as const
  t.same(rungsOf(asha, 52), [3, 9, 27])
  t.same(rungsOf(asha, 27), [1, 3, 9])
  t.same(rungsOf(asha, 52, 6), [6, 18])
  t.same(rungsOf({ ...asha, maxSteps: 10_000 }, 52), [588, 1764, 5292])
  t.same(rungsOf({ ...asha, eta: 1.5, minSteps: 2 }, 8), [2, 3, 4, 6])
  t.same(rungsOf({ ...asha, rungs: [2, 5] }, 52, 3), [5])
  t.same([rungsOf(asha, 1), rungsOf(asha, 0), rungsOf(asha), rungsOf(asha, 9, 9)], [[], [], [], []])
  t.same(rungsOf({ ...asha, minSteps: 10 }).slice(0, 3), [10, 30, 90], 'an unknown length')
  const epochs = { ...asha, unit: 'epochs' } as const
  t.same(rungsOf(epochs, 3), [0.176, 0.528, 1.584], 'of epochs there are parts')
  t.same(rungsOf({ ...epochs, minSteps: 0.25 }, 1), [0.25, 0.75])
  t.same(rungsOf({ rule: 'median', unit: 'epochs' }, 1).slice(0, 3), [0.062, 0.124, 0.186])
  t.same(rungsOf({ rule: 'median', everySteps: 10, warmUpSteps: 15 }, 50), [20, 30, 40])
  t.equal(rungsOf({ rule: 'median' }, 1600).length, 15)
  t.same([rungsOf({ rule: 'plateau', patience: 2 }, 9), rungsOf({ rule: 'threshold', upper: 1 }, 9)], [[], []])
})

t.test('rungs: ascending integers inside the training, whatever the rule', async () => {
  const eta = fc.double({ min: 1.001, max: 100, noNaN: true })
  const steps = fc.option(fc.integer({ min: 1, max: 1e9 }), { nil: undefined })
  const full = fc.option(fc.oneof(fc.integer({ min: 0, max: 1e12 }), fc.constant(Number.POSITIVE_INFINITY)), {
    nil: undefined
  })
  fc.assert(
    fc.property(eta, steps, full, fc.nat(100), (eta, minSteps, fullSteps, warmUp) => {
      const rules: StoppingRule[] = [
        { rule: 'asha', eta, ...(minSteps === undefined ? {} : { minSteps }) },
        { rule: 'median', ...(minSteps === undefined ? {} : { everySteps: minSteps }) }
      ]
      return rules.every(rule => {
        const rungs = rungsOf(rule, fullSteps, warmUp)
        const isRising = rungs.every((rung, n) => Number.isSafeInteger(rung) && rung > (rungs[n - 1] ?? 0))
        const isInside = rungs.every(rung => rung >= warmUp && rung < (fullSteps ?? Number.POSITIVE_INFINITY))
        return isRising && isInside && rungs.length <= 100
      })
    })
  )
})

t.test('a verdict shows all that it compared, and a rung is decided once', async t => {
  const rule = { rule: 'asha', eta: 3, minSteps: 2 } as const
  const others = [progress(7, [5, 1, 9]), progress(4, [5, 3]), progress(9, [0])]
  const own = progress(5, [1, 3])
  t.same(verdictOf(rule, own, others, CONTEXT), {
    stops: true,
    rule: 'asha',
    basis: 'compared',
    unit: 'steps',
    rung: 2,
    value: 3,
    rank: 2,
    of: 3,
    threshold: 1,
    entries: [
      { trial: 7, value: 1 },
      { trial: 4, value: 3 },
      { trial: 5, value: 3 }
    ]
  })
  t.match(verdictOf(rule, own, others, { ...CONTEXT, after: 2 }), { stops: false, basis: 'early', entries: [] })
  t.match(verdictOf(rule, progress(5, []), others, CONTEXT), { stops: false, basis: 'early' })
})

t.test('the value at a rung is the last one at or before it, once the trial came there', async t => {
  const trial: Progress = {
    trial: 1,
    reports: [
      [25, 5],
      [50, 4],
      [75, 3]
    ],
    isComplete: false
  }
  t.same(
    [24, 25, 60, 75, 76].map(step => lossAt(trial, step)),
    [undefined, 5, 4, 3, undefined]
  )
  const rule = { rule: 'asha', eta: 2, rungs: [60] } as const
  const other: Progress = {
    trial: 2,
    reports: [
      [40, 3.5],
      [80, 1]
    ],
    isComplete: false
  }
  t.match(verdictOf(rule, trial, [other], CONTEXT), { value: 4, threshold: 3.5, stops: true })
})

t.test('threshold: bounds are inside, what is no number is outside, the warm-up is free', async t => {
  const rule = { rule: 'threshold', lower: 0, upper: 2, warmUpSteps: 2 } as const
  const stops = (loss: number) => verdictOf(rule, progress(1, [1, loss]), [], CONTEXT).stops
  t.same([0, 2, -1, 3, Number.NaN].map(stops), [false, false, true, true, true])
  t.match(verdictOf(rule, progress(1, [9]), [], CONTEXT), { stops: false, basis: 'early' })
  t.match(verdictOf(rule, progress(1, [1, -1]), [], CONTEXT), { threshold: 0, rung: 2, value: -1 })
})

t.test('plateau: no improvement in so many reports', async t => {
  const stops = (losses: readonly number[], minDelta?: number) => {
    const rule = { rule: 'plateau', patience: 2, ...(minDelta ? { minDelta } : {}) } as const
    return verdictOf(rule, progress(1, losses), [], CONTEXT).stops
  }
  t.same([stops([3, 3]), stops([3, 3, 3]), stops([3, 4, 2]), stops([3, 2, 4])], [false, true, false, false])
  t.same([stops([3, 2.8, 2.6], 0.5), stops([3, 2.8, 2.4], 0.5)], [true, false])
  const late = { rule: 'plateau', patience: 1, warmUpSteps: 3 } as const
  t.match(verdictOf(late, progress(1, [1, 5, 4, 3]), [], CONTEXT), { stops: false, threshold: 4 })
})

t.test('the median rule waits for complete trials, and compares with half of them', async t => {
  const rule = { rule: 'median', everySteps: 2 } as const
  const others = [1, 2, 3, 4].map(loss => progress(loss, [9, loss, 0], true))
  const own = progress(9, [2.6, 2.7])
  t.match(verdictOf(rule, own, others, CONTEXT), { basis: 'few', stops: false, rank: 3, of: 5 })
  const verdict = verdictOf({ ...rule, startUpTrials: 4 }, own, [...others, progress(5, [0, 0])], CONTEXT)
  t.match(verdict, { basis: 'compared', stops: true, value: 2.6, threshold: 2.5, of: 5 })
})

t.test('percentile: interpolated, and within the values', async t => {
  t.same([percentileOf([], 0.5), percentileOf([7], 0.5), percentileOf([1, 2, 4, 8], 0.5)], [undefined, 7, 3])
  t.same([percentileOf([1, 2, 4, 8], 0), percentileOf([1, 2, 4, 8], 1)], [1, 8])
  t.equal(percentileOf([-Number.MAX_VALUE, Number.MAX_VALUE], 0.5), 0)
})

t.test('every machine decides alike: the order of the others changes nothing', async () => {
  const loss = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constant(Number.NaN))
  const curve = fc.array(loss, { minLength: 1, maxLength: 6 })
  const rule = fc.constantFrom<StoppingRule>(
    { rule: 'asha', eta: 2 },
    { rule: 'hyperband', eta: 2 },
    { rule: 'median', startUpTrials: 1 },
    { rule: 'threshold', upper: 3 },
    { rule: 'plateau', patience: 2 }
  )
  fc.assert(
    fc.property(rule, curve, fc.array(fc.tuple(curve, fc.boolean()), { maxLength: 6 }), (rule, own, rest) => {
      const context = { sweep: 'demo', fullSteps: 6 }
      const others = rest.map(([losses, isComplete], n) => progress(n + 1, losses, isComplete))
      const one = verdictOf(rule, progress(0, own), others, context)
      const two = verdictOf(rule, progress(0, own), [...others].reverse(), context)
      const isFair = one.rank === undefined || one.rank <= (one.of ?? 0)
      const keepsBest = rule.rule !== 'asha' || one.rank !== 1 || one.stops === !Number.isFinite(one.value)
      return JSON.stringify(one) === JSON.stringify(two) && isFair && keepsBest
    })
  )
})

t.test('promotion: the best of the highest rung that may leave it', async t => {
  const rung = (values: readonly number[]) => values.map((value, trial) => ({ trial, value }))
  const rungs = [rung([1, 2, 3, 4, 5, 6]), rung([1, 2])]
  t.same(
    promotionOf(rungs, 3, () => true),
    { trial: 0, rung: 0 },
    'two are too few for the second rung'
  )
  t.same(
    promotionOf(rungs, 2, () => true),
    { trial: 0, rung: 1 }
  )
  t.same(
    promotionOf(rungs, 2, trial => trial === 2),
    { trial: 2, rung: 0 }
  )
  t.equal(
    promotionOf(rungs, 3, trial => trial === 2),
    undefined
  )
  t.equal(
    promotionOf([], 3, () => true),
    undefined
  )
})

t.test('rank correlation: 1 in the same order, -1 in reverse, mean ranks for equal values', async t => {
  const entries = (values: readonly number[]) => values.map((value, trial) => ({ trial, value }))
  t.equal(rankCorrelation(entries([1, 2, 3]), entries([10, 20, 99])), 1)
  t.equal(rankCorrelation(entries([1, 2, 3]), entries([3, 2, 1])), -1)
  // Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: 4.5 / sqrt(4.5 x 5).
  t.equal(
    rankCorrelation(entries([1, 2, 2, 3]), entries([1, 2, 3, 4]))?.toFixed(12),
    (4.5 / Math.sqrt(22.5)).toFixed(12)
  )
  t.same([rankCorrelation([], []), rankCorrelation(entries([1, 1]), entries([1, 2]))], [undefined, undefined])
  const [first, last] = [
    { trial: 0, value: 1 },
    { trial: 8, value: 0 }
  ]
  t.equal(rankCorrelation([first, last], [last]), undefined, 'one in both is none to compare')
})

t.test('a warning comes with enough trials whose early ranks say little', async t => {
  const entries = (values: readonly number[]) => values.map((value, trial) => ({ trial, value }))
  const early = entries([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  t.equal(rankWarning(early, early), undefined)
  t.match(rankWarning(early, entries([10, 9, 8, 7, 6, 5, 4, 3, 2, 1])), { correlation: -1, trials: 10 })
  t.equal(rankWarning(early.slice(1), entries([10, 9, 8, 7, 6, 5, 4, 3, 2, 1])), undefined, 'nine are too few')
})
