/**
 * Grid: every combination of the values of a sweep, by index.
 *
 * Owns which values a grid takes from a range. The index alone names a combination, the same on every machine.
 */
import type { Parameter, Parameters, SweepSpec } from '../sweep-spec.js'
import {
  type Axes,
  type Axis,
  asWritten,
  axesOf,
  categories,
  combinationOf,
  countedFrom,
  drawnCategories,
  STEPS_MAX,
  sizeOf
} from './axis.js'

/** Roundings in counting the steps of a range: 0.3 / 0.1 is 2.9999999999999996, and still reaches 0.3. */
const ROUNDINGS = 8

/**
 * Returns the axes of a grid in the order of their names; undefined when a parameter has no grid: a continuous range, a
 * quantised one without ends or of a logarithmic scale, a `q` that a double hardly resolves, or a condition. The check
 * of the sweep file refuses those with their place.
 */
export function gridAxes(spec: Pick<SweepSpec, 'parameters'>): Axes | undefined {
  return axesOf(spec, gridAxis)
}

/** Returns the number of combinations; `Infinity` when a parameter has no grid or a double holds no more. */
export function combinations(spec: Pick<SweepSpec, 'parameters'>): number {
  const axes = gridAxes(spec)
  return axes === undefined ? Number.POSITIVE_INFINITY : sizeOf(axes)
}

/** Returns the combination at an index, the last name varying fastest; undefined outside the grid. */
export function combinationAt(spec: Pick<SweepSpec, 'parameters'>, index: number): Parameters | undefined {
  const axes = gridAxes(spec)
  return axes === undefined ? undefined : combinationOf(axes, index)
}

/**
 * Returns the values that a grid takes from a parameter; undefined when it has no grid.
 *
 * `q_uniform` counts from `min` in steps of `q`. Unlike W&B (numpy's `arange`), `max` is included when it lies on the
 * grid: who writes 10 as the largest value means to try it.
 */
export function gridAxis(parameter: Parameter): Axis | undefined {
  switch (parameter.distribution) {
    case 'constant':
      return categories([parameter.value])
    case 'categorical':
      return categories(parameter.values)
    case 'categorical_w_probabilities':
      return drawnCategories(parameter.values, parameter.probabilities)
    case 'int_uniform':
      return countedFrom(parameter.min, parameter.max)
    case 'q_uniform':
      return stepsOf(parameter)
    case 'uniform':
    case 'log_uniform_values':
    case 'q_log_uniform_values':
    case 'normal':
    case 'q_normal':
    case 'log_normal':
    case 'q_log_normal':
    case 'beta':
    case 'q_beta':
      return undefined
  }
}

/** Says whether a grid reaches `max`, which W&B would leave out. */
export function gridReachesMax({ min, max, q }: { min: number; max: number; q: number }): boolean {
  // Divided before subtracting: max - min may be more than a double holds.
  const steps = max / q - min / q
  const tolerance = ROUNDINGS * Number.EPSILON * Math.max(1, Math.abs(min / q), Math.abs(max / q))
  return Math.abs(steps - Math.round(steps)) <= tolerance
}

function stepsOf(range: { min: number; max: number; q: number }): Axis | undefined {
  const { min, max, q } = range
  if (!(Math.max(Math.abs(min), Math.abs(max)) / q <= STEPS_MAX)) return undefined
  const steps = max / q - min / q
  const reachesMax = gridReachesMax(range)
  const last = reachesMax ? Math.round(steps) : Math.floor(steps)
  // The end is taken from the file, not computed, so that it is the number that the person wrote.
  return { count: last + 1, at: i => (reachesMax && i === last ? max : asWritten(min + i * q)) }
}
