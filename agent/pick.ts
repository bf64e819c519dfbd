/**
 * Pick: which open trial a device takes (rule C1).
 *
 * Invariant: machines that hear each other and know the same take different trials, for each trial has one first
 * machine.
 */
import { freshTrials, LIMITS, rankOf, reopenedTrials, type Sweep } from '#protocol'
import { type Choice, fits, rivalsFor } from './choice.js'
import type { Local } from './local.js'

/** Returns the open trial for which the fewest other machines rank higher; equal ones in order. */
export function bestOpenTrial(choice: Choice, sweep: Sweep): number | undefined {
  const { pool, local } = choice
  const others = rivalsFor(choice, sweep)
  let best: { trial: number; rank: number } | undefined
  for (const trial of [...reopenedTrials(pool, sweep), ...freshTrials(sweep, LIMITS.openTrialsConsidered)]) {
    if (!fits(choice, sweep, trial) || isBetterElsewhere(local, sweep, trial, others)) continue
    const rank = rankOf({ sweep: sweep.id, trial, machine: local.machine }, others, best?.rank)
    if (!best || rank < best.rank) best = { trial, rank }
    // Nobody is before the first, and each rank costs a hash for every machine.
    if (rank === 0) break
  }
  return best?.trial
}

/** A machine at which the trial failed leaves it to one where it did not, if it hears one that could take it (C9). */
function isBetterElsewhere(local: Local, sweep: Sweep, trial: number, others: readonly string[]): boolean {
  const { failures = [], tooSmallBytes = 0 } = sweep.trials.get(trial)?.standing ?? {}
  const failedAt = new Set(failures.map(result => result.machine))
  if (!failedAt.has(local.machine)) return false
  return others.some(other => !failedAt.has(other) && hasRoom(local, other, tooSmallBytes))
}

/** True when another machine has a device that works and is larger than what was too small. */
function hasRoom(local: Local, machine: string, tooSmallBytes: number): boolean {
  const devices = local.peers.get(machine)?.beat.devices ?? []
  return devices.some(device => device.fault === undefined && device.memoryBytes > tooSmallBytes)
}
