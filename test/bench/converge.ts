/**
 * Bench: 8 machines write 100 records each at once; until all 8 agree.
 *
 * Real stores, logs and replication streams in one process, every machine joined with every other: what the network
 * adds is left out, and one thread carries all eight, so that the figure is the work of the whole pool.
 */
import { join } from 'node:path'
import { type Duplex, pipeline } from 'node:stream'
import { type Draft, poolDigest } from '#protocol'
import { foundPool, openIdentity } from '../../agent/store/identity.js'
import { benchSweep, costOf, type Figures, inFolder, type Machine, openMachine, rounded, submissionOf } from './rig.js'

const MACHINES = 8
const RECORDS = 100
/** The sum of what the machines did one by one, in ms: 5,262 in the measurements before the design. */
const AIM_MS = 5262

/** Returns how long it takes until all agree, in ms, singly appended and in one append of each. */
export async function benchConverge(): Promise<Figures> {
  const singly = await converge(1)
  const atOnce = await converge(RECORDS)
  const rows = [
    {
      what: `${MACHINES} machines x ${RECORDS} records until all agree`,
      measured: `${singly.wallMs} ms (in one block each: ${atOnce.wallMs} ms)`,
      aim: `${AIM_MS} ms`,
      isMet: singly.wallMs <= AIM_MS
    }
  ]
  const figures = { bench: 'converge', machines: MACHINES, records: RECORDS, isOneProcess: true, singly, atOnce, rows }
  return figures
}

async function converge(batch: number): Promise<{ wallMs: number; cpuMs: number; entriesPerCpuSecond: number }> {
  return inFolder(async folder => {
    const homes = Array.from({ length: MACHINES }, (_, index) => join(folder, `${index}`))
    const identities = homes.map(home => openIdentity(home, { member: 'member', machine: 'machine' }))
    const [first] = identities
    if (!first) throw new Error('There is a founder.')
    const membership = foundPool(first, 'converge')
    const changed = new Set<() => void>()
    const onChanged = () => {
      for (const hear of [...changed]) hear()
    }
    const machines: Machine[] = []
    for (const home of homes) machines.push(await openMachine({ home, membership, onChanged }))
    const submission = submissionOf(benchSweep(MACHINES * RECORDS), first.member, 'converge')
    const admitted = identities.slice(1).map(({ member, machine, memberName: name }): Draft => {
      return { kind: 'member-admitted', member, machine, name, role: 'member', invite: '0'.repeat(32) }
    })
    const beginning: Draft[] = [{ kind: 'pool-founded', ...membership.founding }, ...admitted, submission]
    await machines[0]?.write(beginning)
    const links = joinAll(machines)
    const have = (entries: number) => () => machines.every(each => each.log.pool().entries === entries)
    // The first record of each log counts, too.
    const before = beginning.length + MACHINES
    await until(changed, have(before))
    const cost = await costOf(async () => {
      const writing = machines.map((machine, index) => writeAll(machine, claimsOf(submission.sweep, index), batch))
      await until(changed, have(before + MACHINES * RECORDS))
      await Promise.all(writing)
    })
    const digests = new Set(machines.map(each => poolDigest(each.log.pool())))
    if (digests.size !== 1) throw new Error('The machines do not agree.')
    for (const link of links) link.destroy()
    for (const machine of machines) await machine.close()
    return {
      wallMs: rounded(cost.wallMs, 0),
      cpuMs: rounded(cost.cpuMs, 0),
      entriesPerCpuSecond: Math.round((MACHINES * MACHINES * RECORDS) / (cost.cpuMs / 1000))
    }
  })
}

function claimsOf(sweep: string, machine: number): Draft[] {
  return Array.from({ length: RECORDS }, (_, index) => {
    const parameters = { learning_rate: 0.1 / (index + 1), dropout: 0.25, layers: 4, width: 256, optimizer: 'adamw' }
    return { kind: 'trial-claimed', sweep, trial: RECORDS * machine + index, attempt: 1, device: 'cpu', parameters }
  })
}

async function writeAll(machine: Machine, drafts: readonly Draft[], batch: number): Promise<void> {
  for (let at = 0; at < drafts.length; at += batch) await machine.write(drafts.slice(at, at + batch))
}

/** Joins every two machines by a stream, and tells each which logs the others know. */
function joinAll(machines: readonly Machine[]): Duplex[] {
  const links: Duplex[] = []
  machines.forEach((one, index) => {
    for (const other of machines.slice(index + 1)) {
      const [near, far] = [one.store.replicate(true) as Duplex, other.store.replicate(false) as Duplex]
      pipeline(near, far, near, () => undefined)
      links.push(near, far)
      one.log.learn(other.log.heads())
      other.log.learn(one.log.heads())
    }
  })
  return links
}

/** Resolves once something holds, which is looked at each time that a machine folded something. */
function until(changed: Set<() => void>, holds: () => boolean): Promise<void> {
  return new Promise(resolve => {
    const look = () => {
      if (!holds()) return
      changed.delete(look)
      resolve()
    }
    changed.add(look)
    look()
  })
}
