/**
 * Several objectives as one: what a method that learns from one loss makes of more.
 *
 * Each proposal looks in a direction of its own, so that together they find trials all along the Pareto front.
 * What it computes is recorded by the claimer, never recomputed for agreement.
 * Source: Knowles, "ParEGO", IEEE TEVC 10 (2006), with losses scaled as the Gaussian process scales them: a range from
 * the best to the worst would be that of a learning rate that nearly diverged.
 */
import type { Draw, Observation } from './dimension.js'
import { standardised } from './gp/losses.js'

/** How much the other objectives count beside the worst one. */
const REST = 0.05

/**
 * Returns the observations with one loss each, as seen in a direction that is drawn; the same ones where there is one
 * objective. A trial of which an objective is missing counts as the worst in it.
 */
export function scalarised(observations: readonly Observation[], draw: Draw): readonly Observation[] {
  const others = Math.max(0, ...observations.map(({ further = [] }) => further.length))
  if (others === 0) return observations
  const objectives = Array.from({ length: others + 1 }, (_, at) => apartFromBest(observations, at))
  const weights = directionOf(objectives.length, draw)
  return observations.map(({ further: _, ...observation }, at) => {
    if (observation.loss === undefined) return observation
    const parts = objectives.map((losses, objective) => (weights[objective] ?? 0) * (losses[at] ?? 0))
    return { ...observation, loss: Math.max(...parts) + REST * parts.reduce((sum, part) => sum + part, 0) }
  })
}

/** Scaled losses of one objective, 0 for the best; for what tells nothing, those of the worst. */
function apartFromBest(observations: readonly Observation[], objective: number): number[] {
  const alone = observations.map(({ further = [], ...observation }) => {
    if (objective === 0) return observation
    const loss = further[objective - 1]
    const { loss: _, ...rest } = observation
    return loss === undefined ? rest : { ...rest, loss }
  })
  const losses = standardised(alone)
  const known = losses.flatMap(loss => loss ?? [])
  const [best, worst] = [Math.min(...known), Math.max(...known)]
  return losses.map(loss => (loss ?? worst) - best)
}

/** Positive weights that add up to 1, each choice of them alike: the gaps between sorted numbers. */
function directionOf(count: number, draw: Draw): number[] {
  const cuts = Array.from({ length: count - 1 }, () => draw()).sort((a, b) => a - b)
  return [...cuts, 1].map((cut, at) => cut - (cuts[at - 1] ?? 0))
}
