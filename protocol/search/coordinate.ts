/**
 * Coordinates: the values of a dimension as numbers, which densities can be laid over.
 *
 * Owns the step of a dimension and the law of independent draws. A coordinate of a numeric dimension is its value, one
 * of a categorical dimension the position of the choice. What is computed with `exp` and `log` is
 * recorded by the claimer, never recomputed for agreement.
 * Invariant: what comes out is a value of the dimension, at its ends exactly and on its steps.
 */
import type { ParameterValue } from '../sweep-spec.js'
import { asWritten } from './axis.js'
import type { CategoricalDimension, Dimension, Draw, NumericDimension } from './dimension.js'

/** A range of numbers, low < high. */
export interface Range {
  readonly low: number
  readonly high: number
}

/**
 * Returns the function that gives the coordinate of a value; undefined for what is none of the dimension.
 *
 * A number outside the range counts at its end: a person may have tried it by hand.
 */
export function coordinateReader(dimension: Dimension): (value: unknown) => number | undefined {
  if (dimension.kind === 'categorical') {
    const positions = new Map<unknown, number>(dimension.choices.map((choice, position) => [choice, position]))
    return value => positions.get(value)
  }
  const { low, high } = dimension
  return value => (typeof value === 'number' && !Number.isNaN(value) ? Math.min(high, Math.max(low, value)) : undefined)
}

/** Returns the value at a coordinate, as a person would write it. */
export function valueAtCoordinate(dimension: Dimension, coordinate: number): ParameterValue {
  if (dimension.kind === 'categorical') return dimension.choices[coordinate] ?? null
  return dimension.step === undefined ? coordinate : asWritten(coordinate)
}

/** Returns the value nearest to a number: one of its steps, or the number itself within the range. */
export function nearestCoordinate({ low, high, step }: NumericDimension, number: number): number {
  if (number >= high) return high
  if (step === undefined) return Math.max(low, number)
  const nearest = low + Math.round((number - low) / step) * step
  // The last step is the end itself, whatever a rounding made of it.
  return nearest > high - step / 2 ? high : Math.max(low, nearest)
}

/**
 * Returns the range over which a density of a dimension lies: half a step more at each end, so that the first and the
 * last value have as much room as the others; as logarithms when the dimension is logarithmic.
 */
export function densityRange({ low, high, step = 0, isLog }: NumericDimension): Range {
  // A step of more than twice the low end would leave the logarithms.
  const widened = { low: isLog ? Math.max(low - step / 2, low / 2) : low - step / 2, high: high + step / 2 }
  return isLog ? { low: Math.log(widened.low), high: Math.log(widened.high) } : widened
}

/** Returns a coordinate drawn as if nothing were known: uniform on the natural scale, or by the weights. */
export function drawCoordinate(dimension: Dimension, draw: Draw): number {
  const u = draw()
  if (dimension.kind === 'categorical') return positionAt(priorOf(dimension), u)
  const { low, high } = densityRange(dimension)
  const natural = low * (1 - u) + high * u
  return nearestCoordinate(dimension, dimension.isLog ? Math.exp(natural) : natural)
}

/** Returns what each choice is drawn with before anything is known; it adds up to 1. */
export function priorOf({ choices, weights }: CategoricalDimension): readonly number[] {
  return weights ?? choices.map(() => 1 / choices.length)
}

/** Returns the position at the share `u` of the sum of some weights; never one whose weight is 0. */
export function positionAt(weights: ArrayLike<number>, u: number): number {
  let rest = u
  let position = 0
  // Roundings may leave something at the end: then the last one that has a weight.
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] ?? 0
    if (weight <= 0) continue
    position = i
    if (rest < weight) return i
    rest -= weight
  }
  return position
}
