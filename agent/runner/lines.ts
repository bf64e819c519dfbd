/**
 * Lines: the bytes that a program writes, cut into clean lines of text.
 *
 * Owns where a line ends and what may stand in it. Knows nothing of metrics.
 * Invariant: the same bytes give the same lines, however they are cut into chunks; a line holds no control character.
 */
import { LIMITS } from '#protocol'

const LF = 0x0a
const CR = 0x0d

/** One line without its end. `isCut` says that it was longer than `LIMITS.lineBytes` and lost its rest. */
export interface Line {
  readonly text: string
  readonly isCut: boolean
}

export interface LineSplitter {
  /** Returns the lines that this chunk ends. */
  push(chunk: Uint8Array): Line[]
  /** Returns the last line, if it had no end, and starts anew. */
  end(): Line[]
}

/**
 * Returns a splitter for one stream.
 *
 * `\n`, `\r\n` and `\r` end a line: progress bars repaint with `\r`. A blank line before a `\r` is a bar being wiped.
 */
export function createLineSplitter(): LineSplitter {
  const decoder = new TextDecoder()
  let parts: Uint8Array[] = []
  let size = 0
  let isCut = false
  let isAfterCR = false

  function keep(piece: Uint8Array): void {
    const room = LIMITS.lineBytes - size
    if (piece.length > room) isCut = true
    if (piece.length === 0 || room === 0) return
    // A copy: Node reuses the memory of its chunks.
    parts.push(piece.slice(0, room))
    size += Math.min(piece.length, room)
  }

  function take(): Line {
    // Decoding whole lines keeps characters whole: no byte of a longer UTF-8 sequence is \n or \r.
    const line = { text: clean(decoder.decode(Buffer.concat(parts))), isCut }
    parts = []
    size = 0
    isCut = false
    return line
  }

  function push(chunk: Uint8Array): Line[] {
    const lines: Line[] = []
    let start = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]
      if (byte !== LF && byte !== CR) continue
      keep(chunk.subarray(start, at))
      const isSecondHalf = byte === LF && isAfterCR && at === start && size === 0
      start = at + 1
      isAfterCR = byte === CR
      const line = take()
      if (!isSecondHalf && (byte === LF || line.text.trim() !== '')) lines.push(line)
    }
    keep(chunk.subarray(start))
    if (start < chunk.length) isAfterCR = false
    return lines
  }

  function end(): Line[] {
    isAfterCR = false
    const line = take()
    return line.text.trim() === '' ? [] : [line]
  }

  return { push, end }
}

// Built from text because a control character in a literal cannot be seen. Each alternative is linear in its length.
const TERMINAL_SEQUENCE = new RegExp(
  ['\\u001b\\[[0-9;?]*[ -/]*[@-~]', '\\u001b\\][^\\u0007\\u001b]*(?:\\u0007|\\u001b\\\\)', '\\u001b[ -/]*[0-~]'].join(
    '|'
  ),
  'g'
)
const UNSEEN = /[^\t\P{C}]/gu

/** Returns one line without terminal sequences, control, format and unassigned characters; tabs stay. */
export function clean(text: string): string {
  return text.replace(TERMINAL_SEQUENCE, '').replace(UNSEEN, '')
}

/** Returns at most the first `chars` UTF-16 units of a text, never half a character. */
export function startOf(text: string, chars: number): string {
  if (text.length <= chars) return text
  return text.slice(0, isHighHalf(text.charCodeAt(chars - 1)) ? chars - 1 : chars)
}

/** Returns at most the last `chars` UTF-16 units of a text, never half a character. */
export function endOf(text: string, chars: number): string {
  if (text.length <= chars) return text
  const start = text.length - chars
  return text.slice(isHighHalf(text.charCodeAt(start - 1)) ? start + 1 : start)
}

/** A lone half would be written as U+FFFD and so change the record's hash on its way. */
function isHighHalf(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}
