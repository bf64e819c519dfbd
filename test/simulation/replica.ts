/**
 * Replicas: one machine's copy of all logs, on a disk that can lose its tail.
 *
 * Owns what is written, what is on which disk and what is folded, by the rules of agent/store: one log for each
 * incarnation, a fresh one after an unclean stop (L6), a log counts from its member's admission (L7) up to the cut
 * after its removal (M9), a member's quota bounds what is taken (L3), and a log with two histories stays as it is.
 * Invariant: a replica holds a prefix of one history of each log, and folds each log in its own order.
 */
import {
  applyEntry,
  type Draft,
  emptyPool,
  encodeBlock,
  encodeBlocks,
  isRemoved,
  LIMITS,
  type Pool,
  poolToRefold,
  type Rejection,
  reachOf,
  stamped
} from '#protocol'
import { createQuota } from '../../agent/store/quota.js'
import { FOUNDING, POOL } from '../helpers/records.js'
import { addTo, type Bodies, type Body, olderEntries, openingOf, secondHistoryOf } from './body.js'
import { type Disk, UNSYNCED_MS } from './disk.js'

/** A log over its quota is asked for again after this time, in ms (as in agent/store/shared-log.ts). */
export const QUOTA_RETRY_MS = 10 * 60_000

export interface ReplicaParts {
  readonly bodies: Bodies
  readonly disk: Disk
  readonly machine: string
  readonly member: string
  /** What was folded when the machine last ran (rule F6). */
  readonly checkpoint?: Folded | undefined
  /** It reads logs as an older version does. */
  readonly isOlder?: boolean
  /** What a member's logs may grow by in a day, in bytes. */
  readonly quotaBytesPerDay?: number
  /** Names a fresh log of this machine. A restored backup does not know which were opened since: no key comes twice. */
  readonly newLogKey: (incarnation: number) => string
  readonly now: () => number
  readonly wall: () => number
  readonly onChanged: (writers: readonly string[]) => void
  readonly onRejected: (rejection: Rejection) => void
  /** A second history of a log is about to begin though nobody lies. */
  readonly onFork: (body: Body) => void
  /** Other logs count now: what was refused before may be taken. */
  readonly onMembership?: () => void
  /** A member wrote more than this machine takes for now. */
  readonly onOverQuota?: () => void
}

export type Replica = ReturnType<typeof openReplica>

/** A history of a log, as far as somebody has it. */
export interface Offer {
  readonly name: string
  readonly length: number
}

/** Who has logs. */
export interface Source {
  /** A log as it is shown to another machine: who lies shows not everybody the same. */
  offer(name: string, to: string): Offer
}

/** A pool, and how much of each history is in it. */
export interface Folded {
  readonly pool: Pool
  readonly folded: Map<string, number>
}

interface News {
  readonly body: Body
  /** The history of that log that is here, and how much of it; `end`: up to where the offered one would be taken. */
  readonly known: string
  readonly have: number
  readonly end: number
  /** The two differ: the log is frozen. */
  readonly isConflict: boolean
}

/** Of keys spread evenly, half are below. */
const MIDDLE_KEY = '8'

function membersIn({ members, removed }: Pool): string {
  return `${members.size} ${removed.size}`
}

function lengthsIn(
  { held }: Disk,
  bodies: Bodies,
  member: string
): { readonly log: string; readonly length: number }[] {
  const theirs = [...held].flatMap(([name, length]) => {
    const body = bodies.get(name)
    return body?.member === member && length > 0 ? [{ log: body.key, length }] : []
  })
  return theirs.sort((a, b) => (a.log < b.log ? -1 : 1))
}

function quotaOf({ disk, quotaBytesPerDay = LIMITS.quotaBytesPerDay, wall }: ReplicaParts) {
  return createQuota({ bytesPerDay: quotaBytesPerDay, levels: disk.quotas, wall })
}

/** Opens what is on a disk, and folds it. */
export function openReplica(parts: ReplicaParts) {
  const { bodies, disk } = parts
  let { pool, folded } = begin()
  const queue: Draft[] = []
  /** Histories in the order in which they grew here: whoever asks for news looks at what is new in this list. */
  const grown: string[] = []
  const quota = quotaOf(parts)
  /** How many blocks of a history the quota has let in, and until when it lets nothing more in. */
  const [asked, refusedUntil] = [new Map<string, number>(), new Map<string, number>()]
  const historyOf = new Map([...disk.held.keys()].map(name => [bodies.get(name)?.key ?? name, name]))
  const own = openOwn()
  foldAll()
  /** A checkpoint of logs that a power cut made shorter tells of records that are no more. */
  function begin(): Folded {
    const { checkpoint } = parts
    const isSound = [...(checkpoint?.folded ?? [])].every(([name, length]) => (disk.held.get(name) ?? 0) >= length)
    return checkpoint && isSound ? checkpoint : { pool: emptyPool(POOL), folded: new Map() }
  }

  /** The latest incarnation if it was closed in order, else a fresh one (rule L6). */
  function openOwn(): Body {
    const wasClean = disk.cleanStop
    disk.cleanStop = false
    const latest = disk.ownLog === undefined ? undefined : bodies.get(disk.ownLog)
    if (wasClean && latest && !disk.frozen.has(latest.key)) return latest
    const incarnation = 1 + (latest?.incarnation ?? 0)
    const { machine, member } = parts
    const key = parts.newLogKey(incarnation)
    const body: Body = { name: key, key, member, machine, incarnation, blocks: [] }
    disk.ownLog = key
    bodies.set(key, body)
    disk.held.set(key, 0)
    historyOf.set(key, key)
    return body
  }

  function isAdmitted({ member, machine, key }: Body): boolean {
    if (isRemoved(pool, member)) return reachOf(pool, { member, log: key }) > 0
    return member === FOUNDING.member || machine === parts.machine || pool.members.has(member)
  }

  /** How many of a history's blocks count here, of those on this disk. */
  function endOf(name: string): number {
    const body = bodies.get(name)
    if (!body || !isAdmitted(body)) return 0
    return Math.min(disk.held.get(name) ?? 0, reachOf(pool, { member: body.member, log: body.key }))
  }

  /** Folds what is held and not folded yet; admissions open further logs. Returns who wrote it. */
  function foldAll(): Set<string> {
    const writers = new Set<string>()
    for (;;) {
      const before = membersIn(pool)
      for (const name of disk.held.keys()) foldHistory(name, writers)
      if (pool.mustRefold) {
        // A removal cut away what was folded already: everything is folded again (rule F3).
        pool = poolToRefold(pool)
        folded.clear()
      } else if (membersIn(pool) === before) return writers
    }
  }

  function foldHistory(name: string, writers: Set<string>): void {
    const [from, end] = [folded.get(name) ?? 0, endOf(name)]
    const body = bodies.get(name)
    if (!body || from >= end) return
    for (let at = from; at < end; at++) {
      const block = body.blocks[at]
      for (const entry of block ? (parts.isOlder ? olderEntries(block) : block.entries) : []) {
        const rejection = applyEntry(pool, entry)
        if (rejection && entry.machine === parts.machine) parts.onRejected(rejection)
      }
    }
    folded.set(name, end)
    writers.add(body.machine)
  }

  /** Folds what is new of some histories, and tells of it. */
  function foldNews(names: readonly string[]): void {
    const before = membersIn(pool)
    let writers = new Set<string>()
    for (const name of names) foldHistory(name, writers)
    if (membersIn(pool) !== before || pool.mustRefold) {
      writers = new Set([...writers, ...foldAll()])
      parts.onMembership?.()
    }
    if (parts.isOlder) forgetBackups(pool)
    if (writers.size > 0) parts.onChanged([...writers])
  }

  function holdMore(name: string, length: number): void {
    const from = disk.held.get(name) ?? 0
    disk.held.set(name, length)
    grown.push(name)
    const nowMs = parts.now()
    disk.unsynced.push({ log: name, from, atMs: nowMs })
    while ((disk.unsynced[0]?.atMs ?? nowMs) < nowMs - UNSYNCED_MS) disk.unsynced.shift()
  }

  function addBlock(bytes: Uint8Array): void {
    // Only who holds all of a log may write to it; anything else begins a second history.
    if ((disk.held.get(own.name) ?? 0) < own.blocks.length) parts.onFork(own)
    addTo(own, bytes)
    holdMore(own.name, own.blocks.length)
  }

  /** What of a history that somebody shows this machine would take; nothing when there is nothing to take. */
  function newsIn({ name, length }: Offer): News | undefined {
    const body = bodies.get(name)
    if (!body || disk.isFull || disk.frozen.has(body.key) || !isAdmitted(body)) return undefined
    if ((refusedUntil.get(name) ?? 0) > parts.now()) return undefined
    const known = historyOf.get(body.key) ?? name
    const have = disk.held.get(known) ?? 0
    const shared = body.sharedBlocks ?? bodies.get(known)?.sharedBlocks ?? Number.POSITIVE_INFINITY
    const isConflict = known !== name && Math.min(have, length) > shared
    if (isConflict && body.machine === parts.machine) return undefined
    const end = Math.min(length, reachOf(pool, { member: body.member, log: body.key }))
    return isConflict || end > have ? { body, known, have, end, isConflict } : undefined
  }

  /** Goes on with a history whose beginning is here under the other one's name. */
  function follow({ body, known, have }: News): void {
    historyOf.set(body.key, body.name)
    if (known === body.name) return
    disk.held.delete(known)
    disk.held.set(body.name, have)
    folded.set(body.name, folded.get(known) ?? 0)
  }

  /** A member's logs cost this machine no more than its quota (rule L3); what was paid for once is not paid again. */
  function pay({ body, have, end }: News): boolean {
    if (body.machine === parts.machine) return true
    const paid = Math.max(have, asked.get(body.name) ?? 0)
    const bytes = body.blocks.slice(paid, end).reduce((sum, block) => sum + block.bytes, 0)
    if (bytes > 0 && !quota.take(body.member, bytes)) {
      refusedUntil.set(body.name, parts.now() + QUOTA_RETRY_MS)
      parts.onOverQuota?.()
      return false
    }
    if (bytes > 0) disk.quotas = quota.levels()
    asked.set(body.name, Math.max(paid, end))
    return true
  }

  return {
    own,
    pool: (): Pool => pool,
    checkpoint: (): Folded => ({ pool, folded }),
    held: disk.held as ReadonlyMap<string, number>,
    queued: () => queue.length,
    /** Histories in the order in which they grew. */
    grown: grown as readonly string[],

    append(drafts: readonly Draft[]): void {
      queue.push(...drafts)
    },

    /** Writes and folds what was handed over, and tells of it. False while the disk takes nothing. */
    flush(): boolean {
      if (disk.isFull) return false
      if (own.blocks.length === 0) queue.unshift(openingOf(own))
      const records = stamped(queue.splice(0).filter(isWritable), pool, parts.wall())
      for (const block of encodeBlocks(records)) addBlock(block)
      if (records.length > 0) foldNews([own.name])
      return true
    },

    /** Puts bytes at the own log's end as they are: only a liar does that. */
    writeBytes(bytes: Uint8Array): void {
      addBlock(bytes)
      foldNews([own.name])
    },

    /** Goes on with the own log in two ways at once, of which each machine is shown one: only a liar does that. */
    writeTwice(first: Uint8Array, second: Uint8Array): void {
      if (own.blocks.length === 0) return
      addTo(secondHistoryOf(bodies, own), second)
      this.writeBytes(first)
    },

    offer(name: string, to: string): Offer {
      const second = name === own.name ? bodies.get(`${own.key}~`) : undefined
      if (second && to < MIDDLE_KEY) return { name: second.name, length: second.blocks.length }
      // A log with two histories is closed: nobody gets anything of it any more.
      return { name, length: disk.frozen.has(bodies.get(name)?.key ?? '') ? 0 : (disk.held.get(name) ?? 0) }
    },

    authorOf: (name: string): string | undefined => bodies.get(name)?.member,

    /** How long the logs of a member are here. */
    lengthsOf: (member: string) => lengthsIn(disk, bodies, member),

    /** True when the other one has something in these logs that this one would take. */
    lacks(source: Source, names: Iterable<string>): boolean {
      for (const name of names) if (newsIn(source.offer(name, parts.machine))) return true
      return false
    },

    /** Takes over what the other one has, of each log as many blocks as `share` says, and tells of it. */
    take(source: Source, names: Iterable<string>, share: (missing: number) => number): void {
      const taken: string[] = []
      for (const name of names) {
        const news = newsIn(source.offer(name, parts.machine))
        if (news?.isConflict) disk.frozen.add(news.body.key)
        else if (news && pay(news)) {
          follow(news)
          const missing = news.end - news.have
          holdMore(news.body.name, news.have + Math.min(missing, share(missing)))
          taken.push(news.body.name)
        }
      }
      if (taken.length > 0) foldNews(taken)
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

/** An older version knows no backups, and starts none (rule C11). */
function forgetBackups(pool: Pool): void {
  for (const sweep of pool.sweeps.values()) {
    const { submission } = sweep
    if (!submission || submission.spec.backups !== undefined) continue
    sweep.submission = { ...submission, spec: { ...submission.spec, backups: 'off' } }
  }
}
