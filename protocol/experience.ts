/**
 * Experience: what the trials of a sweep came to, as its search learns from it.
 *
 * Owns what each class of result teaches (rule C9): a completed, a stopped and a diverged training tell of the
 * objective, memory that was nowhere enough tells of a border, and what a machine or an owner did tells nothing.
 * Computed from the pool, never stored in it.
 */

import { signOf } from './early-stopping.js'
import { sameParameters } from './parameter.js'
import { isUnplaceable } from './placement/place.js'
import type { Pool, Result, Sweep, Trial } from './pool/pool.js'
import type { Observation } from './search/dimension.js'
import { parametersOf } from './searches.js'
import type { SweepSpec } from './sweep-spec.js'

/** Returns one observation for each trial that teaches something, the oldest trial first. */
export function experienceOf(pool: Pool, sweep: Sweep): Observation[] {
  const objectives = { sign: signOf(sweep), further: sweep.submission?.spec.furtherMetrics ?? [] }
  const trials = [...sweep.trials.values()].sort((a, b) => a.index - b.index)
  return trials.flatMap(trial => {
    const { result, replicates } = trial.standing
    if (!result) return underWay(pool, sweep, trial)
    // Two machines that did not hear each other may have trained one trial with parameters of their own.
    const others = replicates.filter(each => !sameParameters(each.parameters, result.parameters))
    return [result, ...others].flatMap(each => observationOf(each, objectives))
  })
}

function underWay(pool: Pool, sweep: Sweep, trial: Trial): Observation[] {
  const parameters = parametersOf(sweep, trial.index)
  if (Object.keys(parameters).length === 0) return []
  switch (trial.standing.phase) {
    case 'claimed':
      return [{ parameters, state: 'running' }]
    case 'open':
      // Given back, it is somebody's next.
      return [{ parameters, state: isUnplaceable(pool, sweep, trial.index) ? 'infeasible' : 'running' }]
    case 'quarantined':
    case 'done':
      return []
  }
}

interface Objectives {
  readonly sign: number
  readonly further: NonNullable<SweepSpec['furtherMetrics']>
}

function observationOf(result: Result, { sign, further }: Objectives): Observation[] {
  const { parameters } = result
  const others = further.length === 0 ? {} : { further: furtherLosses(result, further) }
  switch (result.class) {
    case 'complete':
      return result.value === undefined ? [] : [{ parameters, state: 'complete', loss: sign * result.value, ...others }]
    case 'stopped': {
      const last = result.curve.at(-1)
      return last ? [{ parameters, state: 'stopped', loss: sign * last[1], step: last[0], ...others }] : []
    }
    case 'diverged':
      return [{ parameters, state: 'diverged' }]
    case 'oom':
    case 'error':
    case 'timeout':
    case 'environment':
    case 'released':
    case 'lost':
      return []
  }
}

/** Returns the losses of a result in further objectives, from their last values; undefined where it told none. */
export function furtherLosses(
  { metrics }: Pick<Result, 'metrics'>,
  further: Objectives['further']
): (number | undefined)[] {
  return further.map(({ name, goal }) => {
    const value = Object.hasOwn(metrics, name) ? metrics[name] : undefined
    return value === undefined ? undefined : goal === 'maximize' ? -value : value
  })
}
