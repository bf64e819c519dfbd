/**
 * Kernels: one small density around each value that was observed of a dimension, and a wide one, the prior.
 *
 * Owns how wide they are, and their densities; never how they are weighted and mixed. What is computed here is
 * recorded by the claimer, never recomputed for agreement.
 * Invariant: the kernel of observation k is number k, the prior's comes last; each has the mass 1 within the range.
 */
import { densityRange, nearestCoordinate, positionAt, priorOf, type Range } from './coordinate.js'
import type { CategoricalDimension, Dimension, Draw, NumericDimension } from './dimension.js'
import { bend, LOG_SQRT_TWO_PI, logMass, truncatedQuantile } from './truncated-normal.js'

/**
 * How wide kernels are: all alike and narrower with their number, as in Optuna 4.9 with `multivariate`, or each as far
 * as its farther neighbour, as in Optuna 5. The first does better on what is tuned in practice, the second on smooth
 * functions.
 */
export type Bandwidth = 'optuna-4.9-multivariate' | 'optuna-5'

/** The kernels of one dimension. */
export interface Kernels {
  /** Adds the logarithm of each kernel's density at a coordinate to that kernel's sum; steps: of its probability. */
  addLogDensities(coordinate: number, sums: Float64Array): void
  /** Returns a coordinate drawn from a kernel. */
  drawFrom(kernel: number, draw: Draw): number
}

export interface KernelOptions {
  readonly bandwidth: Bandwidth
  /** Dimensions of the joint density that the kernels are factors of. */
  readonly dimensions: number
}

/** Below this share of its width a kernel hardly changes within a step: its middle stands for the step. */
const NARROW = 0.1

/** Returns the kernels around some observed coordinates of a dimension, and the prior's. */
export function createKernels(dimension: Dimension, observed: Float64Array, options: KernelOptions): Kernels {
  return dimension.kind === 'categorical'
    ? categoricalKernels(dimension, observed)
    : numericKernels(dimension, observed, options)
}

/** An observed choice gets one share more than the prior gives, which weighs less with each observation. */
function categoricalKernels(dimension: CategoricalDimension, observed: Float64Array): Kernels {
  const prior = priorOf(dimension)
  const smoothing = prior.length / (observed.length + 1)
  const row = (chosen: number) => {
    return prior.map((weight, position) => (weight * smoothing + (position === chosen ? 1 : 0)) / (smoothing + 1))
  }
  return {
    addLogDensities(coordinate, sums) {
      const isOther = Math.log(row(-1)[coordinate] ?? 0)
      const isSame = Math.log(row(coordinate)[coordinate] ?? 0)
      for (let k = 0; k < observed.length; k++)
        sums[k] = (sums[k] ?? 0) + (observed[k] === coordinate ? isSame : isOther)
      sums[observed.length] = (sums[observed.length] ?? 0) + Math.log(prior[coordinate] ?? 0)
    },
    drawFrom(kernel, draw) {
      return positionAt(kernel < observed.length ? row(observed[kernel] ?? -1) : prior, draw())
    }
  }
}

/** Truncated normals on the natural scale of the dimension. */
interface Normals {
  readonly range: Range
  readonly means: Float64Array
  readonly widths: Float64Array
  /** The logarithms of what a standard normal's density is divided by. */
  readonly divisors: Float64Array
}

function numericKernels(dimension: NumericDimension, observed: Float64Array, options: KernelOptions): Kernels {
  const normals = normalsOf(dimension, observed, options)
  const addSteps = stepDensities(normals)
  const { step, isLog } = dimension
  return {
    addLogDensities(coordinate, sums) {
      if (step !== undefined) addSteps(cellOf({ isLog, step }, coordinate), sums)
      else addDensities(normals, { at: isLog ? Math.log(coordinate) : coordinate }, sums)
    },
    drawFrom(kernel, draw) {
      const { range, means, widths } = normals
      const [mean = 0, width = 1] = [means[kernel], widths[kernel]]
      const z = truncatedQuantile(draw(), (range.low - mean) / width, (range.high - mean) / width)
      const natural = mean + z * width
      return nearestCoordinate(dimension, isLog ? Math.exp(natural) : natural)
    }
  }
}

function normalsOf({ isLog, ...rest }: NumericDimension, observed: Float64Array, options: KernelOptions): Normals {
  const range = densityRange({ isLog, ...rest })
  const count = observed.length
  const means = new Float64Array(count + 1)
  for (let k = 0; k < count; k++) means[k] = isLog ? Math.log(observed[k] ?? 1) : (observed[k] ?? 0)
  means[count] = range.low + (range.high - range.low) / 2
  const widths = new Float64Array(count + 1)
  widths.set(widthsOf(means.subarray(0, count), range, options))
  widths[count] = range.high - range.low
  const divisors = means.map((mean, k) => {
    const width = widths[k] ?? 1
    return Math.log(width) + LOG_SQRT_TWO_PI + logMass((range.low - mean) / width, (range.high - mean) / width)
  })
  return { range, means, widths, divisors }
}

/** Source: optuna/samplers/_tpe/parzen_estimator.py, of 4.9 and of 5.0, with its defaults. */
function widthsOf(means: Float64Array, range: Range, { bandwidth, dimensions }: KernelOptions): Float64Array {
  const extent = range.high - range.low
  const least = extent / Math.min(100, means.length + 2)
  switch (bandwidth) {
    case 'optuna-4.9-multivariate': {
      const width = 0.2 * extent * Math.max(1, means.length) ** (-1 / (dimensions + 4))
      return new Float64Array(means.length).fill(Math.max(width, least))
    }
    case 'optuna-5':
      return neighbourGaps(means, range).map(gap => Math.min(extent, Math.max(gap, least)))
  }
}

/**
 * Returns for each value the larger one of the gaps to its neighbours. Of several values the outermost have one
 * neighbour, a single one has the ends of the range. Equal values are neighbours in the order in which they came.
 */
function neighbourGaps(values: Float64Array, { low, high }: Range): Float64Array {
  const sorted = values.toSorted()
  const last = sorted.length - 1
  const gapAt = (place: number) => {
    const value = sorted[place] ?? 0
    const toLeft = place > 0 ? value - (sorted[place - 1] ?? 0) : last === 0 ? value - low : 0
    const toRight = place < last ? (sorted[place + 1] ?? 0) - value : last === 0 ? high - value : 0
    return Math.max(toLeft, toRight)
  }
  const used = new Int32Array(sorted.length)
  return values.map(value => {
    const first = firstPlace(sorted, value)
    const earlier = used[first] ?? 0
    used[first] = earlier + 1
    return gapAt(first + earlier)
  })
}

function firstPlace(sorted: Float64Array, value: number): number {
  let [from, to] = [0, sorted.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((sorted[middle] ?? 0) < value) from = middle + 1
    else to = middle
  }
  return from
}

/**
 * Adds the densities at a point, times the width of a step around it. The hottest loop of a search: every kernel for
 * every candidate.
 */
function addDensities(normals: Normals, { at, step }: { at: number; step?: number }, sums: Float64Array): void {
  const { means, widths, divisors } = normals
  const logStep = step === undefined ? 0 : Math.log(step)
  for (let k = 0; k < sums.length; k++) {
    const width = widths[k] ?? 1
    const z = (at - (means[k] ?? 0)) / width
    const bent = step === undefined ? 0 : bend(z, step / width)
    sums[k] = (sums[k] ?? 0) + logStep + bent - (z * z) / 2 - (divisors[k] ?? 0)
  }
}

/** Returns the function that adds the probability of a step. Kernels that are alike are computed once. */
function stepDensities(normals: Normals): (cell: Range, sums: Float64Array) => void {
  const { means, widths, divisors } = normals
  const narrowest = widths.reduce((least, width) => Math.min(least, width))
  let alike: Alike | undefined
  return ({ low, high }, sums) => {
    const step = high - low
    if (step < NARROW * narrowest) return addDensities(normals, { at: low + step / 2, step }, sums)
    alike ??= alikeOf(normals)
    const logDensities = alike.firsts.map(k => {
      const [mean = 0, width = 1] = [means[k], widths[k]]
      return logMass((low - mean) / width, (high - mean) / width) + Math.log(width) + LOG_SQRT_TWO_PI
    })
    for (let k = 0; k < sums.length; k++) {
      sums[k] = (sums[k] ?? 0) + (logDensities[alike.groups[k] ?? 0] ?? 0) - (divisors[k] ?? 0)
    }
  }
}

/** Which kernels are alike: the group of each, and the first kernel of each group. */
interface Alike {
  readonly groups: Int32Array
  readonly firsts: readonly number[]
}

/** Steps repeat their values, so that thousands of kernels are few different ones. */
function alikeOf({ means, widths }: Normals): Alike {
  const groups = new Int32Array(means.length)
  const firsts: number[] = []
  const ofMean = new Map<number, number[]>()
  for (let k = 0; k < means.length; k++) {
    const mean = means[k] ?? 0
    const known = ofMean.get(mean) ?? []
    if (known.length === 0) ofMean.set(mean, known)
    let group = known.find(each => widths[firsts[each] ?? 0] === widths[k])
    if (group === undefined) {
      group = firsts.push(k) - 1
      known.push(group)
    }
    groups[k] = group
  }
  return { groups, firsts }
}

/** Returns what rounds to one value, on the natural scale. */
function cellOf({ isLog, step }: { isLog: boolean; step: number }, value: number): Range {
  if (!isLog) return { low: value - step / 2, high: value + step / 2 }
  return { low: Math.log(Math.max(value - step / 2, value / 2)), high: Math.log(value + step / 2) }
}
