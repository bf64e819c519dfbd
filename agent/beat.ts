/**
 * Beats: what this machine says of itself to those that hear it.
 *
 * Pure, like all of the core: a beat is a function of the pool, of what only this machine knows, and of the time.
 */
import { type Beat, LIMITS, type Pool, type RunningAttempt, sweepStateOf } from '#protocol'
import { accepts } from './choice.js'
import { type Local, pausedReason, subject } from './local.js'
import { devicesNow, PACE_MS } from './owner.js'

/** Returns the beat of this machine now. */
export function beatOf(pool: Pool, local: Local, now: number): Beat {
  const charges = [...local.charges.values()]
  const claims = charges.filter(({ phase }) => phase === 'claiming').map(subject)
  const running: RunningAttempt[] = charges
    .filter(({ phase }) => phase !== 'claiming')
    .map(charge => {
      const metric = pool.sweeps.get(charge.sweep)?.submission?.spec.metric.name ?? ''
      const { latest } = charge
      const value = latest?.metrics[metric]
      const memoryBytes = local.memoryOf?.(charge.id)
      return {
        ...subject(charge),
        device: charge.device,
        seconds: (now - charge.sinceMs) / 1000,
        ...(latest ? { step: latest.step } : {}),
        ...(latest?.steps === undefined ? {} : { steps: latest.steps }),
        ...(value === undefined ? {} : { value }),
        ...(memoryBytes === undefined ? {} : { memoryBytes })
      }
    })
  const paused = pausedReason(pool, local, now)
  return {
    name: local.name,
    devices: devicesNow(local, now),
    accepts:
      paused === undefined
        ? [...pool.sweeps.values()]
            .filter(sweep => sweepStateOf(pool, sweep) === 'running' && accepts(local, sweep))
            .map(sweep => sweep.id)
            .sort()
            .slice(0, LIMITS.acceptsPerBeat)
        : [],
    running,
    ...(claims.length === 0 ? {} : { claims }),
    ...(paused === undefined ? {} : { paused }),
    heard: Object.fromEntries([...local.peers].map(([machine, peer]) => [machine, now - peer.heardMs]))
  }
}

/** What a beat says of what its machine does, without how far it is: equal for beats that change nobody's plan. */
const essences = new WeakMap<Beat, string>()

/** True when a machine does or offers something else than it did. */
export function isNews(before: Beat, now: Beat): boolean {
  return before !== now && essenceOf(before) !== essenceOf(now)
}

function essenceOf(beat: Beat): string {
  const known = essences.get(beat)
  if (known !== undefined) return known
  const { name, devices, accepts, running, claims, paused } = beat
  const offered = devices.map(({ id, memoryBytes, fault, hold }) => [id, memoryBytes, fault, hold])
  const busy = [...running, ...(claims ?? [])].map(({ sweep, trial, attempt }) => [sweep, trial, attempt])
  const essence = JSON.stringify([name, offered, accepts, busy, running.length, paused])
  essences.set(beat, essence)
  return essence
}

/** Returns how often a machine that says this of itself looks at its devices, in ms. */
export function paceOf({ running, claims = [], accepts }: Beat): number {
  if (running.length + claims.length > 0) return PACE_MS.busy
  return accepts.length > 0 ? PACE_MS.waiting : PACE_MS.idle
}

/** Returns the ms between beats without news: four a lease, so that one lost message makes nobody look dead. */
export function beatIntervalMs(pool: Pool): number {
  const leases = [...pool.sweeps.values()]
    .filter(sweep => sweep.byPhase.claimed.size > 0)
    .map(sweep => sweep.submission?.spec.leaseMs ?? LIMITS.leaseMs)
  return Math.max(LIMITS.presenceMinMs, Math.min(LIMITS.presenceMaxMs, ...leases.map(leaseMs => leaseMs / 4)))
}
