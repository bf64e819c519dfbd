/**
 * Assets: models and data sets that do not travel, at the places that the owner named.
 *
 * Owns looking whether they are there. Decides nothing, reads none of them. Invariant: a look never fails.
 */
import { access } from 'node:fs/promises'

/** How often it is looked: a disk that was plugged in counts soon after, in ms. */
const POLL_MS = 10_000

export interface AssetsOptions {
  /** Absolute paths by name. */
  readonly paths: Readonly<Record<string, string>>
  /** Told of those that are there, after each look. */
  readonly onAssets: (present: ReadonlyMap<string, string>) => void
  readonly pollMs?: number
}

/** Looks now, and again every few seconds where there is something to look at, until closed. */
export function watchAssets({ paths, onAssets, pollMs = POLL_MS }: AssetsOptions): { close(): void } {
  const named = Object.entries(paths)
  let isLooking = false
  let isClosed = false

  /** One after the other: a network disk that does not answer holds up one thread, not all that read files. */
  async function look(): Promise<void> {
    if (isLooking) return
    isLooking = true
    const present = new Map<string, string>()
    for (const [name, path] of named) if (await isThere(path)) present.set(name, path)
    isLooking = false
    if (!isClosed) onAssets(present)
  }

  void look()
  const timer = named.length > 0 ? setInterval(() => void look(), pollMs).unref() : undefined
  return {
    close() {
      isClosed = true
      clearInterval(timer)
    }
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false
  )
}
