/**
 * Bodies: each log as it is in all copies together, decoded once for all machines.
 *
 * Owns what a block says, to a reader of today and to one of an older version. A log of somebody who lies may have a
 * second history, which shares its first blocks with the first one.
 */
import { type Draft, decodeBlock, type Entry, type LogRecord } from '#protocol'
import { keyOf, POOL } from '../helpers/records.js'

export interface Block {
  readonly bytes: number
  readonly entries: readonly Entry[]
  /** The same as an older version reads it; computed when one does. */
  older?: readonly Entry[]
}

/** One history of a log: a copy holds the first so many blocks of it. */
export interface Body {
  /** Names the history; the first one has the log's own key. */
  readonly name: string
  readonly key: string
  readonly member: string
  readonly machine: string
  readonly incarnation: number
  readonly blocks: Block[]
  /** Blocks that a second history shares with the first. */
  readonly sharedBlocks?: number
}

export type Bodies = Map<string, Body>

/** Puts a block at a history's end. The codec is total and the same everywhere, so each block is read once for all. */
export function addTo(body: Body, bytes: Uint8Array): void {
  const { key: log, member, machine, blocks } = body
  const entries = decodeBlock(bytes).flatMap((item, index) =>
    'record' in item ? [{ log, member, machine, block: blocks.length, index, record: item.record }] : []
  )
  blocks.push({ bytes: bytes.length, entries })
}

/** Returns the second history of a log; it begins where the first one ends now when there is none. */
export function secondHistoryOf(bodies: Bodies, body: Body): Body {
  const name = `${body.key}~`
  const known = bodies.get(name)
  if (known) return known
  const second = { ...body, name, blocks: [...body.blocks], sharedBlocks: body.blocks.length }
  bodies.set(name, second)
  return second
}

/** Returns what a block says to an older version: kinds and fields that came later are unknown to it (L4, L5). */
export function olderEntries(block: Block): readonly Entry[] {
  block.older ??= block.entries.flatMap(entry => {
    const record = olderRecord(entry.record)
    return record ? [{ ...entry, record }] : []
  })
  return block.older
}

function olderRecord(record: LogRecord): LogRecord | undefined {
  switch (record.kind) {
    case 'member-removed':
    case 'sweep-expired':
      return undefined
    case 'trial-claimed': {
      const { backup: _, ...rest } = record
      return rest
    }
    case 'trial-released': {
      const { seconds: _, ...rest } = record
      return rest
    }
    case 'attempt-finished': {
      const { bulk: _, ...rest } = record
      return rest
    }
    case 'writer-opened':
    case 'pool-founded':
    case 'member-admitted':
    case 'machine-announced':
    case 'sweep-submitted':
    case 'sweep-stopped':
    case 'attempt-reported':
      return record
  }
}

/** Returns the first record of a log. */
export function openingOf({ key, member, machine, incarnation }: Body): Draft {
  const signature = keyOf('signature').repeat(2)
  const attestation = { pool: POOL, member, machine, incarnation, log: key }
  return { kind: 'writer-opened', ...attestation, memberSignature: signature, machineSignature: signature }
}
