/**
 * Streams: as much chance as a search likes, from a few parts that name it or from one number.
 *
 * The same parts give the same numbers on every machine: 32-bit integers, and a division by a power of two.
 */
import { drawFrom } from '../hash.js'
import type { Draw } from './dimension.js'

/** Returns a stream of numbers from 0 (included) to 1 (excluded), with 32 random bits each. Not for secrets. */
export function streamOf(...parts: readonly (string | number)[]): Draw {
  return streamFrom(() => drawFrom('stream', ...parts))
}

/**
 * Returns the same from one draw: of quick numbers a proposal needs thousands, and a draw that is handed in may be a
 * hash. Source: mulberry32, by Tommy Ettinger (public domain).
 */
export function streamFrom(draw: Draw): Draw {
  let state = Math.floor(draw() * 2 ** 32) | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
