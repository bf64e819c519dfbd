/**
 * The clean-stop mark: may this machine go on writing the log that it wrote last? (rule L6)
 *
 * Appending to a log whose tail was lost forks it, and a forked log is dead for everybody. So the mark names the log
 * and the very files in which its end stands. A crash leaves no mark; a restored backup, a copied folder and a moved
 * disk leave files that are not the ones of the mark: in each case a fresh log is opened, which is always right.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { digestOf, keyHex } from '#protocol'
import { readJson, removeFile, writeJson } from './files.js'
import { storeFiles } from './store-files.js'

const markSchema = z.object({ log: keyHex, files: keyHex })

/**
 * Returns the log that may be gone on with; nothing when a fresh one must be opened. The mark is gone from then on.
 *
 * Call it before the store is opened: opening it changes its files.
 */
export function takeCleanStop(home: string): string | undefined {
  const log = readCleanStop(home)
  removeFile(pathIn(home))
  return log
}

/** Returns the same, and leaves the mark where it is: for who only looks. */
export function readCleanStop(home: string): string | undefined {
  const mark = markSchema.safeParse(markIn(pathIn(home)))
  return mark.success && mark.data.files === filesOf(home) ? mark.data.log : undefined
}

/** Says that a log ends as the files of the store say, which is closed and on disk (`syncStore`). */
export function markCleanStop(home: string, log: string): void {
  writeJson(pathIn(home), { log, files: filesOf(home) })
}

/** A damaged mark is no mark. */
function markIn(path: string): unknown {
  try {
    return readJson(path)
  } catch {
    return undefined
  }
}

function pathIn(home: string): string {
  return join(home, 'keeper', 'clean-stop.json')
}

/** No copy of a file has its inode and the time of its last change: no program can set that one. */
function filesOf(home: string): string {
  const lines = storeFiles(home).map(path => {
    const { ino, size, ctimeNs } = statSync(path, { bigint: true })
    return `${path.slice(home.length)} ${ino} ${size} ${ctimeNs}`
  })
  return digestOf(`hypersweep/clean-stop\n${lines.join('\n')}`)
}
