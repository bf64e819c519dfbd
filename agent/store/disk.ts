/**
 * The disk of a home: watched, and with a reserve for when it is full.
 *
 * Owns when a part of the reserve is given up and when the free space is looked at. Whether the machine takes work is
 * not decided here: the core is told what was found.
 */
import { join } from 'node:path'
import { LIMITS } from '#protocol'
import type { DiskNews } from '../local.js'
import { type DiskFault, diskError, diskFaultOf, freeBytesAt } from './disk-fault.js'
import { removeFile, writeWhole } from './files.js'
import { openReserve, type Reserve } from './reserve.js'

/** Room with which a store that was closed in order opens, in bytes: its first files, no tables yet. */
const OPEN_BYTES = 4 * 2 ** 20
/** With less it might open, but then nothing could ever be written to it. */
const OPEN_BYTES_MIN = 2 ** 20

export interface DiskOptions {
  readonly home: string
  /** Size of the reserve; 0 for none. */
  readonly reserveBytes: number
  /** Free bytes below which the machine takes no work. */
  readonly floorBytes: number
  readonly onDisk: (news: DiskNews) => void
  readonly note: (message: string, fields: Readonly<Record<string, unknown>>) => void
  readonly pollMs?: number
  /** How free space is measured, and how it is found out whether a write succeeds; for tests. */
  readonly freeBytes?: () => number | undefined
  readonly tryWrite?: () => void
}

export interface Disk {
  /**
   * Writes something small; where the disk has no room, gives up a part of the reserve and tries again.
   *
   * Errors: `DISK_FULL` when nothing is left to give up, `DISK_READ_ONLY`; others as they come.
   */
  write<T>(action: () => T): T
  /**
   * Opens the store; where the disk has no room, gives up what that takes and tries again. An action that fails must
   * leave nothing open.
   *
   * Errors: as those of `write`.
   */
  open<T>(action: () => Promise<T>): Promise<T>
  /** Looks now, from then on every few seconds, and tells each time. */
  look(): void
  /**
   * Something could not be written. Errors that tell of no full disk are not looked at.
   *
   * @param neededBytes  What should be free for the next try: the reserve gives it up, but for the files' share.
   */
  onFault(error: unknown, neededBytes?: number): void
  readonly reserve: Pick<Reserve, 'bytes' | 'settled'>
  close(): Promise<void>
}

/** Opens the disk of a home. Nothing is looked at, and nothing written, before it is asked to. */
export function openDisk(options: DiskOptions): Disk {
  const { home, note } = options
  const freeBytes = options.freeBytes ?? (() => freeBytesAt(home))
  const tryWrite = options.tryWrite ?? (() => tryWriteIn(home))
  // A reserve larger than what stays free beside it would only move the floor.
  const keepFreeBytes = Math.max(options.floorBytes * LIMITS.freeSpaceMargin, options.reserveBytes)
  const reserve = openReserve({ ...options, bytes: options.reserveBytes, keepFreeBytes, freeBytes })
  /** A disk can refuse writes while it has free bytes: no inodes, a quota, read-only. Then only a write can tell. */
  let fault: DiskFault | undefined
  /** Until when a fault is believed, whatever a small write says: a quota has room for that, and for little else. */
  let believedMs = 0
  let timer: NodeJS.Timeout | undefined
  let soon: NodeJS.Immediate | undefined

  function look(): void {
    timer ??= setInterval(lookAgain, options.pollMs ?? LIMITS.diskPollMs).unref()
    if (fault !== undefined && performance.now() >= believedMs) fault = faultIn(tryWrite)
    const free = freeBytes()
    options.onDisk({ ...(free === undefined ? {} : { freeBytes: free }), ...(fault === undefined ? {} : { fault }) })
  }

  /** Not at the first look: a start has better things to do than to write a reserve. */
  function lookAgain(): void {
    look()
    if (fault === undefined) reserve.refill()
  }

  function giveUp(bytes: number, why: DiskFault): boolean {
    if (why === 'EROFS') return false
    const givenBytes = reserve.giveUp(bytes)
    if (givenBytes === 0) return false
    note('the disk is full: gave up a part of the reserve', { givenBytes, leftBytes: reserve.bytes() })
    return true
  }

  function makeRoom(neededBytes: number, keptBytes: number, why: DiskFault = 'ENOSPC'): boolean {
    // A quota does not show in what is free.
    const missing = why === 'EDQUOT' ? neededBytes : neededBytes - (freeBytes() ?? 0)
    return giveUp(Math.min(missing, reserve.bytes() - keptBytes), why)
  }

  function noteFault(found: DiskFault): void {
    const isNews = fault === undefined
    fault = found
    // A disk without a byte is full and nothing else: what is free tells when it is not.
    if ((freeBytes() ?? 0) >= Math.max(options.floorBytes, LIMITS.reserveStepBytes))
      believedMs = performance.now() + LIMITS.diskFaultMs
    // Whoever failed is in the middle of something, and would hear of it there.
    if (isNews && timer !== undefined) soon ??= setImmediate(lookSoon)
  }

  function lookSoon(): void {
    soon = undefined
    look()
  }

  return {
    reserve,
    look,

    write(action) {
      for (;;) {
        try {
          return action()
        } catch (error) {
          const found = diskFaultOf(error)
          if (found === undefined) throw error
          noteFault(found)
          if (!giveUp(LIMITS.reserveStepBytes, found)) throw diskError(home, found, error)
        }
      }
    },

    async open(action) {
      // Each try that fails leaves files behind, so a disk that is known to be full gets room before the first.
      makeRoom(OPEN_BYTES, LIMITS.reserveForFilesBytes)
      makeRoom(OPEN_BYTES_MIN, 0)
      if ((freeBytes() ?? OPEN_BYTES_MIN) < OPEN_BYTES_MIN) throw diskError(home, 'ENOSPC')
      for (;;) {
        try {
          return await action()
        } catch (error) {
          const found = diskFaultOf(error)
          if (found === undefined) throw error
          const needed = LIMITS.storeRoomBytes
          if (!makeRoom(needed, LIMITS.reserveForFilesBytes, found) && !makeRoom(needed, 0, found))
            throw diskError(home, found, error)
        }
      }
    },

    onFault(error, neededBytes = 0) {
      const found = diskFaultOf(error)
      if (found === undefined) return
      noteFault(found)
      makeRoom(neededBytes, LIMITS.reserveForFilesBytes, found)
    },

    async close() {
      clearInterval(timer)
      clearImmediate(soon)
      await reserve.close()
    }
  }
}

function faultIn(write: () => void): DiskFault | undefined {
  try {
    write()
    return undefined
  } catch (error) {
    return diskFaultOf(error)
  }
}

/** Writes a file of one block, fsynced, and removes it. */
function tryWriteIn(home: string): void {
  const path = join(home, 'disk-check')
  writeWhole(path, new Uint8Array(4096))
  removeFile(path)
}
