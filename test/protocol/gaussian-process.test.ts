import fc from 'fast-check'
import t from 'tap'
import type { Observation } from '../../protocol/search/dimension.js'
import { both, chanceToFit, expectedImprovement } from '../../protocol/search/gp/acquisition.js'
import { type Data, fit, negativeLogPosterior } from '../../protocol/search/gp/fit.js'
import { covariance, type Hyperparameters } from '../../protocol/search/gp/kernel.js'
import { cholesky, dot, inverse, type Rows, solve, type Vector } from '../../protocol/search/gp/linear.js'
import { standardised } from '../../protocol/search/gp/losses.js'
import { minimise } from '../../protocol/search/gp/minimise.js'
import { logCdf, logImprovement } from '../../protocol/search/gp/normal.js'
import { type Comparison, embeddingOf } from '../../protocol/search/gp/point.js'
import { posteriorOf } from '../../protocol/search/gp/posterior.js'
import { drawsOf, isIn, MIXED } from '../helpers/mixed-space.js'

/** z, log h(z), Φ/h, φ/h, log Φ(z), φ/Φ: computed with 60 digits (mpmath). */
const GOLDEN: readonly (readonly [number, number, number, number, number, number])[] = [
  [-40, -808.29856835662, 40.04990665764852, 1602.9962663059407, -804.6084420137538, 40.02496884720726],
  [-20, -206.9178385094251, 20.099262811101283, 402.9852562220256, -203.91715537109727, 20.049753068527853],
  [-10, -55.55312203612235, 10.194383033412553, 102.94383033412554, -53.23128515051247, 10.098093233962512],
  [-5, -16.74430116266099, 5.361816241288088, 27.809081206440442, -15.064998393988725, 5.186503967125842],
  [-3, -7.869686059603029, 3.5323375176251606, 11.597012552875482, -6.607726221510349, 3.2830986549304364],
  [-2.000001, -4.768786203334408, 2.6794177043966942, 6.358838088211093, -3.783186706898008, 2.37321641854377],
  [-1.999999, -4.7687808445006405, 2.6794160635145543, 6.3588294476130445, -3.7831819604669423, 2.373214647101971],
  [-1, -2.4851210257126413, 1.9042712333296918, 2.9042712333296916, -1.8410216450092636, 1.525135276160981],
  [0, -0.9189385332046728, 1.2533141373155003, 1, -Math.LN2, 0.7978845608028654],
  [1, 0.08002621884930694, 0.7766387252017393, 0.22336127479826073, -0.17275377902344988, 0.2875999709391784],
  [2.000001, 0.6973840323474423, 0.48655910892674425, 0.026881295587402487, -0.023012854081157576, 0.0552477491310304],
  [5, 1.6094379231264313, 0.19999994053122006, 2.9734389976756013e-7, -2.866516129637636e-7, 1.4867199409049056e-6],
  [10, Math.LN10, 0.1, 7.69459862670642e-24, -7.619853024160525e-24, 7.694598626706419e-23]
]

function isClose(found: number, wanted: number, precision: number): boolean {
  return Math.abs(found - wanted) <= precision * Math.max(1, Math.abs(wanted))
}

const COMPARISONS: readonly Comparison[] = ['difference', 'difference', 'equality']

function randomData(seed: number, count: number): Data {
  const draw = drawsOf(seed)
  const points = Array.from({ length: count }, () => Float64Array.of(draw(), draw(), Math.floor(draw() * 3)))
  const values = Float64Array.from(points, ([x = 0, y = 0, c = 0]) => Math.sin(5 * x) + y * y + 0.3 * c)
  return { comparisons: COMPARISONS, points, values }
}

function randomHyperparameters(seed: number): Hyperparameters {
  const draw = drawsOf(seed + 5000)
  const between = (low: number, high: number) => Math.exp(Math.log(low) + draw() * Math.log(high / low))
  return {
    weights: Float64Array.from(COMPARISONS, () => between(0.05, 30)),
    amplitude: between(0.1, 5),
    trend: between(0.1, 5),
    noise: between(1e-3, 0.3)
  }
}

/** Central differences of a function at a point. */
function slopesBy(value: (x: Vector) => number, at: Vector, width = 1e-5): Vector {
  return at.map((_, d) => {
    const [up, down] = [Float64Array.from(at), Float64Array.from(at)]
    up[d] = (at[d] as number) + width
    down[d] = (at[d] as number) - width
    return (value(up) - value(down)) / (2 * width)
  })
}

const seeds = fc.integer({ min: 0, max: 1e6 })

t.test('golden: logarithms of the expected improvement and of the normal tail, with slopes', async t => {
  for (const [z, log, slope, spread, logPhi, hazard] of GOLDEN) {
    const improvement = logImprovement(z)
    const found = [improvement.log, improvement.slope, improvement.spread, logCdf(z).log, logCdf(z).slope]
    const wanted = [log, slope, spread, logPhi, hazard]
    t.ok(
      found.every((each, i) => isClose(each, wanted[i] ?? 0, 1e-12)),
      `z = ${z}: ${found}`
    )
  }
  t.ok(Number.isFinite(logImprovement(-1e9).log) && Number.isFinite(logImprovement(1e9).log))
})

t.test('a factor gives its matrix back, and an inverse times the matrix is 1', async t => {
  const matrix: Rows = [Float64Array.of(4), Float64Array.of(2, 3), Float64Array.of(-1, 0.5, 5)]
  const factor = cholesky(matrix) ?? []
  const entry = (i: number, j: number) => matrix[Math.max(i, j)]?.[Math.min(i, j)] ?? Number.NaN
  const b = Float64Array.of(1, -2, 3)
  const x = solve(factor, b)
  for (const [i, row] of inverse(factor).entries()) {
    const whole = Float64Array.from([0, 1, 2], j => entry(i, j))
    t.ok(isClose(dot(whole, x), b[i] ?? 0, 1e-12))
    for (const j of [0, 1, 2]) {
      const column = Float64Array.from([0, 1, 2], k => entry(k, j))
      t.ok(isClose(dot(row, column), Number(i === j), 1e-12))
      const below = Math.min(i, j) + 1
      const [left, right] = [factor[i] ?? new Float64Array(), factor[j] ?? new Float64Array()]
      t.ok(isClose(dot(left, right, below), entry(i, j), 1e-12))
    }
  }
  t.equal(cholesky([Float64Array.of(1), Float64Array.of(2, 1)]), undefined, 'not positive definite')
  t.equal(cholesky([Float64Array.of(Number.NaN)]), undefined)
})

t.test('a covariance is positive definite for any points, equal ones too', async () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 1, max: 30 }), (seed, count) => {
      const { points } = randomData(seed, count)
      const noise = { ...randomHyperparameters(seed), noise: 1e-6 }
      return cholesky(covariance(COMPARISONS, noise, [...points, ...points])) !== undefined
    }),
    { numRuns: 100 }
  )
})

t.test('slopes are those of finite differences: of the likelihood, the posterior, the acquisition', async () => {
  fc.assert(
    fc.property(seeds, seed => {
      const data = randomData(seed, 12)
      const hyperparameters = randomHyperparameters(seed)
      const { weights, amplitude, trend, noise } = hyperparameters
      const theta = Float64Array.from([...weights, amplitude, trend, noise], Math.log)
      const at = (x: Vector) => {
        const [amplitude = 0, trend = 0, noise = 0] = x.slice(3).map(Math.exp)
        return { weights: x.slice(0, 3).map(Math.exp), amplitude, trend, noise }
      }
      const likelihood = negativeLogPosterior(data, hyperparameters).gradient
      const byTheta = slopesBy(x => negativeLogPosterior(data, at(x)).value, theta)

      const gain = expectedImprovement(posteriorOf(data, hyperparameters), -0.5, noise)
      const fits = chanceToFit(posteriorOf({ ...data, values: data.values.map(Math.sign) }, hyperparameters))
      const acquisition = both(gain, fits)
      const point = Float64Array.of(0.31, 0.72, 1)
      const numeric = slopesBy(x => acquisition(x).value, point)
      // Categories have no slope.
      const gradient = acquisition(point).gradient()
      const isRight = [0, 1].every(d => isClose(gradient[d] ?? 0, numeric[d] ?? 1, 1e-4)) && gradient[2] === 0
      return isRight && likelihood.every((slope, i) => isClose(slope, byTheta[i] ?? 0, 1e-5))
    }),
    { numRuns: 60 }
  )
})

t.test('a posterior goes through points without noise, and knows nothing far from them', async t => {
  const data = randomData(3, 8)
  const hyperparameters = { weights: Float64Array.of(20, 20, 2), amplitude: 1, trend: 0, noise: 1e-9 }
  const posterior = posteriorOf(data, hyperparameters)
  for (const [i, point] of data.points.entries()) {
    const { mean, variance } = posterior.predict(point)
    t.ok(isClose(mean, data.values[i] ?? 0, 1e-5) && variance > 0 && variance < 1e-6)
  }
  const far = posterior.predict(Float64Array.of(100, 100, 0))
  t.ok(isClose(far.mean, 0, 1e-9) && isClose(far.variance, 1, 1e-9))
})

t.test('noise takes from a promise what one trial would not show of it, the more the more is known', async t => {
  const data = randomData(4, 12)
  const posterior = posteriorOf(data, { ...randomHyperparameters(4), noise: 1e-4 })
  const [known, unknown] = [data.points[0] ?? Float64Array.of(0, 0, 0), Float64Array.of(0.98, 0.02, 2)]
  const lost = (point: Vector, noise: number) =>
    expectedImprovement(posterior, 0, 0)(point).value - expectedImprovement(posterior, 0, noise)(point).value
  t.ok(isClose(lost(unknown, 1e-30), 0, 1e-9))
  const { variance } = posterior.predict(unknown)
  t.ok(isClose(lost(unknown, variance), -Math.log(1 - Math.SQRT1_2), 1e-9), 'noise as large as what is unknown')
  t.ok(lost(known, 0.1) > lost(unknown, 0.1))
})

t.test('a trend goes on where nothing was tried: a bowl is seen from one of its sides', async t => {
  const bowl = ([x = 0, y = 0]: Vector) => (x - 0.7) ** 2 + (y - 0.4) ** 2 + 0.5 * (x - 0.7) * (y - 0.4)
  const draw = drawsOf(7)
  const points = Array.from({ length: 20 }, () => Float64Array.of(draw() / 2, draw() / 2, 0))
  const data = { comparisons: COMPARISONS, points, values: Float64Array.from(points, bowl) }
  const known = { weights: Float64Array.of(1, 1, 1), amplitude: 1e-2, trend: 1, noise: 1e-6 }
  const [low, high] = [Float64Array.of(0.7, 0.4, 0), Float64Array.of(1, 1, 0)].map(posteriorOf(data, known).predict)
  t.ok(Math.abs(Number(low?.mean)) < 0.02 && Math.abs(Number(high?.mean) - bowl(Float64Array.of(1, 1))) < 0.1)
})

t.test('a fit finds which dimension matters, and is no less probable than what it began with', async t => {
  const { points } = randomData(1, 30)
  const data = { comparisons: COMPARISONS, points, values: Float64Array.from(points, ([x = 0]) => Math.sin(6 * x)) }
  const found = fit(data)
  const [x = 0, y = 0, c = 0] = found.weights
  t.ok(x > 10 * y && x > 10 * c, `${found.weights}`)
  const start = { weights: Float64Array.of(1, 1, 1), amplitude: 1, trend: 0.5, noise: 1e-2 }
  t.ok(negativeLogPosterior(data, found).value <= negativeLogPosterior(data, start).value)
  const nothing = fit({ comparisons: COMPARISONS, points: [], values: new Float64Array() })
  t.ok([...nothing.weights, nothing.amplitude, nothing.trend, nothing.noise].every(Number.isFinite))
})

t.test('minimise: the lowest point of a box, also where it lies on its edge', async t => {
  const valley = ([x = 0, y = 0]: Vector) => ({
    value: (1 - x) ** 2 + 100 * (y - x * x) ** 2,
    gradient: Float64Array.of(2 * (x - 1) - 400 * x * (y - x * x), 200 * (y - x * x))
  })
  const within = (high: number) => ({
    box: { low: Float64Array.of(-2, -2), high: Float64Array.of(high, high) },
    iterations: 200,
    tolerance: 1e-12
  })
  const inside = minimise(valley, Float64Array.of(-1.2, 1), within(2)).x
  t.ok(
    inside.every(each => isClose(each, 1, 1e-4)),
    `${inside}`
  )
  const edge = minimise(valley, Float64Array.of(-1.2, 0.5), within(0.5)).x
  t.ok(isClose(edge[0] ?? 0, 0.5, 1e-4) && isClose(edge[1] ?? 0, 0.25, 1e-4), `${edge}`)
})

t.test('losses: a cliff does not flatten the others, and what failed counts as the worst', async t => {
  const complete = (loss: number): Observation => ({ parameters: {}, state: 'complete', loss })
  const good = [1, 1.1, 1.2, 1.3, 1.4, 1.5].map(complete)
  const values = standardised([...good, complete(1e3), complete(1e300)]).map(Number)
  const [first = 0, second = 0] = values
  t.ok(second - first > 0.1, 'neighbours stay apart')
  t.equal(values.at(-1), values.at(-2), 'both are past the cliff')
  const others = standardised([
    ...good,
    { parameters: {}, state: 'stopped', loss: 1, step: 3 },
    { parameters: {}, state: 'diverged' },
    { parameters: {}, state: 'running' },
    { parameters: {}, state: 'infeasible' }
  ])
  const [stopped = 0, diverged = 0, running, infeasible] = others.slice(-4)
  t.same([running, infeasible], [undefined, undefined])
  t.ok(stopped >= Number(others[2]) && diverged >= Math.max(...others.slice(0, 6).map(Number)))
  t.same(standardised([complete(2), complete(2)]), [0, 0])
  t.same(standardised([]), [])
})

t.test('losses: finite and in order, for any finite losses', async () => {
  const losses = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(losses, unsorted => {
      const sorted = unsorted.sort((a, b) => a - b)
      const values = standardised(sorted.map(loss => ({ parameters: {}, state: 'complete', loss }))).map(Number)
      return values.every((value, i) => Number.isFinite(value) && value >= (values[i - 1] ?? value) - 1e-12)
    }),
    { numRuns: 500 }
  )
})

t.test('running trials change nothing of what is expected, and make it surer, most of all where they are', async () => {
  fc.assert(
    fc.property(seeds, seed => {
      const [data, hyperparameters] = [randomData(seed, 10), randomHyperparameters(seed)]
      const [running, elsewhere] = [Float64Array.of(0.9, 0.1, 2), Float64Array.of(0.4, 0.6, 0)]
      const [before, after] = [posteriorOf(data, hyperparameters), posteriorOf(data, hyperparameters, [running])]
      const isSurer = [running, elsewhere].every(point => {
        const [old, next] = [before.predict(point), after.predict(point)]
        return isClose(next.mean, old.mean, 1e-6) && next.variance <= old.variance * (1 + 1e-9)
      })
      const { noise } = hyperparameters
      return isSurer && after.predict(running).variance <= noise * (1 + 1e-6)
    }),
    { numRuns: 100 }
  )
})

t.test('any coordinates mean a configuration of the space, and it has them again', async () => {
  const coordinate = fc.double({ noNaN: true, min: -1, max: 3 })
  fc.assert(
    fc.property(fc.array(coordinate, { minLength: MIXED.length, maxLength: MIXED.length }), coordinates => {
      const { settled, parametersOf, pointOf } = embeddingOf(MIXED)
      const point = settled(Float64Array.from(coordinates))
      const parameters = parametersOf(point)
      const again = pointOf(parameters)
      return isIn(MIXED, parameters) && point.every((each, d) => isClose(again?.[d] ?? Number.NaN, each, 1e-9))
    }),
    { numRuns: 500 }
  )
})

/** What a made-up training of `MIXED` comes to: some diverge, some do not fit, some are stopped or go on. */
