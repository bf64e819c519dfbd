/**
 * Disks: what of a machine survives which end.
 *
 * Owns what lies on a disk and what a power cut or a backup does to it; never how it came there. What a machine has in
 * memory is nowhere here, and is lost with its process.
 */
import type { Draft } from '#protocol'
import type { Keeper, KeptPause } from '../../agent/ports.js'
import type { Level } from '../../agent/store/quota.js'

/** What the system has not yet written to the disk is at most this old, in ms (Linux: dirty_expire_centisecs). */
export const UNSYNCED_MS = 30_000
/** Results that fit into the reserve while the disk is full. */
const RESERVED_RESULTS = 3

/** What survives a crash of a machine. */
export interface Disk {
  /** History of a log -> how many of its blocks are here. */
  readonly held: Map<string, number>
  /** Logs that are known to have two histories: they stay as they are. */
  readonly frozen: Set<string>
  /** The own log that was opened last, as the keeper knows it. */
  ownLog: string | undefined
  cleanStop: boolean
  readonly approved: Set<string>
  readonly results: Map<string, Draft>
  /** Attempt -> ms of training that its checkpoint holds. */
  readonly checkpoints: Map<string, number>
  pauses: readonly KeptPause[]
  /** How much each member made this machine download lately. */
  quotas: Readonly<Record<string, Level>>
  /** What a power cut may take back: since when a log is longer than it was. */
  unsynced: { readonly log: string; readonly from: number; readonly atMs: number }[]
  /** Nothing more can be written, but for what the reserve has room for. */
  isFull: boolean
  /** Results that the reserve still takes. */
  reserve: number
}

export function emptyDisk(): Disk {
  return {
    held: new Map(),
    frozen: new Set(),
    ownLog: undefined,
    cleanStop: false,
    approved: new Set(),
    results: new Map(),
    checkpoints: new Map(),
    pauses: [],
    quotas: {},
    unsynced: [],
    isFull: false,
    reserve: RESERVED_RESULTS
  }
}

/** Makes a disk what another one is: a backup, or a backup restored. How full it is belongs to the disk itself. */
export function copyDisk(from: Disk, to: Disk): void {
  for (const name of ['held', 'results', 'checkpoints'] as const) {
    const target: Map<string, unknown> = to[name]
    target.clear()
    for (const [key, value] of from[name]) target.set(key, value)
  }
  for (const name of ['approved', 'frozen'] as const) {
    to[name].clear()
    for (const key of from[name]) to[name].add(key)
  }
  to.ownLog = from.ownLog
  to.cleanStop = from.cleanStop
  to.pauses = from.pauses
  to.quotas = from.quotas
  to.unsynced = [...from.unsynced]
}

/** Takes back what was written within the last `lostMs`: the write-ahead log loses its tail, in order. */
export function loseTail(disk: Disk, nowMs: number, lostMs: number): void {
  for (const { log, from, atMs } of disk.unsynced) {
    if (atMs >= nowMs - lostMs) disk.held.set(log, Math.min(from, disk.held.get(log) ?? 0))
  }
  disk.unsynced = []
}

/** Something fills the disk, or gives room back. */
export function fill(disk: Disk, isFull: boolean): void {
  disk.isFull = isFull
  disk.reserve = RESERVED_RESULTS
}

/** A program saved what it had trained, now and then, and died. `everyMs`: 0 when it saves nothing. */
export function keepCheckpoint(disk: Disk, id: string, about: { trainedMs: number; everyMs: number }): void {
  if (about.everyMs === 0) return
  const trainedMs = (disk.checkpoints.get(id) ?? 0) + about.trainedMs
  const savedMs = Math.floor(trainedMs / about.everyMs) * about.everyMs
  if (savedMs > 0) disk.checkpoints.set(id, savedMs)
}

/** A keeper on a disk: everything that it takes survives. */
export function keeperOf(disk: Disk): Keeper {
  return {
    load: () => ({
      approved: [...disk.approved],
      results: [...disk.results].map(([id, draft]) => ({ id, draft })),
      checkpoints: [...disk.checkpoints.keys()].sort(),
      pauses: disk.pauses
    }),
    saveApproval: digest => void disk.approved.add(digest),
    saveResult: (id, draft) => writeResult(disk, id, draft),
    dropResult: id => void disk.results.delete(id),
    savePauses(pauses) {
      disk.pauses = pauses
    }
  }
}

/** Writes a result's file. Errors: ENOSPC when the disk is full and the reserve used up; nothing is written then. */
function writeResult(disk: Disk, id: string, draft: Draft): void {
  if (disk.isFull && !disk.results.has(id)) {
    if (disk.reserve === 0) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
    disk.reserve--
  }
  disk.results.set(id, draft)
}
