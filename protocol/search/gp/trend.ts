/**
 * Trend: how losses rise and fall over all of the space.
 *
 * Owns a polynomial of the second degree whose coefficients are unknown: bowls and slopes, the product of each two
 * numbers, and a step for each category. A kernel of distances must learn such a shape place by place; with 20 to 60
 * noisy trials in eight dimensions it never does. With the trend beside it, it leaves a seventh less regret on the
 * fine-tunes of `npm run bench -- search`.
 * What it computes is recorded by the claimer, never recomputed for agreement.
 * Invariant: the matrix of any points is positive semi-definite, since each term is a product of a feature with itself.
 * Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2.7, with a prior of finite width.
 */
import type { Vector } from './linear.js'
import type { Comparison } from './point.js'

/** With numbers from -1 to 1, spread evenly: the features x and x² - 1/3 have variance 1, a product a third of it. */
const LINEAR = 3
const SQUARE = 45 / 4
const PRODUCT = 3
const CATEGORY = 1

/** Returns the covariance of what the trend adds at two points, for a trend of unit size. */
export function trend(comparisons: readonly Comparison[], a: Vector, b: Vector): number {
  let products = 0
  let ofProducts = 0
  let squares = 0
  let categories = 0
  for (let d = 0; d < a.length; d++) {
    if (comparisons[d] === 'equality') {
      if (a[d] === b[d]) categories++
      continue
    }
    const x = centred(a[d] as number)
    const y = centred(b[d] as number)
    products += x * y
    ofProducts += x * y * x * y
    squares += curved(x) * curved(y)
  }
  // Of each two dimensions once: Σ_{i<j} p_i p_j = ((Σ p)² - Σ p²) / 2.
  const pairs = (products * products - ofProducts) / 2
  return (LINEAR * products + SQUARE * squares + PRODUCT * pairs + CATEGORY * categories) / a.length
}

/** Returns the slopes of a sum of covariances with other points, each times its factor; none along categories. */
export function trendSlopes(
  comparisons: readonly Comparison[],
  a: Vector,
  others: readonly Vector[],
  factors: Vector
): Vector {
  const sum = new Float64Array(a.length)
  for (let i = 0; i < others.length; i++) {
    const b = others[i] as Vector
    let products = 0
    for (let d = 0; d < a.length; d++) {
      if (comparisons[d] !== 'equality') products += centred(a[d] as number) * centred(b[d] as number)
    }
    for (let d = 0; d < a.length; d++) {
      if (comparisons[d] === 'equality') continue
      const x = centred(a[d] as number)
      const y = centred(b[d] as number)
      const slope = LINEAR * y + 2 * SQUARE * x * curved(y) + PRODUCT * (products - x * y) * y
      sum[d] = (sum[d] as number) + (factors[i] as number) * slope
    }
  }
  // A coordinate moves the number that is centred twice as far.
  return sum.map(each => (2 * each) / a.length)
}

/** From -1 to 1. */
function centred(coordinate: number): number {
  return 2 * coordinate - 1
}

/** Of mean 0 over a range. */
function curved(x: number): number {
  return x * x - 1 / 3
}
