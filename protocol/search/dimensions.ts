/**
 * Dimensions of a sweep: its parameters as the methods that learn see them.
 *
 * Owns what becomes of each distribution: a range without ends gets some, a list of equal values gets weights; and what
 * could have been proposed at all.
 * Constants are no dimensions; a condition on one is decided here, once for all trials.
 * What it computes with `exp` is recorded by the claimer, never recomputed.
 */
import type { Parameter, Parameters, ParameterValue, SweepSpec } from '../sweep-spec.js'
import { namesOf, STEPS_MAX } from './axis.js'
import { presentOf } from './condition.js'
import {
  type CategoricalDimension,
  type Condition,
  type Dimension,
  isPresent,
  type NumericDimension,
  type Space
} from './dimension.js'
import { randomAxis, valueAt } from './space.js'

/** Shares that a range in place of a distribution without ends leaves out on both sides. */
const TAIL = 0.001

type Ranges = SweepSpec['parameters']
type Shape = Omit<NumericDimension, 'name' | 'when'> | Omit<CategoricalDimension, 'name' | 'when'>

/**
 * Returns the dimensions of a sweep: by name, but each after the one that its condition names.
 *
 * Draws of normal and similar distributions may lie outside [low, high], which holds all but 0.2 % of them.
 */
export function dimensionsOf({ parameters }: Pick<SweepSpec, 'parameters'>): Space {
  const dimensions = namesOf({ parameters }).flatMap(([name, parameter]): Dimension[] => {
    const when = conditionOf(parameter, parameters)
    if (parameter.distribution === 'constant' || when === 'never') return []
    return [{ name, ...shapeOf(parameter), ...(when === 'always' ? {} : { when }) }]
  })
  // Whoever's condition names what is never there is never there itself, and so on along a chain.
  return inOrder(dimensions)
}

/** Returns what is proposed with the constants that are there beside it. */
export function withConstants(spec: Pick<SweepSpec, 'parameters'>, proposed: Parameters): Parameters {
  const constants = namesOf(spec).flatMap(([name, parameter]) =>
    parameter.distribution === 'constant' ? [[name, parameter.value] as const] : []
  )
  return presentOf(spec, { ...proposed, ...Object.fromEntries(constants) })
}

/**
 * True for values that the search of a sweep could propose: one within its range for each dimension that is there, and
 * nothing else. Peers claim what they like; only this is trained.
 *
 * @param sweep  `space`: the dimensions of `spec`.
 */
export function isInSpace(
  { spec, space }: { readonly spec: Pick<SweepSpec, 'parameters'>; readonly space: Space },
  parameters: Parameters
): boolean {
  const there = space.filter(dimension => isPresent(dimension, parameters))
  const whole = withConstants(spec, Object.fromEntries(there.map(({ name }) => [name, parameters[name] ?? null])))
  const names = Object.keys(whole)
  if (names.length !== Object.keys(parameters).length) return false
  if (!names.every(name => Object.hasOwn(parameters, name) && parameters[name] === whole[name])) return false
  return there.every(dimension => isValueOf(dimension, parameters[dimension.name]))
}

function isValueOf(dimension: Dimension, value: ParameterValue | undefined): boolean {
  if (dimension.kind === 'categorical') return value !== undefined && dimension.choices.includes(value)
  return typeof value === 'number' && value >= dimension.low && value <= dimension.high
}

/** A condition on a constant holds for all trials or for none; then the constant's own condition is what is left. */
function conditionOf({ when }: Parameter, ranges: Ranges): Condition | 'always' | 'never' {
  if (when === undefined) return 'always'
  const other = ranges[when.parameter]
  if (other?.distribution !== 'constant') return when
  return when.values.includes(other.value) ? conditionOf(other, ranges) : 'never'
}

function inOrder(dimensions: readonly Dimension[]): Space {
  const placed = new Set<string>()
  const ordered: Dimension[] = []
  let rest = dimensions
  for (;;) {
    const next = rest.find(({ when }) => when === undefined || placed.has(when.parameter))
    if (next === undefined) return ordered
    placed.add(next.name)
    ordered.push(next)
    rest = rest.filter(each => each !== next)
  }
}

function shapeOf(parameter: Exclude<Parameter, { distribution: 'constant' }>): Shape {
  switch (parameter.distribution) {
    case 'categorical':
      return categorical(parameter.values.map(value => [value, 1] as const))
    case 'categorical_w_probabilities':
      return categorical(parameter.values.map((value, i) => [value, parameter.probabilities[i] ?? 0] as const))
    case 'int_uniform':
      return { kind: 'numeric', low: parameter.min, high: parameter.max, isLog: false, step: 1 }
    case 'uniform':
    case 'log_uniform_values':
      return { kind: 'numeric', low: parameter.min, high: parameter.max, isLog: parameter.distribution !== 'uniform' }
    case 'q_uniform':
    case 'q_log_uniform_values':
    case 'q_beta':
      return quantised(parameter)
    case 'normal':
    case 'log_normal':
    case 'beta':
    case 'q_normal':
    case 'q_log_normal':
      return numeric(drawn(parameter, TAIL), drawn(parameter, 1 - TAIL), parameter)
  }
}

/** Equal values are one choice, drawn as often as all of them. */
function categorical(pairs: readonly (readonly [ParameterValue, number])[]): Shape {
  const weights = new Map<ParameterValue, number>()
  for (const [value, weight] of pairs) if (weight > 0) weights.set(value, (weights.get(value) ?? 0) + weight)
  const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0)
  const choices = [...weights.keys()]
  const shares = [...weights.values()].map(weight => weight / total)
  const isEven = shares.every(share => share === shares[0])
  return { kind: 'categorical', choices, ...(isEven ? {} : { weights: shares }) }
}

function quantised(parameter: Extract<Parameter, { q: number }>): Shape {
  const axis = randomAxis(parameter)
  if (axis === undefined) return numeric(drawn(parameter, 0), drawn(parameter, 1 - Number.EPSILON / 2), parameter)
  return numeric(Number(axis.at(0)), Number(axis.at(axis.count - 1)), parameter)
}

/** 0 has no logarithm: a range that a step rounds down to it is linear. One value is a choice of one. */
function numeric(low: number, high: number, parameter: Parameter): Shape {
  if (!(low < high)) return { kind: 'categorical', choices: [low] }
  const isLog = parameter.distribution.includes('log_') && low > 0
  return { kind: 'numeric', low, high, isLog, ...stepOf(low, high, parameter) }
}

/** A step that a double hardly resolves at the ends is none. */
function stepOf(low: number, high: number, parameter: Parameter): { step?: number } {
  if (!('q' in parameter) || Math.max(Math.abs(low), Math.abs(high)) / parameter.q > STEPS_MAX) return {}
  return { step: parameter.q }
}

function drawn(parameter: Parameter, u: number): number {
  return Number(valueAt(parameter, u))
}
