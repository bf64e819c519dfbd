/**
 * Small files that must survive a crash: whole or not there at all, on disk when the call returns, for the owner only.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { dirname } from 'node:path'
import { PoolError } from '#protocol'

/** Only the owner of the machine reads what is kept here: keys, invites, results. */
export const PRIVATE_FILE = 0o600
const PRIVATE_FOLDER = 0o700

/** Makes a folder that only its owner can enter. */
export function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: PRIVATE_FOLDER })
}

/** Writes a value as JSON, atomically and fsynced. */
export function writeJson(path: string, value: unknown): void {
  writeWhole(path, `${JSON.stringify(value)}\n`)
}

/** Writes a file, atomically and fsynced: after a power cut it is the old one or the new one. */
export function writeWhole(path: string, content: string | Uint8Array): void {
  makeFolder(dirname(path))
  const temporary = `${path}.new`
  try {
    writeSynced(temporary, content)
    renameSync(temporary, path)
  } catch (error) {
    // Half a file on a full disk only takes room from the next try. The first error is the one that tells.
    removeQuietly(temporary)
    throw error
  }
  syncFolder(dirname(path))
}

function writeSynced(path: string, content: string | Uint8Array): void {
  const file = openSync(path, 'w', PRIVATE_FILE)
  try {
    // Not `writeSync`, which writes what fits on a full disk and reports that as success.
    writeFileSync(file, content)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // The next write to this path makes it anew.
  }
}

/**
 * Reads a JSON file.
 *
 * @returns  The value, unchecked; nothing when there is no such file.
 * Errors:   `STORE_DAMAGED` when the file is there but is no JSON.
 */
export function readJson(path: string): unknown {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new PoolError('STORE_DAMAGED', `The file ${path} cannot be read.`, {
      hint: 'Check who may read it: it must belong to you.',
      cause
    })
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new PoolError('STORE_DAMAGED', `The file ${path} is damaged: it is no JSON.`, {
      hint: 'Restore it from a backup, or move the whole folder away and join the pool anew.',
      cause
    })
  }
}

/** Removes a file, durably: a mark that came back after a power cut would lie. One that is not there is fine. */
export function removeFile(path: string): void {
  if (!existsSync(path)) return
  rmSync(path, { force: true })
  syncFolder(dirname(path))
}

/** A rename or a removal survives a power cut only once its folder is on disk. Windows has no such call. */
export function syncFolder(path: string): void {
  if (process.platform === 'win32') return
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
