/**
 * One at a time: a baseline, then each parameter varied alone, to see what each of them does.
 *
 * Owns which values those are. A trial is a function of the spec and its index alone. Only + - x / and square roots:
 * how many values differ from the baseline must not depend on the last bit of an engine's logarithm.
 */
import type { Parameter, Parameters, ParameterValue, SweepSpec } from '../sweep-spec.js'
import { type Axis, asWritten, categories, drawnCategories, namesOf } from './axis.js'
import { ANY, nearestMultiple, valueAt } from './space.js'

/** Both ends, the middle and the quartiles of a range. Three leave the quartiles out, nine add those between. */
export type Levels = 3 | 5 | 9
const LEVELS: Levels = 5
/** Two values this close, relative to the larger, are one: nobody trains a baseline of 0.1 again at 0.1000000001. */
const TOLERANCE = 1e-9

export interface OneAtATime {
  /** The baseline and all variations; then the sweep ends. */
  readonly trials: number
  /** Returns the parameters at an index; undefined outside 0 to trials - 1. */
  trialAt(index: number): Parameters | undefined
}

export interface OneAtATimeOptions {
  /** Values of the baseline. Absent: the middle of a range, of a logarithmic one the geometric; the first choice. */
  readonly baseline?: Parameters
  /** Values of each range. Absent: 5. */
  readonly levels?: Levels
}

/**
 * Returns the trials: the baseline at 0, then the parameters in the order of their names, each through its values from
 * the lowest up, or through its choices in their order; values of the baseline are left out.
 *
 * Errors: none. A baseline value is taken as it stands, within its parameter's range or not.
 */
export function createOneAtATime(spec: Pick<SweepSpec, 'parameters'>, options: OneAtATimeOptions = {}): OneAtATime {
  const { baseline: given = {}, levels = LEVELS } = options
  const named = namesOf(spec)
  const baseline = Object.fromEntries(
    named.map(
      ([name, parameter]) => [name, Object.hasOwn(given, name) ? (given[name] ?? null) : middleOf(parameter)] as const
    )
  )
  const variations = named.map(
    ([name, parameter]) => [name, othersOf(parameter, baseline[name] ?? null, levels)] as const
  )
  return {
    trials: 1 + variations.reduce((sum, [, { count }]) => sum + count, 0),
    trialAt(index) {
      if (index === 0) return baseline
      if (!Number.isSafeInteger(index) || index < 0) return undefined
      let rest = index - 1
      for (const [name, axis] of variations) {
        if (rest < axis.count) return { ...baseline, [name]: axis.at(rest) }
        rest -= axis.count
      }
      return undefined
    }
  }
}

function middleOf(parameter: Parameter): ParameterValue {
  const values = valuesOf(parameter, 3)
  return 'values' in parameter ? values.at(0) : values.at(values.count === 3 ? 1 : 0)
}

function othersOf(parameter: Parameter, baseline: ParameterValue, levels: Levels): Axis {
  const { count, at } = valuesOf(parameter, levels)
  const all = Array.from({ length: count }, (_, position) => at(position))
  return categories(all.filter(value => !isSame(value, baseline)))
}

function isSame(a: ParameterValue, b: ParameterValue): boolean {
  if (typeof a !== 'number' || typeof b !== 'number') return a === b
  return a === b || Math.abs(a / 2 - b / 2) <= (TOLERANCE / 2) * Math.max(Math.abs(a), Math.abs(b))
}

/** Ascending; fewer than `levels` where a quantised range has no more. */
function valuesOf(parameter: Parameter, levels: Levels): Axis {
  switch (parameter.distribution) {
    case 'constant':
      return categories([parameter.value])
    case 'categorical':
      return categories(parameter.values)
    case 'categorical_w_probabilities':
      return drawnCategories(parameter.values, parameter.probabilities)
    case 'normal':
    case 'q_normal':
    case 'log_normal':
    case 'q_log_normal':
    case 'beta':
    case 'q_beta':
      return categories(quantilesOf(levels).map(u => valueAt(parameter, u)))
    case 'int_uniform':
      return categories(spread(parameter, levels, mean).map(value => asWritten(Math.round(value))))
    case 'uniform':
      return categories(spread(parameter, levels, mean))
    case 'q_uniform':
      return categories(spread(parameter, levels, mean).map(value => nearestMultiple(ANY, parameter.q, value)))
    case 'log_uniform_values':
      return categories(spread(parameter, levels, geometricMean))
    case 'q_log_uniform_values':
      return categories(spread(parameter, levels, geometricMean).map(value => nearestMultiple(ANY, parameter.q, value)))
  }
}

/** What has no ends, or little of its mass near them, is varied between its 5 % and its 95 % quantile. */
function quantilesOf(levels: Levels): number[] {
  return Array.from({ length: levels }, (_, n) => 0.05 + (0.9 * n) / (levels - 1))
}

/** Halves again and again, so that a middle and quartiles need no logarithm. */
function spread(range: { min: number; max: number }, levels: Levels, middle: typeof mean): number[] {
  let values = [range.min, range.max]
  while (values.length < levels) {
    values = values.flatMap((value, n) =>
      n === 0 ? [value] : [between(range, asWritten(middle(values[n - 1] ?? value, value))), value]
    )
  }
  return values
}

/** Written in 15 digits, a middle of two neighbours would lie outside. */
function between({ min, max }: { min: number; max: number }, value: number): number {
  return Math.min(max, Math.max(min, value))
}

/** Halved before adding: the sum of both ends may be more than a double holds. */
function mean(a: number, b: number): number {
  return a / 2 + b / 2
}

function geometricMean(a: number, b: number): number {
  return Math.sqrt(a) * Math.sqrt(b)
}
