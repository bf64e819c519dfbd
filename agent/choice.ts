/**
 * Choice: what an idle device chooses from.
 *
 * Owns the facts of one choice, and who may take part in it. How a trial is chosen stands in pick.ts (C1), reclaim.ts
 * (C6) and backup.ts (C11).
 */
import {
  type Device,
  demandFor,
  demandOf,
  environmentFailures,
  fitOfTrial,
  isUnderstood,
  isUnproposed,
  LIMITS,
  neededBytes,
  type Pool,
  parametersOf,
  proposalFor,
  type Standing,
  type Sweep
} from '#protocol'
import { activeMachines, attemptId, type Charge, isApproved, type Local } from './local.js'
import { unmet } from './requirements.js'
import type { Step } from './step.js'

/** The facts of one choice. */
export interface Choice {
  readonly pool: Pool
  readonly local: Local
  /** The running sweeps that this machine accepts, the oldest first. */
  readonly sweeps: readonly Sweep[]
  readonly device: Device
  /** True when other attempts run on the device, too. */
  readonly isShared: boolean
  /** Attempts that this machine has in hand or has chosen just now. */
  readonly taken: ReadonlySet<string>
  /** True when this machine trains a backup, or has chosen one just now. */
  readonly hasBackup: boolean
  readonly nowMs: number
}

/** True when this machine would run trials of the sweep: approved, all at hand, environment not known to fail. */
export function accepts(local: Local, sweep: Sweep): boolean {
  if (!sweep.submission) return false
  const { spec, bundle } = sweep.submission
  if (!isUnderstood(spec) || !isApproved(local, sweep.submission) || local.bundles.get(bundle.digest) !== 'ready')
    return false
  if (unmet(local, spec) !== undefined) return false
  return environmentFailures(sweep, local.machine) < LIMITS.environmentFailuresMax
}

/** Returns the other machines heard now that would run trials of the sweep, sorted. */
export function rivalsFor({ pool, local, nowMs }: Choice, sweep: Sweep): string[] {
  return activeMachines(pool, local, nowMs).filter(machine => local.peers.get(machine)?.beat.accepts.includes(sweep.id))
}

/** True when a trial fits the device now, this machine may try it, and its next attempt is nobody's here. */
export function fits({ pool, local, device, isShared, taken }: Choice, sweep: Sweep, trial: number): boolean {
  const standing = sweep.trials.get(trial)?.standing
  if (taken.has(attemptId(sweep.id, trial, nextAttempt(standing)))) return false
  // Where the machine's own memory ran out it would again, whatever the device.
  if (standing?.failures.some(each => each.machine === local.machine && each.oom?.kind === 'host')) return false
  // Beside others only what is known to have room does.
  if (isShared && demandOf(pool, sweep, trial, device).basis === 'unknown') return false
  return fitOfTrial(pool, sweep, trial, device).fits
}

/**
 * Returns the step that claims a trial for the device: its next attempt (C2). Nothing when the trial is to be proposed,
 * and there is nothing left that the device has room for.
 */
export function claim(
  choice: Choice,
  sweep: Sweep,
  trial: number,
  kind?: 'backup'
): (Step & { do: 'claim' }) | undefined {
  const { pool, local, device, nowMs } = choice
  const isNew = isUnproposed(sweep, trial)
  const parameters = isNew
    ? proposalFor(pool, sweep, { trial, machine: local.machine, device })
    : parametersOf(sweep, trial)
  if (!parameters) return undefined
  const attempt = nextAttempt(sweep.trials.get(trial)?.standing)
  const about = { sweep: sweep.id, trial, attempt }
  const backup = kind === 'backup' ? { backup: true as const } : {}
  const demand = isNew ? demandFor(pool, sweep, parameters, device) : demandOf(pool, sweep, trial, device)
  const promise = demand.basis === 'unknown' ? {} : { promisedBytes: neededBytes(demand) }
  const charge: Charge = {
    ...about,
    id: attemptId(sweep.id, trial, attempt),
    device: device.id,
    phase: 'claiming',
    sinceMs: nowMs,
    resume: false,
    ...promise,
    ...backup
  }
  return { do: 'claim', charge, draft: { kind: 'trial-claimed', ...about, device: device.id, parameters, ...backup } }
}

function nextAttempt(standing: Standing | undefined): number {
  return (standing?.attempt ?? 0) + 1
}
