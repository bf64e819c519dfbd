/**
 * Sobol: points that fill a space evenly, addressed by index.
 *
 * Owns the sequence and its shift. A number is a function of seed, index and dimension alone, so machines that never
 * met continue one sequence; integers and a division by a power of two only.
 */
import { drawFrom } from '../hash.js'
import { invariant } from '../invariant.js'
import type { SweepSpec } from '../sweep-spec.js'
import { namesOf } from './axis.js'

const BITS = 32
/** Degree s, coefficients a and initial numbers m of dimensions 2 to 21. Source: Joe & Kuo, new-joe-kuo-6.21201. */
const PRIMITIVES: readonly (readonly [s: number, a: number, m: readonly number[]])[] = [
  [1, 0, [1]],
  [2, 1, [1, 3]],
  [3, 1, [1, 3, 1]],
  [3, 2, [1, 1, 1]],
  [4, 1, [1, 1, 3, 3]],
  [4, 4, [1, 3, 5, 13]],
  [5, 2, [1, 1, 5, 5, 17]],
  [5, 4, [1, 1, 5, 5, 5]],
  [5, 7, [1, 1, 7, 11, 19]],
  [5, 11, [1, 1, 5, 1, 1]],
  [5, 13, [1, 1, 1, 3, 11]],
  [5, 14, [1, 3, 5, 5, 31]],
  [6, 1, [1, 3, 3, 9, 7, 49]],
  [6, 13, [1, 1, 1, 15, 21, 21]],
  [6, 16, [1, 3, 1, 13, 27, 49]],
  [6, 19, [1, 1, 1, 15, 7, 5]],
  [6, 22, [1, 3, 1, 15, 13, 25]],
  [6, 25, [1, 1, 5, 5, 19, 61]],
  [7, 1, [1, 3, 7, 11, 23, 15, 103]],
  [7, 4, [1, 3, 7, 13, 13, 15, 69]]
]
/** Dimensions from here on have no direction numbers: their values are independent draws. */
export const SOBOL_DIMENSIONS = PRIMITIVES.length + 1
/** Of each dimension, what each bit of a Gray-coded index flips. */
const DIRECTIONS = [
  Array.from({ length: BITS }, (_, bit) => (1 << (BITS - 1 - bit)) >>> 0),
  ...PRIMITIVES.map(directionsOf)
]

/**
 * Returns what a trial's parameters are drawn with, by index (any integer from 0 to 2^32 - 2) and name.
 *
 * Parameters that vary take the dimensions in the order of their names. What the sweep has beyond the table's 21 is
 * drawn at random by index: evenness in the first 21 stays.
 */
export function sobolDraws(spec: Pick<SweepSpec, 'parameters' | 'seed'>): (index: number, name: string) => number {
  const varied = namesOf(spec).filter(([, { distribution }]) => distribution !== 'constant')
  const dimensions = new Map(varied.map(([name], dimension) => [name, dimension]))
  return (index, name) => shiftedSobol(spec.seed, index, dimensions.get(name) ?? 0)
}

/**
 * Returns a coordinate of a sweep's sequence, at least 0, less than 1.
 *
 * @param dimension  From 0. The digital shift, an XOR with a hash of seed and dimension, keeps the points even.
 * Point 0, which is 0 in all dimensions and would be the same corner for all, is left out.
 */
export function shiftedSobol(seed: number, index: number, dimension: number): number {
  if (dimension >= SOBOL_DIMENSIONS) return drawFrom(seed, index, 'sobol', dimension)
  const shift = Math.floor(drawFrom(seed, 'sobol', dimension) * 2 ** BITS)
  return ((bitsAt(index + 1, dimension) ^ shift) >>> 0) / 2 ** BITS
}

/** Returns a coordinate of the sequence itself, point 0 included; `dimension` from 0 to 20. */
export function sobolPoint(n: number, dimension: number): number {
  return (bitsAt(n, dimension) >>> 0) / 2 ** BITS
}

function bitsAt(n: number, dimension: number): number {
  const directions = DIRECTIONS[dimension]
  invariant(
    directions !== undefined && Number.isSafeInteger(n) && n >= 0 && n < 2 ** BITS,
    'the sequence has the point'
  )
  const gray = (n ^ (n >>> 1)) >>> 0
  return directions.reduce((bits, direction, bit) => ((gray >>> bit) & 1 ? bits ^ direction : bits), 0)
}

function directionsOf([s, a, m]: (typeof PRIMITIVES)[number]): number[] {
  const v = m.map((each, bit) => (each << (BITS - 1 - bit)) >>> 0)
  while (v.length < BITS) {
    const last = v[v.length - s] ?? 0
    let next = last ^ (last >>> s)
    for (let k = 1; k < s; k++) if ((a >>> (s - 1 - k)) & 1) next ^= v[v.length - k] ?? 0
    v.push(next >>> 0)
  }
  return v
}
