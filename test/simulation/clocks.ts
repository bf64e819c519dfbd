/**
 * Clocks: a machine's monotonic and wall time, and when its core ticks.
 *
 * Owns how time passes on one machine: a sleep stops the monotonic clock, a jump moves the wall clock alone. No two
 * machines' clocks begin at the same time, so that one which is compared with another's shows.
 */
import { LIMITS, type Pool } from '#protocol'
import { beatIntervalMs } from '../../agent/beat.js'
import type { Local } from '../../agent/local.js'
import type { World } from './world.js'

/** A tick when nothing else happened for so long: often enough that the core sees no gap, seldom enough to be cheap. */
const IDLE_TICK_MS = LIMITS.presenceMaxMs / 2
/** A tick while a claim settles. */
const BUSY_TICK_MS = 2 * LIMITS.tickMs
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

/** Returns how long a core may wait for its next tick, in ms: ticks are close while a claim settles. */
export function tickMsOf(local: Pick<Local, 'charges'> | undefined, pool: Pool | undefined): number {
  for (const charge of local?.charges.values() ?? []) if (charge.phase === 'claiming') return BUSY_TICK_MS
  // A beat is due by its time: one that is late at each of two machines would make a third look dead.
  return pool ? Math.min(IDLE_TICK_MS, beatIntervalMs(pool) / 2) : IDLE_TICK_MS
}

/** Returns what makes a core tick. */
export function createTicker({ world, onTick }: { world: World; onTick: () => void }) {
  let dueMs = Number.POSITIVE_INFINITY
  let number = 0

  function within(ms: number): void {
    if (world.now() + ms >= dueMs) return
    dueMs = world.now() + ms
    const own = ++number
    world.after(ms, () => {
      if (own !== number) return
      dueMs = Number.POSITIVE_INFINITY
      onTick()
    })
  }

  return {
    /** Plans a tick, unless one comes earlier. */
    within,

    stop(): void {
      dueMs = Number.POSITIVE_INFINITY
      number++
    }
  }
}
