/**
 * Losses: what trials came to, on the scale that the Gaussian process learns from.
 *
 * Owns what becomes of the worst: a learning rate just below the one that diverges may give a loss of 1000, and must
 * not make all others look alike.
 * What it computes is recorded by the claimer, never recomputed for agreement.
 * Invariant: finite, and in the order of the losses up to ties at either end; of mean 0 and variance 1, unless all are
 * equal.
 */
import type { Observation } from '../dimension.js'
import { hasLoss } from '../order.js'

/**
 * In spreads from the median; above it in logarithms. Losses that are worse are all as bad: how bad says nothing of
 * where the best lie, and would have the process bend where nobody looks. What is far below all others is a broken
 * metric.
 */
const WORST = 2
const BEST = -20
/** What divergence counts as, where nothing worse was seen: one spread above the median. */
const DIVERGED_MIN = 1
/** Half of a normal distribution below the median reaches this many times as far at a tenth as at a quarter. */
const TENTH_BY_QUARTER = 1.9

/**
 * Returns the standardised loss of each observation, lower being better; undefined for what tells nothing of losses:
 * running and infeasible trials, and numbers that are none.
 *
 * Up to the median losses keep their distances, above it logarithms of them. A stopped trial counts as its last loss,
 * yet as no better than the median of the complete ones: it was stopped for being worse. A diverged one counts as the
 * worst.
 */
export function standardised(observations: readonly Observation[]): (number | undefined)[] {
  const complete = observations.flatMap(each => (each.state === 'complete' ? (lossOf(each) ?? []) : []))
  // A sweep may have nothing but stopped trials so far.
  const reference = complete.length > 0 ? complete : observations.flatMap(each => lossOf(each) ?? [])
  const warped = warpBy(reference.sort((a, b) => a - b))
  const median =
    complete.length > 0
      ? quantile(
          complete.sort((a, b) => a - b),
          0.5
        )
      : Number.NEGATIVE_INFINITY
  const values = observations.map(observation => {
    const loss = lossOf(observation)
    if (loss === undefined) return undefined
    return warped(observation.state === 'stopped' ? Math.max(loss, median) : loss)
  })
  const worst = Math.max(DIVERGED_MIN, ...values.flatMap(value => value ?? []))
  return scaled(values.map((value, i) => (observations[i]?.state === 'diverged' ? worst : value)))
}

/** Returns the loss of a trial that has one to learn from. */
export function lossOf(trial: Observation): number | undefined {
  return hasLoss(trial) ? trial.loss : undefined
}

function warpBy(sorted: readonly number[]): (loss: number) => number {
  const at = (share: number) => quantile(sorted, share)
  const median = at(0.5)
  // Halves, since a difference may be more than a double holds.
  const halfApart = (a: number, b: number) => a / 2 - b / 2
  const better = Math.max(halfApart(median, at(0.1)), halfApart(median, at(0.25)) * TENTH_BY_QUARTER)
  const spread = better || halfApart(at(1), median) || 1
  return loss => {
    const apart = halfApart(loss, median) / spread
    return apart <= 0 ? Math.max(BEST, apart) : Math.min(WORST, Math.log1p(apart))
  }
}

function scaled(values: readonly (number | undefined)[]): (number | undefined)[] {
  const known = values.flatMap(value => value ?? [])
  const mean = sumOf(known) / known.length
  const deviation = Math.sqrt(sumOf(known.map(value => (value - mean) ** 2)) / known.length) || 1
  return values.map(value => (value === undefined ? undefined : (value - mean) / deviation))
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}

/** Returns the quantile of a sorted list, between two of its numbers where it falls there; 0 of an empty one. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1)
  const [below, above] = [sorted[Math.floor(at)] ?? 0, sorted[Math.ceil(at)] ?? 0]
  const rest = at - Math.floor(at)
  return below * (1 - rest) + above * rest
}
