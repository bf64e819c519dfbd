/**
 * Problem: what a method is asked to minimise, and how far it is from the best there is.
 *
 * Owns the shape and the noise. Invariant: regret knows no noise, and the noise of a trial depends on the seed and on
 * the trial's number alone, so that all methods meet the same.
 */
import type { Draw } from '../../../protocol/search/dimension.js'
import type { Parameters } from '../../../protocol/sweep-spec.js'
import type { ParameterMessage } from '../ask-tell/messages.js'

export interface Problem {
  readonly name: string
  readonly space: readonly ParameterMessage[]
  /** Standard deviation of what is measured, around `lossOf`. */
  readonly noise: number
  /** The least `lossOf` of the space, and where. */
  readonly optimum: number
  readonly optimumAt: Parameters
  /** Returns the loss without noise; undefined: training diverges. */
  lossOf(parameters: Parameters): number | undefined
}

/** Returns what training would report: the loss with noise; null: diverged. `draw` is asked twice, whatever comes. */
export function measured(problem: Problem, parameters: Parameters, draw: Draw): number | null {
  const normal = normalOf(draw)
  const loss = problem.lossOf(parameters)
  return loss === undefined ? null : loss + problem.noise * normal
}

/** Returns a parameter as a number; NaN where it is absent, so that nothing passes for a loss. */
export function numberOf(parameters: Parameters, name: string): number {
  const value = parameters[name]
  return typeof value === 'number' ? value : Number.NaN
}

/** Source: Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958. */
function normalOf(draw: Draw): number {
  const radius = Math.sqrt(-2 * Math.log(1 - draw()))
  return radius * Math.cos(2 * Math.PI * draw())
}
