/**
 * Streams: as much chance as a search likes, from a few parts that name it.
 *
 * The same parts give the same numbers on every machine: 32-bit integers, and a division by a power of two.
 */
import { idOf } from '../hash.js'
import type { Draw } from './dimension.js'

/** Rounds after which the first parts have reached every bit. */
const WARM_UP = 12

/**
 * Returns a stream of numbers from 0 (included) to 1 (excluded) with 32 random bits each.
 *
 * Not for secrets. Source: sfc32 of Chris Doty-Humphrey's PractRand, seeded by a hash of the parts.
 */
export function streamOf(...parts: readonly (string | number)[]): Draw {
  const seed = idOf('stream', parts)
  let [a, b, c, d] = [0, 8, 16, 24].map(at => Number.parseInt(seed.slice(at, at + 8), 16) | 0) as Four
  const next = () => {
    const sum = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    c |= 0
    return (sum >>> 0) / 2 ** 32
  }
  for (let round = 0; round < WARM_UP; round++) next()
  return next
}

type Four = [number, number, number, number]
