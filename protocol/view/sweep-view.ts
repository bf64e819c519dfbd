/**
 * Sweeps as people see them: how far, how good, what went wrong.
 */
import { hasReachedTarget, spentSecondsOf } from '../ending.js'
import { LIMITS } from '../limits.js'
import { isUnplaceable } from '../placement/place.js'
import { machineOf, type Pool, type Result, type Sweep } from '../pool/pool.js'
import { toldPosition } from '../position.js'
import { searchOf } from '../searches.js'
import type { SweepSpec } from '../sweep-spec.js'
import { claimedTrials, freshTrials, type SweepState, sweepStateOf, sweepsInOrder } from '../sweeps.js'
import type { Live } from './live.js'
import { rankedTrials } from './ranking.js'
import { type TrialView, trialView } from './trial-view.js'

export interface SweepView {
  readonly sweep: string
  readonly name: string
  readonly state: SweepState
  readonly method: string
  /** Its rule of early stopping; absent: none. */
  readonly stopping?: NonNullable<SweepSpec['stopping']>
  readonly metric: { readonly name: string; readonly goal: 'minimize' | 'maximize' }
  readonly furtherMetrics?: NonNullable<SweepSpec['furtherMetrics']>
  /** Objectives that completed trials never told, and how many: they count as the worst in these. */
  readonly untold: readonly { readonly name: string; readonly trials: number }[]
  readonly submittedBy: string
  /** Wall time of its author, ms since 1970. */
  readonly submittedAt: number
  readonly bundle: { readonly digest: string; readonly files: number; readonly bytes: number }
  readonly program: string
  /** What an attempt runs, macros unexpanded: approved together with the bundle. */
  readonly command: readonly string[]
  /**
   * `done` counts trials that were trained to an end, and those that reuse one. `stopped`: the sweep was stopped while
   * they ran, or its rule stopped them early. `failed`: in quarantine, or they fit no known device.
   */
  readonly trials: {
    readonly total: number
    readonly done: number
    readonly stopped: number
    readonly running: number
    readonly waiting: number
    readonly failed: number
  }
  /** Trials that fit no known device, the first of them; `failed` counts them all. */
  readonly unplaceable: readonly number[]
  /** What its rule counts in and no completed trial ever told, so that it stops nothing. */
  readonly untoldUnit?: 'epochs' | 'tokens'
  /** How many of the stopped ones the sweep's rule of early stopping ended. */
  readonly stoppedEarly: number
  readonly diverged: number
  /** The value that ends the sweep, and whether a trial has reached it. */
  readonly target?: { readonly value: number; readonly isReached: boolean }
  /** Seconds of devices that the sweep may use, and those that count against it so far. */
  readonly budget?: { readonly gpuSeconds: number; readonly spentSeconds: number }
  /** How long after it was submitted nothing new of the sweep begins; once that is over, whose machine said so. */
  readonly wallTime?: { readonly ms: number; readonly saidBy?: string }
  /** What was trained beside the results that count: see `repeatedIn`. */
  readonly repeated: Repeated
  /** All device time that is known of: of results, of failures, of what was repeated. */
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

/** Trainings of trials of which another training counts, and their device time. */
export interface Repeated {
  readonly attempts: number
  readonly seconds: number
}

/** Trials that fit nowhere are named up to so many. */
const UNPLACEABLE_SHOWN = 20

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
  for (const { standing } of sweep.trials.values()) {
    if (standing.result) results.push(standing.result)
    failures.push(...standing.failures)
  }
  const repeated = repeatedIn(sweep)
  const unplaceable = unplaceableIn(pool, sweep)
  const failed = sweep.byPhase.quarantined.size + unplaceable.length
  const { done, stopped } = endedIn(sweep)
  const running = claimedTrials(sweep).length
  const [best] = rankedTrials(pool, sweep, 1)
  const last = failures.sort((a, b) => a.clock - b.clock).at(-1)
  return {
    sweep: sweep.id,
    name: spec.name,
    state: sweepStateOf(pool, sweep),
    method: spec.method,
    ...(spec.stopping ? { stopping: spec.stopping } : {}),
    metric: { name: spec.metric.name, goal: spec.metric.goal },
    ...(spec.furtherMetrics ? { furtherMetrics: spec.furtherMetrics } : {}),
    untold: untoldIn(results, spec),
    ...untoldUnitIn(results, spec),
    submittedBy: memberName(pool, submission.member),
    submittedAt: submission.at,
    bundle: { digest: bundle.digest, files: bundle.files, bytes: bundle.bytes },
    program: spec.program ?? spec.command.join(' '),
    command: spec.command,
    trials: { total, done, stopped, running, waiting: Math.max(0, total - done - stopped - running - failed), failed },
    unplaceable: unplaceable.slice(0, UNPLACEABLE_SHOWN),
    stoppedEarly: results.filter(result => result.class === 'stopped' && result.stop).length,
    diverged: results.filter(result => result.class === 'diverged').length,
    ...endsOf(pool, sweep, spec),
    repeated,
    secondsTrained: secondsOf([...results, ...failures]) + repeated.seconds,
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

function untoldIn(results: readonly Result[], { furtherMetrics = [] }: SweepSpec): SweepView['untold'] {
  const complete = results.filter(result => result.class === 'complete')
  return furtherMetrics.flatMap(({ name }) => {
    const trials = complete.filter(({ metrics }) => !Object.hasOwn(metrics, name)).length
    return trials === 0 ? [] : [{ name, trials }]
  })
}

function untoldUnitIn(results: readonly Result[], { stopping }: SweepSpec): Pick<SweepView, 'untoldUnit'> {
  const { unit } = stopping ?? {}
  if (unit !== 'epochs' && unit !== 'tokens') return {}
  const complete = results.filter(result => result.class === 'complete')
  const isTold = complete.length === 0 || complete.some(({ metrics }) => toldPosition(unit, metrics) !== undefined)
  return isTold ? {} : { untoldUnit: unit }
}

/** What ends the sweep before all its trials are through. */
function endsOf(
  pool: Pool,
  sweep: Sweep,
  { metric, budget, wallTimeMs }: SweepSpec
): Pick<SweepView, 'target' | 'budget' | 'wallTime'> {
  const { target: value } = metric
  const { gpuSeconds } = budget ?? {}
  return {
    ...(value === undefined ? {} : { target: { value, isReached: hasReachedTarget(pool, sweep) } }),
    ...(gpuSeconds === undefined ? {} : { budget: { gpuSeconds, spentSeconds: spentSecondsOf(pool, sweep) } }),
    ...(wallTimeMs === undefined ? {} : { wallTime: { ms: wallTimeMs, ...saidBy(pool, sweep) } })
  }
}

function saidBy(pool: Pool, { expiry }: Sweep): { saidBy?: string } {
  return expiry === undefined ? {} : { saidBy: memberName(pool, expiry.member) }
}

/** Of those that nobody ever attempted the first ones are looked at: what fits nowhere is told before it is tried. */
function unplaceableIn(pool: Pool, sweep: Sweep): number[] {
  const open = [...sweep.byPhase.open, ...freshTrials(sweep, LIMITS.openTrialsConsidered)]
  return [...new Set(open)].filter(index => isUnplaceable(pool, sweep, index)).sort((a, b) => a - b)
}

/**
 * Returns what a sweep's machines trained of a trial beside the training that counts: replicates, attempts that lost a
 * late conflict (rule C5), and backups or what they backed up (rule C11), whichever was stopped.
 *
 * Trials are addressed by their index, so machines that are apart cannot train more of them than there are; they can
 * train the same ones twice. This is how often they did.
 */
export function repeatedIn(sweep: Sweep): Repeated {
  const replicates: number[] = []
  const givenBack: number[] = []
  for (const { standing, attempts } of sweep.trials.values()) {
    replicates.push(...standing.replicates.map(result => result.seconds))
    for (const { releases, results } of attempts.values()) {
      for (const { reason, machine, seconds = 0 } of releases.values())
        if (reason === 'lost-claim' && !results.has(machine)) givenBack.push(seconds)
    }
  }
  const all = [...replicates, ...givenBack]
  return { attempts: all.length, seconds: all.reduce((sum, seconds) => sum + seconds, 0) }
}

function secondsOf(results: readonly Result[]): number {
  return results.reduce((sum, result) => sum + result.seconds, 0)
}

/** Trials that were trained to an end, those that reuse one (rule C10), and those whose end was the sweep's. */
function endedIn(sweep: Sweep): { done: number; stopped: number } {
  const isStopped = (index: number) => sweep.trials.get(index)?.standing.result?.class === 'stopped'
  const stopped = [...sweep.byPhase.done].filter(isStopped).length
  const done = sweep.byPhase.done.size - stopped
  if (sweep.submission?.spec.onDuplicate !== 'reuse') return { done, stopped }
  const search = searchOf(sweep.submission)
  let reused = 0
  for (let index = 0; index < search.trials; index++) {
    const of = search.trialAt(index)?.duplicateOf
    if (of !== undefined && sweep.byPhase.done.has(of) && !isStopped(of)) reused++
  }
  return { done: done + reused, stopped }
}

function trialOf(sweep: Sweep, result: Result): number {
  for (const trial of sweep.trials.values()) if (trial.standing.failures.includes(result)) return trial.index
  return -1
}

function memberName(pool: Pool, member: string): string {
  return pool.members.get(member)?.name ?? member.slice(0, 8)
}

/** Returns a machine's name for people: as announced, else the start of its key. */
export function nameOf(pool: Pool, machine: string): string {
  return machineOf(pool, machine)?.name ?? machine.slice(0, 8)
}
