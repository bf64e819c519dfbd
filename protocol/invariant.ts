/**
 * Invariants: what must hold, or this program has a bug.
 *
 * Never used for what a user, a peer or a disk may do wrong: that is a `PoolError` or a `Rejection`.
 */

/**
 * Stops on a broken assumption.
 *
 * Errors: throws an `Error` named `InvariantError` when `condition` is false; the supervisor restarts the agent.
 */
export function invariant(condition: unknown, assumption: string): asserts condition {
  if (condition) return
  const error = new Error(`This is a bug in hypersweep: it does not hold that ${assumption}.`)
  error.name = 'InvariantError'
  throw error
}
