/**
 * The agent's log: one JSON line per change of state, in a file that only the owner reads.
 *
 * The only writer of the agent's log file. A line is a constant message plus fields; keys, invites and environments are
 * never fields. A disk that takes no line is no reason for the agent to end: what it did not take follows later.
 */
import { fsyncSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import pino from 'pino'
import { LIMITS } from '#protocol'

/** A log larger than this is set aside when the agent starts; one older log is kept. */
const LOG_BYTES = 16 * 2 ** 20

export type Note = (message: string, fields: Readonly<Record<string, unknown>>) => void

export interface Logger {
  readonly info: Note
  readonly warn: Note
  readonly error: Note
  flush(): void
}

/** Opens the log at a path. `level`: one of pino's. */
export function openLogger(path: string, level: string): Logger {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  setAside(path)
  const destination = openLines(path)
  const log = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: ['secret', 'seed', 'invite'] },
    destination
  )
  return {
    info: (message, fields) => log.info(fields, message),
    warn: (message, fields) => log.warn(fields, message),
    error: (message, fields) => log.error(fields, message),
    flush: destination.flush
  }
}

/**
 * Opens a file to which lines are added, each at once. pino's own destination throws on a full disk, outside of every
 * call, and its flush then never returns.
 */
function openLines(path: string) {
  const file = openSync(path, 'a', 0o600)
  /** What the disk did not take yet, from within a line on. */
  let waiting: Buffer = Buffer.alloc(0)
  let lost = 0

  function write(line: string): void {
    const bytes = Buffer.from(line)
    if (waiting.length > 0 && waiting.length + bytes.length > LIMITS.logWaitingBytes) lost++
    else waiting = Buffer.concat([waiting, bytes])
    try {
      writeWaiting()
      if (lost === 0) return
      waiting = Buffer.from(`${JSON.stringify({ level: 40, lost, msg: 'lines are missing: the disk was full' })}\n`)
      lost = 0
      writeWaiting()
    } catch {
      // Who would be told of it? The next line tries again.
    }
  }

  function writeWaiting(): void {
    while (waiting.length > 0) waiting = waiting.subarray(writeSync(file, waiting))
  }

  function flush(): void {
    try {
      writeWaiting()
      fsyncSync(file)
    } catch {
      // What is missing now is missing for good.
    }
  }

  return { write, flush }
}

function setAside(path: string): void {
  try {
    if (statSync(path).size > LOG_BYTES) renameSync(path, `${path}.old`)
  } catch {
    // There is no log yet.
  }
}
