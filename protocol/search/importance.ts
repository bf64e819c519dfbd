/**
 * Importance: how much each parameter decides which trials are among the best, by PED-ANOVA.
 *
 * Owns the shares and how far chance alone would move them. They are shown and decide nothing; like what a search
 * computes they are recorded by the claimer, never recomputed for agreement, if they are recorded at all.
 * Invariant: the shares add up to 1, or are all 0 when no parameter sets the best trials apart.
 */
import type { Dimension, Draw, Observation, Space } from './dimension.js'
import { gridDensity, gridOf } from './grid-density.js'
import { compareTrials, isOrdered } from './order.js'

/** What one parameter decides, beside the others. */
export interface Importance {
  readonly name: string
  /** Of 1 for all parameters together. */
  readonly share: number
  /** Nine of ten resampled sweeps have a share between these. */
  readonly low: number
  readonly high: number
}

/** With fewer trials than this, shares are noise that looks like knowledge. */
export const TRIALS_MIN = 20
/** The best tenth is what a parameter is to explain. */
const TARGET_SHARE = 0.1
/** A condition that fewer trials fulfil than this tells nothing. */
const REGIME_MIN = 2
const RESAMPLES = 200
const [LOW, HIGH] = [0.05, 0.95]
/** Keeps an empty place of the grid from being divided by. */
const DENSITY_MIN = 1e-12

/** The trials in their order, and where each of them lies on the grid of each dimension; -1: it has no such value. */
interface Table {
  readonly trials: readonly Observation[]
  readonly columns: readonly Column[]
}

interface Column {
  readonly dimension: Dimension
  readonly size: number
  readonly places: Int32Array
}

/**
 * Returns the importance of each dimension, the largest first; undefined with fewer than 20 trials that tell.
 *
 * Beside completed trials those that were stopped early tell, and those that diverged: they are none of the best.
 * @param draw       For resampling the trials, which gives the range of each share.
 * @param resamples  How often. Default: 200.
 * Source: Watanabe et al., arXiv:2304.10255; with conditions, arXiv:2601.20800; optuna/importance/_ped_anova.
 */
export function importancesOf(
  space: Space,
  observations: readonly Observation[],
  draw: Draw,
  resamples = RESAMPLES
): readonly Importance[] | undefined {
  const table = tableOf(space, observations)
  const count = table.trials.length
  if (count < TRIALS_MIN) return undefined
  const shares = sharesOf(divergences(table, new Int32Array(count).fill(1)))
  const resampled = Array.from({ length: resamples }, () => sharesOf(divergences(table, resample(count, draw))))
  const importances = space.map(({ name }, d) => {
    const sorted = Float64Array.from(resampled, each => each[d] ?? 0).sort()
    return { name, share: shares[d] ?? 0, low: quantile(sorted, LOW), high: quantile(sorted, HIGH) }
  })
  return importances.sort((a, b) => b.share - a.share || (a.name < b.name ? -1 : 1))
}

/**
 * Returns how far the best trials differ from all in each dimension, in the order of the space; before it is divided
 * into shares. Fewer than two trials differ in nothing.
 */
export function rawImportances(space: Space, observations: readonly Observation[]): readonly number[] {
  const table = tableOf(space, observations)
  return divergences(table, new Int32Array(table.trials.length).fill(1))
}

function tableOf(space: Space, observations: readonly Observation[]): Table {
  const trials = observations.filter(isOrdered).sort(compareTrials)
  const columns = space.map(dimension => {
    const { size, placeOf } = gridOf(dimension)
    return { dimension, size, places: Int32Array.from(trials, ({ parameters }) => placeOf(parameters) ?? -1) }
  })
  return { trials, columns }
}

/** Returns how often each trial is in a sweep of as many trials drawn from these. */
function resample(count: number, draw: Draw): Int32Array {
  const times = new Int32Array(count)
  for (let i = 0; i < count; i++) {
    const chosen = Math.floor(draw() * count)
    times[chosen] = (times[chosen] ?? 0) + 1
  }
  return times
}

function divergences(table: Table, times: Int32Array): readonly number[] {
  const all = times.reduce((sum, each) => sum + each, 0)
  const end = targetEnd(table, times, Math.ceil(TARGET_SHARE * all))
  const targets = times.subarray(0, end).reduce((sum, each) => sum + each, 0)
  return table.columns.map(column => divergence(column, times, { end, targets, all }))
}

/** Returns the first place that is not among the best; equal ones are in it all or not at all. */
function targetEnd({ trials }: Table, times: Int32Array, wanted: number): number {
  let [end, found] = [0, 0]
  const isAlike = (at: number) => {
    const [last, next] = [trials[at - 1], trials[at]]
    return last !== undefined && next !== undefined && compareTrials(last, next) === 0
  }
  while (end < trials.length && (found < wanted || isAlike(end))) {
    found += times[end] ?? 0
    end++
  }
  return end
}

interface Target {
  readonly end: number
  readonly targets: number
  readonly all: number
}

/** The divergence of Pearson between the best and all, within the trials that have the dimension. */
function divergence({ dimension, size, places }: Column, times: Int32Array, { end, targets, all }: Target): number {
  const [ofTarget, ofAll] = [new Float64Array(size), new Float64Array(size)]
  let [inTarget, inAll] = [0, 0]
  for (let i = 0; i < places.length; i++) {
    const [place = -1, count = 0] = [places[i], times[i]]
    if (place < 0) continue
    ofAll[place] = (ofAll[place] ?? 0) + count
    inAll += count
    if (i >= end) continue
    ofTarget[place] = (ofTarget[place] ?? 0) + count
    inTarget += count
  }
  if (inTarget === 0 || inAll < REGIME_MIN) return 0
  const [best, any] = [gridDensity(dimension, ofTarget), gridDensity(dimension, ofAll)]
  let sum = 0
  for (let place = 0; place < size; place++) {
    const density = (any[place] ?? 0) + DENSITY_MIN
    sum += density * (((best[place] ?? 0) + DENSITY_MIN) / density - 1) ** 2
  }
  // The shares of the best and of all that have the dimension at all.
  const [alpha, beta] = [inTarget / targets, inAll / all]
  return (targets / all) ** 2 * (alpha ** 2 / beta) * sum
}

function sharesOf(raw: readonly number[]): readonly number[] {
  const sum = raw.reduce((total, each) => total + each, 0)
  return sum > 0 ? raw.map(each => each / sum) : raw.map(() => 0)
}

/** Of sorted values, with what lies between two of them; 0 of none. */
function quantile(sorted: Float64Array, u: number): number {
  const at = u * (sorted.length - 1)
  const low = sorted[Math.floor(at)] ?? 0
  return low + ((sorted[Math.ceil(at)] ?? 0) - low) * (at - Math.floor(at))
}
