/**
 * The mesh: which machines this one can reach, and what they say about themselves.
 *
 * Moves the bytes of logs and never reads a record; carries presence and the list of known logs. Only machines of
 * members get a connection: Hyperswarm asks the firewall before any byte of a protocol is exchanged.
 */
import b4a from 'b4a'
import c from 'compact-encoding'
import Hyperswarm, { type Connection } from 'hyperswarm'
import Protomux, { type Message } from 'protomux'
import { type Beat, decodePresence, digestOf, encodePresence, type Gossip, LIMITS } from '#protocol'
import { realClock } from '../clock.js'
import type { Mesh } from '../ports.js'
import { openDht } from './dht.js'

const PROTOCOL = 'hypersweep/presence/1'
/** Looking again for peers: soon after the start, since two that start at once miss each other, then less and less. */
const REFRESH_FIRST_MS = 500
const REFRESH_MAX_MS = 5 * 60_000
/** Whoever is lost within this time is found by the looks that go on since then, half a minute apart at most. */
const LOST_AGAIN_MS = 30_000
/** A connection that says nothing for this long is dead; a keep-alive goes out at half of it. */
const KEEP_ALIVE_MS = 5000

export interface MeshOptions {
  readonly pool: string
  readonly secret: string
  readonly keyPair: { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array }
  /** `host:port` of DHT nodes to begin with; empty for the public ones. */
  readonly bootstrap: readonly string[]
  readonly port?: number
  readonly isMember: (machine: string) => boolean
  /** Every machine that may connect, this one not among them. */
  readonly members: () => readonly string[]
  /** Lets the logs travel over a connection. */
  readonly replicate: (connection: unknown) => void
  readonly heads: () => Gossip
  readonly onGossip: (gossip: Gossip) => void
  readonly onPresence: (machine: string, beat: Beat, roundTripMs: number) => void
  readonly onAway: (machine: string) => void
  readonly note: (message: string, fields: Readonly<Record<string, unknown>>) => void
  /** How long after the start peers are looked for again, in ms. Default: half a second. */
  readonly lookFirstMs?: number
}

export interface OpenMesh extends Mesh {
  readonly swarm: Hyperswarm
  /** Machines with a live connection. */
  connected(): readonly string[]
  /** True when a DHT node answered: without one nobody new can be found. */
  isOnline(): boolean
  /** Membership changed: who was turned away before may come in now, and who is no member any more must go. */
  welcome(): void
  /** Tells every peer which logs this machine knows. */
  gossip(): void
  close(): Promise<void>
}

/** Joins the pool's topic. Returns at once; peers come as `onPresence`. */
export function openMesh(options: MeshOptions): OpenMesh {
  const dht = openDht(options)
  const swarm = new Hyperswarm({
    dht,
    keyPair: options.keyPair,
    maxPeers: LIMITS.connectionsMax,
    maxServerConnections: LIMITS.connectionsMax,
    firewall: key => !options.isMember(hex(key))
  })
  const channels = new Map<string, Message>()
  const welcomed = new Set<string>()
  let beat: Uint8Array | undefined
  let timer: NodeJS.Timeout | undefined
  let lookedAgainMs = Number.NEGATIVE_INFINITY
  let isClosed = false

  swarm.on('connection', connect)
  // Whoever knows the pool's secret finds its members, nobody else: the topic does not tell the pool's name.
  const discovery = swarm.join(b4a.from(digestOf(`hypersweep/topic\n${options.secret}`), 'hex'), {
    server: true,
    client: true
  })
  const { lookFirstMs = REFRESH_FIRST_MS } = options
  discovery.flushed().then(
    () => look(lookFirstMs),
    () => look(lookFirstMs)
  )

  /**
   * Lookups of machines that start in one second cross: they do not find each other until they look again. So one looks
   * until everybody is there, and less and less often for those who are off.
   */
  function look(nextMs: number): void {
    if (isClosed) return
    const isMissed = swarm.connections.size < options.members().length
    const refreshed = isMissed || nextMs >= REFRESH_MAX_MS ? discovery.refresh() : Promise.resolve()
    refreshed.catch(error => options.note('the DHT could not be asked', { error: String(error) }))
    welcome()
    lookIn(nextMs, Math.min(Math.max(nextMs, REFRESH_MAX_MS), nextMs * 2))
  }

  function lookIn(ms: number, nextMs: number): void {
    clearTimeout(timer)
    timer = setTimeout(() => look(nextMs), ms)
    timer.unref()
  }

  /**
   * Hyperswarm tries a peer that it lost a few times, then not for ten minutes; a machine that wakes up after an hour
   * was tried in vain by everybody. What a lookup finds it tries anew, so one looks at once, as after the start. One
   * whose connections break again and again does not make others look without end.
   */
  function lookAgain(): void {
    const nowMs = realClock.now()
    if (isClosed || nowMs - lookedAgainMs < LOST_AGAIN_MS) return
    lookedAgainMs = nowMs
    lookIn(REFRESH_FIRST_MS, REFRESH_FIRST_MS)
  }

  function connect(connection: Connection): void {
    const machine = hex(connection.remotePublicKey)
    connection.setKeepAlive(KEEP_ALIVE_MS)
    connection.on('error', error => options.note('a connection broke', { machine, error: error.message }))
    options.replicate(connection)
    const channel = Protomux.from(connection).createChannel({
      protocol: PROTOCOL,
      id: b4a.from(options.pool, 'hex'),
      onopen: () => {
        channels.set(machine, message)
        sendGossip(message)
        if (beat) message.send(beat)
      },
      onclose: () => {
        if (channels.get(machine) !== message) return
        channels.delete(machine)
        if (isClosed) return
        options.onAway(machine)
        lookAgain()
      }
    })
    // Two connections to one machine can cross; the second gets no second channel.
    if (!channel) return
    const message = channel.addMessage({
      encoding: c.raw,
      onmessage: bytes => hear(machine, bytes, connection.rawStream.rtt)
    })
    channel.open()
  }

  function hear(machine: string, bytes: Uint8Array, roundTripMs: number): void {
    if (isClosed) return
    const said = decodePresence(bytes)
    if (!said) options.note('a machine said something that is no presence', { machine, bytes: bytes.length })
    else if (said.type === 'beat') options.onPresence(machine, said.beat, roundTripMs)
    else options.onGossip(said.logs)
  }

  function sendGossip(message: Message): void {
    const heads = options.heads()
    for (let at = 0; at < heads.length; at += LIMITS.logsPerGossip) {
      message.send(encodePresence({ type: 'logs', logs: heads.slice(at, at + LIMITS.logsPerGossip) }))
    }
  }

  /**
   * Hyperswarm bans for good whoever its firewall once refused, so a new member has to be let in by hand. Each is asked
   * for once: Hyperswarm goes on trying by itself, and asking again only makes connections cross.
   */
  function welcome(): void {
    for (const connection of swarm.connections) {
      if (!options.isMember(hex(connection.remotePublicKey))) connection.destroy()
    }
    for (const machine of options.members()) {
      swarm.peers.get(machine)?.ban(false)
      if (welcomed.has(machine)) continue
      welcomed.add(machine)
      swarm.joinPeer(b4a.from(machine, 'hex'))
    }
  }

  return {
    swarm,
    announce(next) {
      beat = encodePresence({ type: 'beat', beat: next })
      for (const message of channels.values()) message.send(beat)
    },
    connected: () => [...channels.keys()].sort(),
    isOnline: () => dht.toArray().length > 0 || channels.size > 0,
    welcome,
    gossip: () => {
      for (const message of channels.values()) sendGossip(message)
    },
    async close() {
      isClosed = true
      clearTimeout(timer)
      await swarm.destroy()
    }
  }
}

function hex(bytes: Uint8Array): string {
  return b4a.toString(bytes, 'hex')
}
