/**
 * The writer: this machine's records, in order, into this machine's own log.
 *
 * Owns the queue and the log that is written now. It never writes to a log whose tail may be unknown (rule L6): such a
 * log is retired, and a fresh one is opened at once. A record that was handed over is written, sooner or later, unless
 * it is too large for any log.
 *
 * Records that come close after each other share a block. What a block costs the pool grows with the square of its
 * machines: each gets it, and tells all others that it has it.
 */
import { type Draft, encodeBlocks, type Pool, PoolError, stamped } from '#protocol'
import type { FollowedLog } from './followed-log.js'
import type { Outbox } from './outbox.js'

/** Records that are written in one go. */
const RECORDS_PER_WRITE = 500
/** A failed append (a full disk) is tried again after this time, in ms. */
const RETRY_MS = 5000
/** From one block to the next, in ms: for each peer that gets it, and at most. Nobody waits for less than a second. */
const LINGER_MS = { eachPeer: 15, most: 150 }

export interface WriterOptions {
  readonly pool: () => Pool
  readonly wall: () => number
  readonly outbox: Outbox
  /** Opens a log that nobody ever wrote to. */
  readonly openFresh: () => Promise<FollowedLog>
  readonly fold: (log: FollowedLog, start: number, blocks: readonly Uint8Array[]) => Promise<void>
  readonly note: (message: string, fields: Readonly<Record<string, unknown>>) => void
  readonly onDropped: (draft: Draft) => void
  /** A log is not written to any more; what peers know of it is read like everybody's. */
  readonly onRetired: (log: FollowedLog) => void
  /** The disk did not take an append; it is tried again. */
  readonly onFailed: (error: unknown) => void
}

export type LogWriter = ReturnType<typeof createWriter>

/** Returns the writer. `last`: the log to go on with; a fresh one is opened before the first record when absent. */
export function createWriter(options: WriterOptions, last: FollowedLog | undefined) {
  const queue: Draft[] = []
  /** How many of the first records in the queue came before the outbox's last turn. */
  let turned = 0
  let own = last
  /** The length that the own log has if nobody but this run wrote to it. */
  let ownLength = last?.length() ?? 0
  let isAppending = false
  let isWriting = false
  let isUrgent = false
  let isClosed = false
  let wroteMs = Number.NEGATIVE_INFINITY
  let writing: Promise<void> = Promise.resolve()
  let wake: () => void = () => undefined

  /** Writes what is queued. The last look at the queue and the end are one turn: nothing can slip in between. */
  async function drain(): Promise<void> {
    isWriting = true
    try {
      while (!isClosed && (own === undefined || ownLength === 0 || queue.length > 0)) {
        await linger()
        await tryWriting()
      }
    } finally {
      isWriting = false
      isUrgent = false
    }
  }

  function go(): void {
    if (!isWriting && !isClosed) writing = drain()
  }

  /** Waits for company for the records that are queued, unless somebody waits for them. */
  async function linger(): Promise<void> {
    if (isUrgent || !own) return
    const lingerMs = Math.min(LINGER_MS.most, LINGER_MS.eachPeer * own.peers())
    const waitMs = wroteMs + lingerMs - performance.now()
    if (waitMs > 0) await pause(waitMs)
  }

  function pause(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, ms)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** A full disk keeps the records queued; nothing is dropped. */
  async function tryWriting(): Promise<void> {
    if (turned === 0) {
      options.outbox.turn()
      turned = queue.length
    }
    const batch = queue.slice(0, Math.min(turned, RECORDS_PER_WRITE))
    try {
      const log = own ?? (await openOwn())
      if (batch.length > 0 || ownLength === 0) await write(log, batch)
      written(batch, [])
    } catch (error) {
      if (isClosed) return
      // One record is too large: the others of the batch must not suffer for it.
      if (error instanceof PoolError) return written(batch, batch.filter(isWritable))
      // A log that closed under the writer has two histories: the next turn opens a fresh one.
      if (own?.isClosed()) return retire('it cannot be written to any more')
      options.note('the log cannot be written; trying again', { error: String(error) })
      options.onFailed(error)
      await pause(RETRY_MS)
    }
  }

  /** A batch is in the log, but for what is left of it. */
  function written(batch: readonly Draft[], left: readonly Draft[]): void {
    queue.splice(0, batch.length, ...left)
    turned -= batch.length - left.length
    if (turned === 0) options.outbox.clear()
  }

  async function openOwn(): Promise<FollowedLog> {
    const fresh = await options.openFresh()
    own = fresh
    ownLength = 0
    return fresh
  }

  async function write(log: FollowedLog, drafts: readonly Draft[]): Promise<void> {
    // However often that fails on a full disk: a log begins with whose it is, or nobody believes it.
    const opening: Draft[] = ownLength === 0 ? [{ kind: 'writer-opened', ...log.attestation }] : []
    const blocks = encodeBlocks(stamped([...opening, ...drafts], options.pool(), options.wall()))
    const start = await append(log, blocks)
    wroteMs = performance.now()
    await options.fold(log, start, blocks)
  }

  /** Returns the place of the first block. */
  async function append(log: FollowedLog, blocks: readonly Uint8Array[]): Promise<number> {
    isAppending = true
    try {
      const length = await appended(log, blocks)
      const start = length - blocks.length
      if (log === own && start !== ownLength) retire('a peer knew more of it than this disk')
      ownLength = length
      return start
    } finally {
      isAppending = false
    }
  }

  /** Hypercore may refuse an append for want of room and keep it all the same: what is in the log is written. */
  async function appended(log: FollowedLog, blocks: readonly Uint8Array[]): Promise<number> {
    try {
      return await log.append(blocks)
    } catch (error) {
      if (log.isClosed() || log.length() !== ownLength + blocks.length) throw error
      return log.length()
    }
  }

  function retire(reason: string): void {
    if (!own) return
    const retired = own
    options.note('retires its log', {
      reason,
      log: retired.attestation.log,
      incarnation: retired.attestation.incarnation
    })
    own = undefined
    options.onRetired(retired)
    go()
  }

  /** Somebody waits for what is queued. */
  function hurry(): void {
    if (!isWriting || isUrgent) return
    isUrgent = true
    wake()
  }

  function isWritable(draft: Draft): boolean {
    try {
      encodeBlocks(stamped([draft], options.pool(), 0))
      return true
    } catch (error) {
      options.note('a record could not be written', { kind: draft.kind, error: String(error) })
      options.onDropped(draft)
      return false
    }
  }

  return {
    /** The log that is written now; nothing while a fresh one is being opened. */
    log: (): FollowedLog | undefined => own,

    append(drafts: readonly Draft[]): void {
      if (drafts.length === 0) return
      options.outbox.add(drafts)
      queue.push(...drafts)
      go()
    },

    /** Opens the own log, if it is not open, and says so in it. */
    begin(): Promise<void> {
      go()
      return writing
    },

    /** Peers know of `length` blocks of the own log: more than this disk has means that its tail was lost. */
    hearsOf(length: number): void {
      if (own && !isAppending && length > ownLength) retire('a peer knows more of it than this disk')
    },

    retire,
    /** Resolves once everything handed over so far is in the log; it is written at once. */
    flushed(): Promise<void> {
      hurry()
      return writing
    },

    /** Tries at once what waits for the disk to have room. */
    retry: (): void => wake(),

    async close(): Promise<void> {
      // A full disk keeps the writing going for ever; what it holds then is in the keeper's files, or is made anew.
      const patience = new Promise(resolve => setTimeout(resolve, 2 * RETRY_MS).unref())
      hurry()
      await Promise.race([writing, patience])
      isClosed = true
      wake()
      options.outbox.close()
    }
  }
}
