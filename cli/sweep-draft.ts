/**
 * The keys of a sweep file: W&B's, a few of ours, and what each is when it is left out.
 *
 * Owns the defaults and what is said about W&B's keys that are not run here. A key that cannot be read is reported and
 * absent from the draft, so that everything wrong with a file is told at once.
 */
import { BACKUPS, digestOf, LIMITS, ON_DUPLICATE, type SweepSpec } from '#protocol'
import { DEFAULT_COMMAND, readCommand } from './sweep-command.js'
import { checkedRunCap, readBudget } from './sweep-end.js'
import { optional, readChoice, readDuration, readInteger, readText, shown, unknownKey } from './sweep-fields.js'
import type { Issues } from './sweep-issues.js'
import { METRIC_EXAMPLE, readMetric, readMetrics } from './sweep-metric.js'
import { checkedForGrid, type ReadParameters, readParameters } from './sweep-parameters.js'
import { PRESET_PARAMETERS } from './sweep-preset.js'
import { readRequires } from './sweep-requires.js'
import { readConstraints, readTrials } from './sweep-rules.js'
import { FILE_METHODS, IGNORED_KEYS, PRESETS, sweepShape } from './sweep-shape.js'
import { readStopping } from './sweep-stopping.js'
import type { Field } from './yaml-places.js'

const KEYS = Object.keys(sweepShape.shape)
/** What people write and a sweep cannot keep: without it, it would be another sweep. */
const REFUSED: Readonly<Record<string, string>> = {
  scheduler: 'not run here. Use "method: auto" with "parameters".'
}
const CUSTOM = 'the method "custom" is not run here. Use "auto", "random" or "grid".'
const PARAMETERS_EXAMPLE = '"parameters: { lr: { min: 0.001, max: 0.1 } }"'
const LEASE_MS = { min: LIMITS.leaseMinMs, max: LIMITS.leaseMaxMs }
/** A limit longer than a year is none. */
const LIMIT_MS = { min: 1, max: 365 * 24 * 3600 * 1000 }
const SEED_MAX = 2 ** 32 - 1

/** What could be read of a sweep. Every absent key that a sweep must have was reported. */
export type Draft = { readonly [Key in keyof SweepSpec]?: SweepSpec[Key] | undefined }

type Fields = ReadonlyMap<string, Field>

/**
 * Returns what could be read of a sweep file's map.
 *
 * @param source    The text, from which the seed comes unless it is given.
 * @param fileName  Names the sweep unless it has a name.
 */
export function readDraft(
  root: Field,
  { source, fileName }: { source: string; fileName: string },
  issues: Issues
): Draft {
  const fields = readTop(root, issues)
  requireKeys(root, fields, issues)
  const integer = (name: string, range: { min: number; max: number }) =>
    optional(fields, name, field => readInteger(field, range, issues))
  const method = optional(fields, 'method', field => readMethod(field, issues))
  const read = readAllParameters(fields, method, issues)
  const parameters = read?.parameters
  const parameterNames = parameters && Object.keys(parameters)
  const constraints = optional(fields, 'constraints', field => readConstraints(field, parameters, issues))
  const draft: Draft = {
    name: optional(fields, 'name', field => readText(field, issues), nameFrom(fileName)),
    description: optional(fields, 'description', field => readText(field, issues)),
    program: optional(fields, 'program', field => readProgram(field, issues)),
    command: readCommandOf(root, fields, parameterNames, issues),
    method,
    ...readObjectives(fields, issues),
    parameters,
    nested: read && read.nested.length > 0 ? [...read.nested] : undefined,
    seed: integer('seed', { min: 0, max: SEED_MAX }) ?? (fields.has('seed') ? undefined : seedFrom(source)),
    runCap: integer('run_cap', { min: 1, max: LIMITS.trialsPerSweep }),
    onDuplicate: optional(fields, 'on_duplicate', field => readChoice(field, ON_DUPLICATE, issues), 'resample'),
    leaseMs: optional(fields, 'lease', field => readDuration(field, LEASE_MS, issues), LIMITS.leaseMs),
    timeLimitMs: optional(fields, 'time_limit', field => readDuration(field, LIMIT_MS, issues)),
    wallTimeMs: optional(fields, 'wall_time', field => readDuration(field, LIMIT_MS, issues)),
    backups: optional(fields, 'backups', field => readChoice(field, BACKUPS, issues)),
    requires: optional(fields, 'requires', field => readRequires(field, { parameterNames }, issues)),
    stopping: optional(fields, 'early_terminate', field => readStopping(field, issues)),
    constraints,
    trials: parameters && optional(fields, 'trials', field => readTrials(field, { parameters, constraints }, issues)),
    seeds: integer('seeds', { min: 1, max: LIMITS.seedsPerConfiguration }),
    budget: readBudget(fields, issues)
  }
  const withEnd = { ...draft, runCap: checkedRunCap(draft, fields, issues) }
  return Object.fromEntries(Object.entries(withEnd).filter(([, value]) => value !== undefined))
}

function requireKeys(root: Field, fields: Fields, issues: Issues): void {
  const requireKey = (name: string, example: string) => {
    if (!fields.has(name)) issues.error({ path: [name], place: root.place }, `missing. Add ${example}.`)
  }
  requireKey('method', '"method: random" or "method: grid"')
  if (!fields.has('metrics')) requireKey('metric', METRIC_EXAMPLE)
  if (!fields.has('preset')) requireKey('parameters', PARAMETERS_EXAMPLE)
}

function readTop(root: Field, issues: Issues): Fields {
  const fields = new Map<string, Field>()
  for (const { name, place, field } of root.entries()) {
    const subject = { path: field.path, place }
    if (KEYS.includes(name)) fields.set(name, field)
    else if (Object.hasOwn(IGNORED_KEYS, name)) issues.warn(subject, IGNORED_KEYS[name] ?? '')
    else if (Object.hasOwn(REFUSED, name)) issues.error(subject, REFUSED[name] ?? '')
    else issues.error(subject, unknownKey(name, KEYS))
  }
  return fields
}

/** W&B's `bayes` learns from what ran, as `auto` does. */
function readMethod(field: Field, issues: Issues): SweepSpec['method'] | undefined {
  if (field.token === 'custom') {
    issues.error(field, CUSTOM)
    return undefined
  }
  const method = readChoice(field, FILE_METHODS, issues)
  return method === 'bayes' ? 'auto' : method
}

function readObjectives(fields: Fields, issues: Issues): Pick<Draft, 'metric' | 'furtherMetrics'> {
  const [one, several] = [fields.get('metric'), fields.get('metrics')]
  if (one && several) issues.error(several, 'stands in place of "metric". Leave one of them out.')
  if (several) return readMetrics(several, issues) ?? {}
  return { metric: one && readMetric(one, issues) }
}

/** The file's own parameters, and those of its preset that it does not have. */
function readAllParameters(
  fields: Fields,
  method: SweepSpec['method'] | undefined,
  issues: Issues
): ReadParameters | undefined {
  const [presetField, field] = [fields.get('preset'), fields.get('parameters')]
  const own = field && readParameters(field, method, issues)
  if (presetField === undefined || (field && !own)) return own
  const preset = readChoice(presetField, PRESETS, issues)
  if (preset === undefined) return undefined
  const [before, written] = [issues.errors.length, new Set(Object.keys(own?.parameters ?? {}))]
  const added = Object.entries(PRESET_PARAMETERS[preset]).filter(([name]) => !written.has(name))
  for (const [name, parameter] of added) {
    checkedForGrid({ path: ['parameters', name], place: presetField.place }, parameter, { method, issues })
  }
  if (issues.errors.length > before) return undefined
  return { parameters: { ...own?.parameters, ...Object.fromEntries(added) }, nested: own?.nested ?? [] }
}

/** The program must lie inside the folder that travels to other machines, some of which have another path separator. */
function readProgram(field: Field, issues: Issues): string | undefined {
  const program = readText(field, issues)
  if (program === undefined) return undefined
  if (program.includes('\\')) {
    issues.error(field, `expected forward slashes: "${program.replaceAll('\\', '/')}".`)
    return undefined
  }
  if (!/^(?:\/|[A-Za-z]:)/.test(program) && !program.split('/').includes('..')) return program
  issues.error(field, `expected a path inside the sweep's folder, got ${shown(field)}.`)
  return undefined
}

function readCommandOf(
  root: Field,
  fields: Fields,
  parameterNames: readonly string[] | undefined,
  issues: Issues
): string[] | undefined {
  const command = fields.get('command')
  const hasProgram = fields.has('program')
  if (command !== undefined) return readCommand(command, { hasProgram, parameterNames }, issues)
  if (hasProgram) return [...DEFAULT_COMMAND]
  issues.error({ path: ['program'], place: root.place }, 'missing. Add "program: train.py", or a "command".')
  return undefined
}

/** Returns the file's name without its ending, or its folder's where every sweep's file is called the same. */
function nameFrom(fileName: string): string {
  const parts = fileName.split(/[\\/]/).filter(part => part !== '')
  const base = (parts.at(-1) ?? '').replace(/\.ya?ml$/i, '')
  const folder = parts.at(-2) ?? ''
  const isCalledSweep = /^\.?sweep$/i.test(base)
  const name = isCalledSweep && !['', '.', '..'].includes(folder) ? folder : base
  return name.slice(0, LIMITS.nameChars) || 'sweep'
}

/** Returns a seed that is the same for the same text: whoever submits a file again gets its trials again. */
function seedFrom(source: string): number {
  return Number.parseInt(digestOf(source).slice(0, 8), 16)
}
