/**
 * The agent's log: one JSON line per change of state, in a file that only the owner reads.
 *
 * The only writer of the agent's log file. A line is a constant message plus fields; keys, invites and environments are
 * never fields.
 */
import { mkdirSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import pino from 'pino'

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
  const destination = pino.destination({ dest: path, sync: true, mode: 0o600 })
  const log = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: ['secret', 'seed', 'invite'] },
    destination
  )
  return {
    info: (message, fields) => log.info(fields, message),
    warn: (message, fields) => log.warn(fields, message),
    error: (message, fields) => log.error(fields, message),
    flush: () => destination.flushSync()
  }
}

function setAside(path: string): void {
  try {
    if (statSync(path).size > LOG_BYTES) renameSync(path, `${path}.old`)
  } catch {
    // There is no log yet.
  }
}
