/**
 * Sweeps: what can be started next, and when a sweep is over.
 *
 * Computed from the pool, never stored in it. What is kept between calls (the search, a cursor) only saves work: it can
 * be thrown away at any time.
 */
import { isFresh } from './claims.js'
import { canonicalJson, digestOf } from './hash.js'
import { LIMITS } from './limits.js'
import type { Phase, Pool, Submission, Sweep, Trial } from './pool/pool.js'
import { createSearch, type Search } from './search/search.js'
import type { Parameters } from './sweep-spec.js'

/** `arriving`: records about it came before itself. `failed`: it failed from the start, so it was given up. */
export type SweepState = 'arriving' | 'running' | 'done' | 'stopped' | 'failed'

const searches = new WeakMap<Submission['spec'], Search>()
const cursors = new WeakMap<Sweep, number>()
const approvals = new WeakMap<object, string>()

/** Returns the search of a submitted sweep: the same object each time, since it remembers what it computed. */
export function searchOf(submission: Submission): Search {
  const known = searches.get(submission.spec)
  if (known) return known
  const search = createSearch(submission.spec)
  searches.set(submission.spec, search)
  return search
}

/** Returns a trial's parameters: as the search addresses them by index, whatever anybody claimed (rule C2). */
export function parametersOf(sweep: Sweep, index: number): Parameters {
  return (sweep.submission && searchOf(sweep.submission).trialAt(index)?.parameters) ?? {}
}

/**
 * Returns the next trials that nobody ever claimed, lowest index first.
 *
 * A trial that repeats an earlier configuration under `onDuplicate: reuse` is none of them (rule C10).
 */
export function freshTrials(sweep: Sweep, limit: number): number[] {
  const { submission } = sweep
  if (!submission) return []
  const search = searchOf(submission)
  const isNext = (index: number) => {
    const standing = sweep.trials.get(index)?.standing
    return isStartable(submission, search, index) && (standing === undefined || isFresh(standing))
  }
  let cursor = cursors.get(sweep) ?? 0
  while (cursor < search.trials && !isNext(cursor)) cursor++
  cursors.set(sweep, cursor)
  const fresh: number[] = []
  for (let index = cursor; index < search.trials && fresh.length < limit; index++) if (isNext(index)) fresh.push(index)
  return fresh
}

/** Returns the trials whose last attempt ended in nothing and that may be tried again, lowest index first. */
export function reopenedTrials(pool: Pool, sweep: Sweep): number[] {
  return startableOf(sweep, 'open').filter(index => !isUnplaceable(pool, sweep.trials.get(index)))
}

/** Returns the trials that are somebody's, lowest index first. */
export function claimedTrials(sweep: Sweep): number[] {
  return startableOf(sweep, 'claimed')
}

/** Any member can claim any index: one that the sweep would not start is nobody's work and holds nobody up. */
function startableOf(sweep: Sweep, phase: Phase): number[] {
  return startableIn(sweep, phase).sort((a, b) => a - b)
}

function startableIn(sweep: Sweep, phase: Phase): number[] {
  const { submission } = sweep
  if (!submission || sweep.byPhase[phase].size === 0) return []
  const search = searchOf(submission)
  return [...sweep.byPhase[phase]].filter(index => isStartable(submission, search, index))
}

/**
 * True for the trials that a sweep has, but for those that reuse another's result (rule C10). Only these need the
 * search, whose cost grows with the index: any member can claim the highest one.
 */
function isStartable({ spec }: Submission, search: Search, index: number): boolean {
  if (spec.onDuplicate !== 'reuse') return index < search.trials
  const trial = search.trialAt(index)
  return trial !== undefined && trial.duplicateOf === undefined
}

/**
 * Returns the name of what an owner approves: the bundle and the command that runs in it, not one without the other.
 *
 * With the digest alone whoever is in the pool could have another command run in files that were approved.
 */
export function approvalOf(submission: Pick<Submission, 'spec' | 'bundle'>): string {
  const known = approvals.get(submission)
  if (known !== undefined) return known
  const { spec, bundle } = submission
  const named = { bundle: bundle.digest, command: spec.command, program: spec.program ?? null }
  const approval = digestOf(canonicalJson(named))
  approvals.set(submission, approval)
  return approval
}

/** True when a trial ran out of memory on a device that no known device of the pool exceeds (rule C9). */
export function isUnplaceable(pool: Pool, trial: Trial | undefined): boolean {
  const floor = trial?.standing.tooSmallBytes ?? 0
  if (floor === 0) return false
  return ![...pool.machines.values()].some(machine => machine.devices.some(device => device.memoryBytes > floor))
}

/** Returns where a sweep stands. */
export function sweepStateOf(pool: Pool, sweep: Sweep): SweepState {
  if (!sweep.submission) return 'arriving'
  if (sweep.stop) return 'stopped'
  if (hasFailedFromTheStart(sweep)) return 'failed'
  const isBusy =
    freshTrials(sweep, 1).length > 0 ||
    startableIn(sweep, 'claimed').length > 0 ||
    startableIn(sweep, 'open').some(index => !isUnplaceable(pool, sweep.trials.get(index)))
  return isBusy ? 'running' : 'done'
}

/** A program that fails six times before it ever succeeded is broken; training on would burn friends' electricity. */
function hasFailedFromTheStart(sweep: Sweep): boolean {
  if (sweep.byPhase.done.size > 0) return false
  let failures = 0
  for (const phase of ['open', 'claimed', 'quarantined'] as const) {
    for (const index of sweep.byPhase[phase]) {
      failures +=
        sweep.trials.get(index)?.standing.failures.filter(each => each.class === 'error' || each.class === 'timeout')
          .length ?? 0
    }
  }
  return failures >= LIMITS.failuresToStopSweep
}

/** Returns how often a machine's own environment failed in a sweep: missing packages, no interpreter, a full disk. */
export function environmentFailures(sweep: Pick<Sweep, 'environmentFailures'>, machine: string): number {
  return sweep.environmentFailures.get(machine) ?? 0
}

/** Returns every sweep in the order in which they were submitted (rule F2), those still arriving last. */
export function sweepsInOrder(pool: Pool): Sweep[] {
  const key = (sweep: Sweep) => sweep.submission?.clock ?? Number.MAX_SAFE_INTEGER
  return [...pool.sweeps.values()].sort((a, b) => key(a) - key(b) || (a.id < b.id ? -1 : 1))
}
