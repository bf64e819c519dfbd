/**
 * Conflicts: two machines that train one trial at once, found out late (rule C5).
 *
 * Happens when a partition heals, or when a machine that was taken for dead comes back. Owns who gives way. Both sides
 * compute it from what both know: the claims, and how far each says that it is.
 * Invariant: of two machines with the same facts at most one gives way.
 */
import { idOf, LIMITS, type Pool, type RunningAttempt } from '#protocol'
import { type Charge, heardMachines, type Local } from './local.js'

/** How far an attempt is. `leftSeconds` is absent while nothing tells. */
interface Progress {
  readonly attempt: number
  readonly machine: string
  readonly seconds: number
  readonly leftSeconds?: number
  readonly share?: number
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
  return rivals(local, charge, nowMs).some(rival => givesWayTo(charge, own, rival))
}

function givesWayTo(charge: Charge, own: Progress, rival: Progress): boolean {
  const isOwnBehind = isBehind(charge, own, rival)
  if (hasBarelyBegun(isOwnBehind ? own : rival)) return isOwnBehind
  if (own.leftSeconds === undefined || rival.leftSeconds === undefined || isNearlyDone(own)) return false
  if (own.leftSeconds > LIMITS.conflictMargin * rival.leftSeconds) return true
  // What each says is a moment old: within the margin both would look slower to themselves, so the claim decides.
  return isOwnBehind && rival.leftSeconds <= LIMITS.conflictMargin * own.leftSeconds
}

function hasBarelyBegun({ seconds }: Progress): boolean {
  return seconds * 1000 < LIMITS.conflictMs
}

function isNearlyDone({ share = 0, leftSeconds = Number.POSITIVE_INFINITY }: Progress): boolean {
  return share >= LIMITS.conflictShareDone || leftSeconds * 1000 <= LIMITS.conflictMs
}

function ownProgress(local: Local, charge: Charge, nowMs: number): Progress {
  const seconds = (nowMs - charge.sinceMs) / 1000
  const { step, steps } = charge.latest ?? {}
  return { attempt: charge.attempt, machine: local.machine, seconds, ...estimate({ seconds, step, steps }) }
}

/** Machines heard now that say they run the same trial. */
function rivals(local: Local, charge: Charge, nowMs: number): Progress[] {
  return heardMachines(local, nowMs).flatMap(machine => {
    const running = local.peers.get(machine)?.beat.running ?? []
    return running
      .filter(each => each.sweep === charge.sweep && each.trial === charge.trial)
      .map(each => ({ attempt: each.attempt, machine, seconds: each.seconds, ...estimate(each) }))
  })
}

function estimate({
  seconds,
  step,
  steps
}: Pick<RunningAttempt, 'seconds'> & { step?: number | undefined; steps?: number | undefined }) {
  if (step === undefined || steps === undefined || step <= 0 || steps < step) return {}
  const share = step / steps
  return { share, leftSeconds: (seconds / share) * (1 - share) }
}

/** Orders rivals alike on both sides: by attempt, then by the hash of rule C3. */
function isBehind(charge: Charge, own: Progress, rival: Progress): boolean {
  if (own.attempt !== rival.attempt) return own.attempt > rival.attempt
  const weight = (machine: string) =>
    idOf('claim', { sweep: charge.sweep, trial: charge.trial, attempt: own.attempt, machine })
  return weight(own.machine) > weight(rival.machine)
}
