/**
 * Fantasies: what trials that are still running may come to.
 *
 * Owns draws from the posterior at several points at once.
 * What it computes is recorded by the claimer, never recomputed for agreement.
 */

import { invariant } from '../../invariant.js'
import type { Draw } from '../dimension.js'
import type { Data } from './fit.js'
import { covariance, type Hyperparameters } from './kernel.js'
import { cholesky, dot, type Vector } from './linear.js'
import { gaussian } from './normal.js'

/**
 * Returns series of values at the points seen and those pending: measured at the former, in the order of `data`, then
 * drawn at the latter, each time anew. One series, without a draw, when nothing is pending.
 *
 * Source: Snoek, Larochelle and Adams, "Practical Bayesian Optimization of Machine Learning Algorithms", 2012, 3.2.
 */
export function fantasies(
  data: Data,
  hyperparameters: Hyperparameters,
  { pending, count, draw }: { pending: readonly Vector[]; count: number; draw: Draw }
): Vector[] {
  if (pending.length === 0) return [data.values]
  const factor = cholesky(covariance(data.comparisons, hyperparameters, [...data.points, ...pending]))
  invariant(factor !== undefined, 'noise keeps a covariance positive definite')
  return Array.from({ length: count }, () => {
    const values = new Float64Array(factor.length)
    // values = L z: what was measured tells the first z, chance the others.
    const z = new Float64Array(factor.length)
    for (const [i, row] of factor.entries()) {
      const measured = data.values[i]
      z[i] = measured === undefined ? gaussian(draw) : (measured - dot(row, z, i)) / (row[i] as number)
      values[i] = measured ?? dot(row, z, i + 1)
    }
    return values
  })
}
