/**
 * Failures: what a person reads when a command did not work, and the status that a script sees.
 *
 * The one edge at which errors are shown. Expected ones tell what happened and what to do; a bug, how to report it.
 */
import { ERROR_EXITS, EXIT, PoolError } from '#protocol'
import type { Environment } from './cli.js'
import { jsonLine } from './cli.js'
import { plainLines } from './terminal/plain.js'
import type { Style } from './terminal/style.js'

export interface Failure {
  readonly status: number
  /** For standard error; empty where there is nothing to say. */
  readonly text: string
  /** For standard output with `--json`. */
  readonly json: string
}

/** Returns how an error is told. `style`: that of standard error. */
export function failureOf(error: unknown, environment: Environment, style: Style): Failure {
  const { code, message, hint, status } = facts(error)
  const stack = environment['HYPERSWEEP_DEBUG'] && error instanceof Error ? stackOf(error) : []
  const lines = [
    `${style.bad('error:')} ${plainLines(message)}`,
    ...(hint === undefined ? [] : [`${style.accent('hint:')} ${plainLines(hint)}`]),
    ...stack
  ]
  return {
    status,
    text: lines.join('\n'),
    json: jsonLine({ error: { code, message, ...(hint === undefined ? {} : { hint }) } })
  }
}

function facts(error: unknown): { code: string; message: string; hint: string | undefined; status: number } {
  if (error instanceof PoolError) {
    return {
      code: error.code,
      message: error.message,
      hint: error.hint,
      status: ERROR_EXITS[error.code] ?? EXIT.failed
    }
  }
  const told = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return {
    code: 'BUG',
    message: `hypersweep did something it should not: ${told}`,
    hint: 'Run it again with HYPERSWEEP_DEBUG=1 and report what it prints.',
    status: EXIT.failed
  }
}

function stackOf(error: Error): string[] {
  const { cause } = error
  const own = plainLines(error.stack ?? '')
  return cause instanceof Error ? [own, 'caused by:', ...stackOf(cause)] : [own]
}
