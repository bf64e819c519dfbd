/**
 * Syncs: how much of each file of a home the disk was told to take. A power cut leaves that; what was only written
 * after it may be gone.
 *
 * Agents run with test/fixtures/sync-watch.c before them, built here. Linux only, with gcc.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SOURCE = fileURLToPath(new URL('../fixtures/sync-watch.c', import.meta.url))

export interface Syncs {
  /** What an agent is started with to be watched. */
  environment(name: string): Readonly<Record<string, string>>
  /** Bytes from a file's beginning that a machine's disk was told to take. */
  bytesOf(name: string, path: string): number
  close(): void
}

/** Returns why syncs cannot be watched here; nothing when they can. */
export function missingSyncs(): string | undefined {
  if (process.platform !== 'linux') return 'what an agent has the disk take is watched on Linux only'
  try {
    execFileSync('gcc', ['--version'], { stdio: 'pipe' })
    return undefined
  } catch {
    return 'there is no gcc to build what watches which files are synced'
  }
}

export function openSyncs(): Syncs {
  const folder = mkdtempSync(join(tmpdir(), 'hypersweep-syncs-'))
  const library = join(folder, 'sync-watch.so')
  execFileSync('gcc', ['-Wall', '-Werror', '-shared', '-fPIC', '-o', library, SOURCE, '-ldl'], { stdio: 'pipe' })
  const pathOf = (name: string) => join(folder, `${name}.syncs`)
  return {
    environment: name => ({ LD_PRELOAD: library, SYNC_WATCH: pathOf(name) }),
    bytesOf(name, path) {
      const inode = String(statSync(path).ino)
      const sizes = linesOf(pathOf(name)).flatMap(line => {
        const [of, bytes] = line.split(' ')
        return of === inode ? [Number(bytes)] : []
      })
      return Math.max(0, ...sizes)
    },
    close: () => rmSync(folder, { recursive: true, force: true })
  }
}

function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8').split('\n')
}
