/**
 * Machines as people see them: who is here, with what devices, doing what, having done how much.
 */
import { LIMITS } from '../limits.js'
import type { Pool } from '../pool/pool.js'
import type { Device, RunningAttempt } from '../presence.js'
import type { KnownDevice } from '../records/record.js'
import type { Live } from './live.js'

export interface MachineView {
  readonly machine: string
  readonly name: string
  readonly member: string
  readonly memberName: string
  readonly isThisMachine: boolean
  readonly isHere: boolean
  /** Seconds since this machine heard it; absent when it never did. */
  readonly heardSecondsAgo?: number
  readonly roundTripMs?: number
  readonly platform: string
  readonly version: string
  /** Live facts while the machine is here, else what it announced. */
  readonly devices: readonly (Device | KnownDevice)[]
  readonly running: readonly RunningAttempt[]
  readonly paused?: string
  /** Attempts of this machine that trained to an end that counts or could count, and all the seconds it trained. */
  readonly trialsFinished: number
  readonly secondsTrained: number
}

/** Returns every machine of the pool, this one first, then by name. */
export function machinesView(pool: Pool, live: Live): MachineView[] {
  const done = workDone(pool)
  const keys = new Set([...pool.machines.keys(), ...live.machines.keys()])
  const views = [...keys].map((key): MachineView => {
    const machine = pool.machines.get(key)
    const now = live.machines.get(key)
    const work = done.get(key) ?? { finished: 0, seconds: 0 }
    const isHere = now !== undefined && now.ageSeconds * 1000 <= LIMITS.presenceAwayMs
    return {
      machine: key,
      name: now?.beat.name ?? machine?.name ?? key.slice(0, 8),
      member: machine?.member ?? '',
      memberName: pool.members.get(machine?.member ?? '')?.name ?? '',
      isThisMachine: key === live.machine,
      isHere,
      ...(now ? { heardSecondsAgo: now.ageSeconds } : {}),
      ...(now?.roundTripMs === undefined ? {} : { roundTripMs: now.roundTripMs }),
      platform: machine?.platform ?? '',
      version: machine?.version ?? '',
      devices: isHere ? now.beat.devices : (machine?.devices ?? []),
      running: isHere ? now.beat.running : [],
      ...(isHere && now.beat.paused ? { paused: now.beat.paused } : {}),
      trialsFinished: work.finished,
      secondsTrained: work.seconds
    }
  })
  return views.sort(
    (a, b) =>
      Number(b.isThisMachine) - Number(a.isThisMachine) ||
      (a.name < b.name ? -1 : a.name > b.name ? 1 : a.machine < b.machine ? -1 : 1)
  )
}

interface Work {
  readonly finished: number
  readonly seconds: number
}

function workDone(pool: Pool): Map<string, Work> {
  const done = new Map<string, Work>()
  const add = (machine: string, { finished, seconds }: Work) => {
    const work = done.get(machine) ?? { finished: 0, seconds: 0 }
    done.set(machine, { finished: work.finished + finished, seconds: work.seconds + seconds })
  }
  for (const sweep of pool.sweeps.values()) {
    for (const { standing, attempts } of sweep.trials.values()) {
      const { result, replicates, failures } = standing
      // What was stopped with its sweep was trained, and finished nothing.
      for (const each of result ? [result, ...replicates] : [])
        add(each.machine, { finished: each.class === 'stopped' ? 0 : 1, seconds: each.seconds })
      for (const { machine, seconds } of failures) add(machine, { finished: 0, seconds })
      for (const { releases } of attempts.values()) {
        for (const { machine, seconds = 0 } of releases.values()) add(machine, { finished: 0, seconds })
      }
    }
  }
  return done
}
