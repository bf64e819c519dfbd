/**
 * Store files: the files in which everything stands that this machine's logs and drives hold.
 *
 * The store writes at once and has the disk take it later, when it likes: until then a power cut may take it back.
 */
import { readdirSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'

/** Returns the paths of the store's files, sorted; none where there is no store. */
export function storeFiles(home: string): string[] {
  const folder = join(home, 'store', 'db')
  try {
    return readdirSync(folder)
      .sort()
      .map(name => join(folder, name))
  } catch {
    return []
  }
}

/** Has the disk take everything that was written to the store by now. Errors: those of the disk. */
export async function syncStore(home: string): Promise<void> {
  await Promise.all(storeFiles(home).map(syncFile))
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+').catch(error => {
    // The store removes a file once what stood in it is on disk elsewhere.
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  try {
    await file?.sync()
  } finally {
    await file?.close()
  }
}
