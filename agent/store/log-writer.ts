/**
 * The writer: this machine's records, in order, into this machine's own log.
 *
 * Owns the queue and the log that is written now. It never writes to a log whose tail may be unknown (rule L6): such a
 * log is retired, and a fresh one is opened at once. A record that was handed over is written, sooner or later, unless
 * it is too large for any log.
 */
import { type Draft, encodeBlocks, type Pool, PoolError, stamped } from '#protocol'
import type { FollowedLog } from './followed-log.js'

/** Records that are written in one go. */
const RECORDS_PER_WRITE = 500
/** A failed append (a full disk) is tried again after this time, in ms. */
const RETRY_MS = 5000

export interface WriterOptions {
  readonly pool: () => Pool
  readonly wall: () => number
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
  let own = last
  /** The length that the own log has if nobody but this run wrote to it. */
  let ownLength = last?.length() ?? 0
  let isAppending = false
  let isWriting = false
  let isClosed = false
  let writing: Promise<void> = Promise.resolve()
  let wake: () => void = () => undefined

  /** Writes what is queued. The last look at the queue and the end are one turn: nothing can slip in between. */
  async function drain(): Promise<void> {
    isWriting = true
    try {
      while (!isClosed && (own === undefined || queue.length > 0)) await tryWriting()
    } finally {
      isWriting = false
    }
  }

  function go(): void {
    if (!isWriting && !isClosed) writing = drain()
  }

  /** A full disk keeps the records queued; nothing is dropped. */
  async function tryWriting(): Promise<void> {
    const batch = queue.slice(0, RECORDS_PER_WRITE)
    try {
      const log = own ?? (await openOwn())
      if (batch.length > 0) await write(log, batch)
      queue.splice(0, batch.length)
    } catch (error) {
      if (isClosed) return
      if (error instanceof PoolError) {
        // One record is too large: the others of the batch must not suffer for it.
        queue.splice(0, batch.length, ...batch.filter(isWritable))
        return
      }
      // A log that closed under the writer has two histories: the next turn opens a fresh one.
      if (own?.isClosed()) return retire('it cannot be written to any more')
      options.note('the log cannot be written; trying again', { error: String(error) })
      options.onFailed(error)
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, RETRY_MS)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  async function openOwn(): Promise<FollowedLog> {
    const fresh = await options.openFresh()
    own = fresh
    ownLength = 0
    await write(fresh, [{ kind: 'writer-opened', ...fresh.attestation }])
    return fresh
  }

  async function write(log: FollowedLog, drafts: readonly Draft[]): Promise<void> {
    const blocks = encodeBlocks(stamped(drafts, options.pool(), options.wall()))
    const start = await append(log, blocks)
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
    flushed: (): Promise<void> => writing,

    /** Tries at once what waits for the disk to have room. */
    retry: (): void => wake(),

    async close(): Promise<void> {
      // A full disk keeps the writing going for ever; what it holds then is in the keeper's files, or is made anew.
      const patience = new Promise(resolve => setTimeout(resolve, 2 * RETRY_MS).unref())
      await Promise.race([writing, patience])
      isClosed = true
      wake()
    }
  }
}
