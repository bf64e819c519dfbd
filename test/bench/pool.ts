/**
 * Bench: a pool of 100,000 records: how long a newcomer takes to have all of it, and what opening it again costs.
 *
 * One process writes the pool's 8 logs in batches, as agents do, and carries them on loopback; the newcomer is a
 * process of its own, and so is each one that opens the pool again. Memory is what the kernel counts, start of Node
 * included.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { type Draft, type Gossip, poolDigest } from '#protocol'
import { foundPool, type Membership, openIdentity } from '../../agent/store/identity.js'
import {
  benchSweep,
  costOf,
  diskBytes,
  type Figures,
  inFolder,
  type Machine,
  openMachine,
  peakMB,
  residentMB,
  rounded,
  submissionOf
} from './rig.js'

const WRITERS = 8
/** A claim, four reports and a result: the records of a trial. */
const REPORTS = 4
const RECORDS = 100_000
const TRIALS = Math.ceil(RECORDS / (REPORTS + 2))
/** Trials that one append tells of. */
const TRIALS_PER_BATCH = 8
const AIMS = { completeMs: 15_000, reopenMs: 2000, residentMB: 400, diskBytesPerRecord: 600 } as const

interface Task {
  readonly role: 'join' | 'reopen'
  readonly home: string
  readonly membership: Membership
  readonly entries: number
  readonly port: number
  readonly heads: Gossip
}

interface Told {
  readonly wallMs: number
  readonly cpuMs: number
  readonly residentMB: number
  readonly peakMB: number
  readonly digest: string
}

/** Returns what a newcomer and two reopenings took, memory, and disk bytes a record. */
export async function benchPool(): Promise<Figures> {
  return inFolder(async folder => {
    const homes = Array.from({ length: WRITERS }, (_, index) => join(folder, `${index}`))
    const home = join(folder, 'newcomer')
    const { machine, membership } = await writePool(homes, home)
    const { entries } = machine.log.pool()
    const digest = poolDigest(machine.log.pool())
    const server = createServer(socket => carry(machine, socket, false)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const port = (server.address() as AddressInfo).port
    const task = { home, membership, entries, port, heads: machine.log.heads() }
    const newcomer = await ask({ role: 'join', ...task })
    const disk = diskBytes(join(home, 'store'))
    const reopened = await ask({ role: 'reopen', ...task })
    const again = await ask({ role: 'reopen', ...task })
    server.close()
    if ([newcomer, reopened, again].some(each => each.digest !== digest)) throw new Error('The machines do not agree.')
    return figuresOf({ entries, newcomer, reopened, again, diskBytesPerRecord: rounded(disk / entries, 0) })
  })
}

function figuresOf(measured: {
  readonly entries: number
  readonly newcomer: Told
  readonly reopened: Told
  readonly again: Told
  readonly diskBytesPerRecord: number
}): Figures {
  const { newcomer, reopened, diskBytesPerRecord } = measured
  const memory = Math.max(newcomer.peakMB, reopened.peakMB)
  const row = (what: string, value: number, unit: string, aim: number) => {
    return { what, measured: `${value} ${unit}`, aim: `${aim} ${unit}`, isMet: value <= aim }
  }
  const rows = [
    row('a newcomer has all of it', newcomer.wallMs, 'ms', AIMS.completeMs),
    row('opened again', reopened.wallMs, 'ms', AIMS.reopenMs),
    row('resident memory, at most', memory, 'MB', AIMS.residentMB),
    row('disk of a record', diskBytesPerRecord, 'bytes', AIMS.diskBytesPerRecord)
  ]
  const figures = { bench: 'pool', writers: WRITERS, ...measured, rows }
  return figures
}

/** Writes the pool, each writer its share, and returns the founder's machine, which has all logs. */
async function writePool(
  homes: readonly string[],
  newcomer: string
): Promise<{ machine: Machine; membership: Membership }> {
  const identities = [...homes, newcomer].map(home => openIdentity(home, { member: 'member', machine: 'machine' }))
  const [founder] = identities
  if (!founder) throw new Error('There is a founder.')
  const membership = foundPool(founder, 'pool')
  const machine = await openMachine({ home: homes[0] ?? '', membership })
  const submission = submissionOf(benchSweep(TRIALS), founder.member, 'pool')
  const admitted = identities.slice(1).map(({ member, machine, memberName: name }): Draft => {
    return { kind: 'member-admitted', member, machine, name, role: 'member', invite: '0'.repeat(32) }
  })
  await machine.write([{ kind: 'pool-founded', ...membership.founding }, ...admitted, submission])
  for (const [index, home] of homes.entries()) {
    const writer = index === 0 ? machine : await openMachine({ home, membership })
    const stream = index === 0 ? undefined : link(machine, writer)
    const before = machine.log.pool().entries
    let written = 0
    for (let trial = index; trial < TRIALS; trial += WRITERS * TRIALS_PER_BATCH) {
      const batch = Array.from({ length: TRIALS_PER_BATCH }, (_, each) => trial + WRITERS * each)
      const drafts = batch.filter(each => each < TRIALS).flatMap(each => recordsOf(submission.sweep, each))
      written += drafts.length
      await writer.write(drafts)
    }
    // The first record of a log counts, too.
    while (stream && machine.log.pool().entries < before + written + 1)
      await new Promise(resolve => setTimeout(resolve, 5))
    stream?.destroy()
    if (writer !== machine) await writer.close()
  }
  return { machine, membership }
}

function link(one: Machine, other: Machine): { destroy(): void } {
  const near = one.store.replicate(true) as NodeJS.ReadWriteStream & { destroy(): void }
  const far = other.store.replicate(false) as NodeJS.ReadWriteStream
  pipeline(near, far, near, () => undefined)
  one.log.learn(other.log.heads())
  other.log.learn(one.log.heads())
  return near
}

function recordsOf(sweep: string, trial: number): Draft[] {
  const about = { sweep, trial, attempt: 1 }
  const parameters = { learning_rate: 0.1 / (trial + 1), dropout: 0.25, layers: 4, width: 256, optimizer: 'adamw' }
  const loss = (step: number) => 1 / step + (trial % 97) / 97
  const steps = Array.from({ length: REPORTS }, (_, index) => 2 ** index)
  return [
    { kind: 'trial-claimed', ...about, device: 'cpu', parameters },
    ...steps.map((step): Draft => ({ kind: 'attempt-reported', ...about, step, value: loss(step) })),
    {
      kind: 'attempt-finished',
      ...about,
      class: 'complete',
      parameters,
      value: loss(8),
      step: 8,
      metrics: { loss: loss(8) },
      curve: steps.map((step): [number, number] => [step, loss(step)]),
      seconds: 60,
      device: { id: 'cpu', model: 'bench', memoryBytes: 1e9 }
    }
  ]
}

/** Carries the logs over a socket. */
function carry(machine: Machine, socket: Socket, isInitiator: boolean): void {
  const stream = machine.store.replicate(isInitiator) as NodeJS.ReadWriteStream
  pipeline(stream, socket, stream, () => undefined)
}

/** Has a process of its own do something, and returns what it told. */
async function ask(task: Task): Promise<Told> {
  const child = fork(fileURLToPath(import.meta.url), [], { execArgv: process.execArgv })
  child.send(task)
  const [told] = (await once(child, 'message')) as [Told]
  await once(child, 'exit')
  return told
}

/** What the other process does: joins the pool, or opens it again, until all of it is folded. */
async function doTask({ role, home, membership, entries, port, heads }: Task): Promise<void> {
  const seen: { machine?: Machine; tell?: () => void } = {}
  // One more than was sent: the newcomer's own log begins with a record, too.
  const onChanged = () => {
    if ((seen.machine?.log.pool().entries ?? 0) > entries) seen.tell?.()
  }
  const cost = await costOf(async () => {
    const complete = new Promise<void>(resolve => {
      seen.tell = resolve
    })
    const machine = await openMachine({ home, membership, onChanged })
    seen.machine = machine
    if (role === 'join') {
      carry(machine, connect(port, '127.0.0.1'), true)
      machine.log.learn(heads)
    }
    onChanged()
    await complete
  })
  const { machine } = seen
  if (!machine) return
  const told = { ...cost, residentMB: residentMB(), peakMB: peakMB(), digest: poolDigest(machine.log.pool()) }
  await machine.close()
  process.send?.({ ...told, wallMs: rounded(cost.wallMs, 0), cpuMs: rounded(cost.cpuMs, 0) })
  process.disconnect?.()
  process.exit(0)
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) {
  process.once('message', task => void doTask(task as Task))
}
