/**
 * Stream: many quick numbers from one draw.
 *
 * Owns chance for candidates, of which a proposal needs thousands: a draw that is handed in may be a hash.
 * What it computes is recorded by the claimer, never recomputed for agreement.
 */
import type { Draw } from '../dimension.js'

/** Returns draws that depend on one draw alone. Source: mulberry32, by Tommy Ettinger (public domain). */
export function streamOf(draw: Draw): Draw {
  let state = Math.floor(draw() * 2 ** 32) | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Returns a draw of the standard normal distribution. Source: Box and Muller, 1958. */
export function gaussian(draw: Draw): number {
  // 1 - u is never 0.
  return Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw())
}
