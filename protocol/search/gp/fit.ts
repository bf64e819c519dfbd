/**
 * Fit: the hyperparameters that explain some losses best.
 *
 * Owns the likelihood, its slopes and what is believed beforehand.
 * What it computes is recorded by the claimer, never recomputed for agreement.
 * Invariant: a function of the points and values alone, so that nothing must be kept between two proposals.
 */
import { type Hyperparameters, matern, squaredDifference } from './kernel.js'
import { addScaled, cholesky, dot, inverse, type Rows, solve, type Vector } from './linear.js'
import { minimise, type Sloped } from './minimise.js'
import type { Comparison } from './point.js'
import { type TrendPoint, trend, trendPoint } from './trend.js'

/** Points and what was measured there: standardised, one value for each point. */
export interface Data {
  readonly comparisons: readonly Comparison[]
  readonly points: readonly Vector[]
  readonly values: Vector
}

const ITERATIONS = 25
const TOLERANCE = 1e-3
/** Bounds of the hyperparameters: of the weights, the amplitude, the trend, the noise. */
const WEIGHT = { low: 1e-4, high: 1e4, start: 1 }
const AMPLITUDE = { low: 1e-2, high: 1e2, start: 1 }
const TREND = { low: 1e-4, high: 10, start: 0.5 }
/** The lowest keeps the matrix well-conditioned: 2e8 at the worst for 200 points. */
const NOISE = { low: 1e-6, high: 1, start: 1e-2 }
/** The likeliest noise before anything is seen. */
export const NOISE_BELIEVED = 0.1 / 30
const LOG_TWO_PI = Math.log(2 * Math.PI)

/** Returns the most probable hyperparameters; what is believed beforehand where there is no point. */
export function fit(data: Data): Hyperparameters {
  const dimensions = data.comparisons.length
  const each = (key: 'low' | 'high' | 'start') =>
    Float64Array.from([...data.comparisons.map(() => WEIGHT[key]), AMPLITUDE[key], TREND[key], NOISE[key]], Math.log)
  const pairs = pairsOf(data)
  const { x } = minimise(theta => lossOf(data, pairs, hyperparametersOf(theta, dimensions)), each('start'), {
    box: { low: each('low'), high: each('high') },
    iterations: ITERATIONS,
    tolerance: TOLERANCE
  })
  return hyperparametersOf(x, dimensions)
}

/** Returns the negative logarithm of the posterior density, with slopes by the logarithms of the hyperparameters. */
export function negativeLogPosterior(data: Data, hyperparameters: Hyperparameters): Sloped {
  return lossOf(data, pairsOf(data), hyperparameters)
}

function hyperparametersOf(theta: Vector, dimensions: number): Hyperparameters {
  const values = theta.map(Math.exp)
  return {
    weights: values.subarray(0, dimensions),
    amplitude: values[dimensions] as number,
    trend: values[dimensions + 1] as number,
    noise: values[dimensions + 2] as number
  }
}

/** What no hyperparameter changes, of all pairs i > j in the order of i, then j. */
interface Pairs {
  /** Squared differences in each dimension. */
  readonly squares: readonly Vector[]
  readonly trends: Vector
  /** The trend of each point with itself. */
  readonly ownTrends: Vector
}

function pairsOf({ comparisons, points }: Data): Pairs {
  const trends = points.map(point => trendPoint(comparisons, point))
  const each = (value: (i: number, j: number) => number) => {
    const values = new Float64Array((points.length * (points.length - 1)) / 2)
    let pair = 0
    for (let i = 0; i < points.length; i++) for (let j = 0; j < i; j++) values[pair++] = value(i, j)
    return values
  }
  const at = (i: number, d: number) => points[i]?.[d] as number
  return {
    squares: comparisons.map((comparison, d) => each((i, j) => squaredDifference(comparison, at(i, d), at(j, d)))),
    trends: each((i, j) => trend(trends[i] as TrendPoint, trends[j] as TrendPoint)),
    ownTrends: Float64Array.from(trends, point => trend(point, point))
  }
}

function lossOf(data: Data, pairs: Pairs, hyperparameters: Hyperparameters): Sloped {
  const { weights, amplitude, trend: trendSize, noise } = hyperparameters
  const gradient = new Float64Array(weights.length + 3)
  const { values: correlations, slopes } = correlationsOf(pairs, weights)
  const factor = cholesky(rowsOf(correlations, pairs, hyperparameters))
  if (!factor) return { value: Number.POSITIVE_INFINITY, gradient }
  const alpha = solve(factor, data.values)
  const precision = inverse(factor)
  let value = 0.5 * (dot(data.values, alpha) + data.points.length * LOG_TWO_PI)
  for (const [i, row] of factor.entries()) value += Math.log(row[i] as number)

  // dL/dK = (K⁻¹ - α αᵀ) / 2; each pair stands in both triangles.
  let [byAmplitude, byTrend, byNoise] = [0, 0, 0]
  let pair = 0
  for (const [i, row] of precision.entries()) {
    const alphaI = alpha[i] as number
    for (let j = 0; j < i; j++, pair++) {
      const byK = (row[j] as number) - alphaI * (alpha[j] as number)
      byAmplitude += byK * (correlations[pair] as number)
      byTrend += byK * (pairs.trends[pair] as number)
      slopes[pair] = (slopes[pair] as number) * byK * amplitude
    }
    const byOwn = 0.5 * ((row[i] as number) - alphaI * alphaI)
    byTrend += byOwn * (pairs.ownTrends[i] as number)
    byNoise += byOwn
  }
  for (const [d, squares] of pairs.squares.entries()) gradient[d] = (weights[d] as number) * dot(slopes, squares)
  gradient[weights.length] = amplitude * (byAmplitude + byNoise)
  gradient[weights.length + 1] = trendSize * byTrend
  gradient[weights.length + 2] = noise * byNoise
  return { value: value + addPrior(hyperparameters, gradient), gradient }
}

function correlationsOf({ squares, trends }: Pairs, weights: Vector): { values: Vector; slopes: Vector } {
  const values = new Float64Array(trends.length)
  for (const [d, apart] of squares.entries()) addScaled(values, weights[d] as number, apart)
  const slopes = new Float64Array(trends.length)
  for (let pair = 0; pair < trends.length; pair++) {
    const at = matern(values[pair] as number)
    values[pair] = at.value
    slopes[pair] = at.slope
  }
  return { values, slopes }
}

function rowsOf(
  correlations: Vector,
  { trends, ownTrends }: Pairs,
  { amplitude, trend: size, noise }: Hyperparameters
): Rows {
  let pair = 0
  return Array.from(ownTrends, (own, i) => {
    const row = new Float64Array(i + 1)
    for (let j = 0; j < i; j++, pair++) {
      row[j] = amplitude * (correlations[pair] as number) + size * (trends[pair] as number)
    }
    row[i] = amplitude + size * own + noise
    return row
  })
}

/**
 * Adds the slopes of the priors; returns the sum of their negative logarithms.
 *
 * Weights: exp(-0.1 (w + 1/w)), so that neither 0 nor infinity is believed without need. Amplitude: gamma(2, 1). Noise:
 * gamma(1.1, 30). Source: Optuna's `GPSampler` (optuna/_gp/prior.py). Trend: gamma(2, 2), on average as large as the
 * amplitude at its likeliest.
 */
function addPrior({ weights, amplitude, trend: size, noise }: Hyperparameters, gradient: Vector): number {
  let value = amplitude - Math.log(amplitude) + 2 * size - Math.log(size) + 30 * noise - 0.1 * Math.log(noise)
  for (const [d, weight] of weights.entries()) {
    value += 0.1 * (weight + 1 / weight)
    gradient[d] = (gradient[d] as number) + 0.1 * (weight - 1 / weight)
  }
  const at = weights.length
  gradient[at] = (gradient[at] as number) + amplitude - 1
  gradient[at + 1] = (gradient[at + 1] as number) + 2 * size - 1
  gradient[at + 2] = (gradient[at + 2] as number) + 30 * noise - 0.1
  return value
}
