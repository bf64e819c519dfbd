/**
 * Sweeps as people see them: how far, how good, what went wrong.
 */
import type { Pool, Result, Sweep } from '../pool/pool.js'
import { claimedTrials, isUnplaceable, type SweepState, searchOf, sweepStateOf, sweepsInOrder } from '../sweeps.js'
import type { Live } from './live.js'
import { rankedTrials, type TrialView, trialView } from './trial-view.js'

export interface SweepView {
  readonly sweep: string
  readonly name: string
  readonly state: SweepState
  readonly method: string
  readonly metric: { readonly name: string; readonly goal: 'minimize' | 'maximize' }
  readonly submittedBy: string
  /** Wall time of its author, ms since 1970. */
  readonly submittedAt: number
  readonly bundle: { readonly digest: string; readonly files: number; readonly bytes: number }
  readonly program: string
  /** What an attempt runs, macros unexpanded: approved together with the bundle. */
  readonly command: readonly string[]
  /** `failed` counts quarantined trials and those that fit no known device. */
  readonly trials: {
    readonly total: number
    readonly done: number
    readonly running: number
    readonly waiting: number
    readonly failed: number
  }
  readonly diverged: number
  /** Attempts whose work was lost or repeated: results beyond the first for a trial, and claims taken over. */
  readonly replicates: number
  readonly secondsTrained: number
  readonly best?: TrialView
  /** The latest failure, in the program's own words. */
  readonly lastFailure?: {
    readonly trial: number
    readonly machine: string
    readonly class: string
    readonly message: string
  }
  /** Machines here now that run it. */
  readonly runners: readonly string[]
}

/** Returns every sweep of the pool, the newest first. Sweeps that have not arrived yet are left out. */
export function sweepsView(pool: Pool, live: Live): SweepView[] {
  return sweepsInOrder(pool)
    .reverse()
    .flatMap(sweep => sweepView(pool, sweep, live) ?? [])
}

/** Returns one sweep; nothing while its submission has not arrived. */
export function sweepView(pool: Pool, sweep: Sweep, live: Live): SweepView | undefined {
  const { submission } = sweep
  if (!submission) return undefined
  const { spec, bundle } = submission
  const total = searchOf(submission).trials
  const results: Result[] = []
  const failures: Result[] = []
  let replicates = 0
  for (const { standing } of sweep.trials.values()) {
    if (standing.result) results.push(standing.result)
    replicates += standing.replicates.length
    failures.push(...standing.failures)
  }
  const unplaceable = [...sweep.byPhase.open].filter(index => isUnplaceable(pool, sweep.trials.get(index))).length
  const failed = sweep.byPhase.quarantined.size + unplaceable
  const done = doneCount(sweep)
  const running = claimedTrials(sweep).length
  const [best] = rankedTrials(pool, sweep, 1)
  const last = failures.sort((a, b) => a.clock - b.clock).at(-1)
  return {
    sweep: sweep.id,
    name: spec.name,
    state: sweepStateOf(pool, sweep),
    method: spec.method,
    metric: { name: spec.metric.name, goal: spec.metric.goal },
    submittedBy: pool.members.get(submission.member)?.name ?? submission.member.slice(0, 8),
    submittedAt: submission.at,
    bundle: { digest: bundle.digest, files: bundle.files, bytes: bundle.bytes },
    program: spec.program ?? spec.command.join(' '),
    command: spec.command,
    trials: { total, done, running, waiting: Math.max(0, total - done - running - failed), failed },
    diverged: results.filter(result => result.class === 'diverged').length,
    replicates,
    secondsTrained: [...results, ...failures].reduce((sum, result) => sum + result.seconds, 0),
    ...(best === undefined ? {} : { best: trialView(pool, sweep, best, live) }),
    ...(last
      ? {
          lastFailure: {
            trial: trialOf(sweep, last),
            machine: nameOf(pool, last.machine),
            class: last.class,
            message: last.message ?? ''
          }
        }
      : {}),
    runners: [...live.machines]
      .filter(([, machine]) => machine.beat.accepts.includes(sweep.id))
      .map(([, machine]) => machine.beat.name)
      .sort()
  }
}

/** Trials with a result, and those that reuse one (rule C10). */
function doneCount(sweep: Sweep): number {
  if (sweep.submission?.spec.onDuplicate !== 'reuse') return sweep.byPhase.done.size
  const search = searchOf(sweep.submission)
  let reused = 0
  for (let index = 0; index < search.trials; index++) {
    const of = search.trialAt(index)?.duplicateOf
    if (of !== undefined && sweep.byPhase.done.has(of)) reused++
  }
  return sweep.byPhase.done.size + reused
}

function trialOf(sweep: Sweep, result: Result): number {
  for (const trial of sweep.trials.values()) if (trial.standing.failures.includes(result)) return trial.index
  return -1
}

/** Returns a machine's name for people: as announced, else the start of its key. */
export function nameOf(pool: Pool, machine: string): string {
  return pool.machines.get(machine)?.name ?? machine.slice(0, 8)
}
