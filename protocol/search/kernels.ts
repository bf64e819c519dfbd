/**
 * Kernels: one small density around each value that was observed of a dimension, and a wide one, the prior.
 *
 * Owns how wide they are, and their densities; never how they are weighted and mixed. What is computed here is
 * recorded by the claimer, never recomputed for agreement.
 * Invariant: the kernel of observation k is number k, the prior's comes last; each has the mass 1 within the range.
 */
import { densityRange, nearestCoordinate, positionAt, priorOf, type Range } from './coordinate.js'
import type { CategoricalDimension, Dimension, Draw, NumericDimension } from './dimension.js'
import { centralMass, LOG_SQRT_TWO_PI, logMass, truncatedQuantile } from './truncated-normal.js'

/**
 * How wide kernels are: all alike and narrower with their number, as in Optuna 4.9 with `multivariate`, or each as far
 * as its farther neighbour, as in Optuna 5. The first does better on what is tuned in practice, the second on smooth
 * functions.
 */
export type Bandwidth = 'optuna-4.9-multivariate' | 'optuna-5'

/** The kernels of one dimension. Densities are logarithms; steps and choices have probabilities instead. */
export interface Kernels {
  /** Adds to each kernel's sum what its density is at a coordinate, but for `addConstants`. */
  addDensities(coordinate: number, sums: Float64Array): void
  /** Adds to each kernel's sum what its density has at every coordinate, so that many points compute it once. */
  addConstants(sums: Float64Array): void
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
  const positions = Int32Array.from(observed)
  const prior = priorOf(dimension)
  const smoothing = prior.length / (observed.length + 1)
  const row = (chosen: number) => {
    return prior.map((weight, position) => (weight * smoothing + (position === chosen ? 1 : 0)) / (smoothing + 1))
  }
  return {
    addConstants() {},
    addDensities(coordinate, sums) {
      const logs = new Float64Array(prior.length).fill(Math.log(row(-1)[coordinate] ?? 0))
      logs[coordinate] = Math.log(row(coordinate)[coordinate] ?? 0)
      for (let k = 0; k < positions.length; k++) sums[k] = (sums[k] ?? 0) + (logs[positions[k] ?? 0] ?? 0)
      sums[positions.length] = (sums[positions.length] ?? 0) + Math.log(prior[coordinate] ?? 0)
    },
    drawFrom(kernel, draw) {
      return positionAt(kernel < positions.length ? row(positions[kernel] ?? -1) : prior, draw())
    }
  }
}

/** Truncated normals on the natural scale of the dimension; the range holds all their means. */
interface Normals {
  readonly range: Range
  readonly means: Float64Array
  readonly widths: Float64Array
}

function numericKernels(dimension: NumericDimension, observed: Float64Array, options: KernelOptions): Kernels {
  const { step, isLog } = dimension
  const normals = normalsOf(dimension, observed, options)
  const { range, means, widths } = normals
  const addPoint = pointDensities(normals)
  const addStep = stepDensities(normals, addPoint)
  return {
    addDensities(coordinate, sums) {
      if (step === undefined) addPoint({ at: isLog ? Math.log(coordinate) : coordinate, step: 0 }, sums)
      else addStep(cellOf({ isLog, step }, coordinate), sums)
    },
    addConstants(sums) {
      for (let k = 0; k < sums.length; k++) {
        const [mean, width] = [means[k] ?? 0, widths[k] ?? 1]
        const mass = centralMass((range.low - mean) / width, (range.high - mean) / width)
        sums[k] = (sums[k] ?? 0) - Math.log(width * mass) - LOG_SQRT_TWO_PI
      }
    },
    drawFrom(kernel, draw) {
      const [mean, width] = [means[kernel] ?? 0, widths[kernel] ?? 1]
      const z = truncatedQuantile(draw(), (range.low - mean) / width, (range.high - mean) / width)
      const natural = mean + z * width
      return nearestCoordinate(dimension, isLog ? Math.exp(natural) : natural)
    }
  }
}

function normalsOf(dimension: NumericDimension, observed: Float64Array, options: KernelOptions): Normals {
  const range = densityRange(dimension)
  const count = observed.length
  const means = new Float64Array(count + 1)
  for (let k = 0; k < count; k++) means[k] = dimension.isLog ? Math.log(observed[k] ?? 1) : (observed[k] ?? 0)
  means[count] = range.low + (range.high - range.low) / 2
  const widths = new Float64Array(count + 1)
  widths.set(widthsOf(means.subarray(0, count), range, options))
  widths[count] = range.high - range.low
  return { range, means, widths }
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

/** Adds the density at a point, times the width of the step around it; 0: of a point alone. */
type AddPoint = (point: { readonly at: number; readonly step: number }, sums: Float64Array) => void

/** Returns the function that adds the densities at a point. Its loops are the hottest of a search. */
function pointDensities({ means, widths }: Normals): AddPoint {
  const factors = widths.map(width => Math.SQRT1_2 / width)
  return ({ at, step }, sums) => {
    if (step === 0) {
      for (let k = 0; k < sums.length; k++) {
        const scaled = (at - (means[k] ?? 0)) * (factors[k] ?? 0)
        sums[k] = (sums[k] ?? 0) - scaled * scaled
      }
      return
    }
    const logStep = Math.log(step)
    for (let k = 0; k < sums.length; k++) {
      const factor = factors[k] ?? 0
      const square = ((at - (means[k] ?? 0)) * factor) ** 2
      // How the density bends within a step: h^2 (z^2 - 1) / 24, h being the step and z the distance in widths.
      const bend = ((step * factor) ** 2 * (2 * square - 1)) / 12
      sums[k] = (sums[k] ?? 0) + logStep + bend - square
    }
  }
}

/** Returns the function that adds the probabilities of a step. Kernels that are alike are computed once. */
function stepDensities(normals: Normals, addPoint: AddPoint): (cell: Range, sums: Float64Array) => void {
  const { means, widths } = normals
  const narrowest = widths.reduce((least, width) => Math.min(least, width))
  let alike: Alike | undefined
  return ({ low, high }, sums) => {
    const step = high - low
    if (step < NARROW * narrowest) return addPoint({ at: low + step / 2, step }, sums)
    alike ??= alikeOf(normals)
    const logDensities = Float64Array.from(alike.firsts, k => {
      const [mean, width] = [means[k] ?? 0, widths[k] ?? 1]
      return logMass((low - mean) / width, (high - mean) / width) + Math.log(width) + LOG_SQRT_TWO_PI
    })
    for (let k = 0; k < sums.length; k++) sums[k] = (sums[k] ?? 0) + (logDensities[alike.groups[k] ?? 0] ?? 0)
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
