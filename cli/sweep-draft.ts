/**
 * The keys of a sweep file: W&B's, a few of ours, and what each is when it is left out.
 *
 * Owns the defaults and what is said about W&B's keys that are not run here. A key that cannot be read is reported and
 * absent from the draft, so that everything wrong with a file is told at once.
 */
import {
  BACKUPS,
  combinations,
  digestOf,
  distinctConfigurations,
  GOALS,
  LIMITS,
  METHODS,
  ON_DUPLICATE,
  SUMMARIES,
  type SweepSpec
} from '#protocol'
import { DEFAULT_COMMAND, readCommand } from './sweep-command.js'
import { readChoice, readDuration, readInteger, readMap, readText, shown, unknownKey } from './sweep-fields.js'
import type { Issues } from './sweep-issues.js'
import { readParameters } from './sweep-parameters.js'
import { readRequires } from './sweep-requires.js'
import type { Field } from './yaml-places.js'

const KEYS = [
  'name',
  'description',
  'program',
  'command',
  'method',
  'metric',
  'parameters',
  'run_cap',
  'seed',
  'on_duplicate',
  'lease',
  'time_limit',
  'backups',
  'requires'
]
/** W&B's keys that a sweep runs without: what becomes of each. */
const IGNORED: Readonly<Record<string, string>> = {
  project: 'not used here: results stay in the pool.',
  entity: 'not used here: results stay in the pool.',
  apiVersion: 'not used here.',
  kind: 'not used here.',
  controller: 'not used here: a pool has no server.',
  early_terminate: 'not yet applied: every trial runs to its end.'
}
/** W&B's keys without which a sweep would be another one. */
const REFUSED: Readonly<Record<string, string>> = {
  job: 'W&B Launch is not run here. Name a "program".',
  image_uri: 'W&B Launch is not run here. Name a "program".',
  scheduler: 'not run here. Use "method: random" with "parameters".',
  metrics: 'several objectives are not run here. Name one as "metric".'
}
const REFUSED_METHODS: Readonly<Record<string, string>> = {
  bayes: 'the method "bayes" is not run here. Use "random" with a "run_cap".',
  custom: 'the method "custom" is not run here. Use "random" or "grid".'
}
const IGNORED_IN_METRIC: Readonly<Record<string, string>> = {
  target: 'not yet applied: the sweep goes on when a trial reaches it.',
  impute: 'not used here.',
  impute_while_running: 'not used here.'
}
const METRIC_EXAMPLE = '"metric: { name: loss, goal: minimize }"'
const LEASE_MS = { min: LIMITS.leaseMinMs, max: LIMITS.leaseMaxMs }
/** A limit longer than a year is none. */
const TIME_LIMIT_MS = { min: 1, max: 365 * 24 * 3600 * 1000 }
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
  const requireKey = (name: string, example: string) => {
    if (!fields.has(name)) issues.error({ path: [name], place: root.place }, `missing. Add ${example}.`)
  }
  requireKey('method', '"method: random" or "method: grid"')
  requireKey('metric', METRIC_EXAMPLE)
  requireKey('parameters', '"parameters: { lr: { min: 0.001, max: 0.1 } }"')

  const method = optional(fields, 'method', field => readMethod(field, issues))
  const parameters = optional(fields, 'parameters', field => readParameters(field, method, issues))
  const parameterNames = parameters && Object.keys(parameters)
  const draft: Draft = {
    name: optional(fields, 'name', field => readText(field, issues), nameFrom(fileName)),
    description: optional(fields, 'description', field => readText(field, issues)),
    program: optional(fields, 'program', field => readProgram(field, issues)),
    command: readCommandOf(root, fields, parameters, issues),
    method,
    metric: optional(fields, 'metric', field => readMetric(field, issues)),
    parameters,
    seed: optional(fields, 'seed', field => readInteger(field, { min: 0, max: SEED_MAX }, issues), seedFrom(source)),
    runCap: optional(fields, 'run_cap', field => readInteger(field, { min: 1, max: LIMITS.trialsPerSweep }, issues)),
    onDuplicate: optional(fields, 'on_duplicate', field => readChoice(field, ON_DUPLICATE, issues), 'resample'),
    leaseMs: optional(fields, 'lease', field => readDuration(field, LEASE_MS, issues), LIMITS.leaseMs),
    timeLimitMs: optional(fields, 'time_limit', field => readDuration(field, TIME_LIMIT_MS, issues)),
    backups: optional(fields, 'backups', field => readChoice(field, BACKUPS, issues)),
    requires: optional(fields, 'requires', field => readRequires(field, { parameterNames }, issues))
  }
  const withEnd = { ...draft, runCap: checkedRunCap(draft, fields, issues) }
  return Object.fromEntries(Object.entries(withEnd).filter(([, value]) => value !== undefined))
}

/** Returns what a reader makes of a key; the default when the key is absent, never when it is wrong. */
function optional<Value>(
  fields: Fields,
  name: string,
  reader: (field: Field) => Value | undefined,
  absent?: Value
): Value | undefined {
  const field = fields.get(name)
  return field === undefined ? absent : reader(field)
}

function readTop(root: Field, issues: Issues): Fields {
  const fields = new Map<string, Field>()
  for (const { name, place, field } of root.entries()) {
    const subject = { path: field.path, place }
    if (KEYS.includes(name)) fields.set(name, field)
    else if (Object.hasOwn(IGNORED, name)) issues.warn(subject, IGNORED[name] ?? '')
    else if (Object.hasOwn(REFUSED, name)) issues.error(subject, REFUSED[name] ?? '')
    else issues.error(subject, unknownKey(name, KEYS))
  }
  return fields
}

function readMethod(field: Field, issues: Issues): SweepSpec['method'] | undefined {
  if (!Object.hasOwn(REFUSED_METHODS, field.token)) return readChoice(field, METHODS, issues)
  issues.error(field, REFUSED_METHODS[field.token] ?? '')
  return undefined
}

function readMetric(field: Field, issues: Issues): SweepSpec['metric'] | undefined {
  if (field.kind !== 'map') {
    const example =
      typeof field.value === 'string' ? `"metric: { name: ${field.token}, goal: minimize }"` : METRIC_EXAMPLE
    issues.error(field, `expected a map, got ${shown(field)}. Write ${example}.`)
    return undefined
  }
  const fields = readMap(field, ['name', 'goal', 'summary', ...Object.keys(IGNORED_IN_METRIC)], issues) ?? new Map()
  for (const { name, place, field: ignored } of field.entries()) {
    if (Object.hasOwn(IGNORED_IN_METRIC, name))
      issues.warn({ path: ignored.path, place }, IGNORED_IN_METRIC[name] ?? '')
  }
  if (!fields.has('name')) issues.error({ path: [...field.path, 'name'], place: field.place }, 'missing.')
  const name = optional(fields, 'name', each => readText(each, issues))
  const goal = optional(fields, 'goal', each => readChoice(each, GOALS, issues), 'minimize')
  const summary = optional(fields, 'summary', each => readChoice(each, SUMMARIES, issues), 'last')
  return name !== undefined && goal && summary ? { name, goal, summary } : undefined
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
  parameters: SweepSpec['parameters'] | undefined,
  issues: Issues
): string[] | undefined {
  const command = fields.get('command')
  const hasProgram = fields.has('program')
  if (command !== undefined) {
    return readCommand(command, { hasProgram, parameterNames: parameters && Object.keys(parameters) }, issues)
  }
  if (hasProgram) return [...DEFAULT_COMMAND]
  issues.error({ path: ['program'], place: root.place }, 'missing. Add "program: train.py", or a "command".')
  return undefined
}

/** Returns the trials at most; reports a sweep without an end, and says where a finite one ends earlier than asked. */
function checkedRunCap(draft: Draft, fields: Fields, issues: Issues): number | undefined {
  const { method, parameters, runCap } = draft
  const [methodField, cap] = [fields.get('method'), fields.get('run_cap')]
  if (methodField === undefined || method === undefined || parameters === undefined) return runCap
  const subject = { path: ['run_cap'], place: cap?.place ?? methodField.place }
  const size = method === 'grid' ? combinations({ parameters }) : distinctConfigurations({ parameters })
  if (cap === undefined && size > LIMITS.trialsPerSweep) {
    const count = Number.isFinite(size) ? `${size.toLocaleString('en')} choices` : 'endless choices'
    issues.error(subject, `missing. The parameters have ${count}, so say how many trials to run: add "run_cap: 24".`)
  }
  if (method === 'grid') return runCap
  if (cap === undefined && size <= LIMITS.trialsPerSweep) {
    issues.warn(subject, `missing. The sweep ends when it has tried all ${size} choices.`)
    return size
  }
  if (runCap !== undefined && runCap > size && draft.onDuplicate === 'resample') {
    issues.warn(subject, `the parameters have ${size} choices only. The sweep ends when it has tried them all.`)
  }
  return runCap
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
