/**
 * The checkpoint: the folded pool on disk, so that opening costs what is new, not what is old (rule F6).
 *
 * A copy of what the logs say, never more: whatever is wrong with it (another release's fold, a torn file, logs that a
 * power cut made shorter than they were) it is thrown away, and the logs are folded from their beginnings.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import b4a from 'b4a'
import crypto from 'hypercore-crypto'
import { FOLD_VERSION, type Pool } from '#protocol'
import { writeWhole } from './files.js'

const HASH_BYTES = 32
/** A checkpoint is worth its writing once so many entries are new, and this share of those in the last one. */
const WORTH_ENTRIES = 5000
const WORTH_SHARE = 0.5
/** The same at an orderly end, when nobody waits. */
const WORTH_ENTRIES_AT_END = 500
/** Nobody should wait for a checkpoint while news pour in. */
const DELAY_MS = 5000

/** What was folded, and how far. */
export interface Folds {
  readonly pool: Pool
  /** By log: how many of its blocks are folded. */
  readonly cursors: ReadonlyMap<string, number>
  /** By log: how many places of it did not decode. */
  readonly holes: ReadonlyMap<string, number>
}

export interface Checkpoint extends Folds {
  /** Logs that will not grow, and how many blocks they have. */
  readonly whole: ReadonlyMap<string, number>
}

/**
 * Returns what writes the checkpoint of a home now and then: in all it costs in proportion to what is new.
 *
 * @param options.saved  Entries in the checkpoint that is there.
 * @param options.state  What there is to keep now.
 */
export function createCheckpoints(options: {
  readonly home: string
  readonly saved: number
  readonly state: () => Checkpoint
  readonly note: (message: string, fields: Readonly<Record<string, unknown>>) => void
}) {
  let saved = options.saved
  let timer: NodeJS.Timeout | undefined

  function save(): void {
    clearTimeout(timer)
    timer = undefined
    const state = options.state()
    saved = state.pool.entries
    try {
      saveCheckpoint(options.home, state)
    } catch (error) {
      // A full disk: the next one comes when as much is new again, and until then the logs tell all.
      options.note('the checkpoint could not be saved', { error: String(error) })
    }
  }

  return {
    /** New entries were folded. */
    onFolded(): void {
      if (timer || options.state().pool.entries - saved < Math.max(WORTH_ENTRIES, WORTH_SHARE * saved)) return
      timer = setTimeout(save, DELAY_MS)
      timer.unref()
    },

    close(): void {
      if (options.state().pool.entries - saved >= WORTH_ENTRIES_AT_END) save()
      clearTimeout(timer)
    }
  }
}

function saveCheckpoint(home: string, checkpoint: Checkpoint): void {
  const body = serialize({ version: FOLD_VERSION, ...checkpoint })
  writeWhole(pathIn(home), b4a.concat([crypto.hash(body), body]))
}

/** Returns the checkpoint of a home; nothing when there is none that this release made of this pool. */
export function loadCheckpoint(home: string, pool: string): Checkpoint | undefined {
  try {
    const bytes = readFileSync(pathIn(home))
    const body = bytes.subarray(HASH_BYTES)
    if (!b4a.equals(crypto.hash(body), bytes.subarray(0, HASH_BYTES))) return undefined
    const { version, ...checkpoint } = deserialize(body) as Checkpoint & { version: number }
    return version === FOLD_VERSION && checkpoint.pool.id === pool ? checkpoint : undefined
  } catch {
    return undefined // Absent, most often. The logs hold all that it would have told.
  }
}

function pathIn(home: string): string {
  return join(home, 'keeper', 'checkpoint')
}
