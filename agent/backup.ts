/**
 * Backup: which slow attempt of another machine a device trains a second time (rule C11).
 *
 * Only what is left over is spent on it: no open trial, no silent machine's. At most one backup a trial, ever, and one
 * a machine at a time. Whose attempt it is trains on; the first complete result ends the trial.
 */
import {
  claimedTrials,
  type Device,
  expectedSeconds,
  fitOfTrial,
  isBackup,
  LIMITS,
  rankOf,
  type Sweep
} from '#protocol'
import { type Choice, fits, rivalsFor } from './choice.js'
import { activeMachines } from './local.js'
import { progressOf } from './progress.js'

/** A running attempt of another machine that holds its trial. */
interface Slow {
  readonly sweep: Sweep
  readonly trial: number
  readonly machine: string
  readonly leftSeconds: number
}

/** Returns the running attempt that needs longest and that this device would likely overtake; nothing without one. */
export function slowestWorthBacking(choice: Choice): { sweep: Sweep; trial: number } | undefined {
  if (choice.hasBackup) return undefined
  return slowAttempts(choice).find(slow => isFree(choice, slow) && isBestPlaced(choice, slow))
}

/** The longest first. One whose end nobody can tell is none of them. */
function slowAttempts(choice: Choice): Slow[] {
  const { pool, local, nowMs } = choice
  const machines = activeMachines(pool, local, nowMs)
  const slow = choice.sweeps.flatMap(sweep => {
    if (sweep.submission?.spec.backups === 'off' || sweep.byPhase.claimed.size === 0) return []
    const claimed = new Set(claimedTrials(sweep))
    return machines.flatMap(machine => slowIn(choice, sweep, machine).filter(({ trial }) => claimed.has(trial)))
  })
  // Sorting is stable: equal ones stay in the order of their sweeps and machines.
  return slow.sort((a, b) => b.leftSeconds - a.leftSeconds)
}

function slowIn({ local }: Choice, sweep: Sweep, machine: string): Slow[] {
  return (local.peers.get(machine)?.beat.running ?? []).flatMap(running => {
    const { trial, attempt } = running
    const held = sweep.trials.get(trial)?.standing.held
    if (running.sweep !== sweep.id || held?.holder !== machine || held.attempt !== attempt) return []
    const { leftSeconds = 0 } = progressOf(running)
    return leftSeconds * 1000 < LIMITS.backupMinLeftMs ? [] : [{ sweep, trial, machine, leftSeconds }]
  })
}

/** True when the trial never had a backup, fits the device, and did not fail here. */
function isFree(choice: Choice, { sweep, trial, machine }: Slow): boolean {
  const known = sweep.trials.get(trial)
  if (!known || !fits(choice, sweep, trial)) return false
  if (known.standing.failures.some(result => result.machine === choice.local.machine)) return false
  for (const { claims } of known.attempts.values()) for (const claim of claims.values()) if (claim.backup) return false
  // The log may lag: somebody may train it whose claim has not arrived.
  const { peers } = choice.local
  return ![...peers].some(
    ([other, { beat }]) =>
      other !== machine && beat.running.some(each => each.sweep === sweep.id && each.trial === trial)
  )
}

/** True when this device would overtake, and no idle device that this machine hears of would do so sooner. */
function isBestPlaced(choice: Choice, slow: Slow): boolean {
  const { local, device } = choice
  const own = secondsOn(choice, slow, [device])
  if (own === undefined) return false
  const equals: string[] = []
  for (const other of rivalsFor(choice, slow.sweep)) {
    const seconds = secondsAt(choice, slow, other)
    if (seconds === undefined || seconds > own) continue
    if (seconds < own) return false
    equals.push(other)
  }
  return rankOf({ sweep: slow.sweep.id, trial: slow.trial, machine: local.machine }, equals, 1) === 0
}

/** The seconds that another machine would need on a device that is idle; nothing where it would start no backup. */
function secondsAt(choice: Choice, slow: Slow, machine: string): number | undefined {
  const { pool, local } = choice
  const { devices, running } = local.peers.get(machine)?.beat ?? { devices: [], running: [] }
  const { failures = [] } = slow.sweep.trials.get(slow.trial)?.standing ?? {}
  if (failures.some(result => result.machine === machine)) return undefined
  if (running.some(each => isBackup(pool.sweeps.get(each.sweep), each, machine))) return undefined
  const busy = new Set(running.map(each => each.device))
  const idle = devices.filter(each => !busy.has(each.id) && fitOfTrial(pool, slow.sweep, slow.trial, each).fits)
  return secondsOn(choice, slow, idle)
}

/** The least that one of the devices would need, if it would likely overtake. Rests on trials that did complete. */
function secondsOn({ pool }: Choice, { sweep, leftSeconds }: Slow, devices: readonly Device[]): number | undefined {
  const expected = devices.flatMap(({ model }) => expectedSeconds(pool, sweep, model) ?? [])
  const least = Math.min(...expected)
  return LIMITS.backupMargin * least < leftSeconds ? least : undefined
}
