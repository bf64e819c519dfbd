/**
 * Posterior: what the losses seen say about a configuration that was not tried.
 *
 * Owns the exact Gaussian process for given hyperparameters.
 * What it computes is recorded by the claimer, never recomputed for agreement.
 */
import { invariant } from '../../invariant.js'
import type { Data } from './fit.js'
import { type Comparison, covariance, type Hyperparameters, matern, squaredDistance } from './kernel.js'
import { addScaled, cholesky, dot, inverseOfLower, solve, type Vector } from './linear.js'

/** What is expected at a point: one mean for each of the posterior's series of values. */
export interface Prediction {
  readonly means: Vector
  /** Variance of the loss without noise; above 0. */
  readonly variance: number
  /** Returns how both change with the point. */
  slopes(): PredictionSlopes
}

/** How a prediction changes with each coordinate; 0 along categories. */
export interface PredictionSlopes {
  /** Of each series, the slopes of its mean. */
  readonly means: readonly Vector[]
  readonly variance: Vector
}

export interface Posterior {
  predict(point: Vector): Prediction
}

/** Relative to the amplitude: below it a variance is a rounding error. */
const VARIANCE_MIN = 1e-10

/**
 * Returns the posterior of one or several series of values at the same points.
 *
 * @param series  What was measured, or could have been: the variance is theirs in common.
 * Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", algorithm 2.1.
 */
export function posteriorOf(
  { comparisons, points }: Omit<Data, 'values'>,
  hyperparameters: Hyperparameters,
  series: readonly Vector[]
): Posterior {
  const { weights, amplitude } = hyperparameters
  const factor = cholesky(covariance(comparisons, hyperparameters, points))
  invariant(factor !== undefined, 'noise keeps a covariance positive definite')
  const alphas = series.map(values => solve(factor, values))
  const whitening = inverseOfLower(factor)
  return {
    predict(point) {
      // Asked thousands of times for each proposal: by index, as iterators cost more than what is computed.
      const squares = new Float64Array(points.length)
      const k = new Float64Array(points.length)
      for (let i = 0; i < points.length; i++) {
        squares[i] = squaredDistance(comparisons, weights, point, points[i] as Vector)
        k[i] = amplitude * matern(squares[i] as number).value
      }
      const white = new Float64Array(k.length)
      for (let i = 0; i < k.length; i++) white[i] = dot(whitening[i] as Vector, k, i + 1)
      return {
        means: Float64Array.from(alphas, alpha => dot(alpha, k)),
        variance: Math.max(VARIANCE_MIN * amplitude, amplitude - dot(white, white)),
        slopes() {
          // K⁻¹ k = L⁻ᵀ L⁻¹ k
          const v = new Float64Array(k.length)
          for (const [i, row] of whitening.entries()) addScaled(v, white[i] as number, row, i + 1)
          const bySquared = squares.map(squared => amplitude * matern(squared).slope)
          const along = (factors: Vector) => slopesAlong({ comparisons, weights, points, point, factors })
          return {
            means: alphas.map(alpha => along(bySquared.map((slope, i) => slope * (alpha[i] as number)))),
            variance: along(bySquared.map((slope, i) => -2 * slope * (v[i] as number)))
          }
        }
      }
    }
  }
}

/** Returns the sum over the points of a factor times the slopes of the squared distance. */
function slopesAlong({
  comparisons,
  weights,
  points,
  point,
  factors
}: {
  comparisons: readonly Comparison[]
  weights: Vector
  points: readonly Vector[]
  point: Vector
  factors: Vector
}): Vector {
  // Σ f (x - x_i) = x Σ f - Σ f x_i
  const sum = new Float64Array(point.length)
  let total = 0
  for (const [i, each] of points.entries()) {
    addScaled(sum, factors[i] as number, each)
    total += factors[i] as number
  }
  return sum.map((each, d) =>
    comparisons[d] === 'equality' ? 0 : 2 * (weights[d] as number) * (total * (point[d] as number) - each)
  )
}
