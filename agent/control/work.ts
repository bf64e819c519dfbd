/**
 * Work: what requests need of the agent's process, and what it knows of the pool's machines.
 *
 * Owns the shapes of what the handlers stand on. Knows no adapter: they come in as a few functions.
 */
import {
  type Bundle,
  type Draft,
  type InviteView,
  type Live,
  type LiveMachine,
  type Manifest,
  PoolError,
  type SweepFiles
} from '#protocol'
import type { Agent } from '../agent.js'
import type { DoctorLog } from './doctor.js'
import type { BulkSource } from './full-trial.js'

/** This machine at work in a pool, as far as requests need it. */
export interface Work {
  readonly agent: Pick<Agent, 'local' | 'beat' | 'approve' | 'pause' | 'resume'>
  readonly log: DoctorLog
  readonly mesh: { connected(): readonly string[]; isOnline(): boolean }
  readonly bundles: {
    pack(folder: string, sweepFiles: SweepFiles): Promise<Bundle>
    digestOf(folder: string, sweepFiles: SweepFiles): string
    list(bundle: Bundle): Promise<Manifest>
  }
  readonly bulk: BulkSource['bulk']
  readonly invites: { create(): InviteView; list(): InviteView[] }
  readonly membership: { readonly founding: { readonly name: string } }
  output(id: string): Promise<string>
  record(drafts: readonly Draft[]): Promise<void>
}

/** The agent's process around it: there also while this home is in no pool. */
export interface Surroundings {
  readonly version: string
  readonly home: string
  readonly bootstrap: readonly string[]
  readonly names: {
    readonly machine: string
    readonly machineName: string
    readonly memberName: string
    readonly member: string
  }
  readonly approve: 'ask' | 'all'
  work(): Work | undefined
  found(pool: string): Promise<void>
  join(invite: string): Promise<void>
  /** Begins to stop; returns how many attempts are to be ended first. */
  down(): number
  now(): number
  wall(): number
}

/** Returns this machine at work. Errors: `POOL_MISSING`. */
export function workOf(host: Surroundings): Work {
  const work = host.work()
  if (work) return work
  throw new PoolError('POOL_MISSING', `This home is in no pool: ${host.home}.`, {
    hint: "Make one with `hypersweep init`, or join a friend's with `hypersweep join <invite>`."
  })
}

/** What every machine says of itself now, this one included. */
export function liveOf(host: Surroundings, work: Work): Live {
  const { local } = work.agent
  const now = host.now()
  const machines = new Map<string, LiveMachine>([[local.machine, { beat: work.agent.beat(), ageSeconds: 0 }]])
  for (const [machine, peer] of local.peers) {
    machines.set(machine, { beat: peer.beat, ageSeconds: (now - peer.heardMs) / 1000, roundTripMs: peer.roundTripMs })
  }
  return { machine: local.machine, machines }
}
