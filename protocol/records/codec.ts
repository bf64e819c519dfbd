/**
 * The codec: bytes <-> records. The only place that decides whether peer input is well-formed.
 *
 * Total: no bytes make it throw. What does not decode is a hole (rule L4); a kind that we do not know is kept apart
 * and skipped, so that an older agent survives a newer one (rule L4). A block is one JSON array of records in UTF-8.
 */
import { PoolError } from '../errors.js'
import { canonicalJson, digestOf } from '../hash.js'
import { LIMITS } from '../limits.js'
import { type LogRecord, RECORD_SCHEMAS } from './record.js'

/** One place of a block: a record, a kind from a newer release, or a hole with the reason. */
export type Decoded = { readonly record: LogRecord } | { readonly unknownKind: string } | { readonly hole: string }

const decoder = new TextDecoder('utf-8', { fatal: true })
const encoder = new TextEncoder()

/**
 * Returns the bytes of one block.
 *
 * Errors: `RECORD_TOO_LARGE` when a record, or all together, break a limit; nothing is written then.
 */
export function encodeBlock(records: readonly LogRecord[]): Uint8Array {
  const texts = records.map(record => canonicalJson(record))
  texts.forEach((text, index) => {
    if (encoder.encode(text).length <= LIMITS.recordBytes) return
    throw new PoolError(
      'RECORD_TOO_LARGE',
      `A ${records[index]?.kind} record has ${text.length} characters; ${LIMITS.recordBytes} bytes is the limit.`,
      {
        hint: 'Shorten what the record carries: fewer parameters, shorter values.'
      }
    )
  })
  const bytes = encoder.encode(`[${texts.join(',')}]`)
  if (bytes.length > LIMITS.blockBytes || records.length > LIMITS.recordsPerBlock) {
    throw new PoolError(
      'RECORD_TOO_LARGE',
      `A block of ${records.length} records and ${bytes.length} bytes is over the limit.`,
      {
        hint: `Write at most ${LIMITS.recordsPerBlock} records and ${LIMITS.blockBytes} bytes at once.`
      }
    )
  }
  return bytes
}

/** Splits records into runs that each fit one block, in order. */
export function intoBlocks(records: readonly LogRecord[]): LogRecord[][] {
  const blocks: LogRecord[][] = []
  let room = 0
  for (const record of records) {
    const bytes = encoder.encode(canonicalJson(record)).length + 1
    const last = blocks.at(-1)
    if (last && bytes <= room && last.length < LIMITS.recordsPerBlock) {
      last.push(record)
      room -= bytes
    } else {
      blocks.push([record])
      // Two brackets, and no comma after the last record.
      room = LIMITS.blockBytes - bytes - 1
    }
  }
  return blocks
}

/**
 * Reads one block. Never throws.
 *
 * @returns  One item per place of the block; a block that is no JSON array is a single hole.
 */
export function decodeBlock(bytes: Uint8Array): Decoded[] {
  if (bytes.length > LIMITS.blockBytes) return [{ hole: `a block of ${bytes.length} bytes` }]
  let items: unknown
  try {
    items = JSON.parse(decoder.decode(bytes))
  } catch {
    return [{ hole: 'a block that is no JSON' }]
  }
  if (!Array.isArray(items)) return [{ hole: 'a block that is no list' }]
  if (items.length > LIMITS.recordsPerBlock) return [{ hole: `a block of ${items.length} records` }]
  return items.map(decodeRecord)
}

function decodeRecord(item: unknown): Decoded {
  // First of all: what follows is recursive, and how deep a stack is differs between machines.
  if (isTooDeep(item)) return { hole: 'a record with too many lists and maps inside each other' }
  if (item === null || typeof item !== 'object' || Array.isArray(item)) return { hole: 'a place that is no record' }
  const kind = (item as { kind?: unknown }).kind
  if (typeof kind !== 'string' || kind.length > LIMITS.nameChars) return { hole: 'a record without a kind' }
  const schema = Object.hasOwn(RECORD_SCHEMAS, kind) ? RECORD_SCHEMAS[kind] : undefined
  if (!schema) return { unknownKind: kind }
  const parsed = schema.safeParse(item)
  if (!parsed.success)
    return { hole: `a ${kind} that breaks its shape at ${parsed.error.issues[0]?.path.join('.') || 'its top'}` }
  const record = parsed.data as LogRecord
  if (encoder.encode(canonicalJson(record)).length > LIMITS.recordBytes) return { hole: `a ${kind} that is too large` }
  return { record }
}

function isTooDeep(item: unknown): boolean {
  let level: unknown[] = [item]
  for (let depth = 0; depth <= LIMITS.recordDepth; depth++) {
    level = level.flatMap(each => (each !== null && typeof each === 'object' ? Object.values(each) : []))
    if (level.length === 0) return false
  }
  return true
}

/** Returns the pool's name for itself: the digest of its founding, so that nobody can found the same pool again. */
export function poolIdOf(founding: {
  name: string
  member: string
  memberName: string
  machine: string
  nonce: string
}): string {
  const { name, member, memberName, machine, nonce } = founding
  return digestOf(`hypersweep/pool\n${canonicalJson({ name, member, memberName, machine, nonce })}`)
}
