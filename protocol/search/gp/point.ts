/**
 * Points: a configuration as the place that the Gaussian process sees.
 *
 * Owns the way there and back. A coordinate lies from 0 to 1, on the natural scale of its dimension; of a category it
 * is its index. Where a dimension is absent it has a fixed coordinate, so that two absences are alike, and the
 * distance to any other value is finite.
 * What it computes is recorded by the claimer, never recomputed for agreement.
 * Invariant: the values of a point lie in the space, on its steps, and exactly those that are present are there.
 */
import type { Parameters, ParameterValue } from '../../sweep-spec.js'
import { asWritten } from '../axis.js'
import type { CategoricalDimension, Dimension, Draw, NumericDimension, Space } from '../dimension.js'
import type { Vector } from './linear.js'

/** What a kernel does with a coordinate: takes differences, or asks whether two are equal. */
export type Comparison = 'difference' | 'equality'

/** One dimension's way from values to coordinates and back. */
export interface PointAxis {
  readonly comparison: Comparison
  /** Values that can be counted; absent: all between. */
  readonly count?: number
  readonly absent: number
  /** The coordinate of the value at a position from 0 to count - 1; positions mean nothing without a count. */
  at(position: number): number
  positionOf(coordinate: number): number
  valueOf(coordinate: number): ParameterValue
  /** Returns undefined for what the dimension cannot take. */
  coordinateOf(value: ParameterValue): number | undefined
  /** Returns a coordinate by a draw, as likely as before anything is known. */
  draw(draw: Draw): number
}

export interface Embedding {
  readonly axes: readonly PointAxis[]
  /** Returns the point of a configuration; undefined when a value that should be there is not, or not one of its. */
  pointOf(parameters: Parameters): Vector | undefined
  /** Returns the point that is meant by some coordinates: on the steps, and absent where the others say so. */
  settled(coordinates: Vector): Vector
  /** Returns the values of a settled point that are present. */
  parametersOf(point: Vector): Parameters
  /** Says of each dimension whether it is there. */
  presence(point: Vector): boolean[]
  draw(draw: Draw): Vector
}

/** Where an absent number is thought to be: in the middle, nearest to all others. */
const ABSENT_NUMBER = 0.5
const ABSENT_CATEGORY = -1

/** Returns the embedding of a space. */
export function embeddingOf(space: Space): Embedding {
  const axes = space.map(axisOf)
  const conditions = space.map(dimension => conditionOf(space, axes, dimension))
  const presence = (point: Vector) => {
    const found: boolean[] = []
    for (const condition of conditions) {
      found.push(
        !condition || (found[condition.parent] === true && condition.coordinates.has(point[condition.parent] as number))
      )
    }
    return found
  }
  const settled = (coordinates: Vector) => {
    const point = Float64Array.from(axes, (axis, d) => settledOn(axis, coordinates[d] as number))
    // A dimension comes after the one that it depends on, so one pass finds all.
    for (const [d, isThere] of presence(point).entries()) if (!isThere) point[d] = axes[d]?.absent ?? 0
    return point
  }
  return {
    axes,
    presence,
    settled,
    pointOf(parameters) {
      const point = Float64Array.from(space, ({ name }, d) => {
        const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined
        return (value === undefined ? undefined : axes[d]?.coordinateOf(value)) ?? Number.NaN
      })
      for (const [d, isThere] of presence(point).entries()) if (!isThere) point[d] = axes[d]?.absent ?? 0
      return point.some(Number.isNaN) ? undefined : point
    },
    parametersOf(point) {
      const isThere = presence(point)
      const fields = space.map(({ name }, d) => [name, axes[d]?.valueOf(point[d] as number) ?? null] as const)
      return Object.fromEntries(fields.filter((_, d) => isThere[d]))
    },
    draw: draw => settled(Float64Array.from(axes, axis => axis.draw(draw)))
  }
}

function settledOn(axis: PointAxis, coordinate: number): number {
  if (axis.count !== undefined) return axis.at(axis.positionOf(coordinate))
  return Math.min(1, Math.max(0, coordinate))
}

interface ParentCondition {
  readonly parent: number
  readonly coordinates: ReadonlySet<number>
}

/** A parent that is not in the space is never there, so neither is the child: as `isPresent` sees it. */
function conditionOf(space: Space, axes: readonly PointAxis[], { when }: Dimension): ParentCondition | undefined {
  if (!when) return undefined
  const parent = space.findIndex(({ name }) => name === when.parameter)
  const coordinates = when.values.flatMap(value => axes[parent]?.coordinateOf(value) ?? [])
  return { parent, coordinates: new Set(coordinates) }
}

function axisOf(dimension: Dimension): PointAxis {
  if (dimension.kind === 'numeric')
    return dimension.step === undefined ? rangeOf(dimension) : stepsOf(dimension, dimension.step)
  return dimension.choices.length > 2 && dimension.choices.every(choice => typeof choice === 'number')
    ? ranksOf(dimension)
    : categoriesOf(dimension)
}

interface Scale {
  coordinateOf(value: number): number
  valueOf(coordinate: number): number
}

/** Weighs both ends instead of adding to one: high - low may be more than a double holds. */
function scaleOf(low: number, high: number, isLog: boolean): Scale {
  const [from, to] = isLog ? [Math.log(low), Math.log(high)] : [low, high]
  return {
    coordinateOf: value => {
      const at = isLog ? Math.log(value) : value
      return (at / 2 - from / 2) / (to / 2 - from / 2)
    },
    valueOf: coordinate => {
      const at = from * (1 - coordinate) + to * coordinate
      return isLog ? Math.exp(at) : at
    }
  }
}

function rangeOf({ low, high, isLog }: NumericDimension): PointAxis {
  const scale = scaleOf(low, high, isLog)
  return {
    comparison: 'difference',
    absent: ABSENT_NUMBER,
    at: position => position,
    positionOf: coordinate => coordinate,
    valueOf: coordinate => Math.min(high, Math.max(low, scale.valueOf(coordinate))),
    coordinateOf: value =>
      typeof value === 'number' && value >= low && value <= high ? scale.coordinateOf(value) : undefined,
    draw: draw => draw()
  }
}

/** Each step has its own share of the scale, those at the ends too: so the scale is half a step wider on each side. */
function stepsOf({ low, high, isLog }: NumericDimension, step: number): PointAxis {
  const count = Math.round(high / step - low / step) + 1
  // In a logarithm the lower half step must not reach 0.
  const scale = scaleOf(isLog ? Math.max(low - step / 2, low / 2) : low - step / 2, high + step / 2, isLog)
  const valueAt = (position: number) => (position >= count - 1 ? high : asWritten(low + position * step))
  const positionOf = (coordinate: number) =>
    within(count, Math.round((scale.valueOf(within01(coordinate)) - low) / step))
  const at = (position: number) => scale.coordinateOf(valueAt(within(count, position)))
  return {
    comparison: 'difference',
    count,
    absent: ABSENT_NUMBER,
    at,
    positionOf,
    valueOf: coordinate => valueAt(positionOf(coordinate)),
    coordinateOf: value =>
      typeof value === 'number' && value >= low && value <= high ? at(Math.round((value - low) / step)) : undefined,
    draw: draw => at(positionOf(draw()))
  }
}

/** Numbers that a person listed are ordered, and whoever lists 8, 16, 32, 64 has found their scale: their ranks. */
function ranksOf({ choices, weights }: CategoricalDimension): PointAxis {
  const sorted = choices.map(Number).sort((a, b) => a - b)
  const count = sorted.length
  const at = (position: number) => (within(count, position) + 0.5) / count
  const positionOf = (coordinate: number) => within(count, Math.floor(coordinate * count))
  const coordinateOf = (value: ParameterValue) => {
    const position = typeof value === 'number' ? sorted.indexOf(value) : -1
    return position < 0 ? undefined : at(position)
  }
  return {
    comparison: 'difference',
    count,
    absent: ABSENT_NUMBER,
    at,
    positionOf,
    valueOf: coordinate => sorted[positionOf(coordinate)] ?? null,
    coordinateOf,
    draw: draw => coordinateOf(choices[drawnIndex(count, weights, draw())] ?? null) ?? ABSENT_NUMBER
  }
}

function categoriesOf({ choices, weights }: CategoricalDimension): PointAxis {
  const count = choices.length
  const positionOf = (coordinate: number) => within(count, Math.round(coordinate))
  return {
    comparison: 'equality',
    count,
    absent: ABSENT_CATEGORY,
    at: position => within(count, position),
    positionOf,
    valueOf: coordinate => choices[positionOf(coordinate)] ?? null,
    coordinateOf: value => {
      const position = choices.indexOf(value)
      return position < 0 ? undefined : position
    },
    draw: draw => drawnIndex(count, weights, draw())
  }
}

function drawnIndex(count: number, weights: readonly number[] | undefined, u: number): number {
  if (!weights) return Math.floor(u * count)
  let rest = u
  for (const [index, weight] of weights.entries()) {
    rest -= weight
    if (rest < 0) return index
  }
  // Weights that add up to a little less than 1.
  return weights.findLastIndex(weight => weight > 0)
}

function within(count: number, position: number): number {
  return Math.min(count - 1, Math.max(0, position))
}

function within01(coordinate: number): number {
  return Math.min(1, Math.max(0, coordinate))
}
