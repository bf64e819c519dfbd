/**
 * Draws: the seeded chance of the tests.
 *
 * Owns a small generator and nothing else. Invariant: one seed gives one sequence, so that a failure that prints its
 * seed can be replayed.
 */

export interface Draw {
  /** An integer from 0 (included) to `below` (excluded). */
  integer(below: number): number
  /** True once in `times` draws. */
  once(times: number): boolean
  /** One of the items, of which there is at least one. */
  pick<T>(items: readonly T[]): T
}

/** Returns the draws of a seed. Source: mulberry32, by Tommy Ettinger; good enough for tests, and quick. */
export function createDraw(seed: number): Draw {
  let state = seed >>> 0
  const integer = (below: number) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
  return {
    integer,
    once: times => integer(times) === 0,
    pick<T>(items: readonly T[]): T {
      const item = items[integer(items.length)]
      if (item === undefined) throw new Error('There is nothing to pick from.')
      return item
    }
  }
}
