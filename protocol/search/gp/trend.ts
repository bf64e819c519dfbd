/**
 * Trend: how losses rise and fall over all of the space.
 *
 * Owns a polynomial of the second degree whose coefficients are unknown: bowls and slopes, the product of each two
 * numbers, and a step for each category. A kernel of distances must learn such a shape place by place; with 20 to 60
 * noisy trials in eight dimensions it never does. What that brings on the fine-tunes of `npm run bench -- search` is in
 * docs/testing.md.
 * What it computes is recorded by the claimer, never recomputed for agreement.
 * Invariant: the matrix of any points is positive semi-definite, since each term is a product of a feature with itself.
 * Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2.7, with a prior of finite width.
 */
import { dot, type Vector } from './linear.js'
import type { Comparison } from './point.js'

/** With numbers from -1 to 1, spread evenly: the features x and x² - 1/3 have variance 1, a product a third of it. */
const LINEAR = 3
const SQUARE = 45 / 4
const PRODUCT = 3
const CATEGORY = 1

/** A point as the trend sees it: all that it asks of one, so that it is computed once for each. */
export interface TrendPoint {
  /** From -1 to 1; 0 for categories. */
  readonly centred: Vector
  /** Squares of them, of mean 0 over a range; 0 for categories. */
  readonly curved: Vector
  readonly categories: Vector
}

/** Returns what the trend sees of a point. */
export function trendPoint(comparisons: readonly Comparison[], point: Vector): TrendPoint {
  const isCategory = (d: number) => comparisons[d] === 'equality'
  const centred = point.map((coordinate, d) => (isCategory(d) ? 0 : 2 * coordinate - 1))
  const curved = centred.map((each, d) => (isCategory(d) ? 0 : each * each - 1 / 3))
  return { centred, curved, categories: point.filter((_, d) => isCategory(d)) }
}

/** Returns the covariance of what the trend adds at two points, for a trend of unit size. */
export function trend(a: TrendPoint, b: TrendPoint): number {
  let products = 0
  let ofProducts = 0
  let squares = 0
  for (let d = 0; d < a.centred.length; d++) {
    const product = (a.centred[d] as number) * (b.centred[d] as number)
    products += product
    ofProducts += product * product
    squares += (a.curved[d] as number) * (b.curved[d] as number)
  }
  let equal = 0
  for (let c = 0; c < a.categories.length; c++) if (a.categories[c] === b.categories[c]) equal++
  // Of each two dimensions once: Σ_{i<j} p_i p_j = ((Σ p)² - Σ p²) / 2.
  const pairs = (products * products - ofProducts) / 2
  return (LINEAR * products + SQUARE * squares + PRODUCT * pairs + CATEGORY * equal) / Math.max(1, a.centred.length)
}

/** Returns the slopes at `a` of a sum of covariances with others, each times its factor; none along categories. */
export function trendSlopes(a: TrendPoint, others: readonly TrendPoint[], factors: Vector): Vector {
  const sum = new Float64Array(a.centred.length)
  for (let i = 0; i < others.length; i++) {
    const { centred, curved } = others[i] as TrendPoint
    const factor = factors[i] as number
    const products = dot(a.centred, centred)
    for (let d = 0; d < sum.length; d++) {
      const x = a.centred[d] as number
      const y = centred[d] as number
      const slope = LINEAR * y + 2 * SQUARE * x * (curved[d] as number) + PRODUCT * (products - x * y) * y
      sum[d] = (sum[d] as number) + factor * slope
    }
  }
  // A coordinate moves the number that is centred twice as far.
  return sum.map(each => (2 * each) / sum.length)
}
