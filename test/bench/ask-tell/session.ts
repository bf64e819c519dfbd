/**
 * Session: one run of a search method, asked and told.
 *
 * Owns the observations, in the order in which their trials were asked for; a trial that was asked and not told is one
 * that runs. Invariant: one seed, with the same values told in the same order, asks the same trials.
 */
import { drawFrom } from '../../../protocol/hash.js'
import type { Draw, Observation, Propose, Space } from '../../../protocol/search/dimension.js'
import type { Parameters } from '../../../protocol/sweep-spec.js'
import { createDraw } from '../../helpers/draw.js'

export interface Asked {
  readonly id: number
  readonly params: Parameters
}

export interface Session {
  ask(): Asked
  /** @param loss  Finite, lower is better; null: diverged. Errors: the trial is unknown, or was told before. */
  tell(id: number, loss: number | null): void
}

export interface SessionOptions {
  readonly space: Space
  readonly seed: number
  readonly propose: Propose
}

/** Returns a run in which nothing was asked yet. */
export function openSession({ space, seed, propose }: SessionOptions): Session {
  const observations: Observation[] = []
  const draw = drawOf(seed, 'ask')
  return {
    ask() {
      const params = propose(space, observations, draw)
      const id = observations.push({ parameters: params, state: 'running' }) - 1
      return { id, params }
    },
    tell(id, loss) {
      const asked = observations[id]
      if (!asked) throw new Error(`trial ${id} was not asked for`)
      if (asked.state !== 'running') throw new Error(`trial ${id} was told before`)
      const { parameters } = asked
      observations[id] = loss === null ? { parameters, state: 'diverged' } : { parameters, state: 'complete', loss }
    }
  }
}

/** Returns the chance of one purpose of a seed; 53 random bits a draw. */
export function drawOf(seed: number, purpose: string): Draw {
  const { integer } = createDraw(Math.floor(drawFrom(seed, purpose) * 2 ** 32))
  return () => (integer(2 ** 27) * 2 ** 26 + integer(2 ** 26)) / 2 ** 53
}
