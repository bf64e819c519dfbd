/**
 * The mesh and pairing over a real DHT on loopback: who finds whom, who is let in, and what is said.
 */
import b4a from 'b4a'
import BlindPairing from 'blind-pairing'
import c from 'compact-encoding'
import crypto from 'hypercore-crypto'
import Hyperswarm from 'hyperswarm'
import Protomux from 'protomux'
import t, { type Test } from 'tap'
import z32 from 'z32'
import { type Beat, digestOf, encodePresence, type Gossip, LIMITS } from '#protocol'
import { openDht, openPrivateDht } from '../../agent/mesh/dht.js'
import { type OpenMesh, openMesh } from '../../agent/mesh/mesh.js'
import {
  type Candidate,
  comeWith,
  inviteText,
  type OpenInvite,
  openInviteServer,
  readInvite
} from '../../agent/mesh/pairing.js'
import { until } from '../helpers/agents.js'
import { keyOf } from '../helpers/records.js'

const POOL = keyOf('pool')
const SECRET = keyOf('secret')
/** The DHT that an invite names comes first: nobody listens here. */
const NOWHERE = '127.0.0.1:1'
const WAIT_MS = 15_000
const DAY_MS = 24 * 3600 * 1000
const dht = await openPrivateDht('127.0.0.1', 0)
const bootstrap = [dht.address]
t.teardown(() => dht.close())

interface Machine {
  readonly key: string
  readonly mesh: OpenMesh
  readonly members: Set<string>
  /** Machines that asked for a connection and got none. */
  readonly refused: Set<string>
  readonly heard: { readonly machine: string; readonly beat: Beat; readonly roundTripMs: number }[]
  readonly learned: Gossip[]
  readonly away: string[]
  readonly notes: string[]
  close(): Promise<void>
}

interface MachineOptions {
  readonly lookFirstMs?: number
  readonly heads?: () => Gossip
}

const keyPairOf = (name: string) => crypto.keyPair(b4a.from(keyOf(name), 'hex'))
const machineKey = (name: string) => b4a.toString(keyPairOf(name).publicKey, 'hex')
const beatOf = (name: string): Beat => ({ name, devices: [], accepts: [], running: [], heard: {} })

/** Opens a machine that knows the named ones as members. It closes with the test. */
function open(t: Test, name: string, members: readonly string[], options: MachineOptions = {}): Machine {
  const told = {
    key: machineKey(name),
    members: new Set(members.map(machineKey)),
    refused: new Set<string>(),
    heard: [] as Machine['heard'],
    learned: [] as Gossip[],
    away: [] as string[],
    notes: [] as string[]
  }
  const mesh = openMesh({
    pool: POOL,
    secret: SECRET,
    keyPair: keyPairOf(name),
    bootstrap,
    members: () => [...told.members],
    isMember(machine) {
      if (!told.members.has(machine)) told.refused.add(machine)
      return told.members.has(machine)
    },
    replicate: () => undefined,
    heads: () => [],
    onGossip: gossip => told.learned.push(gossip),
    onPresence: (machine, beat, roundTripMs) => told.heard.push({ machine, beat, roundTripMs }),
    onAway: machine => told.away.push(machine),
    note: message => told.notes.push(message),
    ...options
  })
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= mesh.close()
    return closing
  }
  t.teardown(close)
  mesh.announce(beatOf(name))
  return { ...told, mesh, close }
}

const names = (machine: Machine) => machine.heard.map(({ beat }) => beat.name)

async function connected(...machines: Machine[]): Promise<void> {
  const isConnected = (machine: Machine) => machine.mesh.connected().length === machines.length - 1
  await until('all are connected', async () => machines.every(isConnected), WAIT_MS)
}

t.test('machines that start in the same instant find each other and hear what was said before', async t => {
  const machines = ['a', 'b', 'c'].map(name => open(t, name, ['a', 'b', 'c']))
  await connected(...machines)
  await until('each hears both others', async () => machines.every(each => new Set(names(each)).size === 2), WAIT_MS)
  const [a, b] = machines
  t.same(a?.mesh.connected(), [machineKey('b'), machineKey('c')].sort())
  t.ok(a?.mesh.isOnline())
  for (const { machine, beat, roundTripMs } of b?.heard ?? []) {
    t.equal(machine, machineKey(beat.name), 'a beat counts for who sent it')
    t.ok(roundTripMs >= 0 && roundTripMs < 10_000)
  }
  a?.mesh.announce(beatOf('news'))
  await until('both hear news', async () => machines.slice(1).every(each => names(each).includes('news')), WAIT_MS)
})

t.test('who loses somebody looks for them at once, however often they were tried in vain', async t => {
  // As after an hour asleep: Hyperswarm has given up trying, and the next look is far away.
  const options = { lookFirstMs: 3_600_000 }
  const [a, b] = [open(t, 'a', ['b'], options), open(t, 'b', ['a'], options)]
  // The first time a lookup of the start may still be on its way.
  for (const times of [1, 2, 3]) {
    await connected(a, b)
    for (const { mesh } of [a, b]) for (const peer of mesh.swarm.peers.values()) Object.assign(peer, { attempts: 10 })
    for (const connection of a.mesh.swarm.connections) connection.destroy()
    await until('each has lost the other', async () => [a, b].every(({ away }) => away.length >= times), WAIT_MS)
  }
  await connected(a, b)
  t.same(a.mesh.connected(), [machineKey('b')])
})

t.test('one that starts later is heard, one that closes is away, and comes back when it opens again', async t => {
  const a = open(t, 'a', ['b'])
  const b = open(t, 'b', ['a'])
  await connected(a, b)
  await b.close()
  await until('b is away', async () => a.away.includes(b.key), WAIT_MS)
  t.same(a.mesh.connected(), [])
  t.same(b.away, [], 'who closes tells nobody')
  const again = open(t, 'b', ['a'])
  await connected(a, again)
  await until('b is heard again', async () => names(a).filter(name => name === 'b').length === 2, WAIT_MS)
})

t.test("a stranger gets no connection, even if it knows the pool's secret, until it is a member (M6)", async t => {
  const a = open(t, 'a', [])
  const eve = open(t, 'eve', ['a'])
  await until('eve was turned away', async () => a.refused.has(eve.key), WAIT_MS)
  t.same([a.mesh.connected(), eve.mesh.connected()], [[], []])
  t.same([a.heard, eve.heard], [[], []], 'nobody heard a word')
  a.members.add(eve.key)
  a.mesh.welcome()
  await connected(a, eve)
})

t.test('who speaks of another pool is not heard', async t => {
  const a = open(t, 'a', ['b', 'c'])
  const b = open(t, 'b', ['a'])
  const other = talk(t, 'c', keyOf('other pool'))
  await connected(a, b)
  await other.connected
  other.say(encodePresence({ type: 'beat', beat: beatOf('c') }))
  b.mesh.announce(beatOf('after'))
  await until('b is heard', async () => names(a).includes('after'), WAIT_MS)
  t.notOk(names(a).includes('c'))
  t.notOk(a.mesh.connected().includes(machineKey('c')))
})

t.test('known logs are told at the start and when there are more, in as many messages as it takes', async t => {
  const attestation = (log: string) => {
    const signature = 'a'.repeat(128)
    const keys = { pool: POOL, member: keyOf('m'), machine: keyOf('n'), log: keyOf(log) }
    return { ...keys, incarnation: 1, memberSignature: signature, machineSignature: signature }
  }
  const heads: Gossip = []
  const more = (count: number) => {
    for (let n = 0; n < count; n++)
      heads.push({ attestation: attestation(`log ${heads.length}`), length: heads.length })
  }
  more(LIMITS.logsPerGossip + 1)
  const a = open(t, 'a', ['b'], { heads: () => heads })
  const b = open(t, 'b', ['a'])
  const known = () => new Map(b.learned.flat().map(({ attestation, length }) => [attestation.log, length]))
  await until('b knows all logs', async () => known().size === heads.length, WAIT_MS)
  t.equal(b.learned.length, 2)
  t.equal(known().get(keyOf('log 64')), 64)
  more(1)
  a.mesh.gossip()
  await until('b knows the new one', async () => known().size === heads.length, WAIT_MS)
  t.same([a.notes, b.notes], [[], []], 'no message was too large')
})

t.test('what is no presence is noted and ignored, and what follows it is heard', async t => {
  const a = open(t, 'a', ['b'])
  const b = talk(t, 'b', POOL)
  await b.connected
  const broken = [
    '',
    'no JSON',
    '{"type":"beat"}',
    '{"type":"later","x":1}',
    '[]',
    'x'.repeat(LIMITS.presenceBytes + 1)
  ]
  for (const text of broken) b.say(b4a.from(text))
  b.say(encodePresence({ type: 'beat', beat: beatOf('b') }))
  await until('b is heard', async () => names(a).includes('b'), WAIT_MS)
  t.same(
    a.notes,
    broken.map(() => 'a machine said something that is no presence')
  )
  t.same(a.mesh.connected(), [machineKey('b')])
})

t.test('a machine is online once a node of the DHT has answered', async t => {
  const a = open(t, 'a', [])
  t.notOk(a.mesh.isOnline())
  await until('a is online', async () => a.mesh.isOnline(), WAIT_MS)
  t.same(a.mesh.connected(), [])
})

t.test('a private DHT listens where it is told to', async t => {
  const free = await openPrivateDht('127.0.0.1', 0)
  await free.close()
  const port = Number(free.address.split(':')[1])
  const again = await openPrivateDht('127.0.0.1', port)
  t.teardown(() => again.close())
  t.equal(again.address, `127.0.0.1:${port}`)
})

/** A machine that says what it likes to whom it meets, over the mesh's own protocol. */
function talk(t: Test, name: string, pool: string) {
  const swarm = new Hyperswarm({ dht: openDht({ bootstrap }), keyPair: keyPairOf(name) })
  t.teardown(() => swarm.destroy())
  let say: (bytes: Uint8Array) => void = () => undefined
  const connected = new Promise<void>(resolve => {
    swarm.on('connection', connection => {
      connection.on('error', () => undefined)
      const id = b4a.from(pool, 'hex')
      const channel = Protomux.from(connection).createChannel({ protocol: 'hypersweep/presence/1', id })
      const message = channel?.addMessage({ encoding: c.raw, onmessage: () => undefined })
      channel?.open()
      say = bytes => void message?.send(bytes)
      resolve()
    })
  })
  swarm.join(b4a.from(digestOf(`hypersweep/topic\n${SECRET}`), 'hex'), { server: true, client: true })
  return { connected, say: (bytes: Uint8Array) => say(bytes) }
}

const NOW = 1_800_000_000_000

function newInvite(name: string, expiresAt = NOW + DAY_MS, at: readonly string[] = bootstrap) {
  const invite = { seed: keyOf(name), expiresAt }
  return { ...invite, ...inviteText(POOL, invite, at) }
}

t.test("an invite's text says when it ends and where the pool's DHT is", async t => {
  const here = newInvite('one', NOW + DAY_MS, [])
  t.match(here.text, /^[a-z0-9]{50,}$/, 'it can be sent in any message')
  t.same(
    { ...readInvite(` ${here.text}\n`, NOW), bytes: 0 },
    { id: here.id, expiresAt: NOW + DAY_MS, bytes: 0, bootstrap: [] }
  )
  const there = newInvite('one', NOW + DAY_MS, ['10.0.0.1:1', '10.0.0.2:2'])
  t.same(readInvite(there.text, NOW).bootstrap, ['10.0.0.1:1', '10.0.0.2:2'])
  t.equal(there.id, here.id, 'the id comes from the seed')
  t.not(newInvite('two').id, here.id)
})

t.test('what is no invite is told as such, and quoted in part', async t => {
  const { text } = newInvite('one', NOW + DAY_MS, [])
  for (const nonsense of ['', ' ', 'hello', 'https://example.org/invite?x=1', text.slice(0, 40), text.slice(9), '@a:1'])
    t.throws(() => readInvite(nonsense, NOW), { code: 'INVITE_INVALID', hint: /whole line/ }, nonsense)
  t.throws(() => readInvite('ö'.repeat(500), NOW), { message: /^This is no invite: "ö{40}" …$/ })
})

t.test('an invite that is over is told as such before anybody is asked', async t => {
  const { text } = newInvite('one', NOW)
  t.throws(() => readInvite(text, NOW + 1), { code: 'INVITE_REFUSED', message: /is over/ })
  t.equal(readInvite(text, NOW - 1).expiresAt, NOW)
})

const candidate = (name: string): Candidate => ({
  member: keyOf(`member ${name}`),
  machine: machineKey(name),
  memberName: name,
  machineName: `${name}'s desk`,
  signature: 'a'.repeat(128)
})

t.test('each who comes with an invite gets its answer, and only who is admitted gets the secret', async t => {
  const ann = open(t, 'ann', [])
  const verdicts = { bo: 'admitted', cy: 'used', dee: 'expired', eve: 'refused' } as const
  const came: [string, Candidate][] = []
  const invites = Object.keys(verdicts).map(name => newInvite(name))
  const server = openInviteServer({
    mesh: ann.mesh,
    pool: POOL,
    secret: SECRET,
    data: '{"founding":1}',
    invites: () => invites,
    async admit(id, who) {
      came.push([id, who])
      return verdicts[who.memberName as keyof typeof verdicts]
    },
    note: message => ann.notes.push(message)
  })
  t.teardown(() => server.close())
  await server.update()
  const answers = await Promise.all(
    Object.keys(verdicts).map((name, index) =>
      comeWith(readInvite(invites[index]?.text ?? '', NOW), candidate(name), { bootstrap: [NOWHERE] }).catch(
        error => error
      )
    )
  )
  t.same(answers[0], { pool: POOL, secret: SECRET, data: '{"founding":1}' })
  t.match(answers[1], { code: 'INVITE_REFUSED', message: /used already/ })
  t.match(answers[2], { code: 'INVITE_REFUSED', message: /is over/ })
  t.match(answers[3], { code: 'INVITE_REFUSED', message: /refused this invite/ })
  const asked = came.find(([, who]) => who.memberName === 'bo')
  t.same(asked, [invites[0]?.id, candidate('bo')], 'each is judged by its own invite')
  t.same(ann.mesh.connected(), [], 'and nobody had a connection')
  t.same(new Set(ann.notes), new Set(['refused a machine that came with an invite']))
})

t.test('who says something else than who they are is refused, and is not asked about', async t => {
  const ann = open(t, 'ann', [])
  const invite: OpenInvite & { text: string } = newInvite('one')
  const came: Candidate[] = []
  const server = openInviteServer({
    mesh: ann.mesh,
    pool: POOL,
    secret: SECRET,
    data: '',
    invites: () => [invite],
    async admit(_, who) {
      came.push(who)
      return 'admitted'
    },
    note: message => ann.notes.push(message)
  })
  t.teardown(() => server.close())
  await server.update()
  const swarm = new Hyperswarm({ dht: openDht({ bootstrap }), firewall: () => true })
  const pairing = new BlindPairing(swarm, { poll: 200 })
  t.teardown(async () => {
    await pairing.close()
    await swarm.destroy()
  })
  const [code = ''] = invite.text.split('@')
  const answer = await new Promise<string>(resolve => {
    const { request } = pairing.addCandidate({
      invite: z32.decode(code),
      userData: b4a.from('{"member":"me"}'),
      onadd: () => resolve('let in')
    })
    request.on('rejected', () => resolve('rejected'))
  })
  t.equal(answer, 'rejected')
  t.same(came, [])
})

t.test('when nobody answers, the one who comes is told after a while, and leaves nothing running', async t => {
  const abort = new AbortController()
  const coming = comeWith(readInvite(newInvite('one').text, NOW), candidate('bo'), { bootstrap, signal: abort.signal })
  abort.abort()
  await t.rejects(coming, { code: 'TIMED_OUT', hint: /keep `hypersweep invite`/ })
})
