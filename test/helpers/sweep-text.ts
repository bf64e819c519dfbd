/**
 * Sweep files as text: one that is in order, with changes, and what is told about it.
 */
import { PoolError } from '#protocol'
import { readSweepText } from '../../cli/sweep-file.js'

/** Returns a sweep that is in order, with some of its lines replaced or added. */
export function sweep(changes: Record<string, string | undefined> = {}): string {
  const lines = {
    program: 'train.py',
    method: 'random',
    run_cap: '24',
    metric: '{ name: val_loss, goal: minimize }',
    parameters: '{ lr: { min: 0.001, max: 0.1 } }',
    ...changes
  }
  const written = Object.entries(lines).filter(([, value]) => value !== undefined)
  return `${written.map(([key, value]) => `${key}: ${value}`).join('\n')}\n`
}

/** The same with one parameter, `p`. */
export function parameter(range: string): string {
  return sweep({ parameters: `{ p: ${range} }` })
}

/** The failure of a text: its message, or a note that there was none. */
export function failure(text: string): string {
  try {
    readSweepText(text, 'sweep.yaml')
    return 'no failure'
  } catch (error) {
    if (error instanceof PoolError && error.code === 'SWEEP_INVALID') return error.message
    throw error
  }
}

/** The first line of each problem, without the source line and the caret. */
export function problems(text: string): string[] {
  return failure(text)
    .split('\n')
    .filter(line => /^sweep\.yaml:\d/.test(line))
    .map(line => line.slice('sweep.yaml:'.length))
}

/** Returns the cases of a table, one a line: `what is written => what is told`. */
export function casesIn(table: string): string[][] {
  return Array.from(table.trim().split('\n'), line => line.split('=>').map(part => part.trim()))
}

/** The warnings of a text in one line each. */
export function warnings(text: string): string[] {
  const read = readSweepText(text, 'sweep.yaml')
  return read.warnings.map(({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`)
}
