/**
 * Normal distribution: its tails, in logarithms, with their slopes.
 *
 * Owns these functions of one number.
 * What it computes is recorded by the claimer, never recomputed for agreement.
 * Invariant: finite for every finite z, down to where z² overflows.
 */
import type { Draw } from '../dimension.js'
import { LOG_SQRT_TWO_PI } from '../truncated-normal.js'

/** Below -TAIL the continued fraction is used, above it the series: both are exact to a few last bits there. */
const TAIL = 2
/** Enough for the last digits at z = -TAIL; fewer do further out. */
const FRACTION_TERMS = 120
const SERIES_TERMS = 40

/** A logarithm and what it changes by. */
export interface LogTail {
  readonly log: number
  /** The derivative of `log` by z. */
  readonly slope: number
}

/** Returns log Φ(z), Φ the normal distribution function. */
export function logCdf(z: number): LogTail {
  if (z < -TAIL) {
    const inverseMills = -z + fraction(-z)
    return { log: logDensity(z) - Math.log(inverseMills), slope: inverseMills }
  }
  const cdf = cdfOf(z)
  return { log: Math.log(cdf), slope: Math.exp(logDensity(z)) / cdf }
}

/** The expected improvement of a standard normal value, as a logarithm. */
export interface LogImprovement extends LogTail {
  /** φ(z) / h(z): the derivative of log(σ h(u/σ)) by σ at σ = 1. */
  readonly spread: number
}

/**
 * Returns log h(z), h(z) = φ(z) + z Φ(z): the logarithm of the expected improvement on a best value that lies z
 * standard deviations above the mean.
 *
 * With C the continued fraction of the tail, Φ(-t) = φ(t) / (t + C), so h(-t) = φ(t) C / (t + C): nothing cancels.
 * Source: what for: Ament et al., "Unexpected Improvements to Expected Improvement", NeurIPS 2023 (arXiv:2310.20708);
 * the fraction: Abramowitz and Stegun, 26.2.14.
 */
export function logImprovement(z: number): LogImprovement {
  if (z < -TAIL) {
    const c = fraction(-z)
    return { log: logDensity(z) + Math.log(c / (c - z)), slope: 1 / c, spread: (c - z) / c }
  }
  const density = Math.exp(logDensity(z))
  const cdf = cdfOf(z)
  const h = density + z * cdf
  return { log: Math.log(h), slope: cdf / h, spread: density / h }
}

/** Returns a draw of the standard normal distribution. Source: Box and Muller, 1958. */
export function gaussian(draw: Draw): number {
  // 1 - u is never 0.
  return Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw())
}

function logDensity(z: number): number {
  return -0.5 * z * z - LOG_SQRT_TWO_PI
}

/** Returns 1/(t + 2/(t + 3/(t + ...))). */
function fraction(t: number): number {
  let tail = 0
  for (let k = FRACTION_TERMS; k > 0; k--) tail = k / (t + tail)
  return tail
}

/** Returns Φ(z) for z ≥ -TAIL. */
function cdfOf(z: number): number {
  if (z > TAIL) return 1 - Math.exp(logDensity(z)) / (z + fraction(z))
  let term = z
  let sum = z
  for (let k = 3; k < 2 * SERIES_TERMS; k += 2) {
    term *= (z * z) / k
    sum += term
  }
  return 0.5 + Math.exp(logDensity(z)) * sum
}
