/**
 * Machines with real stores and real logs that meet in memory: two replication streams joined end to end, and the
 * gossip that the mesh would carry.
 */
import { join } from 'node:path'
import { type Duplex, pipeline } from 'node:stream'
import type { Test } from 'tap'
import { type Attestation, type Draft, LIMITS, poolDigest } from '#protocol'
import { markCleanStop, takeCleanStop } from '../../agent/store/clean-stop.js'
import { foundPool, type Identity, type Membership, openIdentity } from '../../agent/store/identity.js'
import { type FileKeeper, openKeeper } from '../../agent/store/keeper.js'
import { openSharedLog, type SharedLog } from '../../agent/store/shared-log.js'
import { openStore, type Store } from '../../agent/store/store.js'
import { until } from './agents.js'
import { idFor } from './records.js'

export const SWEEP = idFor('sweep')
export const WAIT_MS = 15_000

interface Settings {
  /** Goes on with this log whatever the mark says: as a snapshot of a whole disk that was put back would. */
  readonly lastLog?: string
  readonly quotaBytesPerDay?: number
}

export interface Machine {
  readonly home: string
  readonly identity: Identity
  readonly membership: Membership
  readonly keeper: FileKeeper
  readonly store: Store
  readonly log: SharedLog
  readonly notes: string[]
  /** Machines whose entries were told of, in order. */
  readonly changed: string[]
  /** What to do when this machine knows more logs. */
  readonly onHeads: Set<() => void>
  onChanged: () => void
  isOpen: boolean
}

/** Opens a machine on its home, in the pool that it is given or in one that it founds. */
export async function openMachine(home: string, given?: Membership, settings: Settings = {}): Promise<Machine> {
  const identity = openIdentity(home, { member: 'member', machine: 'machine' })
  const membership = given ?? foundPool(identity, 'den')
  const keeper = openKeeper(home, { checkpoints: () => [] })
  const lastLog = settings.lastLog ?? takeCleanStop(home)
  const store = await openStore(home)
  const [notes, changed]: [string[], string[]] = [[], []]
  const onHeads = new Set<() => void>()
  const told = { onChanged: () => {}, dropped: [] as string[] }
  const log = await openSharedLog({
    home,
    store,
    membership,
    identity,
    keeper,
    lastLog,
    quotaBytesPerDay: settings.quotaBytesPerDay ?? LIMITS.quotaBytesPerDay,
    wall: () => 1000,
    note: message => notes.push(message),
    onChanged: writers => {
      changed.push(...writers)
      told.onChanged()
    },
    onDropped: draft => void told.dropped.push(draft.kind),
    onFailed: error => notes.push(`failed: ${error}`),
    onHeads: () => {
      for (const hear of onHeads) hear()
    }
  })
  if (!given) log.append([{ kind: 'pool-founded', ...membership.founding }])
  await log.flushed()
  return Object.assign(told, { home, identity, membership, keeper, store, log, notes, changed, onHeads, isOpen: true })
}

/** Closes a machine, in order or as a crash leaves it: without the mark of a clean stop. */
export async function close(machine: Machine, how: 'in order' | 'crashed'): Promise<void> {
  if (!machine.isOpen) return
  machine.isOpen = false
  const lastLog = await machine.log.close()
  await machine.store.close()
  if (how === 'in order' && lastLog) markCleanStop(machine.home, lastLog)
}

export async function reopen(machine: Machine, how: 'in order' | 'crashed'): Promise<Machine> {
  await close(machine, how)
  return openMachine(machine.home, machine.membership)
}

/** Opens machines that end with the test: the first founds the pool, the others know its secret. */
export async function pool<const N extends readonly string[]>(
  t: Test,
  ...names: N
): Promise<{ [K in keyof N]: Machine }> {
  const folder = t.testdir({})
  const machines: Machine[] = []
  t.teardown(() => Promise.all(machines.map(machine => close(machine, 'crashed'))))
  for (const name of names) machines.push(await openMachine(join(folder, name), machines[0]?.membership))
  return machines as { [K in keyof N]: Machine }
}

/** Lets two machines meet: logs travel, and each tells the other which logs it knows. */
export function meet(a: Machine, b: Machine): void {
  const [there, back] = [a.store.replicate(true) as Duplex, b.store.replicate(false) as Duplex]
  // How the streams end does not matter: the stores close under them.
  pipeline(there, back, there, () => undefined)
  const tell = () => {
    b.log.learn(a.log.heads())
    a.log.learn(b.log.heads())
  }
  a.onHeads.add(tell)
  b.onHeads.add(tell)
  tell()
}

export async function admit(by: Machine, ...others: Machine[]): Promise<void> {
  by.log.append(
    others.map(({ identity: { member, machine } }) => {
      return { kind: 'member-admitted', member, machine, name: 'bo', role: 'member', invite: idFor(member) }
    })
  )
  await by.log.flushed()
}

export function report(step: number, trial = 0): Draft {
  return { kind: 'attempt-reported', sweep: SWEEP, trial, attempt: 1, step, value: 1 }
}

export async function write(machine: Machine, ...drafts: Draft[]): Promise<void> {
  machine.log.append(drafts)
  await machine.log.flushed()
}

/** The reports of one machine as another one sees them: steps and places, in the order of the steps. */
export function reportsOf(writer: Machine, seenBy: Machine, trial = 0) {
  const attempt = seenBy.log.pool().sweeps.get(SWEEP)?.trials.get(trial)?.attempts.get(1)
  return [...(attempt?.reports.get(writer.identity.machine) ?? [])].sort((a, b) => a[0] - b[0])
}

export const stepsOf = (writer: Machine, seenBy: Machine) => reportsOf(writer, seenBy).map(([step]) => step)
export const incarnations = (machine: Machine) => attestations(machine).map(({ incarnation }) => incarnation)

export function attestations(machine: Machine): Attestation[] {
  return machine.log
    .heads()
    .map(({ attestation }) => attestation)
    .filter(attestation => attestation.machine === machine.identity.machine)
    .sort((a, b) => a.incarnation - b.incarnation)
}

export async function agreed(...machines: Machine[]): Promise<void> {
  const hashes = () => new Set(machines.map(machine => poolDigest(machine.log.pool())))
  await until('all agree', async () => hashes().size === 1, WAIT_MS)
}
