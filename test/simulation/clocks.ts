/**
 * Clocks: a machine's monotonic and wall time, and when its core ticks.
 *
 * Owns how time passes on one machine: a sleep stops the monotonic clock, a jump moves the wall clock alone. No two
 * machines' clocks begin at the same time, so that one which is compared with another's shows.
 */
import { LIMITS } from '#protocol'
import type { World } from './world.js'

/** A tick when nothing else happened for so long: often enough that the core sees no gap, seldom enough to be cheap. */
export const IDLE_TICK_MS = LIMITS.presenceMaxMs / 2
/** A tick while a claim settles. */
export const BUSY_TICK_MS = 2 * LIMITS.tickMs
/** Some day of the years in which people use this, ms since 1970. */
const WALL_MS = 1.7e12

/** Returns the clocks of a machine. `startMs`: what its monotonic clock shows when the world begins. */
export function createClocks(world: World, startMs: number) {
  let stoodMs = 0
  let standsSinceMs: number | undefined
  let jumpedMs = 0
  return {
    now: () => startMs + (standsSinceMs ?? world.now()) - stoodMs,
    wall: () => WALL_MS + world.now() + jumpedMs,

    stand(): void {
      standsSinceMs ??= world.now()
    },

    goOn(): void {
      stoodMs += standsSinceMs === undefined ? 0 : world.now() - standsSinceMs
      standsSinceMs = undefined
    },

    jump(ms: number): void {
      jumpedMs += ms
    }
  }
}

/** Returns what makes a core tick. `tickMs`: how long it may wait now, in ms. */
export function createTicker({ world, tickMs, onTick }: { world: World; tickMs: () => number; onTick: () => void }) {
  let dueMs = Number.POSITIVE_INFINITY
  let number = 0
  let steppedMs = 0

  function within(ms: number): void {
    if (world.now() + ms >= dueMs) return
    dueMs = world.now() + ms
    const own = ++number
    world.after(ms, () => {
      if (own !== number) return
      dueMs = Number.POSITIVE_INFINITY
      // Every event makes the core take a step: an idle tick is due only when none came.
      const restMs = steppedMs + ms - world.now()
      if (ms === IDLE_TICK_MS && restMs > 0) within(Math.min(restMs, tickMs()))
      else onTick()
    })
  }

  return {
    /** Plans a tick, unless one comes earlier. */
    within,

    /** The core has taken a step. */
    stepped(): void {
      steppedMs = world.now()
      within(tickMs())
    },

    stop(): void {
      dueMs = Number.POSITIVE_INFINITY
      number++
    }
  }
}
