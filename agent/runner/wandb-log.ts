/**
 * W&B's offline file: the metrics that its library writes while a run goes on, as dictionaries in lines.
 *
 * Owns the format: records in blocks as LevelDB's log has them, each a protobuf message of which only the history and
 * what a program writes into its summary are read. Pure and incremental: no file, no clock. Checksums are not compared:
 * what is torn or made up can only tell wrong numbers, which a program could print as well.
 * Invariant: no bytes make it throw; it holds one record of at most 1 MiB.
 * Source: LevelDB, doc/log_format.md; wandb/proto/wandb_internal.proto (Record, HistoryRecord, SummaryRecord).
 */

const BLOCK_BYTES = 32 * 1024
const HEADER_BYTES = 7
/** `:W&B`, a magic number and a version; the first block's records begin behind it. */
const FILE_HEADER_BYTES = 7
/** A longer record holds a picture or a table, no numbers. */
const RECORD_BYTES_MAX = 1024 * 1024
/** The longest text of a value that may be a number. */
const NUMBER_CHARS_MAX = 64

/** Kinds of pieces: a whole record, its first, a middle and its last one. */
const [WHOLE, FIRST, MIDDLE, LAST] = [1, 2, 3, 4]
const NUMBER = /^(?:-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|NaN|-?Infinity)$/
/** What W&B adds to each entry, beside its step. */
const OWN_NAME = /^_(?:runtime|timestamp|wandb)(?:\.|$)/
/** Fields of a record; their entries are field 1 of them, and of one form. */
const [HISTORY, SUMMARY] = [2, 3]
/** Names by which a program tells its step itself. */
const STEP_NAMES = ['step', 'global_step', 'iteration', 'iter']

export interface WandbDecoder {
  /** Returns a line for each entry that these bytes complete: a dictionary of its numbers, as JSON. */
  push(chunk: Uint8Array): string[]
}

/**
 * Returns a decoder of one file, from its first byte on.
 *
 * Names are W&B's, inner ones joined by a dot. `step` is W&B's unless the program logs one; numbers that are none are
 * written as Python does, `NaN` and `Infinity`.
 */
export function createWandbDecoder(): WandbDecoder {
  let rest = new Uint8Array(0)
  let position = 0
  let parts: Uint8Array[] = []
  let partsBytes = 0
  let isRunning = false

  function begin(): void {
    parts = []
    partsBytes = 0
    isRunning = true
  }

  /** Returns the record that a piece completes. */
  function joined(kind: number, piece: Uint8Array): Uint8Array | undefined {
    if (kind === WHOLE || kind === FIRST) begin()
    // A middle without a beginning, or more than anybody logs.
    else if (!isRunning || (kind !== MIDDLE && kind !== LAST)) return undefined
    partsBytes += piece.length
    isRunning &&= partsBytes <= RECORD_BYTES_MAX
    // A copy: the chunk's memory is used again.
    if (isRunning) parts.push(piece.slice())
    else parts = []
    if (kind === FIRST || kind === MIDDLE || !isRunning) return undefined
    isRunning = false
    return concat(parts)
  }

  return {
    push(chunk) {
      const bytes = concat([rest, chunk])
      const lines: string[] = []
      let at = 0
      if (position === 0 && bytes.length >= FILE_HEADER_BYTES) at = FILE_HEADER_BYTES
      while (position + at >= FILE_HEADER_BYTES) {
        const left = BLOCK_BYTES - ((position + at) % BLOCK_BYTES)
        // A header is never cut: what is left of a block is filled up.
        const [kind, length] = left < HEADER_BYTES ? [0, 0] : headerAt(bytes, at)
        const end =
          left < HEADER_BYTES || kind === 0 || HEADER_BYTES + length > left ? at + left : at + HEADER_BYTES + length
        if (at + Math.min(left, HEADER_BYTES) > bytes.length || end > bytes.length) break
        const record = kind === 0 ? undefined : joined(kind, bytes.subarray(at + HEADER_BYTES, end))
        const line = record && lineOf(record)
        if (line !== undefined) lines.push(line)
        at = end
      }
      position += at
      rest = bytes.slice(at)
      return lines
    }
  }
}

/** Bytes 4 to 6: the length, low byte first, and the kind. Zeroes where there is nothing yet. */
function headerAt(bytes: Uint8Array, at: number): readonly [kind: number, length: number] {
  return [bytes[at + 6] ?? 0, (bytes[at + 4] ?? 0) + 256 * (bytes[at + 5] ?? 0)]
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** Returns the numbers of a record that has some. W&B repeats its history in the summary, with the step. */
function lineOf(record: Uint8Array): string | undefined {
  const numbers = new Map<string, string>()
  let isSummary = false
  for (const [field, entry] of fieldsOf(record)) {
    if ((field !== HISTORY && field !== SUMMARY) || typeof entry === 'number') continue
    isSummary ||= field === SUMMARY
    for (const [inner, item] of fieldsOf(entry)) if (inner === 1 && typeof item !== 'number') noteItem(numbers, item)
  }
  const step = numbers.get('_step')
  if (isSummary && step !== undefined) return undefined
  numbers.delete('_step')
  if (numbers.size === 0) return undefined
  if (step !== undefined && !STEP_NAMES.some(name => numbers.has(name))) numbers.set('step', step)
  return `{${[...numbers].map(([name, number]) => `${JSON.stringify(name)}: ${number}`).join(', ')}}`
}

const decoder = new TextDecoder()

/** An item: its key (1), or the parts of one (2), and its value as JSON (16) or by its type (5, 6). */
function noteItem(numbers: Map<string, string>, item: Uint8Array): void {
  const names: string[] = []
  let number: string | undefined
  for (const [field, value] of fieldsOf(item)) {
    if (field === 5 && typeof value === 'number') number = String(value % 2 === 0 ? value / 2 : -(value + 1) / 2)
    if (typeof value === 'number') continue
    if (field === 1 || field === 2) names.push(decoder.decode(value))
    if (field === 6 && value.length === 8) number = String(doubleOf(value))
    if (field === 16 && value.length <= NUMBER_CHARS_MAX) number = decoder.decode(value)
  }
  const name = names.filter(part => part !== '').join('.')
  if (number !== undefined && NUMBER.test(number) && name !== '' && !OWN_NAME.test(name)) numbers.set(name, number)
}

function doubleOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, true)
}

type Field = readonly [field: number, value: number | Uint8Array]

/** Yields the fields of a message until one makes no sense: integers as numbers, all else as bytes. */
function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  const cursor = { at: 0 }
  while (cursor.at < bytes.length) {
    const tag = varint(bytes, cursor)
    const [field, type] = [Math.floor(tag / 8), tag % 8]
    if (type === 0) {
      yield [field, varint(bytes, cursor)]
      continue
    }
    const length = type === 1 ? 8 : type === 5 ? 4 : type === 2 ? varint(bytes, cursor) : Number.POSITIVE_INFINITY
    if (!(length <= bytes.length - cursor.at)) return
    yield [field, bytes.subarray(cursor.at, cursor.at + length)]
    cursor.at += length
  }
}

/** Seven bits a byte, the lowest first, at most ten bytes; inexact beyond 2^53, which nothing here needs. */
function varint(bytes: Uint8Array, cursor: { at: number }): number {
  let value = 0
  for (let place = 1, count = 0; count < 10; count++, place *= 128) {
    const byte = bytes[cursor.at++] ?? 0
    value += (byte % 128) * place
    if (byte < 128) break
  }
  return value
}
