/**
 * Parameters of a sweep file: from a map, with maps inside it, to one flat list of names.
 *
 * Owns names, nesting and conditions. What is nested is named with dots; the names that stood for maps are kept, so
 * that the program gets its maps back.
 */
import {
  canonicalJson,
  didYouMean,
  gridAxis,
  gridReachesMax,
  keySchema,
  LIMITS,
  type Parameter,
  type ParameterValue,
  type SweepSpec
} from '#protocol'
import { COMMON_KEYS, DISTRIBUTION_KEYS, distributionOf, type Fields } from './sweep-distribution.js'
import { readMap, readValue, shown } from './sweep-fields.js'
import type { Issues, Subject } from './sweep-issues.js'
import { readRange } from './sweep-range.js'
import type { Entry, Field } from './yaml-places.js'

/** Keys that lead to a map of parameters; deeper ones have names that nobody could read. */
const NESTING_MAX = 20
/** Parameters, and maps of them: each map has one at least. */
const NAMES_MAX = 2 * LIMITS.parametersPerSweep

type Method = SweepSpec['method']
type Condition = NonNullable<Parameter['when']>

/** The parameters of a sweep by name, and the names that stand for maps in the program's configuration. */
export interface ReadParameters {
  readonly parameters: SweepSpec['parameters']
  readonly nested: readonly string[]
}

/** A condition, with the places of what it says. */
interface WrittenCondition {
  readonly condition: Condition
  readonly subject: Subject
  readonly values: readonly Field[]
}

interface Reading {
  readonly method: Method | undefined
  readonly issues: Issues
  readonly parameters: Map<string, Parameter>
  readonly nested: Set<string>
  /** Where each name was first used. */
  readonly names: Map<string, Subject>
  readonly conditions: WrittenCondition[]
}

/** Returns the parameters of a sweep; undefined when at least one of them was reported. */
export function readParameters(field: Field, method: Method | undefined, issues: Issues): ReadParameters | undefined {
  const reading: Reading = {
    method,
    issues,
    parameters: new Map(),
    nested: new Set(),
    names: new Map(),
    conditions: []
  }
  const before = issues.errors.length
  readGroup(field, '', reading)
  checkNesting(reading)
  if (issues.errors.length === before) checkConditions(reading)
  if (issues.errors.length > before) return undefined
  return { parameters: Object.fromEntries(reading.parameters), nested: [...reading.nested].sort() }
}

function readGroup(field: Field, prefix: string, reading: Reading): void {
  const { issues } = reading
  if (field.kind !== 'map') {
    issues.error(field, `expected a map from names to ranges, got ${shown(field)}.`)
    return
  }
  const entries = field.entries()
  if (entries.length === 0) issues.error(field, 'expected at least one parameter.')
  for (const entry of entries) readEntry(entry, `${prefix}${entry.name}`, reading)
}

function readEntry({ name, place, field }: Entry, fullName: string, reading: Reading): void {
  const { issues, names } = reading
  const subject = { path: field.path, place }
  const key = [name, fullName].map(each => keySchema.safeParse(each)).find(each => !each.success)
  if (key?.error) issues.error(subject, `${key.error.issues[0]?.message ?? 'not a name'}.`)
  if (names.size > NAMES_MAX) return
  if (names.size === NAMES_MAX) issues.error(subject, `more than ${LIMITS.parametersPerSweep} parameters.`)
  const earlier = names.get(fullName)
  if (earlier) issues.error(subject, `"${fullName}" is here twice, first on line ${earlier.place.line}.`)
  else names.set(fullName, subject)

  const nested = field.entries().find(each => each.name === 'parameters')
  if (nested === undefined) {
    const parameter = readParameter(field, reading)
    if (parameter && !key) reading.parameters.set(fullName, checkedForGrid(subject, parameter, reading))
    return
  }
  readMap(field, ['parameters'], issues)
  reading.nested.add(fullName)
  // An alias may stand for what it is part of.
  if (field.path.length > NESTING_MAX) {
    issues.error({ path: [...field.path.slice(0, 4), '…'], place }, 'nested too deeply.')
    return
  }
  readGroup(nested.field, `${fullName}.`, reading)
}

function readParameter(field: Field, { issues, conditions }: Reading): Parameter | undefined {
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
  readMap(field, [...COMMON_KEYS, ...DISTRIBUTION_KEYS[distribution]], issues)
  const range = readRange({ distribution, field, fields, issues })
  const whenField = fields.get('when')
  const when = whenField && readCondition(whenField, issues)
  if (when) conditions.push(when)
  return range && when ? { ...range, when: when.condition } : range
}

/** `{ optimizer: sgd }`, or a list of values. */
function readCondition(field: Field, issues: Issues): WrittenCondition | undefined {
  const [entry, second] = field.entries()
  if (entry === undefined || second !== undefined) {
    const got = second === undefined ? shown(field) : `${field.entries().length} of them`
    issues.error(field, `expected one parameter with its values, such as { optimizer: [sgd] }, got ${got}.`)
    return undefined
  }
  const items = entry.field.kind === 'list' ? entry.field.items() : [entry.field]
  if (items.length === 0) issues.error(entry.field, 'expected at least one value.')
  const values = items
    .map(item => readValue(item, issues))
    .filter((value): value is ParameterValue => value !== undefined)
  if (values.length < items.length || items.length === 0) return undefined
  const subject = { path: entry.field.path, place: entry.place }
  return { condition: { parameter: entry.name, values }, subject, values: items }
}

/** A name of its own with a dot must not stand where a nested one would: the program could not tell them apart. */
function checkNesting({ nested, parameters, names, issues }: Reading): void {
  for (const name of parameters.keys()) {
    const subject = names.get(name)
    const group = [...nested].find(each => name.startsWith(`${each}.`))
    const isWrittenInside = subject?.path.includes('parameters', 1) === true
    if (group === undefined || subject === undefined || isWrittenInside) continue
    issues.error(subject, `write it inside the parameters of "${group}".`)
  }
}

function checkConditions({ parameters, conditions, issues }: Reading): void {
  for (const { condition, subject, values } of conditions) {
    const other = parameters.get(condition.parameter)
    if (other === undefined) {
      const guess = didYouMean(condition.parameter, [...parameters.keys()])
      issues.error(subject, `no parameter is named "${condition.parameter}".${guess}`)
    } else checkValues(other, values, condition, issues)
  }
}

/** Of a list it is known which values there are. */
function checkValues(
  other: Parameter,
  fields: readonly Field[],
  { parameter, values }: Condition,
  issues: Issues
): void {
  const known = 'values' in other ? other.values : 'value' in other ? [other.value] : undefined
  if (known === undefined) return
  values.forEach((value, i) => {
    const field = fields[i]
    if (field === undefined || known.includes(value)) return
    const texts = known.map(each => (typeof each === 'string' ? each : canonicalJson(each)))
    issues.error(field, `"${parameter}" is never ${shown(field)}.${didYouMean(field.token, texts)}`)
  })
}

/** Returns a parameter as it is, after reporting one whose values a grid cannot list. */
export function checkedForGrid(
  subject: Subject,
  parameter: Parameter,
  { method, issues }: { method: Method | undefined; issues: Issues }
): Parameter {
  if (method !== 'grid') return parameter
  if (parameter.when !== undefined) {
    issues.error(subject, 'a grid has no conditions: each of its trials has all parameters. Use "method: random".')
  } else if (gridAxis(parameter) === undefined) {
    const instead = 'Use "method: random", or list its "values", or give steps with "distribution: q_uniform" and "q"'
    issues.error(subject, `a grid cannot list every value of ${parameter.distribution}. ${instead}.`)
  } else if (parameter.distribution === 'q_uniform' && gridReachesMax(parameter)) {
    issues.warn(subject, `max (${parameter.max}) is one of the values here; W&B would leave it out.`)
  }
  return parameter
}
