/**
 * Chance: what a simulation draws, from its seed alone.
 *
 * Owns how numbers are spread. Each part of a simulation has a stream of its own, so that one more draw here changes
 * nothing there. Integers, + - x / only: a seed means the same on every engine.
 */
import { createDraw, type Draw } from '../helpers/draw.js'

export interface Chance extends Draw {
  /** From 0 (included) to 1 (excluded). */
  fraction(): number
  between(low: number, high: number): number
  /** Between the two, each doubling equally likely: from seconds to hours. */
  spread(low: number, high: number): number
  happens(probability: number): boolean
  /** How often something happens that is expected `mean` times. */
  times(mean: number): number
  /** The same items in another order. */
  shuffled<T>(items: readonly T[]): T[]
}

/** Returns the draws of one stream of a seed. */
export function createChance(seed: number, stream: string): Chance {
  let mixed = Math.imul(seed | 0, 0x9e3779b1)
  for (let at = 0; at < stream.length; at++) mixed = Math.imul(mixed ^ stream.charCodeAt(at), 0x01000193)
  const draw = createDraw(mixed)
  const fraction = () => draw.integer(2 ** 32) / 2 ** 32
  const between = (low: number, high: number) => low + (high - low) * fraction()
  return {
    ...draw,
    fraction,
    between,
    spread(low, high) {
      let doublings = 0
      while (low * 2 ** (doublings + 1) < high) doublings++
      const from = low * 2 ** draw.integer(doublings + 1)
      return between(from, Math.min(high, 2 * from))
    },
    happens: probability => fraction() < probability,
    times(mean) {
      let count = 0
      for (let n = 0; n < 4; n++) count += Math.floor((mean / 2) * fraction() + fraction())
      return count
    },
    shuffled<T>(items: readonly T[]): T[] {
      const rest = [...items]
      return items.flatMap(() => rest.splice(draw.integer(rest.length), 1))
    }
  }
}
