/**
 * Conflicts: two machines that train one trial at once, found out late (rule C5).
 *
 * Happens when a partition heals, or when a machine that was taken for dead comes back. Owns who gives way. Both sides
 * compute it from what both know: the claims, and how far each says that it is.
 * Invariant: of two machines with the same facts at most one gives way.
 */
import { claimOrder, isBackup, LIMITS, type Pool } from '#protocol'
import { activeMachines, type Charge, type Local } from './local.js'
import { type Progress, progressOf } from './progress.js'

/** One of those that train a trial. */
interface Side extends Progress {
  readonly attempt: number
  readonly machine: string
  readonly isBackup: boolean
}

/**
 * True when this machine should end an attempt, because it is better trained elsewhere or is trained already.
 *
 * Of two, the one behind is that of the later attempt (of one attempt: the larger hash, as in C3). While it has barely
 * begun, it gives way. Later the one that needs clearly longer does, and of two that need about as long the one behind.
 * Who is nearly done goes on: its result becomes a replicate.
 */
export function givesWay(pool: Pool, local: Local, charge: Charge, nowMs: number): boolean {
  const own = ownProgress(local, charge, nowMs)
  const result = pool.sweeps.get(charge.sweep)?.trials.get(charge.trial)?.standing.result
  if (result) return result.machine !== local.machine && !isNearlyDone(own)
  return rivals(pool, local, charge, nowMs).some(rival => givesWayTo(charge, own, rival))
}

function givesWayTo(charge: Charge, own: Side, rival: Side): boolean {
  if (own.isBackup !== rival.isBackup) return own.isBackup && isInVain(own, rival)
  const isOwnBehind = isBehind(charge, own, rival)
  if (hasBarelyBegun(isOwnBehind ? own : rival)) return isOwnBehind
  if (own.leftSeconds === undefined || rival.leftSeconds === undefined || isNearlyDone(own)) return false
  if (isSlower(own.leftSeconds, rival.leftSeconds)) return true
  // What each says is a moment old: within the margin both would look slower to themselves, so the claim decides.
  return isOwnBehind && !isSlower(rival.leftSeconds, own.leftSeconds)
}

/**
 * A backup was started beside an attempt that is alive, so neither gives way for being second (rule C11). Once it turns
 * out clearly slower than what it backs up, it trains in vain.
 */
function isInVain(backup: Side, original: Side): boolean {
  if (hasBarelyBegun(backup) || isNearlyDone(backup)) return false
  if (backup.leftSeconds === undefined || original.leftSeconds === undefined) return false
  return isSlower(backup.leftSeconds, original.leftSeconds)
}

function isSlower(leftSeconds: number, otherLeftSeconds: number): boolean {
  return leftSeconds > LIMITS.conflictMargin * otherLeftSeconds
}

function hasBarelyBegun({ seconds }: Progress): boolean {
  return seconds * 1000 < LIMITS.conflictMs
}

function isNearlyDone({ share = 0, leftSeconds = Number.POSITIVE_INFINITY }: Progress): boolean {
  return share >= LIMITS.conflictShareDone || leftSeconds * 1000 <= LIMITS.conflictMs
}

function ownProgress(local: Local, charge: Charge, nowMs: number): Side {
  const { step, steps } = charge.latest ?? {}
  const progress = progressOf({ seconds: (nowMs - charge.sinceMs) / 1000, step, steps })
  return { attempt: charge.attempt, machine: local.machine, isBackup: charge.backup === true, ...progress }
}

/** Machines heard now that say they run the same trial. */
function rivals(pool: Pool, local: Local, charge: Charge, nowMs: number): Side[] {
  const sweep = pool.sweeps.get(charge.sweep)
  return activeMachines(pool, local, nowMs).flatMap(machine => {
    const running = local.peers.get(machine)?.beat.running ?? []
    return running
      .filter(each => each.sweep === charge.sweep && each.trial === charge.trial)
      .map(each => ({
        attempt: each.attempt,
        machine,
        isBackup: isBackup(sweep, each, machine),
        ...progressOf(each)
      }))
  })
}

/** Orders rivals alike on both sides: by attempt, then by the hash of rule C3. */
function isBehind(charge: Charge, own: Side, rival: Side): boolean {
  if (own.attempt !== rival.attempt) return own.attempt > rival.attempt
  const weight = (machine: string) =>
    claimOrder({ sweep: charge.sweep, trial: charge.trial, attempt: own.attempt, machine })
  return weight(own.machine) > weight(rival.machine)
}
