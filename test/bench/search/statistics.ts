/**
 * Statistics of runs: medians, and how far chance could have moved them.
 *
 * Owns no chance of its own: the same samples give the same band.
 */
import { drawOf } from '../ask-tell/session.js'

const RESAMPLES = 2000
/** What lies outside the band on either side. */
const TAIL = 0.025

export interface Estimate {
  readonly median: number
  /** The bootstrap 95 % band of the median. */
  readonly low: number
  readonly high: number
}

/** Returns the median; the mean of the two in the middle when the count is even; NaN without samples. */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => (a < b ? -1 : Number(a > b)))
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[Math.floor(sorted.length / 2)]]
  // Two infinite ones have no mean that a subtraction would find.
  return low === high ? (low ?? Number.NaN) : ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2
}

/** Returns the median and its band. Source: Efron, "Bootstrap Methods", 1979; percentiles of resampled medians. */
export function estimateOf(samples: readonly number[]): Estimate {
  const draw = drawOf(samples.length, 'bootstrap')
  const resampled = Array.from({ length: RESAMPLES }, () =>
    median(samples.map(() => samples[Math.floor(draw() * samples.length)] ?? Number.NaN))
  ).sort((a, b) => (a < b ? -1 : Number(a > b)))
  const at = (share: number) => resampled[Math.floor(share * (RESAMPLES - 1))] ?? Number.NaN
  return { median: median(samples), low: at(TAIL), high: at(1 - TAIL) }
}

/** Returns a number in three digits, as tables have it. */
export function inShort(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : '-'
}
