/**
 * Claims ahead: this worker's claims that are made before they are needed, so that their settling overlaps.
 *
 * The rules are the protocol's and none is skipped: fresh trials by rendezvous rank (C1), a claim in the log (C2), the
 * settle time of the measured round trips, and the holder by hash (C3). Ahead of need only trials are claimed for which
 * this machine ranks first; one of a later rank is taken when nothing else is left.
 */
import {
  type Draft,
  freshTrials,
  LIMITS,
  type Parameters,
  type Pool,
  parametersOf,
  rankOf,
  type Sweep,
  settleMs
} from '#protocol'
import { heardMachines, type Local } from '../../../agent/local.js'

/** Claims of one append: one block. */
const BATCH = 16
/** Claims ahead at most: what a worker holds that others could do. */
const AHEAD_MAX = 1024
/** Claims ahead, as a multiple of what is used up while one settles. */
const MARGIN = 1.5

export interface Held {
  readonly trial: number
  readonly attempt: number
  readonly parameters: Parameters
}

interface Ahead extends Held {
  /** When the claim was in the log, monotonic ms. */
  sinceMs: number
}

export interface AheadOptions {
  readonly sweep: string
  readonly local: Local
  readonly pool: () => Pool
  readonly write: (drafts: readonly Draft[]) => Promise<void>
  readonly now: () => number
}

/** Returns claims ahead of need; `next` asks whether one has settled. */
export function createAhead({ sweep: id, local, pool, write, now }: AheadOptions) {
  const ahead: Ahead[] = []
  const ranks = new Map<number, number>()
  let ranked = ''
  let trialMs = 0
  let lastMs = now()
  let isClaiming = false

  const sweepNow = (): Sweep => {
    const sweep = pool().sweeps.get(id)
    if (!sweep) throw new Error('The sweep is folded before a worker is ready.')
    return sweep
  }

  function settlingMs(): number {
    const nowMs = now()
    const roundTrips = heardMachines(local, nowMs).map(machine => local.peers.get(machine)?.roundTripMs ?? 0)
    return roundTrips.length > 0 || pool().machines.size <= 1 ? settleMs(roundTrips) : LIMITS.aloneMs
  }

  function isMine({ trial, attempt }: Held): boolean {
    const held = sweepNow().trials.get(trial)?.standing.held
    return held?.attempt === attempt && held.holder === local.machine
  }

  function rank(trial: number, others: readonly string[]): number {
    const known = ranks.get(trial)
    if (known !== undefined) return known
    const computed = rankOf({ sweep: id, trial, machine: local.machine }, others)
    ranks.set(trial, computed)
    return computed
  }

  /** The trials to claim next: of rank 0 as many as are wanted, else the one of the lowest rank if none is in hand. */
  function chosen(wanted: number): number[] {
    const others = heardMachines(local, now()).filter(machine => local.peers.get(machine)?.beat.accepts.includes(id))
    if (others.join() !== ranked) ranks.clear()
    ranked = others.join()
    const considered = Math.max(LIMITS.openTrialsConsidered, 2 * wanted * (others.length + 1))
    const taken = new Set(ahead.map(each => each.trial))
    const fresh = freshTrials(sweepNow(), considered).filter(trial => !taken.has(trial))
    const first: number[] = []
    for (const trial of fresh) {
      if (first.length >= wanted) break
      if (rank(trial, others) === 0) first.push(trial)
    }
    if (first.length > 0 || ahead.length > 0) return first
    const best = fresh.reduce<number | undefined>(
      (low, trial) => (low === undefined || rank(trial, others) < rank(low, others) ? trial : low),
      undefined
    )
    return best === undefined ? [] : [best]
  }

  async function claimMore(): Promise<void> {
    const goal = Math.min(AHEAD_MAX, BATCH + Math.ceil((MARGIN * settlingMs()) / Math.max(trialMs, 1)))
    if (isClaiming || ahead.length > goal - BATCH) return
    const sweep = sweepNow()
    const claims = chosen(Math.min(2 * BATCH, goal - ahead.length)).map(trial => {
      const attempt = (sweep.trials.get(trial)?.standing.attempt ?? 0) + 1
      return { trial, attempt, parameters: parametersOf(sweep, trial), sinceMs: Number.POSITIVE_INFINITY }
    })
    if (claims.length === 0) return
    ahead.push(...claims)
    isClaiming = true
    await write(
      claims.map(({ sinceMs: _, ...claim }) => ({ kind: 'trial-claimed', sweep: id, device: 'cpu', ...claim }))
    )
    isClaiming = false
    for (const claim of claims) claim.sinceMs = now()
  }

  return {
    /** Makes claims as long as too few are ahead. Resolves once those of this call are in the log. */
    claimMore,

    /** Returns the next claim that has settled and holds; nothing while there is none. Lost ones are dropped (C3). */
    take(): Held | undefined {
      for (let claim = ahead[0]; claim; claim = ahead[0]) {
        if (now() - claim.sinceMs < settlingMs()) return undefined
        ahead.shift()
        if (!isMine(claim)) continue
        trialMs = trialMs === 0 ? now() - lastMs : 0.95 * trialMs + 0.05 * (now() - lastMs)
        lastMs = now()
        return claim
      }
      return undefined
    },

    /** True when nothing is in hand and nobody left a trial to claim. */
    isOver: () => ahead.length === 0 && freshTrials(sweepNow(), 1).length === 0
  }
}
