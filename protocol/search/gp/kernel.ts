/**
 * Kernel: how alike two configurations are expected to do.
 *
 * Owns Matérn 5/2 with one weight for each dimension, beside a trend.
 * What it computes is recorded by the claimer, never recomputed for agreement.
 * Invariant: with any weights ≥ 0 the matrix of any points is positive semi-definite, since a point is a place in a
 * Euclidean space: a category is a corner of a simplex.
 */
import type { Rows, Vector } from './linear.js'
import type { Comparison } from './point.js'
import { type TrendPoint, trend, trendPoint } from './trend.js'

/** Hyperparameters: weights are inverse squared length scales; a loss is standardised, so all are near 1. */
export interface Hyperparameters {
  readonly weights: Vector
  readonly amplitude: number
  /** Size of the trend, beside the amplitude. */
  readonly trend: number
  /** Variance of the noise. */
  readonly noise: number
}

const ROOT_5 = Math.sqrt(5)

/** Returns the squared distance of two coordinates. Categories that differ are 1 apart. */
export function squaredDifference(comparison: Comparison, a: number, b: number): number {
  return comparison === 'equality' ? Number(a !== b) : (a - b) * (a - b)
}

/** Returns the sum of weighted squared distances. */
export function squaredDistance(comparisons: readonly Comparison[], weights: Vector, a: Vector, b: Vector): number {
  let sum = 0
  for (let d = 0; d < weights.length; d++) {
    const delta = (a[d] as number) - (b[d] as number)
    const isEquality = comparisons[d] === 'equality'
    sum += (weights[d] as number) * (isEquality ? (delta === 0 ? 0 : 1) : delta * delta)
  }
  return sum
}

/**
 * Returns Matérn 5/2 at a squared distance, and its derivative by the squared distance; both finite at 0.
 *
 * Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", eq. 4.17.
 */
export function matern(squared: number): { value: number; slope: number } {
  const root = ROOT_5 * Math.sqrt(squared)
  const decay = Math.exp(-root)
  return { value: (1 + root + (5 / 3) * squared) * decay, slope: (-5 / 6) * (1 + root) * decay }
}

/** Returns the lower triangle of the covariance of noisy losses at some points. */
export function covariance(
  comparisons: readonly Comparison[],
  { weights, amplitude, trend: size, noise }: Hyperparameters,
  points: readonly Vector[]
): Rows {
  const trends = points.map(point => trendPoint(comparisons, point))
  return points.map((a, i) => {
    const own = trends[i] as TrendPoint
    const row = new Float64Array(i + 1)
    for (let j = 0; j < i; j++) {
      const near = matern(squaredDistance(comparisons, weights, a, points[j] as Vector)).value
      row[j] = amplitude * near + size * trend(own, trends[j] as TrendPoint)
    }
    row[i] = amplitude + size * trend(own, own) + noise
    return row
  })
}
