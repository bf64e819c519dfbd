/**
 * One line of the agent's log, for a person who watches it.
 */
import { plain } from '../terminal/plain.js'
import type { Style } from '../terminal/style.js'

/** Source: pino's levels. */
const WARN = 40
const ERROR = 50
/** Fields that stand elsewhere in the line. */
const HEAD_FIELDS: ReadonlySet<string> = new Set(['level', 'time', 'msg', 'v'])

/** Returns `14:22:31 took a claim  trial=4`; a line that is no JSON as it is. */
export function drawLogLine(line: string, style: Style): string {
  const entry = parsed(line)
  if (entry === undefined) return plain(line)
  const level = typeof entry['level'] === 'number' ? entry['level'] : 0
  const paint = level >= ERROR ? style.bad : level >= WARN ? style.warn : (text: string) => text
  const fields = Object.entries(entry)
    .filter(([name]) => !HEAD_FIELDS.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  const time = /T(\d\d:\d\d:\d\d)/.exec(String(entry['time']))?.[1] ?? ''
  const message = paint(plain(String(entry['msg'] ?? '')))
  return `${style.dim(time)} ${message}  ${style.dim(plain(fields.join(' ')))}`.trimEnd()
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
