/**
 * Distributions of a sweep file: which one a parameter has, by W&B's rules.
 *
 * Owns the names that a file may use, the keys of each, and what is inferred when `distribution` is left out.
 * Source: wandb/sweeps, config/schema.json; the integer and the float are told apart by the token, as PyYAML does.
 */
import { type Distribution, didYouMean, nearest } from '#protocol'
import { isIntegerToken, listed, readMap, shown } from './sweep-fields.js'
import type { Issues } from './sweep-issues.js'
import type { Field } from './yaml-places.js'

const ENDS = ['min', 'max'] as const
const NORMAL = ['mu', 'sigma'] as const
const BETA = ['a', 'b'] as const

/** What a file may call a distribution, with its keys; those that a sweep does not have become one that it has. */
export const DISTRIBUTION_KEYS = {
  constant: ['value'],
  categorical: ['values'],
  categorical_w_probabilities: ['values', 'probabilities'],
  int_uniform: ENDS,
  uniform: ENDS,
  q_uniform: [...ENDS, 'q'],
  log_uniform_values: ENDS,
  q_log_uniform_values: [...ENDS, 'q'],
  inv_log_uniform_values: ENDS,
  log_uniform: ENDS,
  q_log_uniform: [...ENDS, 'q'],
  inv_log_uniform: ENDS,
  normal: NORMAL,
  q_normal: [...NORMAL, 'q'],
  log_normal: NORMAL,
  q_log_normal: [...NORMAL, 'q'],
  beta: BETA,
  q_beta: [...BETA, 'q']
} as const satisfies Readonly<Record<Distribution, readonly string[]>> & Readonly<Record<string, readonly string[]>>

export type FileDistribution = keyof typeof DISTRIBUTION_KEYS
export const DISTRIBUTIONS = Object.keys(DISTRIBUTION_KEYS) as readonly FileDistribution[]
/** Keys that every parameter may have. */
export const COMMON_KEYS: readonly string[] = ['distribution', 'when']

export type Fields = ReadonlyMap<string, Field>

/** Returns the distribution that is named, or else the one that W&B infers from the keys. */
export function distributionOf(field: Field, fields: Fields, issues: Issues): FileDistribution | undefined {
  const named = fields.get('distribution')
  if (named === undefined) {
    const distribution = inferred(fields)
    if (distribution === undefined) reportNone(field, fields, issues)
    return distribution
  }
  const distribution = DISTRIBUTIONS.find(each => each === named.token)
  if (distribution !== undefined) return distribution
  const guess = didYouMean(named.token, DISTRIBUTIONS)
  issues.error(named, `expected ${listed(DISTRIBUTIONS)}, got ${shown(named)}.${guess}`)
  return undefined
}

function inferred(fields: Fields): FileDistribution | undefined {
  if (fields.has('value')) return 'constant'
  if (fields.has('values')) return fields.has('probabilities') ? 'categorical_w_probabilities' : 'categorical'
  const [min, max] = [fields.get('min'), fields.get('max')]
  // W&B infers no quantised range: whether it is linear or logarithmic cannot be told.
  if (min === undefined || max === undefined || fields.has('q')) return undefined
  return isIntegerToken(min) && isIntegerToken(max) ? 'int_uniform' : 'uniform'
}

function reportNone(field: Field, fields: Fields, issues: Issues): void {
  const has = (...names: readonly string[]) => names.some(name => fields.has(name))
  const q = has('q') ? 'q_' : ''
  const add = (...names: readonly string[]) => names.map(name => `"distribution: ${q}${name}"`).join(' or ')
  if (has('mu', 'sigma')) {
    issues.error(field, `mu and sigma need a distribution: add ${add('normal', 'log_normal')}.`)
  } else if (has('a', 'b')) {
    issues.error(field, `a and b need a distribution: add ${add('beta')}.`)
  } else if (has('min') && has('max')) {
    issues.error(field, `q needs a distribution: add ${add('uniform', 'log_uniform_values')}.`)
  } else if (has('min', 'max')) {
    issues.error(field, `${has('min') ? 'max' : 'min'} is missing.`)
  } else if (has('q')) {
    issues.error(field, 'min and max are missing.')
  } else reportSlip(field, fields, issues)
}

function reportSlip(field: Field, fields: Fields, issues: Issues): void {
  const known = ['value', 'values', 'min', 'max', 'distribution', 'parameters']
  const slip = [...fields].find(([name]) => nearest(name, known) !== undefined)
  if (slip === undefined) issues.error(field, 'expected "value", "values", or "min" and "max".')
  else readMap(field, known, issues)
}
