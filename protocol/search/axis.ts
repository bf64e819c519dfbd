/**
 * Axes: the values of one parameter that can be counted, and the product of several such parameters.
 *
 * Owns counting and addressing by index; never builds a product in memory.
 * Invariant: the values of one axis are distinct, so that the combinations are.
 */
import { canonicalJson } from '../hash.js'
import type { Parameter, Parameters, ParameterValue, SweepSpec } from '../sweep-spec.js'

/**
 * Quantised ranges with ends of more steps than this count as continuous: no sweep meets the same step twice, and a
 * double soon cannot tell two of them apart.
 */
export const STEPS_MAX = 1e12
/** Decimal digits that survive a double, so that 3 x 0.1 reads 0.3 and not 0.30000000000000004. */
const DIGITS = 15

/** The countable values of one parameter. */
export interface Axis {
  readonly count: number
  /** The value at a position from 0 to count - 1. */
  at(position: number): ParameterValue
}

export type Axes = readonly (readonly [name: string, axis: Axis])[]

/** Returns the parameters sorted by name: the one order of every search, whatever order a file or a record has. */
export function namesOf({ parameters }: Pick<SweepSpec, 'parameters'>): (readonly [string, Parameter])[] {
  return Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1))
}

/**
 * Returns the axes of all parameters in the order of their names; undefined when one of them cannot be counted, or is
 * not always there: then the configurations are no product.
 */
export function axesOf(
  spec: Pick<SweepSpec, 'parameters'>,
  axisOf: (parameter: Parameter) => Axis | undefined
): Axes | undefined {
  const axes: (readonly [string, Axis])[] = []
  for (const [name, parameter] of namesOf(spec)) {
    const axis = parameter.when === undefined ? axisOf(parameter) : undefined
    if (axis === undefined) return undefined
    axes.push([name, axis])
  }
  return axes
}

/** Returns the size of the product; exact below 2^53, and `Infinity` when it is more than a double holds. */
export function sizeOf(axes: Axes): number {
  return axes.reduce((size, [, axis]) => size * axis.count, 1)
}

/**
 * Returns the combination at an index; undefined outside the product.
 *
 * The parameter whose name sorts last varies fastest, as the last digit of a number does.
 */
export function combinationOf(axes: Axes, index: number): Parameters | undefined {
  if (!Number.isSafeInteger(index) || index < 0 || index >= sizeOf(axes)) return undefined
  let rest = index
  const fields = [...axes].reverse().map(([name, axis]) => {
    const position = rest % axis.count
    rest = Math.floor(rest / axis.count)
    return [name, axis.at(position)] as const
  })
  return Object.fromEntries(fields.reverse())
}

/** Returns the distinct values of a list, in its order. 1 and 1.0 are one value, 1 and '1' are two. */
export function categories(values: readonly ParameterValue[]): Axis {
  const distinct = [...new Map(values.map(value => [canonicalJson(value), value])).values()]
  return { count: distinct.length, at: position => distinct[position] ?? null }
}

/** Returns the distinct values of a list that are ever drawn. */
export function drawnCategories(values: readonly ParameterValue[], probabilities: readonly number[]): Axis {
  return categories(values.filter((_, i) => (probabilities[i] ?? 0) > 0))
}

/** Returns the integers from `min` to `max`, both included. */
export function countedFrom(min: number, max: number): Axis {
  return { count: max - min + 1, at: position => min + position }
}

/** Returns a computed number as a person would write it. Integers stay: 15 digits would change large ones. */
export function asWritten(value: number): number {
  // Adding 0 turns -0 into 0.
  return Number.isInteger(value) ? value + 0 : Number(value.toPrecision(DIGITS))
}
