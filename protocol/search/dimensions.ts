/**
 * From a sweep's parameters to the dimensions of its space, for methods that learn.
 *
 * Owns which ends a distribution without ends has here, and what may be proposed at all. Constants are no dimensions.
 */
import type { Parameter, Parameters, SweepSpec } from '../sweep-spec.js'
import { namesOf } from './axis.js'
import { type Dimension, isPresent, type Space } from './dimension.js'
import { randomAxis, valueAt } from './space.js'

/** Of a distribution without ends this share on either side is left out. */
const TAIL = 0.001

/** Returns the space of a sweep. Errors: none, for any spec that its schema accepts. */
export function spaceOf(spec: Pick<SweepSpec, 'parameters'>): Space {
  const dimensions = namesOf(spec).flatMap(([name, parameter]) => {
    const dimension = dimensionOf(name, parameter)
    if (!dimension) return []
    return [parameter.when === undefined ? dimension : { ...dimension, when: parameter.when }]
  })
  return inOrder(dimensions)
}

/** Returns the constants of a sweep that are there beside the other values. */
export function withConstants(spec: Pick<SweepSpec, 'parameters'>, proposed: Parameters): Parameters {
  const constants = namesOf(spec).flatMap(([name, parameter]) =>
    parameter.distribution === 'constant' && isPresent(parameter, proposed) ? [[name, parameter.value] as const] : []
  )
  return { ...proposed, ...Object.fromEntries(constants) }
}

/**
 * True for values that the search of a sweep could propose: one within its range for each dimension that is there, and
 * nothing else. Peers claim what they like; only this is trained. `space` is the spec's.
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

function isValueOf(dimension: Dimension, value: Parameters[string] | undefined): boolean {
  if (dimension.kind === 'categorical') return value !== undefined && dimension.choices.includes(value)
  return typeof value === 'number' && value >= dimension.low && value <= dimension.high
}

function dimensionOf(name: string, parameter: Parameter): Dimension | undefined {
  switch (parameter.distribution) {
    case 'constant':
      return undefined
    case 'categorical':
      return categorical(name, parameter.values, undefined)
    case 'categorical_w_probabilities':
      return categorical(name, parameter.values, parameter.probabilities)
    case 'int_uniform':
      return { kind: 'numeric', name, low: parameter.min, high: parameter.max, isLog: false, step: 1 }
    case 'uniform':
    case 'log_uniform_values':
      return { kind: 'numeric', name, low: parameter.min, high: parameter.max, isLog: isLogarithmic(parameter) }
    case 'q_uniform':
    case 'q_log_uniform_values':
    case 'q_beta':
      return stepped(name, parameter)
    case 'normal':
    case 'log_normal':
    case 'beta':
      return between(name, parameter, {})
    case 'q_normal':
    case 'q_log_normal':
      return between(name, parameter, { step: parameter.q })
  }
}

function categorical(
  name: string,
  values: readonly Parameters[string][],
  probabilities: readonly number[] | undefined
): Dimension {
  const weightOf = new Map<Parameters[string], number>()
  for (const [at, value] of values.entries())
    weightOf.set(value, (weightOf.get(value) ?? 0) + (probabilities ? (probabilities[at] ?? 0) : 1))
  const drawn = [...weightOf].filter(([, weight]) => weight > 0)
  const total = drawn.reduce((sum, [, weight]) => sum + weight, 0)
  const choices = drawn.map(([value]) => value)
  const isEven = drawn.every(([, weight]) => weight === drawn[0]?.[1])
  return {
    kind: 'categorical',
    name,
    choices,
    ...(isEven ? {} : { weights: drawn.map(([, weight]) => weight / total) })
  }
}

type Stepped = Parameter & { readonly q: number }

/** Multiples of q, from the first to the last one that is ever drawn. On a logarithmic scale there is no 0. */
function stepped(name: string, parameter: Stepped): Dimension {
  const isLog = isLogarithmic(parameter)
  const axis = randomAxis(parameter)
  // A q that a double hardly resolves quantises nothing.
  if (!axis) return between(name, parameter, {})
  const values = [0, 1, axis.count - 1].map(at => Number(axis.at(Math.min(at, axis.count - 1))))
  const [first = 0, second = 0, high = 0] = values
  const low = isLog && first <= 0 ? second : first
  if (low >= high) return { kind: 'categorical', name, choices: [high] }
  return { kind: 'numeric', name, low, high, isLog, step: parameter.q }
}

function between(name: string, parameter: Parameter, more: { readonly step?: number }): Dimension {
  const [low, high] = [TAIL, 1 - TAIL].map(u => Number(valueAt(parameter, u))) as [number, number]
  if (low >= high) return { kind: 'categorical', name, choices: [high] }
  const isLog = isLogarithmic(parameter) && low > 0
  return { kind: 'numeric', name, low, high, isLog, ...more }
}

function isLogarithmic({ distribution }: Pick<Parameter, 'distribution'>): boolean {
  return distribution.includes('log')
}

/** By name, but each after the one that its condition names. A condition on a constant needs nobody before it. */
function inOrder(dimensions: readonly Dimension[]): Space {
  const names = new Set(dimensions.map(({ name }) => name))
  const placed = new Set<string>()
  const space: Dimension[] = []
  let rest = [...dimensions]
  while (rest.length > 0) {
    const [next, later]: [Dimension[], Dimension[]] = [[], []]
    for (const each of rest) {
      const needs = each.when?.parameter
      const isNext = needs === undefined || placed.has(needs) || !names.has(needs)
      ;(isNext ? next : later).push(each)
    }
    // The schema refuses conditions that lead back to themselves.
    if (next.length === 0) return space
    for (const each of next) {
      placed.add(each.name)
      space.push(each)
    }
    rest = later
  }
  return space
}
