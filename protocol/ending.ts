/**
 * Ending: what ends a sweep before all its trials are through.
 *
 * Owns its target, its budget and its wall time. Computed from the pool: a machine that knows of less goes on for
 * longer, so that machines which do not hear each other may overrun a budget by what they started meanwhile.
 */
import { signOf } from './early-stopping.js'
import type { Pool, Sweep } from './pool/pool.js'

interface Known {
  readonly entries: number
  readonly isReached: boolean
  readonly spentSeconds: number
}

const ends = new WeakMap<Sweep, Known>()

/** True once a completed trial has reached the sweep's target: then nothing of it needs to be trained any more. */
export function hasReachedTarget(pool: Pool, sweep: Sweep): boolean {
  return sweep.submission?.spec.metric.target !== undefined && knownOf(pool, sweep).isReached
}

/** True once the sweep has used what it may, of devices or of time: what runs goes on, nothing new begins. */
export function isSpent(pool: Pool, sweep: Sweep): boolean {
  const most = sweep.submission?.spec.budget?.gpuSeconds
  return isExpired(sweep) || (most !== undefined && knownOf(pool, sweep).spentSeconds >= most)
}

/** True once a machine whose clock said so has written that the sweep's wall time is over (rule E8). */
export function isExpired({ submission, expiry }: Sweep): boolean {
  return submission?.spec.wallTimeMs !== undefined && expiry !== undefined
}

/** Returns how long devices trained for the sweep so far, in seconds: all that counts against its budget. */
export function spentSecondsOf(pool: Pool, sweep: Sweep): number {
  return knownOf(pool, sweep).spentSeconds
}

/** Looked at anew only when the pool has changed. */
function knownOf(pool: Pool, sweep: Sweep): Known {
  const known = ends.get(sweep)
  if (known?.entries === pool.entries) return known
  const { target } = sweep.submission?.spec.metric ?? {}
  const sign = signOf(sweep)
  let [isReached, spentSeconds] = [false, 0]
  for (const { attempts, standing } of sweep.trials.values()) {
    const { value } = standing.result ?? {}
    if (target !== undefined && value !== undefined && sign * value <= sign * target) isReached = true
    for (const { results, releases } of attempts.values()) {
      for (const { seconds } of results.values()) spentSeconds += seconds
      for (const { seconds = 0 } of releases.values()) spentSeconds += seconds
    }
  }
  const found = { entries: pool.entries, isReached, spentSeconds }
  ends.set(sweep, found)
  return found
}
