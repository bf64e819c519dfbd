/**
 * Quotas: how much each member may make this machine download (rule L3).
 *
 * A bucket for each member, whichever of their machines writes: it empties at a fixed rate, and what does not fit is
 * not downloaded. It is full enough at first for a pool's whole past to reach a newcomer, and small enough that a
 * member who floods costs this machine a bounded part of its disk. No clock of its own, no I/O.
 */
import { LIMITS } from '#protocol'

const DAY_MS = 24 * 3_600_000

/** What a member took, in bytes, as it stood at a time on this machine's wall clock. */
export interface Level {
  readonly bytes: number
  readonly atMs: number
}

export type Quota = ReturnType<typeof createQuota>

/**
 * Returns the buckets of all members.
 *
 * @param options.bytesPerDay  How fast a bucket empties. It holds `LIMITS.quotaDays` times as much.
 * @param options.levels       Where the buckets stood when the agent last ran, by member.
 * @param options.wall         Wall clock, ms. A jump into the future empties buckets early, one back only later.
 */
export function createQuota(options: {
  readonly bytesPerDay: number
  readonly levels: Readonly<Record<string, Level>>
  readonly wall: () => number
}) {
  const room = options.bytesPerDay * LIMITS.quotaDays
  const levels = new Map(Object.entries(options.levels))

  function levelOf(member: string): number {
    const known = levels.get(member)
    if (!known) return 0
    const passedMs = Math.max(0, options.wall() - known.atMs)
    return Math.max(0, known.bytes - (passedMs / DAY_MS) * options.bytesPerDay)
  }

  return {
    /** Takes room for so many bytes of a member's logs; false, and nothing taken, when there is none. */
    take(member: string, bytes: number): boolean {
      const level = levelOf(member)
      if (level + bytes > room) return false
      levels.set(member, { bytes: level + bytes, atMs: options.wall() })
      return true
    },

    levels: (): Readonly<Record<string, Level>> => Object.fromEntries(levels)
  }
}
