/**
 * Log lines: what an agent noted that nobody should have to read.
 *
 * Reads agent.log and what went to standard error, each line once. Judges by the message alone.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

/** Messages that tell of something lost, refused or frozen; they are counted whatever their level. */
const ALARMING = [
  /two histories/,
  /could not be read/,
  /could not be opened/,
  /cannot be written/,
  /could not be saved/,
  /could not be written/,
  /has no effect/,
  /not its own/,
  /no presence/,
  /conflict/
]
/** Messages that no fault of an honest machine explains. */
const FATAL = [/two histories/, /not its own/]
const ERROR_LEVEL = 50

export interface LogReader {
  /** Counts by message of what is new since the last call. */
  read(): ReadonlyMap<string, number>
}

/** Reads a log file from where it stands now, again and again. It may be missing, set aside and begun anew. */
export function openLogReader(path: string): LogReader {
  let offset = 0
  return {
    read() {
      const text = readFrom(path, offset)
      // A log that became shorter was begun anew, or came back from a copy.
      const whole = text ?? readFrom(path, 0) ?? ''
      const end = whole.lastIndexOf('\n') + 1
      offset = (text === undefined ? 0 : offset) + Buffer.byteLength(whole.slice(0, end))
      const counts = new Map<string, number>()
      for (const line of whole.slice(0, end).split('\n')) {
        const message = alarming(line)
        if (message !== undefined) counts.set(message, (counts.get(message) ?? 0) + 1)
      }
      return counts
    }
  }
}

/** True for a message that must never be there. */
export function isFatal(message: string): boolean {
  return FATAL.some(pattern => pattern.test(message))
}

function alarming(line: string): string | undefined {
  if (line === '') return undefined
  try {
    const { level = 0, msg = '' } = JSON.parse(line) as { level?: number; msg?: string }
    return level >= ERROR_LEVEL || ALARMING.some(pattern => pattern.test(msg)) ? msg : undefined
  } catch {
    return line // What is no line of the log was printed by something that failed, or is the end of a lost one.
  }
}

/** Returns what a file has from an offset on; nothing when it is shorter. */
function readFrom(path: string, offset: number): string | undefined {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return ''
  }
  try {
    const { size } = fstatSync(file)
    if (size < offset) return undefined
    const bytes = Buffer.alloc(size - offset)
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, offset))
  } finally {
    closeSync(file)
  }
}
