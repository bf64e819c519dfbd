/**
 * TPE, the Tree-structured Parzen Estimator: tries what good trials have in common and the others have not.
 *
 * Owns which trials count as good and how a proposal is chosen. Learns from an ask's observations alone and keeps
 * nothing. What is computed here is recorded by the claimer, never recomputed for agreement.
 * Invariant: a proposal has a value of each dimension that is present, and of no other.
 */
import type { Parameters } from '../sweep-spec.js'
import { drawCoordinate, valueAtCoordinate } from './coordinate.js'
import { type Draw, isPresent, type Observation, type Propose } from './dimension.js'
import type { Bandwidth } from './kernels.js'
import { columnsOf, type OccurrenceSet, occurrenceSets } from './occurrence.js'
import { compareTrials, hasLoss } from './order.js'
import { createParzenEstimator } from './parzen.js'

/** Each has the default of Optuna, except the bandwidth. */
export interface TpeOptions {
  /** Default: `optuna-4.9-multivariate`. */
  readonly bandwidth?: Bandwidth
  /** Ended trials before anything is learned from them; until then proposals are drawn independently. Default: 10. */
  readonly startUpTrials?: number
  /** Points drawn for each proposal, of which the best is taken. Default: 24. */
  readonly candidates?: number
  /** True of a configuration that a trial has. It is asked about whole proposals, best first. Default: none has. */
  readonly isTaken?: (parameters: Parameters) => boolean
}

export const START_UP_TRIALS = 10
const CANDIDATES = 24
/** Good trials: a share of those that ended, and never more than this. */
const BELOW_SHARE = 0.1
const BELOW_MAX = 25

/**
 * Returns TPE with some options.
 *
 * A proposal that is taken gives way to the next best one; where all candidates are taken, to an independent draw that
 * is not. When those are all taken as well the space is as good as used up: the best one comes back, taken as it is,
 * and it is for the caller to see that and to repeat, replace or end.
 *
 * Source: Bergstra et al., 2011; Watanabe, arXiv:2304.11127; optuna/samplers/_tpe with `multivariate`, `group` and
 * `constant_liar`. Unlike there, what has no loss (diverged, infeasible, stopped before a report) never counts as
 * good, however few good trials there are.
 */
export function proposeTpe(options: TpeOptions = {}): Propose {
  const { startUpTrials = START_UP_TRIALS, candidates = CANDIDATES, isTaken = () => false } = options
  return (space, observations, draw) => {
    const sets = occurrenceSets(space)
    const drawn = () => whole(sets, set => Float64Array.from(set.dimensions, each => drawCoordinate(each, draw)))
    const freeDraw = () =>
      firstFree(
        Array.from({ length: candidates }, () => drawn),
        isTaken
      )
    if (countOf(observations, hasEnded) < startUpTrials) return freeDraw() ?? drawn()
    const rankedOf = rankedPoints(splitTrials(observations), draw, options)
    const proposalAt = (place: number) => whole(sets, set => rankedOf(set)[place])
    const proposals = Array.from({ length: candidates }, (_, place) => () => proposalAt(place))
    return firstFree(proposals, isTaken) ?? freeDraw() ?? proposalAt(0)
  }
}

/** Trials that were trained, if only to learn that their parameters do not work. */
function hasEnded({ state }: Observation): boolean {
  return state === 'complete' || state === 'stopped' || state === 'diverged'
}

function countOf(observations: readonly Observation[], isCounted: (trial: Observation) => boolean): number {
  let count = 0
  for (const trial of observations) if (isCounted(trial)) count++
  return count
}

function firstFree(
  proposals: readonly (() => Parameters)[],
  isTaken: (parameters: Parameters) => boolean
): Parameters | undefined {
  for (const propose of proposals) {
    const parameters = propose()
    if (!isTaken(parameters)) return parameters
  }
  return undefined
}

/** Puts a proposal together: the sets in their order, since what one of them has decides which others are there. */
function whole(sets: readonly OccurrenceSet[], pointOf: (set: OccurrenceSet) => Float64Array | undefined): Parameters {
  let parameters: Parameters = {}
  for (const set of sets) {
    if (!isPresent(set, parameters)) continue
    const point = pointOf(set)
    const fields = set.dimensions.map((each, d) => [each.name, valueAtCoordinate(each, point?.[d] ?? 0)] as const)
    parameters = { ...parameters, ...Object.fromEntries(fields) }
  }
  return parameters
}

/**
 * Returns the function that gives the candidates of a set, best first: those that are likelier among the good trials
 * than among the others. A set is computed when it is first asked for.
 */
function rankedPoints(
  { below, above }: Split,
  draw: Draw,
  { bandwidth = 'optuna-4.9-multivariate', candidates = CANDIDATES }: TpeOptions
): (set: OccurrenceSet) => readonly Float64Array[] {
  const known = new Map<OccurrenceSet, readonly Float64Array[]>()
  const rank = (set: OccurrenceSet) => {
    const densityOf = (trials: readonly Observation[]) =>
      createParzenEstimator({ dimensions: set.dimensions, columns: columnsOf(set, trials), bandwidth })
    const [good, others] = [densityOf(below), densityOf(above)]
    const scored = Array.from({ length: candidates }, () => {
      const point = good.sample(draw)
      return { point, score: good.logDensity(point) - others.logDensity(point) }
    })
    return scored.sort((a, b) => b.score - a.score).map(({ point }) => point)
  }
  return set => {
    const ranked = known.get(set) ?? rank(set)
    known.set(set, ranked)
    return ranked
  }
}

/** The good trials, and all others with those that run: each in the order of the trials. */
export interface Split {
  readonly below: readonly Observation[]
  readonly above: readonly Observation[]
}

/**
 * Returns the good trials and the others.
 *
 * Equal ones go by age. Trials that run count as if they turned out badly, which keeps machines that propose at the
 * same time apart (constant liar).
 */
export function splitTrials(observations: readonly Observation[]): Split {
  const places = belowCount(countOf(observations, ({ state }) => state !== 'running'))
  const best: { readonly index: number; readonly trial: Observation }[] = []
  for (const [index, trial] of observations.entries()) {
    if (!hasLoss(trial)) continue
    // Few are good: to insert each costs less than to sort all.
    const place = best.findLastIndex(other => compareTrials(other.trial, trial) <= 0) + 1
    if (place >= places) continue
    best.splice(place, 0, { index, trial })
    best.length = Math.min(best.length, places)
  }
  const isGood = new Uint8Array(observations.length)
  for (const { index } of best) isGood[index] = 1
  const below = best.sort((a, b) => a.index - b.index).map(({ trial }) => trial)
  return { below, above: observations.filter((_, index) => isGood[index] === 0) }
}

/** Returns how many of some ended trials count as good: a tenth, rounded up, and at most 25. */
export function belowCount(ended: number): number {
  return Math.min(Math.ceil(BELOW_SHARE * ended), BELOW_MAX)
}
