/**
 * Expected failures: what a person should read when something outside the program went wrong.
 *
 * Owns the list of codes and the exit status of each. A code is for ever; docs/trouble.md has a row for each.
 */

/** Exit status of the command line for each kind of failure; docs/style.md lists them. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  noAgent: 3,
  notFound: 4,
  refused: 5,
  timedOut: 6,
  interrupted: 130
} as const

/** Every expected failure, and the exit status that it gives. */
export const ERROR_EXITS = {
  AGENT_NOT_RUNNING: EXIT.noAgent,
  AGENT_RUNNING: EXIT.failed,
  AGENT_FAILED: EXIT.failed,
  BULK_UNAVAILABLE: EXIT.failed,
  BUNDLE_INVALID: EXIT.usage,
  BUNDLE_UNAVAILABLE: EXIT.failed,
  CONFIG_INVALID: EXIT.usage,
  CONTROL_FAILED: EXIT.failed,
  DEMO_FAILED: EXIT.failed,
  DISK_FULL: EXIT.failed,
  DISK_READ_ONLY: EXIT.failed,
  INVITE_INVALID: EXIT.usage,
  INVITE_REFUSED: EXIT.refused,
  NETWORK_UNREACHABLE: EXIT.timedOut,
  NOT_FOUND: EXIT.notFound,
  POOL_EXISTS: EXIT.failed,
  POOL_MISSING: EXIT.notFound,
  RECORD_TOO_LARGE: EXIT.failed,
  REQUEST_INVALID: EXIT.usage,
  STORE_DAMAGED: EXIT.failed,
  STORE_IN_USE: EXIT.failed,
  SWEEP_INVALID: EXIT.usage,
  TIMED_OUT: EXIT.timedOut
} as const

export type ErrorCode = keyof typeof ERROR_EXITS

/** An expected failure: what happened to what, and what to do next. Shown once, at the edge. */
export class PoolError extends Error {
  override readonly name = 'PoolError'
  readonly code: ErrorCode
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
  }
}
