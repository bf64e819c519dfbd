/**
 * Parzen estimators: the density of what was observed, over several dimensions at once.
 *
 * Owns the mixture and its weights. What is computed here is recorded by the claimer, never recomputed for agreement.
 * Invariant: a kernel holds one observation's values of all dimensions together, so that what goes well together is
 * drawn together.
 */
import { positionAt } from './coordinate.js'
import type { Dimension, Draw } from './dimension.js'
import { type Bandwidth, createKernels } from './kernels.js'

export interface ParzenEstimator {
  /**
   * Returns the logarithm of the density at a point: one coordinate for each dimension. A logarithmic dimension
   * counts by its logarithm, one with steps or choices by its probability.
   */
  logDensity(point: Float64Array): number
  /** Returns a point drawn from the mixture. */
  sample(draw: Draw): Float64Array
}

export interface ParzenOptions {
  readonly dimensions: readonly Dimension[]
  /** The observed coordinates of each dimension, all of one length, the oldest first. */
  readonly columns: readonly Float64Array[]
  readonly bandwidth: Bandwidth
}

/** So many of the newest observations have their full weight; as many as that have it all. */
const FULL_WEIGHTS = 25
/** A kernel that gives less than exp of this, beside the largest one, is lost in a double's rounding. */
const LOG_NEGLIGIBLE = -40

/**
 * Returns the estimator of some observations; without any it is the prior.
 *
 * Source: Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011; Watanabe, arXiv:2304.11127; Optuna's
 * defaults for weights and prior.
 */
export function createParzenEstimator({ dimensions, columns, bandwidth }: ParzenOptions): ParzenEstimator {
  const weights = mixtureWeights(columns[0]?.length ?? 0)
  const sums = new Float64Array(weights.length)
  const kernels = dimensions.map((dimension, d) =>
    createKernels(dimension, columns[d] ?? new Float64Array(), { bandwidth, dimensions: dimensions.length })
  )
  const constants = weights.map(Math.log)
  for (const each of kernels) each.addConstants(constants)
  return {
    logDensity(point) {
      sums.set(constants)
      for (const [d, each] of kernels.entries()) each.addDensities(point[d] ?? 0, sums)
      return logSumExp(sums)
    },
    sample(draw) {
      const kernel = positionAt(weights, draw())
      return Float64Array.from(kernels, each => each.drawFrom(kernel, draw))
    }
  }
}

/** Returns the weights of the observations, the oldest first, and of the prior; they add up to 1. */
export function mixtureWeights(count: number): Float64Array {
  const weights = new Float64Array(count + 1).fill(1)
  weights.set(ageWeights(count))
  const sum = weights.reduce((total, weight) => total + weight)
  return weights.map(weight => weight / sum)
}

/** Returns what observations count by their age, the oldest first: the newest are worth 1, the oldest 1 / count. */
export function ageWeights(count: number): Float64Array {
  const weights = new Float64Array(count).fill(1)
  const ramp = count - FULL_WEIGHTS
  for (let k = 0; k < ramp; k++) weights[k] = 1 / count + (ramp === 1 ? 0 : ((1 - 1 / count) * k) / (ramp - 1))
  return weights
}

function logSumExp(terms: Float64Array): number {
  let largest = Number.NEGATIVE_INFINITY
  for (let k = 0; k < terms.length; k++) largest = Math.max(largest, terms[k] ?? largest)
  if (largest === Number.NEGATIVE_INFINITY) return largest
  let sum = 0
  for (let k = 0; k < terms.length; k++) {
    const below = (terms[k] ?? 0) - largest
    if (below > LOG_NEGLIGIBLE) sum += Math.exp(below)
  }
  return largest + Math.log(sum)
}
