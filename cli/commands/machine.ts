/**
 * `machine list`, `machine view`.
 */
import { didYouMean, type MachineView, PoolError } from '#protocol'
import { type Cli, type CommonFlags, present } from '../cli.js'
import { withAgent } from '../client.js'
import { drawMachine, drawMachines } from '../screens/machine-screen.js'

export async function machineList(this: Cli, flags: CommonFlags): Promise<void> {
  const machines = await withAgent(this, flags, ask => ask({ method: 'machines' }))
  present(this, flags, machines, drawMachines)
  if (flags.json) return
  if (machines.length < 2) this.next('hypersweep invite', 'let a friend in')
  else this.next(`hypersweep machine view ${machines[0]?.machine.slice(0, 8)}`, 'see its devices')
}

export async function machineView(this: Cli, flags: CommonFlags, name: string): Promise<void> {
  const machines = await withAgent(this, flags, ask => ask({ method: 'machines' }))
  present(this, flags, machineNamed(machines, name), drawMachine)
}

/**
 * Returns the machine of that name, or whose key starts so.
 *
 * Errors: `NOT_FOUND` when there is none; `REQUEST_INVALID` when it could be several, since names are free to choose.
 */
export function machineNamed(machines: readonly MachineView[], name: string): MachineView {
  const named = machines.filter(machine => machine.name === name)
  const found = named.length > 0 ? named : machines.filter(machine => machine.machine.startsWith(name.toLowerCase()))
  const [first] = found
  if (first && found.length === 1) return first
  if (first) {
    const keys = found.map(machine => machine.machine.slice(0, 8)).join(', ')
    throw new PoolError('REQUEST_INVALID', `${found.length} machines could be meant by "${name}".`, {
      hint: `Use the start of its key: ${keys}.`
    })
  }
  const names = machines.map(machine => machine.name)
  throw new PoolError('NOT_FOUND', `The pool has no machine "${name}".${didYouMean(name, names)}`, {
    hint: 'See them all with `hypersweep machine list`.'
  })
}
