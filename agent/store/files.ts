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
  writeSync
} from 'node:fs'
import { dirname } from 'node:path'
import { PoolError } from '#protocol'

/** Only the owner of the machine reads what is kept here: keys, invites, results. */
const PRIVATE_FILE = 0o600
const PRIVATE_FOLDER = 0o700

/** Makes a folder that only its owner can enter. */
export function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: PRIVATE_FOLDER })
}

/** Writes a value as JSON, atomically and fsynced: after a power cut the file is the old one or the new one. */
export function writeJson(path: string, value: unknown): void {
  makeFolder(dirname(path))
  const temporary = `${path}.new`
  const file = openSync(temporary, 'w', PRIVATE_FILE)
  try {
    writeSync(file, `${JSON.stringify(value)}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, path)
  syncFolder(dirname(path))
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
function syncFolder(path: string): void {
  if (process.platform === 'win32') return
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
