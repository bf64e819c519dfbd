/**
 * The network: which machines hear each other, how long it takes, and what gets lost.
 *
 * Owns links and nothing that travels over them. A beat is lost or arrives; entries are asked for again until they are
 * there, on each link that works, so whoever has them passes them on.
 * Invariant: nothing arrives over a link that is closed at that moment.
 */
import type { Beat } from '#protocol'
import type { Chance } from './chance.js'
import type { Replica } from './replica.js'
import type { World } from './world.js'

/** A lost message of the log is asked for again after this time, in ms. */
const RETRY_MS = 1000
/** From the moment that two machines can reach each other until they are connected, in ms. */
const CONNECT_MS = { low: 200, high: 5000 }
/** From the moment that a connection is dead until its ends notice, in ms. */
const NOTICE_MS = { low: 5000, high: 30_000 }

/** What the network knows of a machine. */
export interface Station {
  readonly key: string
  /** The replica of a machine that is running and awake. */
  replica(): Replica | undefined
  lastBeat(): Beat | undefined
  hear(from: string, beat: Beat, roundTripMs: number): void
  away(key: string): void
}

interface Link {
  readonly from: Station
  readonly to: Station
  readonly latencyMs: number
  isOpen: boolean
  isConnected: boolean
  isSyncing: boolean
  /** Counts changes: what was planned before the last one is void. */
  change: number
}

export type Network = ReturnType<typeof createNetwork>

export function createNetwork(parts: { world: World; chance: Chance; latencyMaxMs: number }) {
  const { world, chance } = parts
  const stations: Station[] = []
  const links = new Map<Station, Link[]>()
  /** Machines in different groups do not reach each other. */
  const groups = new Map<string, number>()
  /** `from>to`: nothing passes in this direction. */
  const blocked = new Map<string, number>()
  let loss = 0

  const groupOf = (station: Station) => groups.get(station.key) ?? 0
  const nameOf = (from: Station, to: Station) => `${from.key}>${to.key}`
  const isPossible = ({ from, to }: Link) =>
    groupOf(from) === groupOf(to) && !blocked.get(nameOf(from, to)) && !!from.replica() && !!to.replica()

  function refresh(): void {
    for (const from of stations) for (const link of links.get(from) ?? []) refreshLink(link)
  }

  function refreshLink(link: Link): void {
    if (isPossible(link) === link.isOpen) return
    link.isOpen = !link.isOpen
    const change = ++link.change
    if (link.isOpen) {
      world.after(chance.between(CONNECT_MS.low, CONNECT_MS.high), () => change === link.change && connect(link))
      return
    }
    link.isConnected = false
    world.after(chance.between(NOTICE_MS.low, NOTICE_MS.high), () => {
      if (change === link.change) link.to.away(link.from.key)
    })
  }

  function connect(link: Link): void {
    link.isConnected = true
    const beat = link.from.lastBeat()
    if (beat) sendBeat(link, beat)
    sync(link)
  }

  function sendBeat(link: Link, beat: Beat): void {
    if (chance.happens(loss)) return
    world.after(link.latencyMs, () => {
      if (link.isConnected) link.to.hear(link.from.key, beat, 2 * link.latencyMs)
    })
  }

  /** Brings over what the other end lacks, and looks again until it lacks nothing. */
  function sync(link: Link): void {
    const [from, to] = [link.from.replica(), link.to.replica()]
    if (!link.isConnected || link.isSyncing || !from || !to?.lacks(from)) return
    link.isSyncing = true
    let delayMs = link.latencyMs
    while (chance.happens(loss) && delayMs < 60 * RETRY_MS) delayMs += RETRY_MS
    world.after(delayMs, () => {
      link.isSyncing = false
      const [source, target] = [link.from.replica(), link.to.replica()]
      if (!link.isConnected || !source || !target) return
      target.take(source, missing => (chance.happens(0.7) ? missing : 1 + chance.integer(missing)))
      sync(link)
    })
  }

  return {
    add(station: Station): void {
      const own: Link[] = []
      for (const other of stations) {
        const latencyMs = Math.round(chance.spread(1, parts.latencyMaxMs))
        const link = { latencyMs, isOpen: false, isConnected: false, isSyncing: false, change: 0 }
        own.push({ ...link, from: station, to: other })
        links.get(other)?.push({ ...link, from: other, to: station })
      }
      stations.push(station)
      links.set(station, own)
    },

    /** A machine came, went, woke up or fell asleep, or the network itself is another. */
    refresh,

    /** A machine has news in its logs. */
    spread(from: Station): void {
      for (const link of links.get(from) ?? []) sync(link)
    },

    /** A machine says something of itself to all that it is connected with. */
    announce(from: Station, beat: Beat): void {
      for (const link of links.get(from) ?? []) if (link.isConnected) sendBeat(link, beat)
    },

    setLoss(share: number): void {
      loss = share
    },

    /** Puts machines into groups that do not reach each other; who is in none is in group 0. */
    partition(into: ReadonlyMap<string, number>): void {
      groups.clear()
      for (const [key, group] of into) groups.set(key, group)
      refresh()
    },

    block(from: string, to: string, isBlocked: boolean): void {
      const name = `${from}>${to}`
      blocked.set(name, Math.max(0, (blocked.get(name) ?? 0) + (isBlocked ? 1 : -1)))
      refresh()
    },

    heal(): void {
      groups.clear()
      blocked.clear()
      loss = 0
      refresh()
    }
  }
}
