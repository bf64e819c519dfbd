/**
 * Out of memory: whose memory ran out, as a framework's own words tell.
 *
 * Owns the sentence in which PyTorch names who holds what. Pure. Whether others held too much decides what the pool
 * learns: a trial that ran out beside a game is not too large for the card.
 */
import type { Exit } from '../ports.js'

/** `GPU 0 has a total capacity of 23.69 GiB`. Source: PyTorch, c10/cuda/CUDACachingAllocator.cpp, since 2.0. */
const TOTAL = /has a total capacity of ([\d.]+) (\w+)/
/** `Process 12345 has 9.50 GiB memory in use.`, once for each other process. */
const OTHER = /Process \d+ has ([\d.]+) (\w+) memory in use/g
/** `this process has 14.15 GiB memory in use`. */
const OWN = /this process has ([\d.]+) (\w+) memory in use/
const UNITS: Readonly<Record<string, number>> = { bytes: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }
/** Below this share of the card others are a desktop, with which a trial must get along. */
const OTHERS_SHARE = 0.1

/** Returns what ran out, by the line that says so, and what the program says that it held. */
export function oomOf(line: string, isHost: boolean): NonNullable<Exit['oom']> {
  if (isHost) return { kind: 'host' }
  const totalBytes = bytesIn(TOTAL.exec(line))
  const heldBytes = bytesIn(OWN.exec(line))
  const otherBytes = [...line.matchAll(OTHER)].reduce((sum, match) => sum + (bytesIn(match) ?? 0), 0)
  const isCrowded = totalBytes !== undefined && otherBytes > OTHERS_SHARE * totalBytes
  return { kind: isCrowded ? 'contention' : 'intrinsic', ...(heldBytes === undefined ? {} : { heldBytes }) }
}

function bytesIn(match: RegExpExecArray | RegExpMatchArray | null): number | undefined {
  const unit = UNITS[match?.[2] ?? '']
  const number = Number(match?.[1])
  return unit === undefined || !Number.isFinite(number) ? undefined : Math.round(number * unit)
}
