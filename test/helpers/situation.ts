/**
 * Situations: what machine a knows at one moment, for tests of the plan.
 *
 * Owns no rule. Nothing happens by itself: a test says what is in the log, who is heard, and what is in hand.
 */
import { approvalOf, type Beat, type Draft, type Pool, type RunningAttempt, type SweepSpec } from '#protocol'
import { attemptId, type Charge, emptyLocal, type Local } from '../../agent/local.js'
import { plan } from '../../agent/plan.js'
import type { Step } from '../../agent/step.js'
import { BUNDLE, createWriter, foldAll, founded, keyOf, submission, sweepSpec } from './records.js'
import { GPU } from './virtual-pool.js'

export const NOW = 1e9
export const LEASE_MS = 60_000

/** Returns what machine a knows of a pool with one sweep of four trials: its device is idle, the bundle is at hand. */
export function situation(changes: Partial<SweepSpec> = {}) {
  const ann = founded()
  const draft = submission(sweepSpec({ leaseMs: LEASE_MS, ...changes }))
  ann.write(draft)
  const pool = foldAll(ann.entries)
  const local = emptyLocal(keyOf('a'), 'desk', 0)
  local.devices = [GPU]
  local.approved.add(approvalOf(draft))
  local.bundles.set(BUNDLE.digest, 'ready')
  const writers = { a: ann, b: createWriter('bo', 'b'), c: createWriter('cy', 'c') }
  const about = (trial: number, attempt = 1) => ({ sweep: draft.sweep, trial, attempt })
  const write = (by: keyof typeof writers, next: Draft) => void foldAll([writers[by].write(next, pool.clock + 1)], pool)
  return {
    pool,
    local,
    sweep: draft.sweep,
    about,
    write,
    claim: (by: keyof typeof writers, trial: number, attempt = 1, backup: { backup?: true } = {}) =>
      write(by, {
        kind: 'trial-claimed',
        ...about(trial, attempt),
        device: 'gpu0',
        parameters: { x: trial },
        ...backup
      }),
    hears: (name: string, changed: Partial<Beat> = {}, agoMs = 0) => hears(local, name, draft.sweep, changed, agoMs),
    /** A machine is heard that says how far it is with a trial. */
    trains: (name: string, trial: number, progress: Partial<RunningAttempt> = {}, agoMs = 0) => {
      const running = [{ ...about(trial), device: 'gpu0', seconds: 1, ...progress }]
      hears(local, name, draft.sweep, { running }, agoMs)
    }
  }
}

function hears(local: Local, name: string, sweep: string, changed: Partial<Beat>, agoMs: number): void {
  const beat = { name, devices: [GPU], accepts: [sweep], running: [], heard: {}, ...changed }
  local.peers.set(keyOf(name), { beat, heardMs: NOW - agoMs, roundTripMs: 10 })
}

/** Puts an attempt into the hands of machine a. */
export function occupy(
  local: Local,
  about: ReturnType<ReturnType<typeof situation>['about']>,
  phase: Charge['phase']
): Charge {
  const id = attemptId(about.sweep, about.trial, about.attempt)
  const charge: Charge = { ...about, id, device: GPU.id, phase, sinceMs: NOW - 60_000, resume: false }
  local.charges.set(charge.id, charge)
  return charge
}

/** Returns steps in short: `claim 2/1` is attempt 1 of trial 2, and `backup 2/2` a backup of it. */
export function inShort(steps: readonly Step[]): string[] {
  return steps.map(step => {
    if (step.do === 'fetch') return 'fetch'
    if (step.do === 'look') return `look for ${step.packages.join(' ')}`
    if (step.do !== 'append') {
      const what = step.do === 'claim' && step.charge.backup ? 'backup' : step.do
      return `${what} ${step.charge.trial}/${step.charge.attempt}`
    }
    const { draft } = step
    return draft.kind === 'trial-released' ? `release ${draft.trial}/${draft.attempt} ${draft.reason}` : draft.kind
  })
}
/** Returns what machine a would do, in short. */
export function planned(pool: Pool, local: Local, nowMs = NOW): string[] {
  return inShort(plan(pool, local, nowMs))
}
