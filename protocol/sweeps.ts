/**
 * Sweeps: what can be started next, and when a sweep is over.
 *
 * Computed from the pool, never stored in it. What is kept between calls (a cursor) only saves work: it can be thrown
 * away at any time.
 */
import { isFresh } from './claims.js'
import { hasReachedTarget, isSpent } from './ending.js'
import { LIMITS } from './limits.js'
import { observationsOf } from './placement/learned.js'
import { devicesIn, isHopeless, isUnplaceable } from './placement/place.js'
import type { Phase, Pool, Submission, Sweep } from './pool/pool.js'
import type { Search } from './search/search.js'
import { searchOf } from './searches.js'

/** `arriving`: records about it came before itself. `failed`: it failed from the start, so it was given up. */
export type SweepState = 'arriving' | 'running' | 'done' | 'stopped' | 'failed'

const hopes = new WeakMap<
  Sweep,
  { readonly tried: number; readonly told: readonly unknown[]; readonly isHopeful: boolean }
>()
const cursors = new WeakMap<Sweep, number>()

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
  return startableOf(sweep, 'open').filter(index => !isUnplaceable(pool, sweep, index))
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
  if (spec.onDuplicate !== 'reuse' || search.proposer) return search.has(index)
  const trial = search.trialAt(index)
  return trial !== undefined && trial.duplicateOf === undefined
}

/** Returns where a sweep stands. */
export function sweepStateOf(pool: Pool, sweep: Sweep): SweepState {
  if (!sweep.submission) return 'arriving'
  if (sweep.stop) return 'stopped'
  if (hasReachedTarget(pool, sweep)) return 'done'
  if (hasFailedFromTheStart(sweep)) return 'failed'
  const isBusy =
    startableIn(sweep, 'claimed').length > 0 ||
    (!isSpent(pool, sweep) &&
      (startableIn(sweep, 'open').some(index => !isUnplaceable(pool, sweep, index)) || hasHope(pool, sweep)))
  return isBusy ? 'running' : 'done'
}

/** True while a trial that nobody ever claimed may still be trained somewhere, as far as the pool has learned. */
function hasHope(pool: Pool, sweep: Sweep): boolean {
  // Looked for anew only when something changed that could tell otherwise: there may be a hundred thousand trials.
  const told = [observationsOf(pool, sweep, 'gpu'), observationsOf(pool, sweep, 'cpu'), devicesIn(pool)]
  const known = hopes.get(sweep)
  if (known?.tried === sweep.trials.size && known.told.every((each, at) => each === told[at])) return known.isHopeful
  const isHopeful = findHope(pool, sweep)
  hopes.set(sweep, { tried: sweep.trials.size, told, isHopeful })
  return isHopeful
}

function findHope(pool: Pool, sweep: Sweep): boolean {
  const isHoped = (index: number) => !isHopeless(pool, sweep, index)
  const first = freshTrials(sweep, LIMITS.openTrialsConsidered)
  if (first.some(isHoped)) return true
  return first.length === LIMITS.openTrialsConsidered && freshTrials(sweep, LIMITS.trialsPerSweep).some(isHoped)
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
