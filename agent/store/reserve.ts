/**
 * The reserve: room on the disk that is this agent's even when the disk is full.
 *
 * Owns one file of the home, of no content, that is given up step by step, and that grows back while there is room. It
 * never takes the last of the disk itself.
 * Invariant: its bytes are written, no hole, and cannot be compressed: giving them up frees as many.
 */
import { randomFillSync } from 'node:crypto'
import { closeSync, fsync, fsyncSync, ftruncateSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as rest } from 'node:timers/promises'
import { freeBytesAt } from './disk-fault.js'

/** Written in one go, then the agent has its turn. */
const CHUNK_BYTES = 256 * 1024
const REST_MS = 10

export interface ReserveOptions {
  readonly home: string
  /** Its full size; 0 for none. */
  readonly bytes: number
  /** What stays free beside it: with less it does not grow. */
  readonly keepFreeBytes: number
  readonly note: (message: string, fields: Readonly<Record<string, unknown>>) => void
  /** How free space is measured; for tests. */
  readonly freeBytes?: () => number | undefined
}

export interface Reserve {
  /** Bytes that it holds now. */
  bytes(): number
  /** Gives up so many bytes, as far as it holds them. Returns how many are free now that were not before. */
  giveUp(bytes: number): number
  /** Grows towards its full size in the background, as far as there is room. */
  refill(): void
  /** Resolves once it does not grow any more. */
  settled(): Promise<void>
  close(): Promise<void>
}

/** Takes up the reserve of a home as it is, makes it no larger than it should be, and lets it grow when asked to. */
export function openReserve(options: ReserveOptions): Reserve {
  const { home, note } = options
  const path = join(home, 'reserve')
  const freeBytes = options.freeBytes ?? (() => freeBytesAt(home))
  let growing: Promise<void> | undefined
  let isClosed = false
  if (options.bytes === 0) remove(path)
  else if (sizeOf(path) > options.bytes) cut(path, options.bytes)

  function roomToGrow(): number {
    const room = (freeBytes() ?? 0) - options.keepFreeBytes
    return Math.min(CHUNK_BYTES, options.bytes - sizeOf(path), room)
  }

  async function grow(): Promise<void> {
    try {
      while (!isClosed && growBy(path, roomToGrow())) await rest(REST_MS)
      await sync(path)
    } catch (error) {
      // Somebody else took the room meanwhile; what is written stays.
      note('the reserve could not be filled', { error: String(error), bytes: sizeOf(path) })
    }
  }

  return {
    bytes: () => sizeOf(path),
    giveUp(bytes) {
      const size = sizeOf(path)
      const given = Math.min(size, Math.max(0, bytes))
      return given > 0 && cut(path, size - given) ? given : 0
    },
    refill() {
      if (growing !== undefined || isClosed || roomToGrow() <= 0) return
      growing = grow().finally(() => {
        growing = undefined
      })
    },
    settled: async () => growing,
    async close() {
      isClosed = true
      await growing
    }
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // On a read-only disk it takes no room from anybody.
  }
}

/** Shortens a file so that its room is free when this returns. Returns false when the disk takes not even that. */
function cut(path: string, bytes: number): boolean {
  try {
    const file = openSync(path, 'r+')
    try {
      ftruncateSync(file, bytes)
      // Freed blocks are given out again only once the file system has written down that they are free.
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    return true
  } catch {
    return false
  }
}

/** Returns true when bytes were added. */
function growBy(path: string, bytes: number): boolean {
  if (bytes <= 0) return false
  const file = openSync(path, 'a', 0o600)
  try {
    return writeSync(file, randomFillSync(new Uint8Array(bytes))) > 0
  } finally {
    closeSync(file)
  }
}

/** What is only in memory yet might find no place on the disk. */
function sync(path: string): Promise<void> {
  const file = openSync(path, 'a', 0o600)
  const synced = new Promise<void>((resolve, reject) => fsync(file, error => (error ? reject(error) : resolve())))
  return synced.finally(() => closeSync(file))
}
