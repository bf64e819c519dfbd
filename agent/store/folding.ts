/**
 * Folding: from the blocks on this disk to the pool.
 *
 * Owns the pool and how far each log is folded into it. A removed member's records may turn out not to count after they
 * were folded; then everything is folded again beside the pool that people see, which changes in one go (rule F3).
 */
import {
  applyEntry,
  decodeBlock,
  type Entry,
  emptyPool,
  type Pool,
  poolToRefold,
  type Rejection,
  reachOf
} from '#protocol'
import type { Folds } from './checkpoint.js'
import type { FollowedLog } from './followed-log.js'

/** Blocks that are folded in one turn: a newcomer sees progress, and the loop stays free. */
const BLOCKS_PER_TURN = 100

interface Folded {
  pool: Pool
  readonly cursors: Map<string, number>
  readonly holes: Map<string, number>
}

export type Folding = ReturnType<typeof createFolding>

export interface FoldingOptions {
  readonly pool: string
  readonly checkpoint: Folds | undefined
  /** Every log that is open. */
  readonly logs: () => Iterable<FollowedLog>
  readonly isClosed: () => boolean
  /** True when the first block of a log says that its writer is who the attestation says. */
  readonly isTheirs: (log: FollowedLog, firstBlock: Uint8Array) => boolean
  /** A turn's blocks are folded. */
  readonly onFolded: (log: FollowedLog) => Promise<void> | undefined
  /** Everything was folded again. */
  readonly onRefolded: () => void
  readonly onRejected: (rejection: Rejection) => void
}

/** Returns what folds logs, beginning where the checkpoint ends. */
export function createFolding(options: FoldingOptions) {
  let folded: Folded = begin(options.checkpoint)
  const running = new Map<string, Promise<void>>()
  let refolding: Promise<void> | undefined

  function begin(checkpoint: Folds | undefined): Folded {
    if (!checkpoint) return { pool: emptyPool(options.pool), cursors: new Map(), holes: new Map() }
    return { pool: checkpoint.pool, cursors: new Map(checkpoint.cursors), holes: new Map(checkpoint.holes) }
  }

  function endOf(target: Folded, { attestation, onDisk }: FollowedLog): number {
    return Math.min(onDisk(), reachOf(target.pool, attestation))
  }

  function hasNews(target: Folded, log: FollowedLog): boolean {
    return !options.isClosed() && endOf(target, log) > cursorIn(target, log)
  }

  /** Folds the next blocks of a log, in its own order. False when they cannot be read after all. */
  async function takeTurn(target: Folded, log: FollowedLog): Promise<boolean> {
    const start = cursorIn(target, log)
    const blocks = await log.read(start, Math.min(endOf(target, log), start + BLOCKS_PER_TURN))
    const [first] = blocks
    if (options.isClosed() || !first) return false
    // Whoever says that a log is theirs may be wrong; its first block, which its own key signed, is not (rule L7).
    if (start === 0 && !options.isTheirs(log, first)) return false
    foldBlocks(target, log, blocks)
    return true
  }

  function foldBlocks(target: Folded, { attestation }: FollowedLog, blocks: readonly Uint8Array[]): void {
    const { log, member, machine } = attestation
    let block = target.cursors.get(log) ?? 0
    for (const bytes of blocks) {
      decodeBlock(bytes).forEach((item, index) => {
        if ('hole' in item) target.holes.set(log, (target.holes.get(log) ?? 0) + 1)
        if (!('record' in item)) return
        const entry: Entry = { log, member, machine, block, index, record: item.record }
        const rejection = applyEntry(target.pool, entry)
        if (rejection && target === folded) options.onRejected(rejection)
      })
      target.cursors.set(log, ++block)
    }
  }

  /** Folds what is new in a log. One reader for each log: whoever comes second waits for the first. */
  function fold(log: FollowedLog): Promise<void> {
    const key = log.attestation.log
    const busy = running.get(key)
    if (busy) return busy
    if (!hasNews(folded, log)) return Promise.resolve()
    const work = foldLog(log)
    running.set(key, work)
    return work
  }

  async function foldLog(log: FollowedLog): Promise<void> {
    try {
      while (hasNews(folded, log)) {
        if (!(await takeTurn(folded, log))) return
        await options.onFolded(log)
        if (folded.pool.mustRefold) await refold()
      }
    } finally {
      running.delete(log.attestation.log)
    }
  }

  function refold(): Promise<void> {
    refolding ??= foldAgain().finally(() => {
      refolding = undefined
    })
    return refolding
  }

  /** What arrives meanwhile goes to both pools; the new one takes the old one's place when it lacks nothing. */
  async function foldAgain(): Promise<void> {
    let target: Folded = { pool: poolToRefold(folded.pool), cursors: new Map(), holes: new Map() }
    const broken = new Set<FollowedLog>()
    for (;;) {
      const next = [...options.logs()].find(log => !broken.has(log) && hasNews(target, log))
      if (!next) break
      if (!(await takeTurn(target, next))) broken.add(next)
      if (target.pool.mustRefold) target = { pool: poolToRefold(target.pool), cursors: new Map(), holes: new Map() }
    }
    if (options.isClosed()) return
    folded = target
    options.onRefolded()
  }

  return {
    pool: (): Pool => folded.pool,
    holes: (): ReadonlyMap<string, number> => folded.holes,
    cursor: (log: FollowedLog): number => cursorIn(folded, log),
    /** What the checkpoint keeps. */
    state: (): Folds => folded,

    fold,

    /** Folds blocks that this machine has just written as block `start` and following: it need not read them back. */
    async foldWritten(log: FollowedLog, start: number, blocks: readonly Uint8Array[]): Promise<void> {
      const isNext = !running.has(log.attestation.log) && cursorIn(folded, log) === start
      if (!isNext || start + blocks.length > endOf(folded, log)) return fold(log)
      foldBlocks(folded, log, blocks)
      await options.onFolded(log)
      if (folded.pool.mustRefold) await refold()
    },

    /** Folds everything again when a change of membership asks for it. */
    settle: (): Promise<void> => (folded.pool.mustRefold ? refold() : (refolding ?? Promise.resolve())),

    /** Forgets the checkpoint: its logs are not what they were. */
    restart(): void {
      folded = begin(undefined)
    }
  }
}

function cursorIn(target: Folded, log: FollowedLog): number {
  return target.cursors.get(log.attestation.log) ?? 0
}
