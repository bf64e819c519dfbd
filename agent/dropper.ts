/**
 * The dropper: when a result that is kept on this disk may leave it.
 *
 * Owns how long is long enough. A result leaves the disk once another machine has it, and the own log had it for long:
 * until then a power cut may take it from the log (rule L8). Alone in the pool, the own log must do.
 */
import { LIMITS } from '#protocol'
import type { Local } from './local.js'
import type { Keeper, Log } from './ports.js'
import { ownEnd } from './result.js'

export interface DropperPorts {
  readonly log: Pick<Log, 'pool' | 'isHeldByPeer'>
  readonly keeper: Pick<Keeper, 'dropResult'>
  readonly note: (message: string, fields: Readonly<Record<string, unknown>>) => void
}

/** Returns what looks now and then whether results may leave the disk. */
export function createDropper({ log, keeper, note }: DropperPorts, local: Local): (nowMs: number) => void {
  /** Since when the log has a result that is also kept here, monotonic ms. */
  const loggedMs = new Map<string, number>()
  let lookedMs = Number.NEGATIVE_INFINITY

  function drop(id: string): void {
    loggedMs.delete(id)
    local.results.delete(id)
    try {
      keeper.dropResult(id)
    } catch (error) {
      // It stays until the next start finds it, and that the log has it.
      note('a result could not be removed', { id, error: String(error) })
    }
  }

  return nowMs => {
    if (nowMs - lookedMs < LIMITS.resultCheckMs) return
    lookedMs = nowMs
    const pool = log.pool()
    for (const id of [...local.results]) {
      const place = ownEnd(pool, local.machine, id)
      if (!place) continue
      const sinceMs = loggedMs.get(id) ?? nowMs
      loggedMs.set(id, sinceMs)
      if (nowMs - sinceMs < LIMITS.unsyncedMs) continue
      if (pool.machines.size <= 1 || log.isHeldByPeer(place)) drop(id)
    }
  }
}
