/**
 * Curves: what a trial had reached at a step.
 *
 * Trials that report each 25 and each 50 steps meet at few common ones; so the value at a step is that of the last
 * report at or before it, and it is there only once the trial has come that far.
 */
import type { Compared, Progress, StoppingUnit } from './rule.js'

/** Returns the progress counted in a unit: with `reports` the first is at 1, the second at 2. */
export function countedIn(progress: Progress, unit: StoppingUnit): Progress {
  if (unit !== 'reports') return progress
  return { ...progress, reports: progress.reports.map(([, loss], n) => [n + 1, loss]) }
}

/** Returns the step of the last report; 0 before the first. */
export function lastStep({ reports }: Progress): number {
  return reports.at(-1)?.[0] ?? 0
}

/**
 * Returns the loss at a step; undefined when the trial has not come there, or had reported nothing until there.
 *
 * A loss that is not finite counts as +Infinity.
 */
export function lossAt(progress: Progress, step: number): number | undefined {
  if (lastStep(progress) < step) return undefined
  return known(progress.reports[countUntil(progress.reports, step) - 1]?.[1])
}

/** Returns the lowest loss up to a step, where `lossAt` has one. */
export function bestAt(progress: Progress, step: number): number | undefined {
  if (lossAt(progress, step) === undefined) return undefined
  return lowest(progress.reports.slice(0, countUntil(progress.reports, step)))
}

/** Returns the lowest loss of some reports; +Infinity without a finite one. */
export function lowest(reports: Progress['reports']): number {
  return reports.reduce((best, [, loss]) => Math.min(best, known(loss) ?? best), Number.POSITIVE_INFINITY)
}

/** Returns entries the best first. Trials break ties, so that every machine ranks alike. */
export function ranked(entries: readonly Compared[]): readonly Compared[] {
  // Two infinite values have no difference.
  return [...entries].sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : a.trial - b.trial))
}

/**
 * Returns the percentile of values in ascending order, interpolated linearly; undefined of none.
 *
 * @param share  From 0 to 1; 0.5 is the median.
 * Source: numpy.percentile, method `linear`.
 */
export function percentileOf(ascending: readonly number[], share: number): number | undefined {
  const position = share * (ascending.length - 1)
  const low = ascending[Math.floor(position)]
  const high = ascending[Math.ceil(position)]
  if (low === undefined || high === undefined) return undefined
  // Not low + part x difference: that may be more than a double holds.
  const part = position - Math.floor(position)
  return part === 0 ? low : low * (1 - part) + high * part
}

/** How many reports lie at or before a step, by bisection: curves are long, and each decision asks all of them. */
function countUntil(reports: Progress['reports'], step: number): number {
  let [low, high] = [0, reports.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((reports[middle]?.[0] ?? step) <= step) low = middle + 1
    else high = middle
  }
  return low
}

function known(loss: number | undefined): number | undefined {
  return loss === undefined || Number.isFinite(loss) ? loss : Number.POSITIVE_INFINITY
}
