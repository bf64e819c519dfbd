/**
 * The outbox: records of this machine on their way into its log.
 *
 * A record that was handed over survives the end of this process from that moment on, though the log is written a
 * moment later, with others in one block. Owns two files that take turns: one holds what is being written to the log,
 * the other what comes meanwhile. Like the log's own appends it is not fsynced: what must survive a power cut is in the
 * keeper.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Draft, decodeBlock, encodeBlock, type LogRecord } from '#protocol'
import { makeFolder, PRIVATE_FILE, removeFile, writeWhole } from './files.js'

const FILES = ['outbox-0', 'outbox-1'] as const
/** A record in a file lacks its stamp; the codec wants one. */
const STAMP = { clock: 0, at: 0 }

export type Outbox = ReturnType<typeof openOutbox>

/** Opens the outbox of a home. */
export function openOutbox(home: string) {
  const folder = join(home, 'keeper')
  makeFolder(folder)
  const paths = FILES.map(name => join(folder, name))
  const left = paths.flatMap(draftsIn)
  if (left.length > 0) gather(paths, left)
  const files = paths.map(path => openSync(path, 'a', PRIVATE_FILE))
  const isEmpty = files.map(() => false)
  let current = 0

  return {
    /**
     * What an earlier run, which was killed, did not get into the log, in no order that means anything. Claims are left
     * out: whoever comes back takes what is free then.
     */
    left: left.filter(({ kind }) => kind !== 'trial-claimed') as readonly Draft[],

    /** Writes records down. A disk that does not take them costs this safety, and no record. */
    add(drafts: readonly Draft[]): void {
      const file = files[current]
      if (file === undefined) return
      isEmpty[current] = false
      try {
        writeFileSync(file, linesOf(drafts))
      } catch {
        // What was written of them is a damaged line, which the next start passes over.
      }
    },

    /** Everything so far is about to be written to the log; what comes now is not part of it. */
    turn(): void {
      current = 1 - current
    },

    /** What came before the last turn is in the log. */
    clear(): void {
      const other = files[1 - current]
      if (other === undefined || isEmpty[1 - current]) return
      try {
        ftruncateSync(other)
        isEmpty[1 - current] = true
      } catch {
        // It is looked at once more at the next start, and found in the log.
      }
    },

    close(): void {
      for (const file of files.splice(0)) closeSync(file)
    }
  }
}

/** What two files hold is left in the first one, so that the next turn clears it. */
function gather([first = '', ...others]: readonly string[], left: readonly Draft[]): void {
  try {
    writeWhole(first, linesOf(left))
    for (const other of others) removeFile(other)
  } catch {
    // A full disk: they stay where they are.
  }
}

function linesOf(drafts: readonly Draft[]): string {
  return drafts.map(draft => `${JSON.stringify(draft)}\n`).join('')
}

/** Lines that are no record were cut off by a power cut or a full disk. */
function draftsIn(path: string): Draft[] {
  return textIn(path)
    .split('\n')
    .flatMap(line => draftIn(line) ?? [])
}

function textIn(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** The codec judges what is read as it judges a peer's record. */
function draftIn(line: string): Draft | undefined {
  try {
    const block = encodeBlock([{ ...JSON.parse(line), ...STAMP } as LogRecord])
    const [item] = decodeBlock(block)
    return item && 'record' in item ? draftOf(item.record) : undefined
  } catch {
    return undefined
  }
}

/** Returns a record as its author handed it in: it is stamped anew when it is written anew. */
export function draftOf({ clock, at, ...draft }: LogRecord): Draft {
  return draft as Draft
}
