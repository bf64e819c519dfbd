/**
 * Replicas: one machine's copy of all logs, on a disk that can lose its tail.
 *
 * Owns what is written, what is on which disk and what is folded, by the rules of agent/store/shared-log.ts: one log
 * for each incarnation, a fresh one after an unclean stop (L6), a log counts from its member's admission (L7).
 * Invariant: a replica holds a prefix of each log, and folds each log in its own order.
 */
import {
  applyEntry,
  type Draft,
  decodeBlock,
  type Entry,
  emptyPool,
  encodeBlock,
  intoBlocks,
  type Pool,
  type Rejection,
  stamped
} from '#protocol'
import { FOUNDING, keyOf, POOL } from '../helpers/records.js'

/** What the system has not yet written to the disk is at most this old, in ms (Linux: dirty_expire_centisecs). */
export const UNSYNCED_MS = 30_000

/** A log as it is in all copies together: a copy holds the first so many blocks of it. */
export interface Body {
  readonly key: string
  readonly member: string
  readonly machine: string
  readonly incarnation: number
  readonly blocks: (readonly Entry[])[]
}

export type Bodies = Map<string, Body>

/** What survives a crash of a machine. */
export interface Disk {
  /** Log -> how many of its blocks are here. */
  readonly held: Map<string, number>
  /** The own log that was opened last, as the keeper knows it. */
  ownLog: string | undefined
  cleanStop: boolean
  readonly approved: Set<string>
  readonly results: Map<string, Draft>
  /** Attempt -> ms of training that its checkpoint holds. */
  readonly checkpoints: Map<string, number>
  /** What a power cut may take back: since when a log is longer than it was. */
  unsynced: { readonly log: string; readonly from: number; readonly atMs: number }[]
}

export function emptyDisk(): Disk {
  return {
    held: new Map(),
    ownLog: undefined,
    cleanStop: false,
    approved: new Set(),
    results: new Map(),
    checkpoints: new Map(),
    unsynced: []
  }
}

/** Makes a disk what another one is: a backup, or a backup restored. */
export function copyDisk(from: Disk, to: Disk): void {
  for (const name of ['held', 'results', 'checkpoints'] as const) {
    const target: Map<string, unknown> = to[name]
    target.clear()
    for (const [key, value] of from[name]) target.set(key, value)
  }
  to.approved.clear()
  for (const digest of from.approved) to.approved.add(digest)
  to.ownLog = from.ownLog
  to.cleanStop = from.cleanStop
  to.unsynced = [...from.unsynced]
}

/** Takes back what was written within the last `lostMs`: the write-ahead log loses its tail, in order. */
export function loseTail(disk: Disk, nowMs: number, lostMs: number): void {
  for (const { log, from, atMs } of disk.unsynced) {
    if (atMs >= nowMs - lostMs) disk.held.set(log, Math.min(from, disk.held.get(log) ?? 0))
  }
  disk.unsynced = []
}

export interface ReplicaParts {
  readonly bodies: Bodies
  readonly disk: Disk
  readonly machine: string
  readonly member: string
  /** Names a fresh log of this machine. A restored backup does not know which were opened since: no key comes twice. */
  readonly newLogKey: (incarnation: number) => string
  readonly now: () => number
  readonly wall: () => number
  readonly onChanged: (writers: readonly string[]) => void
  readonly onRejected: (rejection: Rejection) => void
  /** A second history of a log is about to begin: Hypercore freezes such a log at every peer. */
  readonly onFork: (body: Body) => void
}

export type Replica = ReturnType<typeof openReplica>

/** Opens what is on a disk, and folds it. */
export function openReplica(parts: ReplicaParts) {
  const { bodies, disk } = parts
  const pool: Pool = emptyPool(POOL)
  const folded = new Map<string, number>()
  const queue: Draft[] = []
  const own = openOwn()
  foldHeld()

  /** The latest incarnation if it was closed in order, else a fresh one (rule L6). */
  function openOwn(): Body {
    const wasClean = disk.cleanStop
    disk.cleanStop = false
    const latest = disk.ownLog === undefined ? undefined : bodies.get(disk.ownLog)
    if (wasClean && latest) return latest
    const incarnation = 1 + (latest?.incarnation ?? 0)
    const { machine, member } = parts
    const body = { key: parts.newLogKey(incarnation), member, machine, incarnation, blocks: [] }
    disk.ownLog = body.key
    bodies.set(body.key, body)
    disk.held.set(body.key, 0)
    return body
  }

  function isAdmitted(body: Body): boolean {
    return body.member === FOUNDING.member || body.machine === parts.machine || pool.members.has(body.member)
  }

  /** Folds what is held and not folded yet, own log first; admissions open further logs. Returns who wrote it. */
  function foldHeld(): string[] {
    const writers: string[] = []
    for (;;) {
      const members = pool.members.size
      for (const [key, length] of disk.held) {
        const body = bodies.get(key)
        if (!body || !isAdmitted(body) || (folded.get(key) ?? 0) >= length) continue
        for (let block = folded.get(key) ?? 0; block < length; block++) foldBlock(body.blocks[block] ?? [])
        folded.set(key, length)
        if (!writers.includes(body.machine)) writers.push(body.machine)
      }
      if (pool.members.size === members) return writers
    }
  }

  function foldBlock(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const rejection = applyEntry(pool, entry)
      if (rejection && entry.machine === parts.machine) parts.onRejected(rejection)
    }
  }

  function holdMore(log: string, length: number): void {
    const from = disk.held.get(log) ?? 0
    disk.held.set(log, length)
    const nowMs = parts.now()
    disk.unsynced.push({ log, from, atMs: nowMs })
    while ((disk.unsynced[0]?.atMs ?? nowMs) < nowMs - UNSYNCED_MS) disk.unsynced.shift()
  }

  function addBlock(bytes: Uint8Array): void {
    // Only who holds all of a log may write to it; anything else begins a second history.
    if ((disk.held.get(own.key) ?? 0) < own.blocks.length) parts.onFork(own)
    own.blocks.push(entriesOf(own, bytes))
    holdMore(own.key, own.blocks.length)
  }

  function write(drafts: readonly Draft[]): void {
    const records = stamped(drafts.filter(isWritable), pool, parts.wall())
    for (const block of intoBlocks(records)) addBlock(encodeBlock(block))
    if (records.length > 0) parts.onChanged(foldHeld())
  }

  return {
    own,
    pool,
    held: disk.held as ReadonlyMap<string, number>,
    queued: () => queue.length,

    append(drafts: readonly Draft[]): void {
      queue.push(...drafts)
    },

    /** Writes and folds what was handed over, and tells of it. */
    flush(): void {
      if (own.blocks.length === 0) queue.unshift(openingOf(own))
      write(queue.splice(0))
    },

    /** Puts bytes at the own log's end as they are: only a liar does that. */
    writeBytes(bytes: Uint8Array): void {
      addBlock(bytes)
      parts.onChanged(foldHeld())
    },

    /** True when the other one has something that this one would take. */
    lacks(other: { readonly held: ReadonlyMap<string, number> }): boolean {
      for (const [key, length] of other.held) {
        const body = bodies.get(key)
        if (length > (disk.held.get(key) ?? 0) && body && isAdmitted(body)) return true
      }
      return false
    },

    /** Takes over what the other one has, of each log as many blocks as `share` says, and tells of it log by log. */
    take(other: { readonly held: ReadonlyMap<string, number> }, share: (missing: number) => number): void {
      for (const [key, length] of [...other.held]) {
        const body = bodies.get(key)
        const have = disk.held.get(key) ?? 0
        if (length <= have || !body || !isAdmitted(body)) continue
        holdMore(key, have + Math.min(length - have, share(length - have)))
        const writers = foldHeld()
        if (writers.length > 0) parts.onChanged(writers)
      }
    }
  }

  function isWritable(draft: Draft): boolean {
    try {
      encodeBlock(stamped([draft], pool, 0))
      return true
    } catch {
      return false
    }
  }
}

/** Reads a block as every machine does, once for all of them: the codec is total and the same everywhere. */
export function entriesOf(body: Body, bytes: Uint8Array): Entry[] {
  const { key: log, member, machine, blocks } = body
  return decodeBlock(bytes).flatMap((item, index) =>
    'record' in item ? [{ log, member, machine, block: blocks.length, index, record: item.record }] : []
  )
}

function openingOf({ key, member, machine, incarnation }: Body): Draft {
  const signature = keyOf('signature').repeat(2)
  const attestation = { pool: POOL, member, machine, incarnation, log: key }
  return { kind: 'writer-opened', ...attestation, memberSignature: signature, machineSignature: signature }
}
