/**
 * The expirer: when the wall time of a sweep is over (rule E8).
 *
 * Owns whose clock says so. Clocks differ and the fold reads none: a machine begins nothing of a sweep that is over by
 * its own clock, and one machine writes a record, which is what all others go by.
 */
import { isExpired, LIMITS, type Pool, type Submission, sweepStateOf } from '#protocol'
import { activeMachines, isOut, type Local } from './local.js'
import type { Clock, Log } from './ports.js'

export interface ExpirerPorts {
  readonly log: Pick<Log, 'pool' | 'append'>
  readonly clock: Pick<Clock, 'wall'>
}

/** Returns what notes which sweeps are over by this machine's clock, and writes it once of each when it is its turn. */
export function createExpirer({ log, clock }: ExpirerPorts, local: Local): (nowMs: number) => void {
  const said = new Set<string>()
  return nowMs => {
    const overdue = overdueSweeps(log.pool(), local, { nowMs, wallMs: clock.wall() })
    local.overdue = new Set(overdue.map(({ sweep }) => sweep))
    for (const { sweep, isOwnTurn } of overdue) {
      if (!isOwnTurn || said.has(sweep)) continue
      said.add(sweep)
      log.append([{ kind: 'sweep-expired', sweep }])
    }
  }
}

/**
 * Returns the running sweeps whose wall time is over, and whether it is this machine's turn to say so: first it is that
 * of the one that submitted the sweep, then of the others that are heard, each a little later in case those before it
 * do not.
 *
 * Compares its own clock with the author's: a wrong one ends the sweep that much earlier or later.
 */
export function overdueSweeps(
  pool: Pool,
  local: Local,
  { nowMs, wallMs }: { readonly nowMs: number; readonly wallMs: number }
): { readonly sweep: string; readonly isOwnTurn: boolean }[] {
  if (isOut(pool, local.machine)) return []
  return [...pool.sweeps.values()].flatMap(sweep => {
    const { id, submission } = sweep
    const { wallTimeMs } = submission?.spec ?? {}
    if (!submission || wallTimeMs === undefined || isExpired(sweep)) return []
    const overMs = wallMs - submission.at - wallTimeMs
    if (overMs < 0 || sweepStateOf(pool, sweep) !== 'running') return []
    return [{ sweep: id, isOwnTurn: overMs >= LIMITS.expiryTurnMs * turnOf(pool, local, submission, nowMs) }]
  })
}

/** How many machines are asked before this one. */
function turnOf(pool: Pool, local: Local, { machine: first }: Submission, nowMs: number): number {
  if (local.machine === first) return 0
  return activeMachines(pool, local, nowMs).filter(other => other === first || other < local.machine).length
}
