/**
 * Posterior: what the losses seen say about a configuration that was not tried.
 *
 * Owns the exact Gaussian process for given hyperparameters.
 * What it computes is recorded by the claimer, never recomputed for agreement.
 */
import { invariant } from '../../invariant.js'
import type { Data } from './fit.js'
import { covariance, type Hyperparameters, matern, squaredDistance } from './kernel.js'
import { addScaled, cholesky, dot, solveLower, solveUpper, type Vector } from './linear.js'
import type { Comparison } from './point.js'
import { type TrendPoint, trend, trendPoint, trendSlopes } from './trend.js'

/** What is expected at a point. */
export interface Prediction {
  readonly mean: number
  /** Variance of the loss without noise; above 0. */
  readonly variance: number
  /** Returns how both change with the point. */
  slopes(): PredictionSlopes
}

/** How a prediction changes with each coordinate; 0 along categories. */
export interface PredictionSlopes {
  readonly mean: Vector
  readonly variance: Vector
}

export interface Posterior {
  predict(point: Vector): Prediction
}

/** Relative to the amplitude: below it a variance is a rounding error. */
const VARIANCE_MIN = 1e-10

/**
 * Returns what is expected after what was seen, and if each running trial comes to what is expected of it: the same
 * means, surer near them.
 *
 * To draw what they may come to, several times, looks further away and finds less with few trials: with eight of 50
 * running it left a quarter more to be gained on the fine-tunes of `npm run bench -- search`.
 * Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", algorithm 2.1; Ginsbourger, Le Riche and
 * Carraro, "Kriging is well-suited to parallelize optimization", 2010, 3.1.
 */
export function posteriorOf(
  { comparisons, points: seen, values }: Data,
  hyperparameters: Hyperparameters,
  running: readonly Vector[] = []
): Posterior {
  const { weights, amplitude, trend: size } = hyperparameters
  const points = [...seen, ...running]
  const factor = cholesky(covariance(comparisons, hyperparameters, points))
  invariant(factor !== undefined, 'noise keeps a covariance positive definite')
  // What is as expected is no surprise: of the running ones there is nothing to explain.
  const surprises = new Float64Array(points.length)
  surprises.set(solveLower(factor.slice(0, seen.length), values))
  const alpha = solveUpper(factor, surprises)
  const trends = points.map(point => trendPoint(comparisons, point))
  return {
    predict(point) {
      // Asked thousands of times for each proposal: by index, as iterators cost more than what is computed.
      const squares = new Float64Array(points.length)
      const k = new Float64Array(points.length)
      const own = trendPoint(comparisons, point)
      for (let i = 0; i < points.length; i++) {
        squares[i] = squaredDistance(comparisons, weights, point, points[i] as Vector)
        k[i] = amplitude * matern(squares[i] as number).value + size * trend(own, trends[i] as TrendPoint)
      }
      const white = solveLower(factor, k)
      const before = amplitude + size * trend(own, own)
      return {
        mean: dot(alpha, k),
        variance: Math.max(VARIANCE_MIN * amplitude, before - dot(white, white)),
        slopes() {
          // K⁻¹ k = L⁻ᵀ L⁻¹ k
          const v = solveUpper(factor, white)
          const bySquared = squares.map(squared => amplitude * matern(squared).slope)
          const along = (bySquared: Vector, byTrend: Vector) => {
            const sum = slopesAlong({ comparisons, weights, points, point, factors: bySquared })
            addScaled(sum, size, trendSlopes(own, trends, byTrend))
            return sum
          }
          const mean = along(
            bySquared.map((slope, i) => slope * (alpha[i] as number)),
            alpha
          )
          const variance = along(
            bySquared.map((slope, i) => -2 * slope * (v[i] as number)),
            v.map(each => -2 * each)
          )
          addScaled(variance, 2 * size, trendSlopes(own, [own], Float64Array.of(1)))
          return { mean, variance }
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
