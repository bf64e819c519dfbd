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
/** Up to so many machines everybody has a link to everybody. */
export const FULL_MESH_MACHINES = 12

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
  /** How much of the source's list of what grew has been looked at; -1: everything is to be looked at. */
  seen: number
  /** Counts changes: what was planned before the last one is void. */
  change: number
}

export type Network = ReturnType<typeof createNetwork>

export function createNetwork(parts: { world: World; chance: Chance; latencyMaxMs: number; machines: number }) {
  const { world, chance } = parts
  const stations: Station[] = []
  const linksFrom = new Map<Station, Link[]>()
  const linksTo = new Map<Station, Link[]>()
  /** Machines in different groups do not reach each other. */
  const groups = new Map<string, number>()
  /** `from>to`: nothing passes in this direction. */
  const blocked = new Map<string, number>()
  let loss = 0
  /** Machines behind a slow line: by how many ms everything to and from them is late. */
  const slowMs = new Map<string, number>()

  const groupOf = (station: Station) => groups.get(station.key) ?? 0
  const nameOf = (from: Station, to: Station) => `${from.key}>${to.key}`
  const isPossible = ({ from, to }: Link) =>
    groupOf(from) === groupOf(to) && !blocked.get(nameOf(from, to)) && !!from.replica() && !!to.replica()
  const latencyOf = ({ from, to, latencyMs }: Link) =>
    latencyMs + (slowMs.get(from.key) ?? 0) + (slowMs.get(to.key) ?? 0)

  function join(a: Station, b: Station): void {
    if (linksFrom.get(a)?.some(link => link.to === b)) return
    const latencyMs = Math.round(chance.spread(1, parts.latencyMaxMs))
    for (const [from, to] of [
      [a, b],
      [b, a]
    ] as const) {
      const link = { from, to, latencyMs, isOpen: false, isConnected: false, isSyncing: false, seen: -1, change: 0 }
      linksFrom.get(from)?.push(link)
      linksTo.get(to)?.push(link)
    }
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
    link.seen = -1
    const beat = link.from.lastBeat()
    if (beat) sendBeat(link, beat)
    sync(link)
  }

  function sendBeat(link: Link, beat: Beat): void {
    if (chance.happens(loss)) return
    const latencyMs = latencyOf(link)
    world.after(latencyMs, () => {
      if (link.isConnected) link.to.hear(link.from.key, beat, 2 * latencyMs)
    })
  }

  /** The logs in which there may be something that the other end lacks. */
  function newsOf(link: Link, from: Replica): Iterable<string> {
    return link.seen < 0 ? from.held.keys() : new Set(from.grown.slice(link.seen))
  }

  /** Brings over what the other end lacks, and looks again until it lacks nothing. */
  function sync(link: Link): void {
    const [from, to] = [link.from.replica(), link.to.replica()]
    if (!link.isConnected || link.isSyncing || !from || !to) return
    if (!to.lacks(from, newsOf(link, from))) {
      link.seen = from.grown.length
      return
    }
    link.isSyncing = true
    let delayMs = latencyOf(link)
    while (chance.happens(loss) && delayMs < 60 * RETRY_MS) delayMs += RETRY_MS
    world.after(delayMs, () => {
      link.isSyncing = false
      const [source, target] = [link.from.replica(), link.to.replica()]
      if (!link.isConnected || !source || !target) return
      target.take(source, [...newsOf(link, source)], missing =>
        chance.happens(0.7) ? missing : 1 + chance.integer(missing)
      )
      sync(link)
    })
  }

  return {
    add(station: Station): void {
      linksFrom.set(station, [])
      linksTo.set(station, [])
      stations.forEach((other, index) => {
        if (areNeighbours(index, stations.length, parts.machines)) join(other, station)
      })
      stations.push(station)
    },

    /** A machine came, went, woke up or fell asleep. */
    refresh(station: Station): void {
      for (const link of linksFrom.get(station) ?? []) refreshLink(link)
      for (const link of linksTo.get(station) ?? []) refreshLink(link)
    },

    /** A machine has news in its logs. */
    spread(from: Station): void {
      for (const link of linksFrom.get(from) ?? []) sync(link)
    },

    /** A machine would take what it refused before. */
    fetch(to: Station): void {
      for (const link of linksTo.get(to) ?? []) {
        link.seen = -1
        sync(link)
      }
    },

    /** A machine says something of itself to all that it is connected with. */
    announce(from: Station, beat: Beat): void {
      for (const link of linksFrom.get(from) ?? []) if (link.isConnected) sendBeat(link, beat)
    },

    /** True when a machine that is connected to this one has a block on its disk. */
    isHeldElsewhere(station: Station, { log, block }: { readonly log: string; readonly block: number }): boolean {
      return (linksFrom.get(station) ?? []).some(
        ({ to, isConnected }) => isConnected && (to.replica()?.held.get(log) ?? 0) > block
      )
    },

    setLoss(share: number): void {
      loss = share
    },

    /** Everything to and from a machine is so much later from now on; 0: it is not. */
    setSlow(key: string, lateMs: number): void {
      slowMs.set(key, lateMs)
    },

    /** Puts machines into groups that do not reach each other; who is in none is in group 0. */
    partition(into: ReadonlyMap<string, number>): void {
      groups.clear()
      for (const [key, group] of into) groups.set(key, group)
      refreshAll()
    },

    block(from: string, to: string, isBlocked: boolean): void {
      const name = `${from}>${to}`
      blocked.set(name, Math.max(0, (blocked.get(name) ?? 0) + (isBlocked ? 1 : -1)))
      refreshAll()
    },

    /** Nothing is in the way any more, and whoever is left has neighbours again. */
    heal(isLeft: (key: string) => boolean): void {
      const left = stations.filter(({ key }) => isLeft(key))
      left.forEach((a, index) => {
        for (let other = 0; other < index; other++) {
          const b = left[other]
          if (b && areNeighbours(index, other, left.length)) join(a, b)
        }
      })
      groups.clear()
      blocked.clear()
      slowMs.clear()
      loss = 0
      refreshAll()
    }
  }

  function refreshAll(): void {
    for (const links of linksFrom.values()) for (const link of links) refreshLink(link)
  }
}

/** In a large pool not everybody has a connection to everybody, but to somebody who has. */
function areNeighbours(a: number, b: number, machines: number): boolean {
  if (machines <= FULL_MESH_MACHINES) return true
  const columns = Math.ceil(Math.sqrt(machines))
  return a % columns === b % columns || Math.floor(a / columns) === Math.floor(b / columns)
}
