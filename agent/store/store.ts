/**
 * The store: opens and closes the Corestore of a home, and explains why it cannot.
 *
 * One process at a time has it open; everybody else talks to that process.
 */

import { join } from 'node:path'
import b4a from 'b4a'
import Corestore from 'corestore'
import { PoolError } from '#protocol'
import { makeFolder } from './files.js'

export type Store = Corestore

/**
 * Opens the store of a home.
 *
 * Errors: `STORE_IN_USE` when another process has it open; `STORE_DAMAGED` when it was copied or cannot be read.
 */
export async function openStore(home: string): Promise<Store> {
  const folder = join(home, 'store')
  makeFolder(home)
  const store = new Corestore(folder)
  try {
    await store.ready()
    return store
  } catch (cause) {
    throw explained(cause, home)
  }
}

function explained(cause: unknown, home: string): PoolError {
  const text = cause instanceof Error ? cause.message : String(cause)
  if (/could not be locked/i.test(text)) {
    return new PoolError('STORE_IN_USE', `The pool in ${home} is open in another process.`, {
      hint: 'Talk to it with `hypersweep status`, or stop it with `hypersweep down`.',
      cause
    })
  }
  // The store's own file knows its place by attribute and by inode: a copy fails at the one or at the other.
  if (/invalid device file/i.test(text)) {
    return new PoolError(
      'STORE_DAMAGED',
      `The store in ${home} was copied from another place: two machines with one identity would destroy each other's log.`,
      {
        hint: 'Move it back, or give this machine a home of its own: HYPERSWEEP_HOME=<new folder> hypersweep join <invite>.',
        cause
      }
    )
  }
  return new PoolError('STORE_DAMAGED', `The store in ${home} cannot be opened: ${text}.`, {
    hint: 'Check the disk (`df -h`) and the rights of the folder.',
    cause
  })
}

export function bytesOf(hex: string): Uint8Array {
  return b4a.from(hex, 'hex')
}

export function hexOf(bytes: Uint8Array): string {
  return b4a.toString(bytes, 'hex')
}
