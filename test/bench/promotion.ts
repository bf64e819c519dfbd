/**
 * Promotion: which paused trial goes on to its next rung, where programs can pause and resume.
 *
 * The other kind of successive halving: nothing is stopped for good. Machines that hear of each other late would
 * promote the same trials, so each one promotes only what it ran itself (owner first): `mayLeave` says which.
 * Invariant: a trial is promoted once from each rung.
 */
import { ranked } from '../../protocol/stopping/curve.js'
import type { Compared } from '../../protocol/stopping/rule.js'

/**
 * Returns the trial to promote and the rung that it leaves; undefined when it is better to start a new trial.
 *
 * @param rungs     What was measured at each rung, the first rung first; entries of all machines.
 * @param eta       Reduction factor, more than 1: the best floor(n / eta) of a rung may go on.
 * @param mayLeave  True for a trial that may be promoted from a rung: it is paused there, and it is one's own.
 * @returns         The highest rung comes first, the best trial of it first.
 * Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, Algorithm 2.
 */
export function promotionOf(
  rungs: readonly (readonly Compared[])[],
  eta: number,
  mayLeave: (trial: number, rung: number) => boolean
): { readonly trial: number; readonly rung: number } | undefined {
  for (let rung = rungs.length - 1; rung >= 0; rung--) {
    const entries = rungs[rung] ?? []
    const best = ranked(entries)
      .slice(0, Math.floor(entries.length / eta))
      .find(({ trial, value }) => Number.isFinite(value) && mayLeave(trial, rung))
    if (best !== undefined) return { trial: best.trial, rung }
  }
  return undefined
}
