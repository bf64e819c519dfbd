/**
 * Waiting: for something to come true within a bound, and for what must never happen.
 *
 * Owns how a broken promise of the pool is told. Invariant: nothing here waits without a bound.
 */
import { setTimeout as pause } from 'node:timers/promises'

const POLL_MS = 100
/** An agent that answers nothing for this long is taken for stuck, in ms: a busy machine needs seconds. */
const ANSWER_MS = 30_000

/** Something that must hold whatever happens to a machine did not hold. */
export class Violation extends Error {}

/**
 * Waits until something is true, by asking. Returns how long it took, in ms.
 *
 * @param isTrue  May throw while an agent is away: that is the same as not yet, except for a violation.
 * Errors:        a violation when it does not come true within `limitMs`; it tells what was wrong last.
 */
export async function waitUntil(what: string, isTrue: () => Promise<boolean>, limitMs: number): Promise<number> {
  const beganMs = performance.now()
  let last = ''
  while (true) {
    try {
      if (await isTrue()) return performance.now() - beganMs
      last = ''
    } catch (error) {
      if (error instanceof Violation) throw error
      last = `: ${error instanceof Error ? error.message : String(error)}`
    }
    if (performance.now() - beganMs > limitMs)
      throw new Violation(`It did not come true in ${Math.round(limitMs / 1000)} s that ${what}${last}`)
    await pause(POLL_MS)
  }
}

/** Returns what a promise gives. Errors: a violation when it takes longer than any agent may. */
export async function answered<T>(what: string, promise: Promise<T>, limitMs = ANSWER_MS): Promise<T> {
  const late = new AbortController()
  const tooLate = pause(limitMs, undefined, { signal: late.signal }).then(() => {
    throw new Violation(`${what} had no answer within ${Math.round(limitMs / 1000)} s`)
  })
  tooLate.catch(() => undefined)
  try {
    return await Promise.race([promise, tooLate])
  } finally {
    late.abort()
  }
}
