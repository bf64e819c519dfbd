/**
 * What a sweep file says about whole configurations: constraints, and trials that it names itself.
 */
import {
  createSearch,
  didYouMean,
  LIMITS,
  namesIn,
  type Parameter,
  type Parameters,
  type ParameterValue,
  parseExpression,
  presentOf,
  type SweepSpec,
  satisfies
} from '#protocol'
import { readItems, readValue, shown } from './sweep-fields.js'
import type { Issues, Subject } from './sweep-issues.js'
import { readJson } from './sweep-json.js'
import type { Entry, Field } from './yaml-places.js'

type Ranges = SweepSpec['parameters']

/** Configurations that are tried before constraints are taken to leave none. */
const LOOKED_AT_MAX = 200

/** Returns the constraints of a sweep. `parameters`: absent when they could not be read. */
export function readConstraints(field: Field, parameters: Ranges | undefined, issues: Issues): string[] | undefined {
  const items = readItems(field, { max: LIMITS.constraintsPerSweep }, '"batch * accumulation <= 64"', issues)
  if (items === undefined) return undefined
  const before = issues.errors.length
  const constraints = items.map(item => readConstraint(item, parameters, issues))
  return issues.errors.length > before ? undefined : constraints
}

function readConstraint(field: Field, parameters: Ranges | undefined, issues: Issues): string {
  if (typeof field.value !== 'string') {
    issues.error(field, `expected a rule such as "batch * accumulation <= 64", got ${shown(field)}.`)
    return ''
  }
  const parsed = parseExpression(field.value)
  if ('problem' in parsed) {
    issues.error(placeIn(field, parsed.column), `${parsed.problem} (column ${parsed.column} of the rule).`)
    return ''
  }
  for (const { name, column } of parameters ? namesIn(parsed.expression) : []) {
    if (Object.hasOwn(parameters ?? {}, name)) continue
    const guess = didYouMean(name, Object.keys(parameters ?? {}))
    issues.error(placeIn(field, column), `no parameter is named "${name}".${guess}`)
  }
  return field.value
}

/** A constraint that nothing fulfils would make a sweep of no trial: whoever draws so many in vain is warned. */
export function warnOfNothing(spec: SweepSpec, subject: Subject, issues: Issues): void {
  if (!spec.constraints) return
  // What a method would propose is drawn here: it must fulfil the constraints as well.
  const isDrawn = createSearch(spec).proposer !== undefined
  const { seeds, trials, has } = createSearch(isDrawn ? { ...spec, method: 'random' } : spec)
  const looked = Math.min(LOOKED_AT_MAX, Math.ceil(trials / seeds))
  for (let at = 0; at < looked; at++) if (has(at * seeds)) return
  issues.warn(subject, `none of the first ${looked} configurations fulfils them: does any?`)
}

/** Only text on one line, as it is written, has its columns where they are counted. */
function placeIn(field: Field, column: number) {
  const { line, column: start } = field.place
  const isPlain = field.token === field.value && !field.token.includes('\n')
  const offset = isPlain ? column - 1 + (field.isQuoted ? 1 : 0) : 0
  return { path: field.path, place: { line, column: start + offset } }
}

/** Returns the trials that a file names; each gets the constants that it leaves out. */
export function readTrials(
  field: Field,
  spec: Pick<SweepSpec, 'parameters' | 'constraints'>,
  issues: Issues
): Parameters[] | undefined {
  const items = readItems(field, { max: LIMITS.namedTrialsPerSweep }, '{ lr: 0.001 }', issues)
  const trials = items?.map(item => readTrial(item, spec, issues)).filter(trial => trial !== undefined)
  return trials?.length === items?.length ? trials : undefined
}

function readTrial(
  field: Field,
  spec: Pick<SweepSpec, 'parameters' | 'constraints'>,
  issues: Issues
): Parameters | undefined {
  if (field.kind !== 'map') {
    issues.error(field, `expected a map from parameters to values, got ${shown(field)}.`)
    return undefined
  }
  const before = issues.errors.length
  const constants = Object.entries(spec.parameters).flatMap(([name, parameter]) =>
    parameter.distribution === 'constant' ? [[name, parameter.value] as const] : []
  )
  const given = field.entries().map(entry => [entry.name, readOne(entry, spec.parameters, issues)] as const)
  if (issues.errors.length > before) return undefined
  const values = Object.fromEntries([...constants, ...given.map(([name, value]) => [name, value ?? null] as const)])
  const trial = presentOf(spec, values)
  checkWhole(field, trial, spec, issues)
  return issues.errors.length > before ? undefined : trial
}

function readOne({ name, place, field }: Entry, parameters: Ranges, issues: Issues): ParameterValue | undefined {
  const parameter = Object.hasOwn(parameters, name) ? parameters[name] : undefined
  if (parameter === undefined) {
    const guess = didYouMean(name, Object.keys(parameters))
    issues.error({ path: field.path, place }, `no parameter is named "${name}".${guess}`)
    return undefined
  }
  const isJson = 'encoding' in parameter && parameter.encoding === 'json'
  const value = isJson ? readJson(field, issues) : readValue(field, issues)
  const expected = value === undefined ? undefined : unlike(parameter, value)
  if (expected !== undefined) issues.error(field, `expected ${expected}, got ${shown(field)}.`)
  return value
}

/** Returns what a parameter may be where a value is something else. */
function unlike(parameter: Parameter, value: ParameterValue): string | undefined {
  if ('value' in parameter)
    return value === parameter.value ? undefined : `${JSON.stringify(parameter.value)}, its value`
  if ('values' in parameter) return parameter.values.includes(value) ? undefined : 'one of its values'
  if (typeof value !== 'number') return 'a number'
  if (parameter.distribution === 'int_uniform' && !Number.isInteger(value)) return 'a whole number'
  const slack = 'q' in parameter ? parameter.q / 2 : 0
  if ('min' in parameter && (value < parameter.min - slack || value > parameter.max + slack)) {
    return `a number from ${parameter.min} to ${parameter.max}`
  }
  if ('a' in parameter && (value < 0 || value > 1)) return 'a number from 0 to 1'
  return parameter.distribution.endsWith('log_normal') && value < 0 ? 'a number above 0' : undefined
}

function checkWhole(
  field: Field,
  trial: Parameters,
  spec: Pick<SweepSpec, 'parameters' | 'constraints'>,
  issues: Issues
): void {
  const everything = Object.fromEntries(Object.keys(spec.parameters).map(name => [name, trial[name] ?? null]))
  const missing = Object.keys(presentOf(spec, everything)).filter(name => !Object.hasOwn(trial, name))
  if (missing.length > 0) issues.error(field, `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing.`)
  for (const { name, place, field: value } of field.entries()) {
    if (Object.hasOwn(trial, name)) continue
    issues.error({ path: value.path, place }, 'this parameter is not there beside the other values (see its "when").')
  }
  if (missing.length === 0 && !satisfies(spec, trial)) issues.error(field, 'this trial breaks a constraint.')
}
