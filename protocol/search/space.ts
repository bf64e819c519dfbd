/**
 * Space: from a number between 0 and 1 to a value of a parameter, by W&B's law of each distribution.
 *
 * Owns the laws of random draws. What it computes with `exp` and `log` is recorded by the claimer, never recomputed
 * for agreement: two engines may differ in the last bit.
 * Invariant: every value is one that its schema accepts; one of a range that is not quantised lies within [min, max].
 */
import { LIMITS } from '../limits.js'
import type { Parameter, Parameters, ParameterValue, SweepSpec } from '../sweep-spec.js'
import { type Axis, asWritten, categories, countedFrom, drawnCategories, namesOf, STEPS_MAX } from './axis.js'
import { presentOf } from './condition.js'
import { betaQuantile, normalQuantile } from './quantiles.js'

/**
 * Returns one value for each parameter that is there beside the others.
 *
 * @param spec  Any spec that its schema accepts; names are asked for in sorted order, those of constants not at all.
 * @param u     One draw for each parameter's name: at least 0, less than 1.
 */
export function parametersAt(spec: Pick<SweepSpec, 'parameters'>, u: (name: string) => number): Parameters {
  const fields = namesOf(spec).map(([name, parameter]) => {
    // A draw is a hash, by far the dearest step of a search.
    const quantile = parameter.distribution === 'constant' ? 0 : u(name)
    return [name, valueAt(parameter, quantile)] as const
  })
  return presentOf(spec, Object.fromEntries(fields))
}

/**
 * Returns the value of a parameter at the quantile `u`.
 *
 * @param u  At least 0, less than 1.
 * A quantised range gives multiples of `q`, of which the first and the last may lie outside [min, max] by up to q/2.
 * Source: wandb/sweeps, params.py (the quantile function of each distribution).
 */
export function valueAt(parameter: Parameter, u: number): ParameterValue {
  switch (parameter.distribution) {
    case 'constant':
      return parameter.value
    case 'categorical':
      // A value that is listed twice is drawn twice as often, as in W&B.
      return parameter.values[Math.floor(u * parameter.values.length)] ?? null
    case 'categorical_w_probabilities':
      return weighted(parameter, u)
    case 'int_uniform':
      return clamp(parameter, parameter.min + Math.floor(u * (parameter.max - parameter.min + 1)))
    case 'uniform':
      return clamp(parameter, linear(parameter, u))
    case 'log_uniform_values':
      return clamp(parameter, logarithmic(parameter, u))
    case 'q_uniform':
      return quantised(parameter, linear(parameter, u))
    case 'q_log_uniform_values':
      return quantised(parameter, logarithmic(parameter, u))
    case 'normal':
      return normal(parameter, u)
    case 'q_normal':
      return nearestMultiple(ANY, parameter.q, normal(parameter, u))
    case 'log_normal':
      return logNormal(parameter, u)
    case 'q_log_normal':
      return nearestMultiple(NOT_NEGATIVE, parameter.q, logNormal(parameter, u))
    case 'beta':
      return betaQuantile(u, parameter)
    case 'q_beta':
      return quantised({ ...SHARE, q: parameter.q }, betaQuantile(u, parameter))
  }
}

/** Returns the distinct values that random draws of a parameter can give; undefined when they cannot be counted. */
export function randomAxis(parameter: Parameter): Axis | undefined {
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
    case 'q_log_uniform_values':
      return multiples(parameter)
    case 'q_beta':
      return multiples({ ...SHARE, q: parameter.q })
    case 'uniform':
    case 'log_uniform_values':
    case 'normal':
    case 'q_normal':
    case 'log_normal':
    case 'q_log_normal':
    case 'beta':
      return undefined
  }
}

interface Range {
  readonly min: number
  readonly max: number
}

interface Quantised extends Range {
  readonly q: number
}

/** What a distribution without ends may give: what a record may hold. */
export const ANY: Range = { min: -LIMITS.rangeMax, max: LIMITS.rangeMax }
const POSITIVE: Range = { min: 1 / LIMITS.rangeMax, max: LIMITS.rangeMax }
const NOT_NEGATIVE: Range = { min: 0, max: LIMITS.rangeMax }
const SHARE: Range = { min: 0, max: 1 }

/** Weighs both ends instead of adding to one: max - min may be more than a double holds. */
function linear({ min, max }: Range, u: number): number {
  return min * (1 - u) + max * u
}

function logarithmic({ min, max }: Range, u: number): number {
  return Math.exp(linear({ min: Math.log(min), max: Math.log(max) }, u))
}

function normal({ mu, sigma }: { mu: number; sigma: number }, u: number): number {
  return clamp(ANY, mu + sigma * normalQuantile(u))
}

function logNormal(parameter: { mu: number; sigma: number }, u: number): number {
  return clamp(POSITIVE, Math.exp(normal(parameter, u)))
}

interface Weighted {
  readonly values: readonly ParameterValue[]
  readonly probabilities: readonly number[]
}

/** Source: inversion of the cumulative probabilities, in the order of the values. */
function weighted({ values, probabilities }: Weighted, u: number): ParameterValue {
  // Divided first: the sum of what a record may hold stays finite, its products need not.
  const total = probabilities.reduce((sum, each) => sum + each, 0)
  let cumulated = 0
  const drawn = probabilities.findIndex(each => {
    cumulated += each / total
    return each > 0 && u < cumulated
  })
  // Roundings may leave the last sum just below a draw.
  const last = probabilities.findLastIndex(each => each > 0)
  return values[drawn === -1 ? last : drawn] ?? null
}

function clamp({ min, max }: Range, value: number): number {
  return Math.min(max, Math.max(min, value))
}

function quantised(range: Quantised, value: number): number {
  const { first, last } = steps(range)
  // A q far below what a double resolves quantises nothing.
  if (!isCountable(first, last)) return clamp(range, value)
  return multiple(clamp({ min: first, max: last }, Math.round(value / range.q)), range.q)
}

/** Where there are no ends, the value alone says whether a double tells its multiples apart. */
export function nearestMultiple(range: Range, q: number, value: number): number {
  if (Math.abs(value) / q > STEPS_MAX) return value
  return asWritten(clamp(range, Math.round(value / q) * q))
}

function multiples(range: Quantised): Axis | undefined {
  const { first, last } = steps(range)
  if (!isCountable(first, last)) return undefined
  return { count: last - first + 1, at: position => multiple(first + position, range.q) }
}

/** Rounding away from 0 must not leave what a record may hold. */
function multiple(times: number, q: number): number {
  return clamp(ANY, asWritten(times * q))
}

function isCountable(first: number, last: number): boolean {
  return Math.max(Math.abs(first), Math.abs(last)) <= STEPS_MAX
}

/** The first and the last multiple of q. Draws stay below max, so a half step there rounds down. */
function steps({ min, max, q }: Quantised): { first: number; last: number } {
  // Rounding away from 0 must not leave what a double holds.
  const largest = Math.floor(Number.MAX_VALUE / q)
  const within = { min: -largest, max: largest }
  const first = clamp(within, Math.round(min / q))
  return { first, last: Math.max(first, clamp(within, Math.ceil(max / q - 0.5))) }
}
