/**
 * A small disk of its own for a test: a tmpfs that can be filled to the last byte without harm to anybody.
 *
 * Needs Linux and the right to mount; where that is missing tests are skipped, and say so.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

const PAGE_BYTES = 4096

export interface SmallDisk {
  readonly folder: string
  /** Fills it until not one more byte is taken. */
  fill(): void
  /** Gives back so much of what filled it; all of it without a number. */
  free(bytes?: number): void
}

/** Returns why there can be no small disk here; false when there can. For tap's `skip`. */
export function noSmallDisk(): string | false {
  if (process.platform !== 'linux') return 'a tmpfs needs Linux'
  const folder = mkdtempSync(join(tmpdir(), 'hypersweep-disk-'))
  try {
    mount(folder, PAGE_BYTES)
    execFileSync('umount', [folder])
    return false
  } catch {
    return 'mounting a tmpfs is not allowed here'
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Mounts a disk of `bytes` for one test; it is gone when the test ends. */
export function mountSmallDisk(t: Test, bytes: number): SmallDisk {
  const place = mkdtempSync(join(tmpdir(), 'hypersweep-disk-'))
  mount(place, bytes)
  t.teardown(() => {
    // Lazily: a program that has just been killed may still be leaving.
    execFileSync('umount', ['--lazy', place])
    rmSync(place, { recursive: true, force: true })
  })
  const folder = join(place, 'homes')
  const filler = join(place, 'filler')
  mkdirSync(folder)
  return {
    folder,
    fill: () => fill(filler),
    free: (freed = Number.POSITIVE_INFINITY) => truncateSync(filler, Math.max(0, statSync(filler).size - freed))
  }
}

function mount(folder: string, bytes: number): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder], { stdio: 'ignore' })
}

function fill(path: string): void {
  const file = openSync(path, 'a')
  try {
    for (let bytes = 2 ** 20; bytes >= 1; ) {
      if (!takes(file, bytes)) bytes = Math.floor(bytes / 2)
    }
  } finally {
    closeSync(file)
  }
}

function takes(file: number, bytes: number): boolean {
  try {
    return writeSync(file, new Uint8Array(bytes)) === bytes
  } catch {
    return false
  }
}
