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
 * Returns the logarithm of the expected improvement on a loss, less what one noisy trial would not show of it.
 *
 * Where much is known already another trial tells little. With one trial at a time this leaves a seventh less regret on
 * the fine-tunes of `npm run bench -- search`, of what is tried.
 * @param noise  Variance of the noise of one trial; with 0 it is the expected improvement itself.
 * Source: Ament et al., "Unexpected Improvements to Expected Improvement", NeurIPS 2023 (arXiv:2310.20708); Huang,
 * Allen, Notz and Zeng, "Global optimization of stochastic black-box systems via sequential kriging meta-models", 2006.
 */
export function expectedImprovement(posterior: Posterior, best: number, noise: number): Acquisition {
  const noiseDeviation = Math.sqrt(noise)
  return point => {
    const { mean, variance, slopes } = posterior.predict(point)
    const deviation = Math.sqrt(variance)
    const { log, slope, spread } = logImprovement((best - mean) / deviation)
    const total = Math.sqrt(variance + noise)
    // 1 - noise/total, of deviations, without the difference of two nearly equal numbers.
    const shown = variance / (total * (total + noiseDeviation))
    const shownByVariance = 1 / variance - (1 / total + 1 / (total + noiseDeviation)) / (2 * total)
    return {
      value: Math.log(deviation) + log + Math.log(shown),
      gradient() {
        const by = slopes()
        return by.mean.map((meanSlope, d) => {
          const byVariance = spread / (2 * variance) + shownByVariance
          return (-slope / deviation) * meanSlope + byVariance * (by.variance[d] as number)
        })
      }
    }
  }
}

/**
 * A trial that does not fit tells little and costs a start: more than one that brings no gain. And a trend is sure of
 * gains that lie further on where nothing fits.
 */
const CAUTION = 3

/**
 * Returns `CAUTION` times the logarithm of the chance that trials of a point fit more often than not.
 *
 * Without the noise of single trials: it would blur the edge, and a loss that promises ever more beyond it would be
 * followed there again and again.
 * @param posterior  Of 1 where a trial fitted, -1 where it did not.
 * Source: least-squares classification (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 6.5).
 */
export function chanceToFit(posterior: Posterior): Acquisition {
  return point => {
    const { mean, variance, slopes } = posterior.predict(point)
    const deviation = Math.sqrt(variance)
    const { log, slope } = logCdf(mean / deviation)
    return {
      value: CAUTION * log,
      gradient() {
        const by = slopes()
        const byVariance = (-0.5 * mean) / deviation ** 3
        return by.mean.map(
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
