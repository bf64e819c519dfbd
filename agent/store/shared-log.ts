/**
 * The shared log: one Hypercore per machine incarnation, folded into one pool.
 *
 * Owns which logs are open and how far each is folded. A log is opened only if its attestation holds and its writer is
 * a member (rule L7). An incarnation is written to by one run of the agent after the other, and never again once its
 * tail may be unknown (rule L6): a start without the clean-stop mark opens a fresh one.
 */
import type Hypercore from 'hypercore'
import {
  type Attestation,
  applyEntry,
  type Draft,
  decodeBlock,
  type Entry,
  emptyPool,
  encodeBlock,
  type Gossip,
  intoBlocks,
  LIMITS,
  type Pool,
  PoolError,
  stamped
} from '#protocol'
import type { Log } from '../ports.js'
import { type Identity, isAttested, type Membership } from './identity.js'
import type { FileKeeper } from './keeper.js'
import { bytesOf, hexOf, type Store } from './store.js'

/** How many blocks are folded before the agent is told: a newcomer sees progress, and the loop stays free. */
const BLOCKS_PER_TURN = 100
/** A failed append (a full disk) is tried again after this time, in ms. */
const APPEND_RETRY_MS = 5000

interface OpenLog {
  readonly attestation: Attestation
  readonly core: Hypercore
  /** The next block to fold. */
  cursor: number
  isFolding: boolean
}

export interface SharedLogOptions {
  readonly store: Store
  readonly membership: Membership
  readonly identity: Identity
  readonly keeper: Pick<FileKeeper, 'loadLogs' | 'saveLogs' | 'takeCleanStop'>
  readonly wall: () => number
  readonly note: (message: string, fields: Readonly<Record<string, unknown>>) => void
  /** New entries are folded; `writers` are the machines that wrote them. */
  readonly onChanged: (writers: readonly string[]) => void
  /** A record is too large for the log: it is not written, now or later. */
  readonly onDropped: (draft: Draft) => void
  /** This machine knows more logs than it told its peers. */
  readonly onHeads: () => void
}

export interface SharedLog extends Log {
  /** The logs that this machine knows, for its peers. */
  heads(): Gossip
  /** Takes up logs that a peer knows. Those that are not attested are refused, silently. */
  learn(gossip: Gossip): void
  /** Places that did not decode, by log (rule L4). */
  holes(): Readonly<Record<string, number>>
  /** Resolves once everything handed to `append` so far is written and folded. */
  flushed(): Promise<void>
  close(): Promise<void>
}

/** Opens the log of this machine and every log that it knows, and folds what is on this disk before it returns. */
export async function openSharedLog(options: SharedLogOptions): Promise<SharedLog> {
  const { store, membership, identity, keeper, note } = options
  const pool: Pool = emptyPool(membership.pool)
  /** By log and by who is said to write it: until a log is read, more than one machine may be said to. */
  const known = new Map<string, Attestation>()
  const disowned = new Set<string>()
  const open = new Map<string, OpenLog>()
  const holes = new Map<string, number>()
  const encryption = { key: bytesOf(membership.secret) }
  const queue: Draft[] = []
  let writing: Promise<void> = Promise.resolve()
  let isWriting = false
  let isClosed = false

  for (const attestation of keeper.loadLogs())
    if (attestation.pool === membership.pool) known.set(nameOf(attestation), attestation)
  const own = await openOwn()
  await openAdmitted()

  /** The latest incarnation if it was closed in order, else a fresh one (rule L6). */
  async function openOwn(): Promise<OpenLog> {
    const wasClean = keeper.takeCleanStop()
    const mine = [...known.values()].filter(each => each.machine === identity.machine)
    const latest = Math.max(0, ...mine.map(each => each.incarnation))
    let incarnation = wasClean && latest > 0 ? latest : latest + 1
    let next = await incarnationOf(incarnation)
    // Should the list of logs be lost, one that was written to is found again here: it is read, not written to.
    while (incarnation > latest && next.core.length > 0) {
      await next.core.close()
      next = await incarnationOf(++incarnation)
    }
    const log: OpenLog = { ...next, cursor: 0, isFolding: false }
    const { attestation, core } = log
    open.set(attestation.log, log)
    keeper.saveLogs([...known.values()])
    if (incarnation > 1 && incarnation > latest) note('opened a fresh log after an unclean stop', { incarnation })
    await foldLog(log)
    if (core.length === 0) await write(log, [{ kind: 'writer-opened', ...attestation }])
    return log
  }

  /** Opens one of this machine's own logs, and knows it from then on. */
  async function incarnationOf(incarnation: number): Promise<Pick<OpenLog, 'core' | 'attestation'>> {
    const core = store.get({ name: `log-${incarnation}`, encryption })
    await core.ready()
    const attestation = identity.attest(membership.pool, incarnation, hexOf(core.key))
    known.set(nameOf(attestation), attestation)
    return { core, attestation }
  }

  /** A log counts from the moment that its writer is a member; the founder is one by the pool's very name. */
  function isAdmitted(attestation: Attestation): boolean {
    return pool.members.has(attestation.member) || attestation.member === membership.founding.member
  }

  async function openAdmitted(): Promise<void> {
    for (const attestation of [...known.values()]) {
      if (isClosed || open.has(attestation.log) || !isAdmitted(attestation)) continue
      // A writer may shorten its log and write it anew; what was read once would then differ from what is there.
      const core = store.get({ key: bytesOf(attestation.log), encryption, allowFork: false })
      const log: OpenLog = { attestation, core, cursor: 0, isFolding: false }
      open.set(attestation.log, log)
      await core.ready()
      core.on('append', () => background(foldLog(log), attestation))
      core.on('conflict', () =>
        note('a log has two histories; it is frozen', { log: attestation.log, machine: attestation.machine })
      )
      core.download({ start: 0, end: -1 })
      // What is on disk is folded at once; what is still to come must not hold up the start.
      if (core.contiguousLength > 0) await foldLog(log, core.contiguousLength)
      background(foldLog(log), attestation)
    }
  }

  function background(work: Promise<void>, attestation: Attestation): void {
    work.catch(error => {
      if (!isClosed) note('a log could not be read', { log: attestation.log, error: String(error) })
    })
  }

  /** Folds what is new in a log, in its own order, up to `end` or to its end. One call at a time for each log. */
  async function foldLog(log: OpenLog, end = Number.POSITIVE_INFINITY): Promise<void> {
    if (log.isFolding) return
    log.isFolding = true
    try {
      while (!isClosed && log.cursor < Math.min(end, log.core.length)) {
        const members = pool.members.size
        const last = Math.min(end, log.core.length, log.cursor + BLOCKS_PER_TURN)
        while (log.cursor < last) {
          const block = await log.core.get(log.cursor)
          if (block && log.cursor === 0 && !isWrittenBy(log.attestation, block)) return await disown(log)
          if (block) foldBlock(log, block)
          log.cursor++
        }
        if (isClosed) return
        options.onChanged([log.attestation.machine])
        if (pool.members.size > members) await openAdmitted()
      }
    } finally {
      log.isFolding = false
    }
  }

  /** Whoever says that a log is theirs may be wrong; its first block, which its own key signed, is not (rule L7). */
  async function disown(log: OpenLog): Promise<void> {
    const { attestation } = log
    note('a machine attested a log that is not its own', { log: attestation.log, machine: attestation.machine })
    disowned.add(nameOf(attestation))
    known.delete(nameOf(attestation))
    open.delete(attestation.log)
    keeper.saveLogs([...known.values()])
    await log.core.close()
    await openAdmitted()
  }

  function foldBlock(log: OpenLog, bytes: Uint8Array): void {
    const { log: key, member, machine } = log.attestation
    decodeBlock(bytes).forEach((item, index) => {
      if ('hole' in item) holes.set(key, (holes.get(key) ?? 0) + 1)
      if (!('record' in item)) return
      const entry: Entry = { log: key, member, machine, block: log.cursor, index, record: item.record }
      const rejection = applyEntry(pool, entry)
      if (rejection && machine === identity.machine) note('a record of this machine has no effect', { ...rejection })
    })
  }

  async function write(log: OpenLog, drafts: readonly Draft[]): Promise<void> {
    const records = stamped(drafts, pool, options.wall())
    await log.core.append(intoBlocks(records).map(encodeBlock))
    await foldLog(log)
  }

  /** Writes what is queued. The last look at the queue and the end are one turn: nothing can slip in between. */
  async function drain(): Promise<void> {
    isWriting = true
    try {
      while (queue.length > 0 && !isClosed) await writeBatch(queue.slice(0, BLOCKS_PER_TURN))
    } finally {
      isWriting = false
    }
  }

  /** Writes the queue's first records, in order. A full disk keeps them queued; nothing is dropped. */
  async function writeBatch(batch: readonly Draft[]): Promise<void> {
    try {
      await write(own, batch)
      queue.splice(0, batch.length)
    } catch (error) {
      if (isClosed) return
      if (error instanceof PoolError) {
        // One record is too large: the others of the batch must not suffer for it.
        queue.splice(0, batch.length, ...batch.filter(isWritable))
        return
      }
      note('the log cannot be written; trying again', { error: String(error) })
      await new Promise(resolve => setTimeout(resolve, APPEND_RETRY_MS))
    }
  }

  function isWritable(draft: Draft): boolean {
    try {
      encodeBlock(stamped([draft], pool, 0))
      return true
    } catch (error) {
      note('a record could not be written', { kind: draft.kind, error: String(error) })
      options.onDropped(draft)
      return false
    }
  }

  return {
    pool: () => pool,
    append(drafts) {
      queue.push(...drafts)
      if (!isWriting) writing = drain()
    },
    heads: () => [...open.values()].map(({ attestation, core }) => ({ attestation, length: core.length })),
    learn(gossip) {
      const news = gossip
        .map(each => each.attestation)
        .filter(each => each.pool === membership.pool && !known.has(nameOf(each)) && !disowned.has(nameOf(each)))
        .slice(0, Math.max(0, LIMITS.logsKnown - known.size))
        .filter(isAttested)
      if (news.length === 0) return
      for (const attestation of news) known.set(nameOf(attestation), attestation)
      keeper.saveLogs([...known.values()])
      openAdmitted().then(options.onHeads, error => note('a log could not be opened', { error: String(error) }))
    },
    holes: () => Object.fromEntries(holes),
    flushed: () => writing,
    async close() {
      // A full disk keeps the writing going for ever; what it holds then is in the keeper's files, or is made anew.
      await Promise.race([writing, new Promise(resolve => setTimeout(resolve, 2 * APPEND_RETRY_MS))])
      isClosed = true
      await own.core.close()
    }
  }
}

function nameOf({ log, member, machine }: Attestation): string {
  return `${log}/${member}/${machine}`
}

/** True when the first block of a log names its writer as the attestation does. */
function isWrittenBy(attestation: Attestation, firstBlock: Uint8Array): boolean {
  const [first] = decodeBlock(firstBlock)
  if (!first || !('record' in first) || first.record.kind !== 'writer-opened') return false
  return first.record.member === attestation.member && first.record.machine === attestation.machine
}
