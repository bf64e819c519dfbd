/**
 * One sweep: the pools of most tests of the agent's core, and short questions about what its machines did.
 *
 * Owns no rule; what is asked is read from logs and calls.
 */
import type { Beat, Entry, RecordOf, Submission, Sweep, SweepSpec } from '#protocol'
import { submission, sweepSpec } from './records.js'
import { createVirtualPool, GPU, type MachineOptions, type VirtualMachine } from './virtual-pool.js'

export const LEASE_MS = 60_000
/** A machine that is there and takes nothing, until it gets another device. */
export const IDLE = { devices: [{ ...GPU, fault: 'it is asleep' }] } satisfies MachineOptions

/** Returns a pool with one sweep of `trials` trials, without machines, and the names of its attempts. */
export function poolWith(trials: number, changes: Partial<SweepSpec> = {}) {
  const values = Array.from({ length: trials }, (_, n) => n)
  const parameters: SweepSpec['parameters'] = { x: { distribution: 'categorical', values } }
  const draft = submission(sweepSpec({ parameters, leaseMs: LEASE_MS, ...changes }))
  const world = createVirtualPool([draft])
  return { world, sweep: draft.sweep, id: (trial: number, attempt = 1) => `${draft.sweep}-${trial}-${attempt}` }
}

/** Returns a pool in which machine a runs the only trial. */
export function running(options: MachineOptions = {}) {
  const { world, ...names } = poolWith(1)
  return { world, a: world.add('a', options), ...names }
}

/** Returns the sweep as a machine sees it. */
export function sweepAt(machine: VirtualMachine, id: string): Sweep {
  return machine.pool.sweeps.get(id) ?? fail('The sweep is not there.')
}

/** Returns what was submitted, as its owner would approve it. */
export function submittedTo(machine: VirtualMachine): Submission {
  const [sweep] = machine.pool.sweeps.values()
  return sweep?.submission ?? fail('No sweep was submitted.')
}

/** Returns the latest thing that a machine said of itself. */
export function beatOf(machine: VirtualMachine): Beat {
  return machine.beats.at(-1) ?? fail('It has said nothing.')
}

/** Returns the ids of the attempts that machines started, sorted. */
export function startedBy(...machines: readonly VirtualMachine[]): string[] {
  return machines.flatMap(machine => machine.started.map(({ id }) => id)).sort()
}

/** Returns the entries in which a machine claimed a trial. */
export function claimsOf(machine: VirtualMachine): Entry[] {
  return machine.log.entries.filter(each => each.record.kind === 'trial-claimed')
}

/** Returns the records in which a machine gave a trial back. */
export function releasesOf(machine: VirtualMachine): RecordOf<'trial-released'>[] {
  return machine.log.entries.flatMap(({ record }) => (record.kind === 'trial-released' ? [record] : []))
}

function fail(message: string): never {
  throw new Error(message)
}
