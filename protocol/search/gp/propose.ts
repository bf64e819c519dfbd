/**
 * Gaussian process search: the next trial by what all trials so far say about the space.
 *
 * Owns the order of the steps, and which trials count. Made for 20 to some 300 trials and up to about 15 dimensions.
 * What it computes is recorded by the claimer, never recomputed for agreement.
 * Invariant: equal trials and equal draws give an equal proposal; nothing is kept between two.
 */
import type { Parameters } from '../../sweep-spec.js'
import type { Draw, Observation, Propose } from '../dimension.js'
import { hasLoss } from '../order.js'
import { streamFrom } from '../stream.js'
import { type Acquisition, both, chanceToFit, expectedImprovement } from './acquisition.js'
import { type Data, fit, NOISE_BELIEVED } from './fit.js'
import type { Vector } from './linear.js'
import { standardised } from './losses.js'
import { maximise } from './maximise.js'
import { type Embedding, embeddingOf } from './point.js'
import { posteriorOf } from './posterior.js'
import { spreadPoint } from './startup.js'

export interface GaussianProcessOptions {
  /** True of a configuration that is not to be proposed again, besides those of the observations. */
  readonly isTaken?: (parameters: Parameters) => boolean
}

/** Trials before anything is learned, those that run included: else eight machines would begin 15 without looking. */
export const STARTUP_TRIALS = 8
/** Losses among them. */
const STARTUP_LOSSES = 4
/** A proposal's cost grows with the cube of the points: with more of them the best and the latest stand for all. */
const POINTS_MAX = 300
/** Up to so many points no effort is spared; a look at a candidate costs the square of them. */
const FULL_EFFORT_POINTS = 90
/** What a fit's cost grows with: it is repeated some 30 times. */
const FIT_POINTS_MAX = 64
/** The trial that is expected to be best is one of so many that looked best. */
const LEADERS = 24
/** Best trials near which is looked. */
const NEAR = 5

interface Seen {
  readonly point: Vector
  readonly observation: Observation
}

interface Measured extends Seen {
  readonly value: number
}

/**
 * Returns a search that proposes where the expected improvement is largest; at first, where nothing was tried.
 *
 * Never repeats an observation's configuration while it finds another. Observations with values outside the space are
 * passed over. Takes one draw. Running trials count by what they may come to; infeasible ones by where they are.
 * Errors: none, for any space and observations of their shapes.
 */
export function createGaussianProcess({ isTaken = () => false }: GaussianProcessOptions = {}): Propose {
  return (space, observations, draw) => {
    const embedding = embeddingOf(space)
    const seen = observations.flatMap((observation): Seen[] => {
      const point = embedding.pointOf(observation.parameters)
      return point ? [{ point, observation }] : []
    })
    const tried = new Set(seen.map(({ point }) => point.join()))
    const isFree = (point: Vector) => !tried.has(point.join()) && !isTaken(embedding.parametersOf(point))
    const random = streamFrom(draw)
    const isEarly =
      seen.length < STARTUP_TRIALS || seen.filter(({ observation }) => hasLoss(observation)).length < STARTUP_LOSSES
    const next = isEarly ? undefined : mostPromising(embedding, seen, { draw: random, isFree })
    const others = seen.map(({ point }) => point)
    return embedding.parametersOf(next ?? spreadPoint(embedding, others, { draw: random, isFree }))
  }
}

interface Chance {
  readonly draw: Draw
  isFree(point: Vector): boolean
}

function mostPromising(embedding: Embedding, seen: readonly Seen[], { draw, isFree }: Chance): Vector | undefined {
  const measured = measuredOf(seen)
  const best = bestFirst(measured.filter(({ observation }) => observation.state === 'complete'))
  const leaders = (best.length > 0 ? best : bestFirst(measured)).slice(0, LEADERS)
  const pending = seen.filter(({ observation }) => observation.state === 'running').map(({ point }) => point)
  const gain = improvementOn(leaders, { data: dataOf(embedding, measured), pending })
  const fits = fitting(embedding, seen)
  const effort = Math.min(1, (FULL_EFFORT_POINTS / (measured.length + pending.length)) ** 2)
  const near = leaders.slice(0, NEAR).map(({ point }) => point)
  return maximise(embedding, fits ? both(gain, fits) : gain, { draw, near, effort, isFree })?.point
}

function improvementOn(
  leaders: readonly Seen[],
  { data, pending }: { data: Data; pending: readonly Vector[] }
): Acquisition {
  const hyperparameters = fit(thinned(data))
  const posterior = posteriorOf(data, hyperparameters, pending)
  // Not the lowest loss seen: that one was lucky, and would be hard to improve on. What a running trial may come to
  // counts as had: else its neighbourhood would promise what it will bring itself.
  const expected = [...leaders.map(({ point }) => point), ...pending].map(point => posterior.predict(point).mean)
  // Of noise that nothing speaks for yet nothing is taken. Where several trials run, they show together what one hides.
  const noise = Math.max(0, hyperparameters.noise - NOISE_BELIEVED) / (1 + pending.length)
  return expectedImprovement(posterior, Math.min(...expected), noise)
}

/** Returns the chance to fit; undefined while everything did. */
function fitting(embedding: Embedding, seen: readonly Seen[]): Acquisition | undefined {
  const didFit = seen.filter(each => hasEnded(each) && each.observation.state !== 'infeasible')
  const didNot = seen.filter(({ observation }) => observation.state === 'infeasible')
  if (didNot.length === 0) return undefined
  const latest = (some: readonly Seen[], value: number) => some.slice(-POINTS_MAX / 2).map(each => ({ ...each, value }))
  const data = dataOf(embedding, [...latest(didNot, -1), ...latest(didFit, 1)])
  return chanceToFit(posteriorOf(data, fit(thinned(data))))
}

function hasEnded({ observation }: Seen): boolean {
  return observation.state !== 'running'
}

/** Returns what is learned from, in the order of the trials: all, or the best half and the latest of the others. */
function measuredOf(seen: readonly Seen[]): Measured[] {
  const values = standardised(seen.map(({ observation }) => observation))
  const measured = seen.flatMap((each, i) => {
    const value = values[i]
    return value === undefined ? [] : [{ ...each, value }]
  })
  if (measured.length <= POINTS_MAX) return measured
  const best = new Set(bestFirst(measured).slice(0, POINTS_MAX / 2))
  const latest = new Set(measured.filter(each => !best.has(each)).slice(-POINTS_MAX / 2))
  return measured.filter(each => best.has(each) || latest.has(each))
}

/** Equal values stay in the order of the trials. */
function bestFirst(measured: readonly Measured[]): Measured[] {
  return [...measured].sort((a, b) => a.value - b.value)
}

function dataOf({ axes }: Embedding, measured: readonly Pick<Measured, 'point' | 'value'>[]): Data {
  return {
    comparisons: axes.map(({ comparison }) => comparison),
    points: measured.map(({ point }) => point),
    values: Float64Array.from(measured, ({ value }) => value)
  }
}

/** Returns what a fit looks at: all, or the lowest half and an even selection of the others by their rank. */
function thinned(data: Data): Data {
  const { points, values } = data
  if (points.length <= FIT_POINTS_MAX) return data
  const ranked = [...values.keys()].sort((a, b) => (values[a] as number) - (values[b] as number))
  const half = FIT_POINTS_MAX / 2
  const stride = (ranked.length - half) / half
  const chosen = Array.from({ length: FIT_POINTS_MAX }, (_, i) => {
    return ranked[i < half ? i : half + Math.floor((i - half) * stride)] as number
  })
  return {
    ...data,
    points: chosen.map(i => points[i] as Vector),
    values: Float64Array.from(chosen, i => values[i] as number)
  }
}
