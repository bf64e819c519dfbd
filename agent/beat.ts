/**
 * Beats: what this machine says of itself to those that hear it.
 *
 * Pure, like all of the core: a beat is a function of the pool, of what only this machine knows, and of the time.
 */
import { type Beat, LIMITS, type Pool, type RunningAttempt, sweepStateOf } from '#protocol'
import { accepts } from './choice.js'
import { type Local, pausedReason, subject } from './local.js'

/** Returns the beat of this machine now. */
export function beatOf(pool: Pool, local: Local, now: number): Beat {
  const running: RunningAttempt[] = [...local.charges.values()]
    .filter(charge => charge.phase !== 'claiming')
    .map(charge => {
      const metric = pool.sweeps.get(charge.sweep)?.submission?.spec.metric.name ?? ''
      const { latest } = charge
      const value = latest?.metrics[metric]
      return {
        ...subject(charge),
        device: charge.device,
        seconds: (now - charge.sinceMs) / 1000,
        ...(latest ? { step: latest.step } : {}),
        ...(latest?.steps === undefined ? {} : { steps: latest.steps }),
        ...(value === undefined ? {} : { value })
      }
    })
  const paused = pausedReason(pool, local)
  return {
    name: local.name,
    devices: local.devices,
    accepts:
      paused === undefined
        ? [...pool.sweeps.values()]
            .filter(sweep => sweepStateOf(pool, sweep) === 'running' && accepts(local, sweep))
            .map(sweep => sweep.id)
            .sort()
            .slice(0, LIMITS.acceptsPerBeat)
        : [],
    running,
    ...(paused === undefined ? {} : { paused }),
    heard: Object.fromEntries([...local.peers].map(([machine, peer]) => [machine, now - peer.heardMs]))
  }
}

/** Returns the ms between beats without news: four a lease, so that one lost message makes nobody look dead. */
export function beatIntervalMs(pool: Pool): number {
  const leases = [...pool.sweeps.values()]
    .filter(sweep => sweep.byPhase.claimed.size > 0)
    .map(sweep => sweep.submission?.spec.leaseMs ?? LIMITS.leaseMs)
  return Math.max(LIMITS.presenceMinMs, Math.min(LIMITS.presenceMaxMs, ...leases.map(leaseMs => leaseMs / 4)))
}
