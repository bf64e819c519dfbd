/**
 * Play: runs of a method on a problem, and what they found.
 *
 * Owns the order of events: so many trials are pending at once, all take equally long, so the oldest is told first.
 * Invariant: no regret has noise in it.
 */

import { type ParameterMessage, spaceOf } from '../ask-tell/messages.js'
import { METHODS, named } from '../ask-tell/methods.js'
import { type Asked, drawOf, openSession } from '../ask-tell/session.js'
import { measured, type Problem } from './problem.js'

/** Whoever proposes trials, here or in another process. */
export interface Asker {
  begin(run: Run & { readonly space: readonly ParameterMessage[] }): Promise<void>
  ask(): Promise<Asked>
  tell(id: number, loss: number | null): Promise<void>
}

export interface Run {
  readonly seed: number
  readonly trials: number
  /** Trials that are asked for before the oldest of them is told. */
  readonly pending: number
}

/** How much worse than the best there is. Infinite while all trials diverged. */
export interface Regret {
  /** Of the trial that looks best by what was measured: what a person who takes it home really loses. */
  readonly chosen: number
  /** Of the best trial, whether noise hides it or not: the search alone. */
  readonly tried: number
}

/** Returns a method of ours, by its name. Errors: there is no such method. */
export function askerOf(method: string): Asker {
  const make = named(METHODS, method)
  let session: ReturnType<typeof openSession> | undefined
  const opened = () => session ?? fail('begin comes first')
  return {
    async begin({ space, seed, trials, pending }) {
      session = openSession({ space: spaceOf(space), seed, propose: make({ seed, trials, parallel: pending }) })
    },
    ask: async () => opened().ask(),
    tell: async (id, loss) => opened().tell(id, loss)
  }
}

/** Returns the regret after each trial of a run. */
export async function regretsOf(problem: Problem, asker: Asker, run: Run): Promise<Regret[]> {
  const { seed, trials, pending } = run
  await asker.begin({ ...run, space: problem.space })
  const draw = drawOf(seed, `noise of ${problem.name}`)
  const asked: Asked[] = []
  const regrets: Regret[] = []
  let [best, chosen, tried] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let begun = 0; regrets.length < trials; ) {
    while (asked.length < pending && begun < trials) {
      asked.push(await asker.ask())
      begun++
    }
    const { id, params } = asked.shift() ?? fail('a run asks before it tells')
    const loss = measured(problem, params, draw)
    await asker.tell(id, loss)
    const regret = (problem.lossOf(params) ?? Number.POSITIVE_INFINITY) - problem.optimum
    if (loss !== null && loss < best) [best, chosen] = [loss, regret]
    tried = Math.min(tried, regret)
    regrets.push({ chosen, tried })
  }
  return regrets
}

function fail(message: string): never {
  throw new Error(message)
}
