/**
 * What a sweep has taught: which parameters mattered, where the best trials lie, where trials fail, and what a next
 * sweep could be.
 *
 * Owns what is worth saying of it, and from how many trials on. Suggests, and changes nothing.
 * Invariant: the next sweep's named trials lie within its ranges.
 */
import { type MisleadingRung, misleadingRung } from '../early-stopping.js'
import { experienceOf } from '../experience.js'
import { canonicalJson } from '../hash.js'
import { LIMITS } from '../limits.js'
import { isUnplaceable } from '../placement/place.js'
import type { Pool, Sweep, Trial } from '../pool/pool.js'
import { satisfies } from '../search/constraint.js'
import type { Dimension, NumericDimension } from '../search/dimension.js'
import { dimensionsOf, isInSpace } from '../search/dimensions.js'
import { type Importance, importancesOf, TRIALS_MIN } from '../search/importance.js'
import { type BadEnd, badEndOf, type Narrowing, narrowingOf } from '../search/narrowing.js'
import { isOrdered } from '../search/order.js'
import { streamOf } from '../search/stream.js'
import { parametersOf, searchOf } from '../searches.js'
import type { Parameter, Parameters, SweepSpec } from '../sweep-spec.js'
import { type SweepState, sweepStateOf } from '../sweeps.js'
import { rankedTrials, rankingOf } from './ranking.js'

/** A parameter that decides less than this is not worth a narrower range. */
const SHARE_MIN = 0.1
/** The best tenth, and at least so many: two trials have no range. */
const [BEST_SHARE, BEST_MIN] = [0.1, 3]
/** Configurations that a next sweep begins with. */
const NAMED_TRIALS = 5

/** Where the best trials lie in the range of a parameter that matters. */
export interface RangeInsight extends Narrowing {
  readonly name: string
  readonly low: number
  readonly high: number
  readonly isLog: boolean
}

/** Trials that failed in one way, and the ends of ranges at which all did. */
export interface BadTrials {
  readonly trials: number
  /** Of so many that ended in any way. */
  readonly of: number
  readonly ends: readonly (BadEnd & { readonly name: string })[]
}

export interface InsightView {
  readonly sweep: string
  readonly name: string
  readonly state: SweepState
  readonly metric: { readonly name: string; readonly goal: 'minimize' | 'maximize' }
  readonly trials: {
    readonly total: number
    readonly complete: number
    readonly stoppedEarly: number
    /** Those that tell what mattered: completed, stopped early, or diverged. */
    readonly told: number
  }
  /** The best trials, equal configurations once; with several objectives some from all along the front. */
  readonly best: readonly { readonly trial: number; readonly value: number; readonly parameters: Parameters }[]
  /** The parameters by how much they decide; absent while there are too few trials to tell. */
  readonly importance?: readonly Importance[]
  /** Trials that importance takes. */
  readonly needed: number
  /** Of how many of the best trials the ranges are. */
  readonly bestTrials: number
  readonly ranges: readonly RangeInsight[]
  readonly warning?: MisleadingRung
  readonly diverged: BadTrials
  readonly outOfMemory: BadTrials
  /** The same sweep with narrowed ranges, the method that learns, and the best configurations first. */
  readonly next?: SweepSpec
}

/** Returns what a sweep has taught; nothing while its submission has not arrived. */
export function insightView(pool: Pool, sweep: Sweep): InsightView | undefined {
  const { submission } = sweep
  if (!submission) return undefined
  const { spec } = submission
  const space = dimensionsOf(spec)
  const ranked = rankedTrials(pool, sweep, LIMITS.trialsPerSweep)
  const experience = experienceOf(pool, sweep)
  const importance = importancesOf(space, experience, streamOf(sweep.id, 'importance'))
  const tenth = ranked.slice(0, Math.max(BEST_MIN, firstFrontOf(pool, sweep), Math.ceil(BEST_SHARE * ranked.length)))
  const best = distinctBest(pool, sweep, tenth)
  const ranges = rangesOf(sweep, space, importance ?? [], tenth)
  const warning = misleadingRung(sweep)
  return {
    sweep: sweep.id,
    name: spec.name,
    state: sweepStateOf(pool, sweep),
    metric: { name: spec.metric.name, goal: spec.metric.goal },
    trials: {
      total: searchOf(submission).trials,
      complete: ranked.length,
      stoppedEarly: [...sweep.trials.values()].filter(({ standing: { result } }) => isStopped(result)).length,
      told: experience.filter(isOrdered).length
    },
    best,
    ...(importance ? { importance } : {}),
    needed: TRIALS_MIN,
    bestTrials: tenth.length,
    ranges,
    ...(warning ? { warning } : {}),
    diverged: badTrials(sweep, space, ({ standing }) => standing.result?.class === 'diverged'),
    outOfMemory: badTrials(sweep, space, trial => hasNoRoom(pool, sweep, trial)),
    ...(best.length === 0 ? {} : { next: nextSweep(spec, ranges, { best, trials: searchOf(submission).trials }) })
  }
}

function isStopped(result: Trial['standing']['result']): boolean {
  return result?.class === 'stopped' && result.stop !== undefined
}

/** How many trials no other one beats, where there are several objectives: one end of them is not all that is good. */
function firstFrontOf(pool: Pool, sweep: Sweep): number {
  return rankingOf(pool, sweep).filter(({ front }) => front === 1).length
}

function distinctBest(pool: Pool, sweep: Sweep, ranked: readonly number[]): InsightView['best'] {
  const seen = new Set<string>()
  const distinct = ranked.flatMap(index => {
    const { result } = sweep.trials.get(index)?.standing ?? {}
    const text = canonicalJson(result?.parameters ?? {})
    if (result?.value === undefined || seen.has(text)) return []
    seen.add(text)
    return [{ trial: index, value: result.value, parameters: result.parameters }]
  })
  const front = Math.min(firstFrontOf(pool, sweep), distinct.length)
  if (front <= NAMED_TRIALS) return distinct.slice(0, NAMED_TRIALS)
  // By the first objective they go from one end of the front to the other.
  const places = Array.from({ length: NAMED_TRIALS }, (_, n) => Math.round((n * (front - 1)) / (NAMED_TRIALS - 1)))
  return places.flatMap(place => distinct[place] ?? [])
}

function rangesOf(
  sweep: Sweep,
  space: readonly Dimension[],
  importance: readonly Importance[],
  best: readonly number[]
): RangeInsight[] {
  return importance.flatMap(({ name, share }): RangeInsight[] => {
    const dimension = space.find(each => each.name === name)
    if (share < SHARE_MIN || dimension?.kind !== 'numeric') return []
    const values = best.flatMap(index => numberIn(sweep.trials.get(index)?.standing.result?.parameters, name))
    // What is there in few of the best only says little of where it should be.
    const narrowing = values.length < BEST_MIN ? undefined : narrowingOf(dimension, values)
    const { low, high, isLog } = dimension
    return narrowing ? [{ name, low, high, isLog, ...narrowing }] : []
  })
}

function numberIn(parameters: Parameters | undefined, name: string): number[] {
  const value = parameters?.[name]
  return typeof value === 'number' ? [value] : []
}

/** It ran out of memory at least once, or fits no device that is known. */
function hasNoRoom(pool: Pool, sweep: Sweep, { index, standing }: Trial): boolean {
  const ranOut = standing.failures.some(each => each.class === 'oom' && each.oom?.kind !== 'contention')
  return ranOut || (standing.phase === 'open' && isUnplaceable(pool, sweep, index))
}

function trainedWith(sweep: Sweep, { index, standing }: Trial): Parameters {
  return standing.result?.parameters ?? parametersOf(sweep, index)
}

function badTrials(sweep: Sweep, space: readonly Dimension[], isBad: (trial: Trial) => boolean): BadTrials {
  const tried = [...sweep.trials.values()]
    .map(trial => ({ trial, isBad: isBad(trial), parameters: trainedWith(sweep, trial) }))
    .filter(each => each.isBad || each.trial.standing.phase === 'done')
  const numeric = space.filter((each): each is NumericDimension => each.kind === 'numeric')
  const ends = numeric.flatMap(({ name }) => {
    const values = tried.flatMap(each => numberIn(each.parameters, name).map(value => ({ value, isBad: each.isBad })))
    const end = badEndOf(values, 2 * numeric.length)
    return end ? [{ name, ...end }] : []
  })
  return {
    trials: tried.filter(each => each.isBad).length,
    of: tried.length,
    ends: ends.sort((a, b) => b.trials - a.trials || (a.name < b.name ? -1 : 1))
  }
}

function nextSweep(
  spec: SweepSpec,
  ranges: readonly RangeInsight[],
  { best, trials }: { readonly best: InsightView['best']; readonly trials: number }
): SweepSpec {
  const narrowed = Object.entries(spec.parameters).map(([name, parameter]) => {
    const range = ranges.find(each => each.name === name)
    return [name, range ? narrowedTo(parameter, range) : parameter] as const
  })
  // A peer's record may say that it trained anything; a file names what the sweep could have had.
  const space = dimensionsOf(spec)
  const named = best
    .map(each => each.parameters)
    .filter(parameters => isInSpace({ spec, space }, parameters) && satisfies(spec, parameters))
  const { trials: _, ...rest } = spec
  const { onDuplicate } = spec
  const most = onDuplicate === 'replicate' ? LIMITS.trialsPerSweep : LIMITS.trialsWithHistory
  return {
    ...rest,
    name: nextName(spec.name),
    method: 'auto',
    parameters: Object.fromEntries(narrowed),
    ...(named.length === 0 ? {} : { trials: named }),
    runCap: Math.min(spec.runCap ?? trials, most)
  }
}

/** A distribution without ends is left as it is: it has its middle already. */
function narrowedTo(parameter: Parameter, { next, low, high }: RangeInsight): Parameter {
  if (!next || !('min' in parameter)) return parameter
  // An end that stays is the file's own, whatever its steps made of it.
  return {
    ...parameter,
    min: next.low === low ? parameter.min : next.low,
    max: next.high === high ? parameter.max : next.high
  }
}

/** `digits`, `digits-2`, `digits-3`: of two sweeps with one name the older one is hard to ask for. */
function nextName(name: string): string {
  const [, base = name, number = '1'] = /^(.*)-(\d{1,4})$/.exec(name) ?? []
  const ending = `-${Number(number) + 1}`
  return `${base.slice(0, LIMITS.nameChars - ending.length)}${ending}`
}
