/**
 * Reclaim: which trial of a silent machine a device takes over (rule C6).
 *
 * Silence counts on this machine's own clock, and only while it was awake and heard somebody: a machine that is cut off
 * itself must not take the others for dead.
 */
import { claimedTrials, type Held, LIMITS, patienceMs, type Standing, type Sweep } from '#protocol'
import { type Choice, fits } from './choice.js'
import { activeMachines, attemptId, isOut, type Local } from './local.js'

/** Returns the first trial of the sweep that nobody trains any more, as far as this machine can tell. */
export function abandonedTrial(choice: Choice, sweep: Sweep): number | undefined {
  const { pool, local, nowMs } = choice
  const leaseMs = sweep.submission?.spec.leaseMs ?? LIMITS.leaseMs
  const here = activeMachines(pool, local, nowMs)
  const near = activeMachines(pool, local, nowMs, Math.min(leaseMs, LIMITS.presenceAwayMs))
  const alive = trainedNow(local, sweep, here)
  return claimedTrials(sweep).find(trial => {
    const standing = sweep.trials.get(trial)?.standing
    if (!standing?.held || alive.has(trial)) return false
    return fits(choice, sweep, trial) && isSilent(choice, { sweep, trial, standing, near, leaseMs })
  })
}

/** Trials that somebody heard now says that it trains, by a claim of its own: not only the latest claim is alive. */
function trainedNow(local: Local, sweep: Sweep, machines: readonly string[]): ReadonlySet<number> {
  const trained = new Set<number>()
  for (const machine of machines) {
    for (const { sweep: id, trial, attempt } of local.peers.get(machine)?.beat.running ?? []) {
      const claimed = sweep.trials.get(trial)?.attempts.get(attempt)
      if (id === sweep.id && claimed?.claims.has(machine) && !claimed.releases.has(machine)) trained.add(trial)
    }
  }
  return trained
}

interface Claimed {
  readonly sweep: Sweep
  readonly trial: number
  readonly standing: Standing
  /** Machines heard within the lease. */
  readonly near: readonly string[]
  readonly leaseMs: number
}

/** True when whoever holds a trial, or backs it up, was silent for longer than its attempt's patience. */
function isSilent({ pool, local, nowMs }: Choice, { sweep, trial, standing, near, leaseMs }: Claimed): boolean {
  const holders = [standing.held, standing.backup].flatMap(held => (held ? [held] : []))
  if (holders.some(({ holder }) => holder === local.machine)) return false
  // A machine that was removed has no lease: it may train on, and what it writes never counts.
  const waitedFor = holders.filter(({ holder }) => !isOut(pool, holder))
  if (waitedFor.length === 0) return true
  const isIsolated = near.length === 0
  const heardMs = waitedFor.map(held => heardOfMs(local, held, { sweep: sweep.id, trial, nowMs }))
  const sinceMs = Math.max(...heardMs, local.steadySinceMs, isIsolated ? 0 : local.connectedSinceMs)
  return nowMs - sinceMs >= patienceMs(leaseMs, standing.attempt, isIsolated)
}

/**
 * When an attempt last gave a sign of life. Whoever is heard speaks for itself: what it does not name it does not have
 * in hand, since it lies, or knows of an end that never came here. Of whoever is not heard, any news will do.
 */
function heardOfMs(
  local: Local,
  { attempt, holder }: Held,
  { sweep, trial, nowMs }: { sweep: string; trial: number; nowMs: number }
): number {
  const signMs = local.signOfLifeMs.get(attemptId(sweep, trial, attempt)) ?? nowMs
  const { heardMs = 0 } = local.peers.get(holder) ?? {}
  if (nowMs - heardMs <= LIMITS.presenceAwayMs) return signMs
  return Math.max(signMs, heardMs, local.heardOfMs.get(holder) ?? 0)
}
