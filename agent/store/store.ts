/**
 * The store: opens and closes the Corestore of a home, and explains why it cannot.
 *
 * One process at a time has it open; everybody else talks to that process.
 */

import { join } from 'node:path'
import b4a from 'b4a'
import Corestore from 'corestore'
import crypto from 'hypercore-crypto'
import { PoolError } from '#protocol'
import { makeFolder, removeFile } from './files.js'

export type Store = Corestore

/**
 * Opens the store of a home.
 *
 * A store that was copied or moved opens, too: its files are not those of the clean-stop mark, so that a fresh log is
 * written and no two machines write the same one (rule L6).
 *
 * Errors: `STORE_IN_USE` when another process has it open; `STORE_DAMAGED` when it cannot be read.
 */
export async function openStore(home: string): Promise<Store> {
  const folder = join(home, 'store')
  makeFolder(home)
  try {
    return await openedStore(folder)
  } catch (cause) {
    // The store knows its place by attribute and by inode: a copy fails at the one or at the other.
    if (!/invalid device file/i.test(textOf(cause))) throw explained(cause, home)
  }
  try {
    removeFile(join(folder, 'CORESTORE'))
    return await openedStore(folder)
  } catch (cause) {
    throw explained(cause, home)
  }
}

async function openedStore(folder: string): Promise<Store> {
  const store = new Corestore(folder)
  try {
    await store.ready()
    return store
  } catch (error) {
    await store.close().catch(() => undefined)
    throw error
  }
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

function explained(cause: unknown, home: string): PoolError {
  const text = textOf(cause)
  if (/could not be locked/i.test(text)) {
    return new PoolError('STORE_IN_USE', `The pool in ${home} is open in another process.`, {
      hint: 'Talk to it with `hypersweep status`, or stop it with `hypersweep down`.',
      cause
    })
  }
  return new PoolError('STORE_DAMAGED', `The store in ${home} cannot be opened: ${text}.`, {
    hint: 'Check the disk (`df -h`) and the rights of the folder.',
    cause
  })
}

/**
 * Returns a name for a log or a drive that nobody ever wrote to: its key comes from fresh chance, so that two copies of
 * one home, or a home and what it was put back to, never write the same one (rules L6 and B4).
 */
export function freshName(kind: string): string {
  return `${kind}-${hexOf(crypto.randomBytes(16))}`
}

export function bytesOf(hex: string): Uint8Array {
  return b4a.from(hex, 'hex')
}

export function hexOf(bytes: Uint8Array): string {
  return b4a.toString(bytes, 'hex')
}
