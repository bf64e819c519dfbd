/**
 * Acquisition: how much a trial promises.
 *
 * Owns the expected improvement and the chance that a trial ends with a loss at all.
 * What it computes is recorded by the claimer, never recomputed for agreement.
 */
import type { Vector } from './linear.js'
import { logCdf, logImprovement } from './normal.js'
import type { Posterior } from './posterior.js'

/** A point's promise, as a logarithm: higher is better. */
export interface Prospect {
  readonly value: number
  /** Returns its slopes; 0 along categories. */
  gradient(): Vector
}

export type Acquisition = (point: Vector) => Prospect

/**
 * Returns the logarithm of the expected improvement on the best loss of each series, averaged over the series.
 *
 * @param bests  One for each series of the posterior.
 * Source: Ament et al., "Unexpected Improvements to Expected Improvement", NeurIPS 2023 (arXiv:2310.20708).
 */
export function expectedImprovement(posterior: Posterior, bests: Vector): Acquisition {
  return point => {
    const { means, variance, slopes } = posterior.predict(point)
    const deviation = Math.sqrt(variance)
    const parts = Array.from(means, (mean, s) => logImprovement(((bests[s] as number) - mean) / deviation))
    // A sum of exponentials of which the largest is 1: nothing overflows, and not all vanish.
    const largest = Math.max(...parts.map(({ log }) => log))
    const shares = parts.map(({ log }) => Math.exp(log - largest))
    const total = shares.reduce((sum, share) => sum + share, 0)
    return {
      value: Math.log(deviation) + largest + Math.log(total / parts.length),
      gradient() {
        const by = slopes()
        const gradient = new Float64Array(point.length)
        for (const [s, { slope, spread }] of parts.entries()) {
          const share = (shares[s] as number) / total
          const byMean = (-share * slope) / deviation
          const byVariance = (share * spread) / (2 * variance)
          for (const [d, meanSlope] of (by.means[s] as Vector).entries()) {
            gradient[d] = (gradient[d] as number) + byMean * meanSlope + byVariance * (by.variance[d] as number)
          }
        }
        return gradient
      }
    }
  }
}

/** A trial that does not fit tells little and costs a start: more than one that brings no gain. */
const CAUTION = 2

/**
 * Returns `CAUTION` times the logarithm of the chance that trials of a point fit more often than not.
 *
 * Without the noise of single trials: it would blur the edge, and a loss that promises ever more beyond it would be
 * followed there again and again.
 * @param posterior  Of one series: 1 where a trial fitted, -1 where it did not.
 * Source: least-squares classification (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 6.5).
 */
export function chanceToFit(posterior: Posterior): Acquisition {
  return point => {
    const { means, variance, slopes } = posterior.predict(point)
    const mean = means[0] as number
    const deviation = Math.sqrt(variance)
    const { log, slope } = logCdf(mean / deviation)
    return {
      value: CAUTION * log,
      gradient() {
        const by = slopes()
        const byVariance = (-0.5 * mean) / deviation ** 3
        return (by.means[0] as Vector).map(
          (meanSlope, d) => CAUTION * slope * (meanSlope / deviation + byVariance * (by.variance[d] as number))
        )
      }
    }
  }
}

/** Returns the promise of both together: logarithms of a gain and of its chance. */
export function both(a: Acquisition, b: Acquisition): Acquisition {
  return point => {
    const [left, right] = [a(point), b(point)]
    return {
      value: left.value + right.value,
      gradient() {
        const other = right.gradient()
        return left.gradient().map((slope, d) => slope + (other[d] as number))
      }
    }
  }
}
