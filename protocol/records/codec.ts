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
const [LIST_START, COMMA, LIST_END] = [0x5b, 0x2c, 0x5d] as const
type Fields = Readonly<Record<string, unknown>>
/** The longest a number can be, such as -1.2345678901234567e-308; `false` and `null` are shorter. */
const NUMBER_BYTES = 25
/** The longest a UTF-16 unit can be: \\u001f. */
const ESCAPED_BYTES = 6

/**
 * Returns the bytes of one block.
 *
 * Errors: `RECORD_TOO_LARGE` when a record, or all together, break a limit; nothing is written then.
 */
export function encodeBlock(records: readonly LogRecord[]): Uint8Array {
  const [block, ...more] = encodeBlocks(records)
  if (more.length === 0) return block ?? joined([])
  throw new PoolError('RECORD_TOO_LARGE', `A block of ${records.length} records is over the limit.`, {
    hint: `Write at most ${LIMITS.recordsPerBlock} records and ${LIMITS.blockBytes} bytes at once.`
  })
}

/**
 * Returns the bytes of as many blocks as some records need: in order, each as full as its limits allow.
 *
 * Errors: `RECORD_TOO_LARGE` when one of the records is; nothing is written then.
 */
export function encodeBlocks(records: readonly LogRecord[]): Uint8Array[] {
  const blocks: Uint8Array[][] = []
  let room = 0
  for (const record of records) {
    const bytes = encodeRecord(record)
    const last = blocks.at(-1)
    if (last && bytes.length < room && last.length < LIMITS.recordsPerBlock) last.push(bytes)
    else {
      blocks.push([bytes])
      // Two brackets, and no comma after the last record.
      room = LIMITS.blockBytes - 1
    }
    room -= bytes.length + 1
  }
  return blocks.map(joined)
}

function encodeRecord(record: LogRecord): Uint8Array {
  const bytes = encoder.encode(canonicalJson(record))
  if (bytes.length <= LIMITS.recordBytes) return bytes
  throw new PoolError(
    'RECORD_TOO_LARGE',
    `A ${record.kind} record has ${bytes.length} bytes; ${LIMITS.recordBytes} is the limit.`,
    { hint: 'Shorten what the record carries: fewer parameters, shorter values.' }
  )
}

/** Returns records as one JSON list. */
function joined(records: readonly Uint8Array[]): Uint8Array {
  const commas = Math.max(0, records.length - 1)
  const block = new Uint8Array(records.reduce((sum, { length }) => sum + length, 2 + commas))
  let at = 0
  block[at++] = LIST_START
  records.forEach((bytes, index) => {
    if (index > 0) block[at++] = COMMA
    block.set(bytes, at)
    at += bytes.length
  })
  block[at] = LIST_END
  return block
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
  if (isTooLarge(record)) return { hole: `a ${kind} that is too large` }
  return { record }
}

/**
 * True when lists and maps stand inside each other more than `LIMITS.recordDepth` times.
 *
 * @param room  How many more levels may follow: what is called again is called that many times at most.
 */
export function isTooDeep(item: unknown, room: number = LIMITS.recordDepth): boolean {
  if (item === null || typeof item !== 'object') return false
  const values: readonly unknown[] = Array.isArray(item) ? item : Object.values(item)
  return values.length > 0 && (room === 0 || values.some(value => isTooDeep(value, room - 1)))
}

function isTooLarge(record: LogRecord): boolean {
  // Most records are far from the limit: then a guess that is never too small spares their whole text.
  return bytesAtMost(record) > LIMITS.recordBytes && encoder.encode(canonicalJson(record)).length > LIMITS.recordBytes
}

/** Returns a bound of a value's bytes as canonical JSON: with numbers as long as they get, and characters escaped. */
function bytesAtMost(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return 2 + ESCAPED_BYTES * value.length
    case 'object': {
      if (value === null) return NUMBER_BYTES
      let sum = 2
      if (Array.isArray(value)) for (const item of value) sum += 1 + bytesAtMost(item)
      else for (const key of Object.keys(value)) sum += 2 + bytesAtMost(key) + bytesAtMost((value as Fields)[key])
      return sum
    }
    default:
      return NUMBER_BYTES
  }
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
