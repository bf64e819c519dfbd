/**
 * Fit: the hyperparameters that explain some losses best.
 *
 * Owns the likelihood, its slopes and what is believed beforehand.
 * What it computes is recorded by the claimer, never recomputed for agreement.
 * Invariant: a function of the points and values alone, so that nothing must be kept between two proposals.
 */
import { type Comparison, type Hyperparameters, matern, squaredDifference } from './kernel.js'
import { cholesky, dot, inverse, type Rows, solve, type Vector } from './linear.js'
import { minimise, type Sloped } from './minimise.js'

/** Points and what was measured there: standardised, one value for each point. */
export interface Data {
  readonly comparisons: readonly Comparison[]
  readonly points: readonly Vector[]
  readonly values: Vector
}

const ITERATIONS = 25
const TOLERANCE = 1e-3
/** Bounds of the hyperparameters: of the weights, the amplitude, the noise. */
const WEIGHT = { low: 1e-4, high: 1e4, start: 1 }
const AMPLITUDE = { low: 1e-2, high: 1e2, start: 1 }
/** The lowest keeps the matrix well-conditioned: 2e8 at the worst for 200 points. */
const NOISE = { low: 1e-6, high: 1, start: 1e-2 }
const LOG_TWO_PI = Math.log(2 * Math.PI)

/** Returns the most probable hyperparameters; what is believed beforehand where there is no point. */
export function fit(data: Data): Hyperparameters {
  const dimensions = data.comparisons.length
  const each = (key: 'low' | 'high' | 'start') =>
    Float64Array.from([...data.comparisons.map(() => WEIGHT[key]), AMPLITUDE[key], NOISE[key]], Math.log)
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
    noise: values[dimensions + 1] as number
  }
}

/** Of each dimension, the squared differences of all pairs i > j, in the order of i, then j. */
type Pairs = readonly Vector[]

function pairsOf({ comparisons, points }: Data): Pairs {
  return comparisons.map((comparison, d) => {
    const squares = new Float64Array((points.length * (points.length - 1)) / 2)
    let pair = 0
    for (const [i, a] of points.entries()) {
      for (let j = 0; j < i; j++) {
        squares[pair++] = squaredDifference(comparison, a[d] as number, (points[j] as Vector)[d] as number)
      }
    }
    return squares
  })
}

function lossOf(data: Data, pairs: Pairs, hyperparameters: Hyperparameters): Sloped {
  const { weights, amplitude, noise } = hyperparameters
  const size = data.points.length
  const { values: correlations, slopes } = correlationsOf(pairs, weights, (size * (size - 1)) / 2)
  const factor = cholesky(rowsOf(correlations, amplitude, noise, size))
  if (!factor) return { value: Number.POSITIVE_INFINITY, gradient: new Float64Array(weights.length + 2) }
  const alpha = solve(factor, data.values)
  const precision = inverse(factor)
  let value = 0.5 * (dot(data.values, alpha) + size * LOG_TWO_PI)
  for (const [i, row] of factor.entries()) value += Math.log(row[i] as number)

  const gradient = new Float64Array(weights.length + 2)
  // dL/dK = (K⁻¹ - α αᵀ) / 2; each pair stands in both triangles.
  let byAmplitude = 0
  let byNoise = 0
  let pair = 0
  for (const [i, row] of precision.entries()) {
    const alphaI = alpha[i] as number
    for (let j = 0; j < i; j++, pair++) {
      const byK = (row[j] as number) - alphaI * (alpha[j] as number)
      byAmplitude += byK * (correlations[pair] as number)
      slopes[pair] = (slopes[pair] as number) * byK * amplitude
    }
    byNoise += 0.5 * ((row[i] as number) - alphaI * alphaI)
  }
  for (const [d, squares] of pairs.entries()) gradient[d] = (weights[d] as number) * dot(slopes, squares)
  gradient[weights.length] = amplitude * (byAmplitude + byNoise)
  gradient[weights.length + 1] = noise * byNoise
  return { value: value + addPrior(hyperparameters, gradient), gradient }
}

function correlationsOf(pairs: Pairs, weights: Vector, count: number): { values: Vector; slopes: Vector } {
  const values = new Float64Array(count)
  const slopes = new Float64Array(count)
  for (let pair = 0; pair < count; pair++) {
    let squared = 0
    for (let d = 0; d < weights.length; d++) squared += (weights[d] as number) * ((pairs[d] as Vector)[pair] as number)
    const at = matern(squared)
    values[pair] = at.value
    slopes[pair] = at.slope
  }
  return { values, slopes }
}

function rowsOf(correlations: Vector, amplitude: number, noise: number, size: number): Rows {
  let pair = 0
  return Array.from({ length: size }, (_, i) => {
    const row = new Float64Array(i + 1)
    for (let j = 0; j < i; j++) row[j] = amplitude * (correlations[pair++] as number)
    row[i] = amplitude + noise
    return row
  })
}

/**
 * Adds the slopes of the priors; returns the sum of their negative logarithms.
 *
 * Weights: exp(-0.1 (w + 1/w)), so that neither 0 nor infinity is believed without need. Amplitude: gamma(2, 1). Noise:
 * gamma(1.1, 30). Source: Optuna's `GPSampler` (optuna/_gp/prior.py).
 */
function addPrior({ weights, amplitude, noise }: Hyperparameters, gradient: Vector): number {
  let value = amplitude - Math.log(amplitude) + 30 * noise - 0.1 * Math.log(noise)
  for (const [d, weight] of weights.entries()) {
    value += 0.1 * (weight + 1 / weight)
    gradient[d] = (gradient[d] as number) + 0.1 * (weight - 1 / weight)
  }
  const at = weights.length
  gradient[at] = (gradient[at] as number) + amplitude - 1
  gradient[at + 1] = (gradient[at + 1] as number) + 30 * noise - 0.1
  return value
}
