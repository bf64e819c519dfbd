/**
 * Parameters of a sweep file: which distribution each has, by W&B's rules.
 *
 * Owns what is inferred when `distribution` is left out, and what to write instead of a distribution that is not run.
 * Source: wandb/sweeps, config/schema.json; the integer and the float are told apart by the token, as PyYAML does.
 */
import {
  type Distribution,
  didYouMean,
  gridAxis,
  gridReachesMax,
  keySchema,
  LIMITS,
  nearest,
  type Parameter,
  type SweepSpec
} from '#protocol'
import { isIntegerToken, listed, readMap, readNumber, readValue, shown } from './sweep-fields.js'
import type { Issues, Subject } from './sweep-issues.js'
import { distributionAdvice, UNSUPPORTED } from './sweep-unsupported.js'
import type { Entry, Field } from './yaml-places.js'

const KEYS: Readonly<Record<Distribution, readonly string[]>> = {
  constant: ['value'],
  categorical: ['values'],
  int_uniform: ['min', 'max'],
  uniform: ['min', 'max'],
  q_uniform: ['min', 'max', 'q'],
  log_uniform_values: ['min', 'max'],
  q_log_uniform_values: ['min', 'max', 'q']
}
const DISTRIBUTIONS = Object.keys(KEYS) as readonly Distribution[]
/** W&B's default. */
const DEFAULT_Q = 1

type Method = SweepSpec['method']
type Fields = ReadonlyMap<string, Field>

/** Returns the parameters of a sweep by name; undefined when at least one of them was reported. */
export function readParameters(
  field: Field,
  method: Method | undefined,
  issues: Issues
): SweepSpec['parameters'] | undefined {
  if (field.kind !== 'map') {
    issues.error(field, `expected a map from names to ranges, got ${shown(field)}.`)
    return undefined
  }
  const entries = field.entries()
  if (entries.length === 0) issues.error(field, 'expected at least one parameter.')
  const parameters = entries.map(entry => [entry.name, readEntry(entry, method, issues)] as const)
  const read = parameters.filter((entry): entry is readonly [string, Parameter] => entry[1] !== undefined)
  return read.length === entries.length && entries.length > 0 ? Object.fromEntries(read) : undefined
}

function readEntry({ name, place, field }: Entry, method: Method | undefined, issues: Issues): Parameter | undefined {
  const key = keySchema.safeParse(name)
  if (!key.success) issues.error({ path: field.path, place }, `${key.error.issues[0]?.message ?? 'not a name'}.`)
  const parameter = readParameter(field, issues)
  if (parameter === undefined || !key.success) return undefined
  return method === 'grid' ? checkedForGrid({ path: field.path, place }, parameter, issues) : parameter
}

function readParameter(field: Field, issues: Issues): Parameter | undefined {
  if (field.kind === 'scalar') {
    const example = field.token === '' ? '{ min: 1, max: 8 }' : `{ value: ${field.token} }`
    issues.error(field, `expected a map, got ${shown(field)}. Write ${example}.`)
    return undefined
  }
  if (field.kind === 'list') {
    issues.error(field, 'expected a map, got a list. Write { values: [...] }.')
    return undefined
  }
  const fields: Fields = new Map(field.entries().map(entry => [entry.name, entry.field]))
  const distribution = distributionOf(field, fields, issues)
  if (distribution === undefined) return undefined
  readMap(field, ['distribution', ...KEYS[distribution]], issues)
  return readRange(distribution, field, fields, issues)
}

/** Returns the distribution that is named, or else the one that W&B infers from the keys. */
function distributionOf(field: Field, fields: Fields, issues: Issues): Distribution | undefined {
  const named = fields.get('distribution')
  const name = named === undefined ? inferred(fields) : named.token
  const distribution = DISTRIBUTIONS.find(each => each === name)
  if (distribution !== undefined) return distribution
  if (name !== undefined && UNSUPPORTED.includes(name)) issues.error(named ?? field, distributionAdvice(name, fields))
  else if (named !== undefined) {
    const guess = didYouMean(named.token, [...DISTRIBUTIONS, ...UNSUPPORTED])
    issues.error(named, `expected ${listed(DISTRIBUTIONS)}, got ${shown(named)}.${guess}`)
  } else reportNoDistribution(field, fields, issues)
  return undefined
}

function inferred(fields: Fields): string | undefined {
  if (fields.has('parameters')) return 'parameters'
  if (fields.has('value')) return 'constant'
  if (fields.has('values')) return fields.has('probabilities') ? 'categorical_w_probabilities' : 'categorical'
  if (fields.has('mu') || fields.has('sigma')) return 'normal'
  if (fields.has('a') && fields.has('b')) return 'beta'
  const [min, max] = [fields.get('min'), fields.get('max')]
  // W&B infers no quantised range: whether it is linear or logarithmic cannot be told.
  if (min === undefined || max === undefined || fields.has('q')) return undefined
  return isIntegerToken(min) && isIntegerToken(max) ? 'int_uniform' : 'uniform'
}

function reportNoDistribution(field: Field, fields: Fields, issues: Issues): void {
  const [hasMin, hasMax] = [fields.has('min'), fields.has('max')]
  if (hasMin && hasMax) {
    issues.error(
      field,
      'q needs a distribution: add "distribution: q_uniform" or "distribution: q_log_uniform_values".'
    )
  } else if (hasMin || hasMax) {
    issues.error(field, `${hasMin ? 'max' : 'min'} is missing.`)
  } else {
    const known = ['value', 'values', 'min', 'max', 'distribution']
    const slip = [...fields].find(([name]) => nearest(name, known) !== undefined)
    if (slip === undefined) issues.error(field, 'expected "value", "values", or "min" and "max".')
    else readMap(field, known, issues)
  }
}

function readRange(distribution: Distribution, field: Field, fields: Fields, issues: Issues): Parameter | undefined {
  switch (distribution) {
    case 'constant': {
      const value = present(field, fields, 'value', issues)
      const read = value && readValue(value, issues)
      return read === undefined ? undefined : { distribution, value: read }
    }
    case 'categorical':
      return readCategories(field, fields, issues)
    case 'int_uniform':
    case 'uniform':
    case 'log_uniform_values': {
      const ends = readEnds(distribution, field, fields, issues)
      return ends && { distribution, ...ends }
    }
    case 'q_uniform':
    case 'q_log_uniform_values': {
      const ends = readEnds(distribution, field, fields, issues)
      const q = readStep(fields.get('q'), issues)
      return ends && q !== undefined ? { distribution, ...ends, q } : undefined
    }
  }
}

function readCategories(field: Field, fields: Fields, issues: Issues): Parameter | undefined {
  const list = present(field, fields, 'values', issues)
  if (list === undefined) return undefined
  if (list.kind !== 'list') {
    issues.error(list, `expected a list, got ${shown(list)}.${list.token === '' ? '' : ` Write [${list.token}].`}`)
    return undefined
  }
  const items = list.items()
  if (items.length === 0 || items.length > LIMITS.valuesPerParameter) {
    issues.error(list, `expected 1 to ${LIMITS.valuesPerParameter} values, got ${items.length}.`)
    return undefined
  }
  const values = items.map(item => readValue(item, issues)).filter(value => value !== undefined)
  return values.length === items.length ? { distribution: 'categorical', values } : undefined
}

/** Returns min and max, after checking that there is something between them. */
function readEnds(
  distribution: Distribution,
  field: Field,
  fields: Fields,
  issues: Issues
): { min: number; max: number } | undefined {
  const minField = present(field, fields, 'min', issues)
  const maxField = present(field, fields, 'max', issues)
  const min = minField && readEnd(distribution, minField, issues)
  const max = maxField && readEnd(distribution, maxField, issues)
  if (min === undefined || max === undefined || maxField === undefined) return undefined
  if (min < max) return { min, max }
  const hint = min === max ? ` For one value write { value: ${maxField.token} }.` : ''
  issues.error(maxField, `expected more than min (${min}), got ${maxField.token}.${hint}`)
  return undefined
}

function readEnd(distribution: Distribution, field: Field, issues: Issues): number | undefined {
  const value = readNumber(field, issues)
  if (value === undefined) return undefined
  if (distribution === 'int_uniform' && !Number.isSafeInteger(value)) {
    issues.error(field, `expected a whole number for int_uniform, got ${field.token}.`)
    return undefined
  }
  const isLogarithmic = distribution === 'log_uniform_values' || distribution === 'q_log_uniform_values'
  if (isLogarithmic && value <= 0) {
    issues.error(field, `expected a number above 0 for ${distribution}, got ${field.token}.`)
    return undefined
  }
  return value
}

function readStep(field: Field | undefined, issues: Issues): number | undefined {
  if (field === undefined) return DEFAULT_Q
  const q = readNumber(field, issues)
  if (q === undefined || q > 0) return q
  issues.error(field, `expected a number above 0, got ${field.token}.`)
  return undefined
}

function present(field: Field, fields: Fields, name: string, issues: Issues): Field | undefined {
  const value = fields.get(name)
  if (value === undefined) issues.error({ path: [...field.path, name], place: field.place }, 'missing.')
  return value
}

function checkedForGrid(subject: Subject, parameter: Parameter, issues: Issues): Parameter | undefined {
  if (gridAxis(parameter) === undefined) {
    const instead = 'Use "method: random", or list its "values", or give steps with "distribution: q_uniform" and "q"'
    issues.error(subject, `a grid cannot list every value of ${parameter.distribution}. ${instead}.`)
    return undefined
  }
  if (parameter.distribution === 'q_uniform' && gridReachesMax(parameter)) {
    issues.warn(subject, `max (${parameter.max}) is one of the values here; W&B would leave it out.`)
  }
  return parameter
}
