/**
 * Ranges of a sweep file: the values of each distribution, read and checked.
 *
 * Owns what each distribution needs, and what W&B's names become that a sweep has under another name: exponents become
 * the values that they stand for, here and once, so that no machine must compute them again.
 */
import { LIMITS, type Parameter, type ParameterValue } from '#protocol'
import type { Fields, FileDistribution } from './sweep-distribution.js'
import { readNumber, readValue, shown } from './sweep-fields.js'
import type { Issues } from './sweep-issues.js'
import { readJson } from './sweep-json.js'
import type { Field } from './yaml-places.js'

/** W&B's defaults. */
const DEFAULT_Q = 1
const [DEFAULT_MU, DEFAULT_SIGMA] = [0, 1]
const DEFAULT_SHAPE = 1
/** Natural logarithms of the least and the largest number of a range. */
const EXPONENT_MAX = Math.floor(Math.log(LIMITS.rangeMax))
/** Nobody means values above e to the 50th; who writes such exponents took them for values. */
const EXPONENT_MEANT_MAX = 50
/** Digits that a computed bound keeps: e^-9.210340371976182 is 0.0001. */
const DIGITS = 15
/** How far probabilities may be from 1 together before it is told. */
const SUM_TOLERANCE = 1e-6

/** One parameter's map, the name of its distribution, and where to tell what is wrong. */
export interface RangeText {
  readonly distribution: FileDistribution
  readonly field: Field
  readonly fields: Fields
  readonly issues: Issues
}

/** Returns the range that a parameter's map describes; undefined when something of it was reported. */
export function readRange(text: RangeText): Parameter | undefined {
  const { distribution } = text
  switch (distribution) {
    case 'constant':
      return readConstant(text)
    case 'categorical':
    case 'categorical_w_probabilities':
      return readCategories(text)
    case 'int_uniform':
    case 'uniform':
    case 'log_uniform_values': {
      const ends = readEnds(text)
      return ends && { distribution, ...ends }
    }
    case 'inv_log_uniform_values': {
      // The inverse of a logarithmic range, read from its other end, has the same law.
      const ends = readEnds(text)
      return ends && { distribution: 'log_uniform_values', ...ends }
    }
    case 'log_uniform':
    case 'inv_log_uniform': {
      const ends = readExponents(text)
      return ends && { distribution: 'log_uniform_values', ...ends }
    }
    case 'q_log_uniform': {
      const [ends, q] = [readExponents(text), readStep(text)]
      return ends && q ? { distribution: 'q_log_uniform_values', ...ends, q } : undefined
    }
    case 'q_uniform':
    case 'q_log_uniform_values': {
      const [ends, q] = [readEnds(text), readStep(text)]
      return ends && q ? { distribution, ...ends, q } : undefined
    }
    case 'normal':
    case 'log_normal': {
      const law = readNormal(text)
      return law && { distribution, ...law }
    }
    case 'q_normal':
    case 'q_log_normal': {
      const [law, q] = [readNormal(text), readStep(text)]
      return law && q ? { distribution, ...law, q } : undefined
    }
    case 'beta': {
      const shapes = readShapes(text)
      return shapes && { distribution, ...shapes }
    }
    case 'q_beta': {
      const [shapes, q] = [readShapes(text), readStep(text)]
      return shapes && q ? { distribution, ...shapes, q } : undefined
    }
  }
}

function readConstant({ field, fields, issues }: RangeText): Parameter | undefined {
  const value = present(field, fields, 'value', issues)
  if (value === undefined) return undefined
  if (value.kind !== 'scalar') {
    const json = readJson(value, issues)
    return json === undefined ? undefined : { distribution: 'constant', value: json, encoding: 'json' }
  }
  const read = readValue(value, issues)
  return read === undefined ? undefined : { distribution: 'constant', value: read }
}

function readCategories({ distribution, field, fields, issues }: RangeText): Parameter | undefined {
  const items = readItems(present(field, fields, 'values', issues), issues)
  if (items === undefined) return undefined
  const isJson = items.some(item => item.kind !== 'scalar')
  const read = items.map((item): ParameterValue | undefined =>
    isJson ? readJson(item, issues) : readValue(item, issues)
  )
  const values = read.filter(value => value !== undefined)
  const probabilities =
    distribution === 'categorical' ? undefined : readProbabilities(field, fields, items.length, issues)
  if (values.length !== items.length) return undefined
  const list = { values, ...(isJson ? { encoding: 'json' as const } : {}) }
  if (distribution === 'categorical') return { distribution, ...list }
  return probabilities && { distribution: 'categorical_w_probabilities', ...list, probabilities }
}

function readItems(list: Field | undefined, issues: Issues): readonly Field[] | undefined {
  if (list === undefined) return undefined
  if (list.kind !== 'list') {
    issues.error(list, `expected a list, got ${shown(list)}.${list.token === '' ? '' : ` Write [${list.token}].`}`)
    return undefined
  }
  const items = list.items()
  if (items.length > 0 && items.length <= LIMITS.valuesPerParameter) return items
  issues.error(list, `expected 1 to ${LIMITS.valuesPerParameter} values, got ${items.length}.`)
  return undefined
}

function readProbabilities(field: Field, fields: Fields, count: number, issues: Issues): number[] | undefined {
  const list = present(field, fields, 'probabilities', issues)
  const items = readItems(list, issues)
  if (list === undefined || items === undefined) return undefined
  if (items.length !== count) {
    issues.error(list, `expected one for each of the ${count} values, got ${items.length}.`)
    return undefined
  }
  const read = items.map(item => readAtLeast(item, 0, issues)).filter(each => each !== undefined)
  const sum = read.reduce((total, each) => total + each, 0)
  if (read.length < items.length) return undefined
  if (sum <= 0) {
    issues.error(list, 'expected at least one above 0.')
    return undefined
  }
  if (Math.abs(sum - 1) > SUM_TOLERANCE) {
    issues.warn(list, `they add up to ${short(sum)}, which W&B refuses. They are taken in proportion.`)
  }
  return read
}

interface Ends {
  readonly min: number
  readonly max: number
}

/** Returns min and max, after checking that there is something between them. */
function readEnds({ distribution, field, fields, issues }: RangeText): Ends | undefined {
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

function readEnd(distribution: FileDistribution, field: Field, issues: Issues): number | undefined {
  const value = readNumber(field, issues)
  if (value === undefined) return undefined
  if (distribution === 'int_uniform' && !Number.isSafeInteger(value)) {
    issues.error(field, `expected a whole number for int_uniform, got ${field.token}.`)
    return undefined
  }
  if (distribution.endsWith('log_uniform_values') && value <= 0) {
    issues.error(field, `expected a number above 0 for ${distribution}, got ${field.token}.`)
    return undefined
  }
  if (distribution.endsWith('log_uniform') && Math.abs(value) > EXPONENT_MAX) {
    const hint = `${distribution} takes natural logarithms; ${distribution}_values takes the values themselves`
    issues.error(field, `expected a number from -${EXPONENT_MAX} to ${EXPONENT_MAX}: ${hint}.`)
    return undefined
  }
  return value
}

/** Returns the values that the ends stand for. */
function readExponents(text: RangeText): Ends | undefined {
  const ends = readEnds(text)
  if (ends === undefined) return undefined
  const { distribution, field, issues } = text
  const [low, high] = distribution === 'inv_log_uniform' ? [-ends.max, -ends.min] : [ends.min, ends.max]
  const range = { min: exponential(low), max: exponential(high) }
  if (ends.min > 0 && (ends.max <= 1 || ends.max > EXPONENT_MEANT_MAX)) {
    const values = `${distribution === 'q_log_uniform' ? 'about ' : ''}${short(range.min)} to ${short(range.max)}`
    const meant = `If ${ends.min} and ${ends.max} are values, write "distribution: ${distribution}_values"`
    issues.warn(field, `min and max are natural logarithms here, as in W&B: values from ${values}. ${meant}.`)
  }
  return range
}

function exponential(exponent: number): number {
  return Number(Math.exp(exponent).toPrecision(DIGITS))
}

function readNormal({ fields, issues }: RangeText): { mu: number; sigma: number } | undefined {
  const [muField, sigmaField] = [fields.get('mu'), fields.get('sigma')]
  const mu = muField === undefined ? DEFAULT_MU : readNumber(muField, issues)
  const sigma = sigmaField === undefined ? DEFAULT_SIGMA : readAbove0(sigmaField, issues)
  return mu === undefined || sigma === undefined ? undefined : { mu, sigma }
}

function readShapes(text: RangeText): { a: number; b: number } | undefined {
  const [a, b] = [readShape(text, 'a'), readShape(text, 'b')]
  return a === undefined || b === undefined ? undefined : { a, b }
}

function readShape({ fields, issues }: RangeText, name: 'a' | 'b'): number | undefined {
  const field = fields.get(name)
  if (field === undefined) return DEFAULT_SHAPE
  const shape = readNumber(field, issues)
  if (shape === undefined || (shape >= LIMITS.betaShapeMin && shape <= LIMITS.betaShapeMax)) return shape
  issues.error(field, `expected a number from ${LIMITS.betaShapeMin} to ${LIMITS.betaShapeMax}, got ${field.token}.`)
  return undefined
}

function readStep({ fields, issues }: RangeText): number | undefined {
  const field = fields.get('q')
  return field === undefined ? DEFAULT_Q : readAbove0(field, issues)
}

function readAbove0(field: Field, issues: Issues): number | undefined {
  const value = readNumber(field, issues)
  if (value === undefined || value > 0) return value
  issues.error(field, `expected a number above 0, got ${field.token}.`)
  return undefined
}

function readAtLeast(field: Field, least: number, issues: Issues): number | undefined {
  const value = readNumber(field, issues)
  if (value === undefined || value >= least) return value
  issues.error(field, `expected ${least} or more, got ${field.token}.`)
  return undefined
}

function present(field: Field, fields: Fields, name: string, issues: Issues): Field | undefined {
  const value = fields.get(name)
  if (value === undefined) issues.error({ path: [...field.path, name], place: field.place }, 'missing.')
  return value
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)))
}
