/**
 * The bulk log: full curves and ends of outputs, in Hypercores that nobody downloads before somebody looks.
 *
 * Owns one such log for each run of the agent, made at its first write: a log whose tail may be unknown is never
 * written to again (rule L6). What was fetched from others is kept, so that it is served on while its author is off,
 * up to a limit for each member. Invariant: only what a read itself fetched, or what is noted as kept, is ever cleared.
 */
import { join } from 'node:path'
import type Hypercore from 'hypercore'
import { z } from 'zod'
import {
  type Bulk,
  type BulkPlace,
  type BulkSubject,
  bulkPlaceSchema,
  decodeBulk,
  encodeBulk,
  keyHex,
  LIMITS
} from '#protocol'
import { readJson, writeJson } from './files.js'
import { bytesOf, freshName, hexOf, type Store } from './store.js'

/** A block costs the disk at least this, however small it is: a list of a million tiny ones is no small list. */
const KEPT_BYTES_MIN = 16 * 1024
/** What encryption adds to a block, in bytes, and more. */
const PADDING_BYTES = 64

const keptSchema = z.object({ ...bulkPlaceSchema.shape, member: keyHex, bytes: z.number().int().min(0) })
type Kept = z.infer<typeof keptSchema>

export interface BulkOptions {
  readonly store: Store
  readonly secret: string
  /** The home: what is kept of others is noted in its `keeper` folder. */
  readonly home: string
  readonly note: (message: string, fields: Readonly<Record<string, unknown>>) => void
  /** How long a read waits for others, in ms. */
  readonly fetchMs?: number
}

export interface BulkRead {
  readonly place: BulkPlace
  /** The attempt that the block must be about. */
  readonly about: BulkSubject
  /** Whose block it is: what is kept counts against them. */
  readonly member: string
}

export interface BulkLog {
  /** Writes an attempt's bulk block. Never rejects: without room on the disk the result goes alone. */
  write(bulk: Bulk): Promise<BulkPlace | undefined>
  /**
   * Reads one block, from here or from whoever has it; nothing else of its log is fetched.
   *
   * @returns  Nothing when nobody who is reached has it, or when it is not what it should be. Never rejects.
   */
  read(wanted: BulkRead): Promise<Bulk | undefined>
  close(): Promise<void>
}

/** Returns the bulk logs of a home; nothing is opened before it is needed. */
export function openBulk(options: BulkOptions): BulkLog {
  const { store, note, fetchMs = LIMITS.bulkFetchMs } = options
  const encryption = { key: bytesOf(options.secret) }
  const index = join(options.home, 'keeper', 'bulk.json')
  const reading = new Set<Hypercore>()
  let kept: Kept[] = readKept(index)
  let own: Hypercore | undefined
  let writing: Promise<unknown> = Promise.resolve()
  let isClosed = false

  async function append(bulk: Bulk): Promise<BulkPlace | undefined> {
    if (isClosed) return undefined
    try {
      own ??= store.get({ name: freshName('bulk'), encryption })
      await own.ready()
      const { length } = await own.append(encodeBulk(bulk))
      return { log: hexOf(own.key), block: length - 1 }
    } catch (error) {
      // Most likely the disk is full. What such a log holds now is unknown: the next block begins a fresh one.
      note('a curve could not be kept', { trial: bulk.trial, attempt: bulk.attempt, error: String(error) })
      const broken = own
      own = undefined
      await broken?.close().catch(() => undefined)
      return undefined
    }
  }

  async function fetch(core: Hypercore, { place, about, member }: BulkRead): Promise<Bulk | undefined> {
    const { block } = place
    const deadline = performance.now() + fetchMs
    await core.ready()
    const wasHere = await core.has(block)
    if (!wasHere && !(await hasGrownTo(core, block + 1, deadline))) return undefined
    // A log so large holds a block that is too large for certain; it may be this one.
    if (!wasHere && core.byteLength > core.length * (LIMITS.bulkBlockBytes + PADDING_BYTES)) return undefined
    const bytes = await core.get(block, { timeout: Math.max(1, deadline - performance.now()) })
    const bulk = bytes ? decodeBulk(bytes, about) : undefined
    if (wasHere) return bulk
    if (bulk && bytes) await keep({ ...place, member, bytes: bytes.length })
    else await core.clear(block)
    return bulk
  }

  /** Notes what is kept of a member, and forgets their oldest blocks beyond the limit. */
  async function keep(fresh: Kept): Promise<void> {
    kept = [...kept.filter(each => each.log !== fresh.log || each.block !== fresh.block), fresh]
    const theirs = kept.filter(each => each.member === fresh.member)
    const tooOld: Kept[] = []
    let bytes = theirs.reduce((sum, each) => sum + costOf(each), 0)
    for (const each of theirs) {
      if (bytes <= LIMITS.bulkBytesPerMember) break
      bytes -= costOf(each)
      tooOld.push(each)
    }
    kept = kept.filter(each => !tooOld.includes(each))
    try {
      writeJson(index, kept)
    } catch (error) {
      // A full disk, most likely. The block is here for who asked; the list is written again with the next one.
      note('the list of kept curves could not be saved', { error: String(error) })
    }
    for (const { log, block } of tooOld) await withCore(log, core => core.ready().then(() => core.clear(block)))
  }

  async function withCore<T>(log: string, work: (core: Hypercore) => Promise<T>): Promise<T> {
    // A writer may shorten its log and write it anew: such a log is none.
    const core = store.get({ key: bytesOf(log), encryption, allowFork: false })
    reading.add(core)
    try {
      return await work(core)
    } finally {
      reading.delete(core)
      await core.close()
    }
  }

  return {
    write(bulk) {
      const place = writing.then(() => append(bulk))
      writing = place
      return place
    },
    async read(wanted) {
      if (isClosed) return undefined
      return await withCore(wanted.place.log, core => fetch(core, wanted)).catch(error => {
        note('a curve could not be fetched', { log: wanted.place.log, error: String(error) })
        return undefined
      })
    },
    async close() {
      await writing
      isClosed = true
      await Promise.all([...reading, ...(own ? [own] : [])].map(core => core.close().catch(() => undefined)))
    }
  }
}

/** Resolves to true once a log has so many blocks: the peers that know it tell. False when nobody does in time. */
function hasGrownTo(core: Hypercore, length: number, deadline: number): Promise<boolean> {
  return new Promise(resolve => {
    const look = () => {
      if (core.length >= length) end(true)
    }
    const end = (hasGrown: boolean) => {
      clearTimeout(timer)
      core.off('append', look)
      core.off('close', stop)
      resolve(hasGrown)
    }
    const stop = () => end(false)
    const timer = setTimeout(stop, Math.max(0, deadline - performance.now()))
    core.on('append', look)
    core.on('close', stop)
    look()
  })
}

function costOf({ bytes }: Kept): number {
  return Math.max(KEPT_BYTES_MIN, bytes)
}

/** A list that cannot be read is begun anew: what it named stays on the disk, and is read from there. */
function readKept(path: string): Kept[] {
  try {
    const parsed = z.array(keptSchema).safeParse(readJson(path))
    return parsed.success ? parsed.data : []
  } catch {
    return []
  }
}
