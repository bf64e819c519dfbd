/**
 * Methods: the one place where a search method gets the name by which the benches call it.
 *
 * Owns the names, and the two methods that learn nothing. A method is made anew for each run and remembers what it
 * proposed. Invariant: none that learns proposes a configuration again while it finds one that is left.
 */
import { canonicalJson } from '../../../protocol/hash.js'
import { drawCoordinate, valueAtCoordinate } from '../../../protocol/search/coordinate.js'
import { type Dimension, isPresent, type Propose, type Space } from '../../../protocol/search/dimension.js'
import { proposeBy } from '../../../protocol/search/learning.js'
import { shiftedSobol } from '../../../protocol/search/sobol.js'
import { proposeTpe } from '../../../protocol/search/tpe.js'
import type { Parameters, ParameterValue } from '../../../protocol/sweep-spec.js'

/** What is known before the first trial. */
export interface MethodOptions {
  readonly seed: number
  /** How many trials there will be, and how many of them at once; told for planning, not enforced. */
  readonly trials: number
  readonly parallel: number
}

type IsTaken = (parameters: Parameters) => boolean

/** Search methods by name: plug in here. */
export const METHODS: Readonly<Record<string, (options: MethodOptions) => Propose>> = {
  auto: () => withoutRepeats(isTaken => proposeBy('auto', isTaken)),
  gp: () => withoutRepeats(isTaken => proposeBy('gp', isTaken)),
  random: () => (space, _, draw) => assembled(space, dimension => drawnAt(dimension, draw())),
  sobol,
  tpe: () => withoutRepeats(isTaken => proposeBy('tpe', isTaken)),
  'tpe-optuna-5': () => withoutRepeats(isTaken => proposeTpe({ bandwidth: 'optuna-5', isTaken }))
}

/** Returns what a table has under a name. Errors: there is no such name, with those that there are. */
export function named<T>(table: Readonly<Record<string, T>>, name: string): T {
  const found = Object.hasOwn(table, name) ? table[name] : undefined
  if (found === undefined) throw new Error(`there is no ${name}; known: ${Object.keys(table).join(', ')}`)
  return found
}

/** So many combinations are looked through for one that is left. */
const LEFT_MAX = 10_000

/** Where all that can be counted is used up, a method repeats. */
function withoutRepeats(make: (isTaken: IsTaken) => Propose): Propose {
  const asked = new Set<string>()
  const isTaken = (parameters: Parameters) => asked.has(canonicalJson(parameters))
  const propose = make(isTaken)
  return (space, observations, draw) => {
    const proposed = propose(space, observations, draw)
    const parameters = isTaken(proposed) ? (firstLeft(space, isTaken) ?? proposed) : proposed
    asked.add(canonicalJson(parameters))
    return parameters
  }
}

/** Returns the first combination that is left; undefined where there is none, or they cannot be counted. */
function firstLeft(space: Space, isTaken: IsTaken): Parameters | undefined {
  if (space.some(each => each.kind === 'numeric' && each.step === undefined)) return undefined
  let looked = 0
  for (const parameters of combinations(space)) {
    if (!isTaken(parameters)) return parameters
    if (++looked >= LEFT_MAX) return undefined
  }
  return undefined
}

/** `space`: all its values can be counted. */
function* combinations([dimension, ...others]: Space, before: Parameters = {}): Generator<Parameters> {
  if (!dimension) yield before
  else if (!isPresent(dimension, before)) yield* combinations(others, before)
  else for (const value of valuesOf(dimension)) yield* combinations(others, { ...before, [dimension.name]: value })
}

function valuesOf(dimension: Dimension): readonly ParameterValue[] {
  if (dimension.kind === 'categorical') return dimension.choices
  const { low, high, step = high - low } = dimension
  const count = Math.min(LEFT_MAX, Math.round((high - low) / step) + 1)
  return Array.from({ length: count }, (_, k) => valueAtCoordinate(dimension, k === count - 1 ? high : low + k * step))
}

/** Dimensions of the sequence go to those of the space in their order, present or not. */
function sobol({ seed }: MethodOptions): Propose {
  let index = -1
  return space => {
    index++
    return assembled(space, (dimension, d) => drawnAt(dimension, shiftedSobol(seed, index, d)))
  }
}

function assembled(space: Space, valueAt: (dimension: Dimension, d: number) => ParameterValue): Parameters {
  const parameters: Record<string, ParameterValue> = {}
  for (const [d, dimension] of space.entries())
    if (isPresent(dimension, parameters)) parameters[dimension.name] = valueAt(dimension, d)
  return parameters
}

function drawnAt(dimension: Dimension, u: number): ParameterValue {
  return valueAtCoordinate(
    dimension,
    drawCoordinate(dimension, () => u)
  )
}
