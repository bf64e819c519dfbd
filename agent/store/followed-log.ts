/**
 * One log on this disk: which of its blocks are here, which to ask peers for, and reading them.
 *
 * Owns the download: only what the writer's quota has room for is asked for (rule L3), and nothing behind the cut of a
 * removed member (rule M9). Never folds. Invariant: a block is only read once it is on this disk, so that reading never
 * waits for a peer.
 *
 * An open Hypercore takes about a megabyte of memory. A log that is whole and will not grow is sealed: it is closed,
 * and what is known of it stays known; peers who ask for it are served all the same.
 */
import type Hypercore from 'hypercore'
import type { Attestation } from '#protocol'
import type { Quota } from './quota.js'

export type FollowedLog = Awaited<ReturnType<typeof followLog>>

export interface Following {
  readonly attestation: Attestation
  /** Opens the Hypercore and listens to it; once more each time that a sealed log is opened again. */
  readonly openCore: () => Promise<Hypercore>
  /** Absent for this machine's own logs, which it wrote itself. */
  readonly quota: Quota | undefined
  /** For a log that is known to be whole: how many blocks it has. It begins sealed. */
  readonly sealedLength?: number
}

interface Known {
  readonly length: number
  readonly onDisk: number
  readonly heldByPeers: number
}

/** Follows a log: opens it, unless it begins sealed. */
export async function followLog({ attestation, openCore, quota, sealedLength }: Following) {
  let core = sealedLength === undefined ? await openCore() : undefined
  let opening: Promise<Hypercore> | undefined
  const whole = sealedLength ?? 0
  let known: Known = { length: whole, onDisk: whole, heldByPeers: whole }
  let asked = look().onDisk
  // Of a log that is only partly here it is not known which part was the large one: it is paid for anew.
  let paidBytes = core && core.contiguousLength === core.length ? core.byteLength : 0
  let isOverQuota = false
  let isFrozen = false

  /** A Hypercore that is closed, by a conflict or a seal, tells nothing any more; what was known of it stays true. */
  function look(): Known {
    if (core && !core.closed)
      known = { length: core.length, onDisk: core.contiguousLength, heldByPeers: core.remoteContiguousLength }
    return known
  }

  async function opened(): Promise<Hypercore> {
    if (core) return core
    opening ??= openCore()
    core = await opening
    opening = undefined
    paidBytes = Math.max(paidBytes, core.contiguousLength === core.length ? core.byteLength : 0)
    return core
  }

  return {
    attestation,
    /** Blocks that the log has, as far as this machine knows. */
    length: (): number => look().length,
    /** Blocks that are here, from the first on without a gap. */
    onDisk: (): number => look().onDisk,
    /** Blocks that some other machine is known to have on its disk. */
    heldByPeers: (): number => look().heldByPeers,
    /** Machines that it is exchanged with now. */
    peers: (): number => core?.peers.length ?? 0,
    isWritable: (): boolean => core?.writable === true,
    /** True once nothing more can be written to it or learnt from it. */
    isClosed: (): boolean => core?.closed === true,
    isSealed: (): boolean => core === undefined,
    isOverQuota: (): boolean => isOverQuota,
    /** True once the log is known to have two histories: it stays as it is, for ever. */
    isFrozen: (): boolean => isFrozen,
    freeze(): void {
      look()
      isFrozen = true
    },

    /** Closes the Hypercore until it is needed again. */
    async seal(): Promise<void> {
      look()
      const closing = core
      core = undefined
      await closing?.close()
    },

    /** Opens a sealed log again. */
    async open(): Promise<void> {
      await opened()
    },

    /** Asks peers for the blocks before `cut` that are not here yet, if the quota has room for what is new. */
    want(cut: number): void {
      if (!core || core.closed) return
      const end = Math.min(core.length, cut)
      if (end <= asked) return
      const bytes = core.byteLength - paidBytes
      isOverQuota = quota !== undefined && !quota.take(attestation.member, bytes)
      if (isOverQuota) return
      paidBytes += bytes
      core.download({ start: asked, end })
      asked = end
    },

    /** Returns the blocks from `start` up to `end`, or up to the first that is not on this disk. */
    async read(start: number, end: number): Promise<Uint8Array[]> {
      const source = await opened()
      const indexes = Array.from({ length: Math.max(0, end - start) }, (_, offset) => start + offset)
      const blocks = await Promise.all(indexes.map(index => source.get(index, { wait: false })))
      const gap = blocks.indexOf(null)
      return blocks.slice(0, gap < 0 ? undefined : gap).filter(block => block !== null)
    },

    /** Writes blocks behind all others. Returns how many blocks the log has then. */
    async append(blocks: readonly Uint8Array[]): Promise<number> {
      return (await (await opened()).append(blocks)).length
    },

    async close(): Promise<void> {
      look()
      await core?.close()
    }
  }
}
