/**
 * The metrics of a sweep file: the objective, which way, the value at which the sweep ends; and further objectives.
 */
import { GOALS, keySchema, LIMITS, SUMMARIES, type SweepSpec } from '#protocol'
import { optional, readChoice, readItems, readMap, readNumber, readText, shown } from './sweep-fields.js'
import type { Issues } from './sweep-issues.js'
import { furtherMetricShape, metricShape } from './sweep-shape.js'
import type { Field } from './yaml-places.js'

const EXAMPLE = '{ name: loss, goal: minimize }'
export const METRIC_EXAMPLE = `"metric: ${EXAMPLE}"`
const KEYS = Object.keys(metricShape.shape)
const FURTHER_KEYS = Object.keys(furtherMetricShape.shape)
const FIRST_ALONE = ['summary', 'target']
const IMPUTE = 'not used here: the search learns from a failed trial by why it failed.'
const IGNORED: Readonly<Record<string, string>> = {
  impute: IMPUTE,
  impute_while_running: 'not used here: the search knows which trials run.'
}

export function readMetric(field: Field, issues: Issues): SweepSpec['metric'] | undefined {
  if (field.kind !== 'map') {
    if (field.kind === 'list') {
      issues.error(field, 'expected a map, got a list. Several objectives stand under "metrics".')
      return undefined
    }
    const example = typeof field.value === 'string' ? `{ name: ${field.token}, goal: minimize }` : EXAMPLE
    const isAlone = field.path.length === 1
    issues.error(field, `expected a map, got ${shown(field)}. Write ${isAlone ? `"metric: ${example}"` : example}.`)
    return undefined
  }
  const fields = readMap(field, KEYS, issues) ?? new Map<string, Field>()
  for (const { name, place, field: ignored } of field.entries()) {
    const text = Object.hasOwn(IGNORED, name) ? IGNORED[name] : undefined
    if (text !== undefined) issues.warn({ path: ignored.path, place }, text)
  }
  if (!fields.has('name')) issues.error({ path: [...field.path, 'name'], place: field.place }, 'missing.')
  const name = optional(fields, 'name', each => readName(each, issues))
  const goal = optional(fields, 'goal', each => readChoice(each, GOALS, issues), 'minimize')
  const summary = optional(fields, 'summary', each => readChoice(each, SUMMARIES, issues), 'last')
  const target = optional(fields, 'target', each => readNumber(each, issues))
  if (name === undefined || !goal || !summary) return undefined
  return { name, goal, summary, ...(target === undefined ? {} : { target }) }
}

/** Returns the metric and the objectives beside it: the first of a list, and the others. */
export function readMetrics(
  field: Field,
  issues: Issues
): Required<Pick<SweepSpec, 'metric' | 'furtherMetrics'>> | undefined {
  const [first, ...others] = readItems(field, { min: 2, max: 1 + LIMITS.furtherMetrics }, EXAMPLE, issues) ?? []
  const metric = first && readMetric(first, issues)
  const further = others.flatMap(each => readFurther(each, issues) ?? [])
  const names = [metric?.name, ...further.map(({ name }) => name)]
  const twice = names.findIndex((name, at) => name !== undefined && names.indexOf(name) < at)
  if (twice > 0) issues.error(others[twice - 1] ?? field, `"${names[twice]}" is there twice.`)
  if (!metric || further.length === 0 || further.length < others.length || twice > 0) return undefined
  return { metric, furtherMetrics: further }
}

/** The first objective alone has a target, and a best value beside its last one. */
function readFurther(field: Field, issues: Issues): { name: string; goal: (typeof GOALS)[number] } | undefined {
  const fields = readMap(field, [...FURTHER_KEYS, ...FIRST_ALONE, ...Object.keys(IGNORED)], issues)
  for (const { name, place, field: value } of fields ? field.entries() : []) {
    const subject = { path: value.path, place }
    if (FIRST_ALONE.includes(name)) issues.error(subject, 'only the first objective has it.')
    else if (Object.hasOwn(IGNORED, name)) issues.warn(subject, IGNORED[name] ?? '')
  }
  if (fields && !fields.has('name')) issues.error({ path: [...field.path, 'name'], place: field.place }, 'missing.')
  const name = fields && optional(fields, 'name', each => readName(each, issues))
  const goal = fields && optional(fields, 'goal', each => readChoice(each, GOALS, issues), 'minimize')
  return name !== undefined && goal ? { name, goal } : undefined
}

/** W&B takes any name; reports have `_` for what a name may not hold, so the objective has it too. */
function readName(field: Field, issues: Issues): string | undefined {
  const name = readText(field, issues)
  if (name === undefined || keySchema.safeParse(name).success) return name
  const safe = name.slice(0, LIMITS.keyChars).replace(/[^A-Za-z0-9_./-]/g, '_')
  const reported = /^[A-Za-z_]/.test(safe) ? safe : `_${safe}`.slice(0, LIMITS.keyChars)
  if (!keySchema.safeParse(reported).success) return name
  issues.warn(field, `called "${reported}" here, as in the program's reports.`)
  return reported
}
