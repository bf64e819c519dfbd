/**
 * Bench: from a claim appended at one machine until another one has folded it.
 *
 * Three machines in processes of their own, over a private DHT on loopback, with real stores and real connections.
 * `npm run bench -- claims` prints JSON: milliseconds, p50 and p99 over all claims.
 */
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Draft, idOf } from '#protocol'
import { openPrivateDht } from '../../agent/mesh/dht.js'
import { type OpenMesh, openMesh } from '../../agent/mesh/mesh.js'
import { foundPool, type Membership, openIdentity } from '../../agent/store/identity.js'
import { type Machine, openMachine } from './rig.js'

const CLAIMS = 500
const WARM_UP = 50
const NAMES = ['a', 'b', 'c'] as const
const SWEEP = idOf('bench', 'claims')

interface Setup {
  readonly home: string
  readonly name: string
  readonly membership: Membership
  readonly bootstrap: string
  readonly members: readonly { member: string; machine: string; name: string }[]
}

/** All processes of one computer share this clock; only differences of it are used. */
const now = () => performance.timeOrigin + performance.now()

export async function benchClaims(): Promise<object> {
  const folder = mkdtempSync(join(tmpdir(), 'hypersweep-bench-'))
  const dht = await openPrivateDht('127.0.0.1', 0)
  const homeOf = (name: string) => join(folder, name)
  const identities = NAMES.map(name => openIdentity(homeOf(name), { member: name, machine: name }))
  const [founder] = identities
  if (!founder) throw new Error('There is a founder.')
  const membership = foundPool(founder, 'bench')
  const members = identities.map(({ member, machine, memberName }) => ({ member, machine, name: memberName }))
  const children = NAMES.map(name => {
    const setup: Setup = { home: homeOf(name), name, membership, bootstrap: dht.address, members }
    return fork(fileURLToPath(import.meta.url), [JSON.stringify(setup)], { execArgv: process.execArgv })
  })
  const seen = new Map<number, { sentMs: number; readonly latencies: number[] }>()
  let ready = 0
  const done = new Promise<void>(resolve => {
    for (const child of children) {
      child.on('message', (message: { ready?: true; sent?: number; seen?: number; atMs: number }) => {
        if (message.ready) ready++
        if (message.sent !== undefined) seen.set(message.sent, { sentMs: message.atMs, latencies: [] })
        if (message.seen !== undefined)
          seen.get(message.seen)?.latencies.push(message.atMs - (seen.get(message.seen)?.sentMs ?? 0))
        if (ready === NAMES.length) children[0]?.send('go')
        if (seen.size === CLAIMS && [...seen.values()].every(each => each.latencies.length === NAMES.length - 1))
          resolve()
      })
    }
  })
  await done
  for (const child of children) child.kill()
  await dht.close()
  rmSync(folder, { recursive: true, force: true })
  const latencies = [...seen]
    .filter(([index]) => index >= WARM_UP)
    .flatMap(([, each]) => each.latencies)
    .sort((a, b) => a - b)
  const at = (share: number) => Number((latencies[Math.floor(share * (latencies.length - 1))] ?? 0).toFixed(2))
  return {
    bench: 'claims',
    machines: NAMES.length,
    samples: latencies.length,
    p50Ms: at(0.5),
    p90Ms: at(0.9),
    p99Ms: at(0.99),
    maxMs: at(1)
  }
}

/** One machine: machine `a` appends claims one after the other, the others tell when they have folded them. */
async function machine(setup: Setup): Promise<void> {
  const told = new Set<number>()
  const later: { opened?: Machine; mesh?: OpenMesh } = {}
  const opened = await openMachine({
    home: setup.home,
    membership: setup.membership,
    onHeads: () => later.mesh?.gossip(),
    onChanged: () => {
      for (const index of later.opened?.log.pool().sweeps.get(SWEEP)?.trials.keys() ?? []) {
        if (told.has(index)) continue
        told.add(index)
        if (setup.name !== 'a') process.send?.({ seen: index, atMs: now() })
      }
    }
  })
  later.opened = opened
  const { identity, store, log } = opened
  const note = () => undefined
  const machines = setup.members.map(each => each.machine)
  const mesh = openMesh({
    pool: setup.membership.pool,
    secret: setup.membership.secret,
    keyPair: identity.machineKeyPair,
    bootstrap: [setup.bootstrap],
    isMember: key => machines.includes(key),
    members: () => machines.filter(key => key !== identity.machine),
    replicate: connection => store.replicate(connection),
    heads: log.heads,
    onGossip: log.learn,
    onPresence: note,
    onAway: note,
    note
  })
  later.mesh = mesh
  const append = (draft: Draft) => opened.write([draft])
  if (setup.name === 'a') {
    await append({ kind: 'pool-founded', ...setup.membership.founding })
    for (const { member, machine: key, name } of setup.members.slice(1)) {
      await append({ kind: 'member-admitted', member, machine: key, name, role: 'member', invite: '0'.repeat(32) })
    }
  }
  while (
    mesh.connected().length < NAMES.length - 1 ||
    log.heads().length < NAMES.length ||
    log.pool().members.size < NAMES.length
  )
    await wait(20)
  process.send?.({ ready: true })
  if (setup.name !== 'a') return
  await new Promise(resolve => process.once('message', resolve))
  for (let trial = 0; trial < CLAIMS; trial++) {
    process.send?.({ sent: trial, atMs: now() })
    await append({
      kind: 'trial-claimed',
      sweep: SWEEP,
      trial,
      attempt: 1,
      device: 'cpu',
      parameters: { learning_rate: 0.0001 * trial }
    })
    await wait(5)
  }
}

const [, , text] = process.argv
if (process.send && text?.startsWith('{')) await machine(JSON.parse(text) as Setup)
