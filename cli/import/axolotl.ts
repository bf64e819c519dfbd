/**
 * A sweep list of Axolotl as a sweep file: a grid over its lists, with what its `_` allows as a constraint.
 *
 * Source: axolotl, cli/utils/sweeps.py: every combination of the lists, times each map under `_`.
 */
import { type Json, keySchema, LIMITS } from '#protocol'
import { listed, readText, readValue, shown } from '../sweep-fields.js'
import { createIssues, type Issues, inFileOrder, invalidFile } from '../sweep-issues.js'
import { readJson } from '../sweep-json.js'
import { type Entry, type Field, openYaml } from '../yaml-places.js'
import type { Imported } from './optuna.js'

/** Its key for values that belong together. */
const TOGETHER = '_'
type Values = Map<string, readonly Json[]>

/**
 * Returns a list of Axolotl's as a sweep.
 *
 * @param config  The file that Axolotl trains by, beside the sweep file.
 * Errors:        `SWEEP_INVALID`, whose message lists every problem with its place.
 */
export function sweepFromAxolotl(
  text: string,
  { fileName, config, metric }: { readonly fileName: string; readonly config: string; readonly metric: string }
): Imported {
  const source = text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n')
  const issues = createIssues()
  const { root, problems } = openYaml(source)
  for (const { place, message } of problems) issues.error({ path: [], place }, `${message}.`)
  const top = { path: [], place: { line: 1, column: 1 } }
  if ((root?.kind !== 'map' || root.entries().length === 0) && problems.length === 0)
    issues.error(root ?? top, 'expected a map of names to lists, as Axolotl has it.')
  const values: Values = new Map()
  for (const entry of root?.entries() ?? []) if (entry.name !== TOGETHER) readList(entry, values, issues)
  const together = root?.entries().find(({ name }) => name === TOGETHER)?.field
  const constraint = together && readTogether(together, values, issues)
  if (issues.errors.length > 0) throw invalidFile(inFileOrder(issues.errors), fileName, source)
  return {
    notes: [
      `From a sweep list of Axolotl. Put ${config}, by which it trains, beside this file; paths in it must hold on`,
      'every machine. Axolotl prints the objective where its configuration has a validation set.'
    ],
    document: {
      command: ['axolotl', 'train', config, `$\{args}`],
      method: 'grid',
      metric: { name: metric, goal: 'minimize' },
      parameters: Object.fromEntries([...values].map(([name, list]) => [name, { values: list }])),
      ...(constraint === undefined ? {} : { constraints: [constraint] })
    }
  }
}

function readList({ name, place, field }: Entry, values: Values, issues: Issues): void {
  if (!keySchema.safeParse(name).success)
    issues.error({ path: field.path, place }, 'a sweep can have no such parameter.')
  const items = field.items()
  if (field.kind !== 'list' || items.length === 0 || items.length > LIMITS.valuesPerParameter) {
    issues.error(field, `expected a list of 1 to ${LIMITS.valuesPerParameter} values, got ${shown(field)}.`)
    return
  }
  const read = items.map(item => (item.kind === 'scalar' ? readValue(item, issues) : parsed(readJson(item, issues))))
  if (read.every(value => value !== undefined)) values.set(name, read)
}

function parsed(text: string | undefined): Json | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as Json)
}

/** Adds the parameters of `_`, and returns which of their combinations there are. */
function readTogether(field: Field, values: Values, issues: Issues): string | undefined {
  const sets = field.items()
  if (field.kind !== 'list' || sets.length === 0 || sets.some(set => set.kind !== 'map')) {
    issues.error(field, `expected a list of maps under "${TOGETHER}".`)
    return undefined
  }
  const names = (sets[0]?.entries() ?? []).map(({ name }) => name)
  const rows = sets.map(set => readRow(set, names, issues))
  for (const name of names) {
    if (values.has(name)) issues.error(field, `"${name}" is also a list of its own.`)
    const column = rows.map(row => row.get(name)).filter(value => value !== undefined)
    values.set(name, [...new Map(column.map(value => [JSON.stringify(value), value])).values()])
  }
  const alternatives = rows.map(row => `(${[...row].map(([name, value]) => equals(name, value)).join(' and ')})`)
  const constraint = alternatives.join(' or ')
  if (constraint.length <= LIMITS.constraintChars) return constraint
  issues.error(field, `as a constraint these combinations have more than ${LIMITS.constraintChars} characters.`)
  return undefined
}

/** What a combination does not name would keep its value from the configuration, which a grid cannot say. */
function readRow(set: Field, names: readonly string[], issues: Issues): Map<string, Json> {
  const row = new Map<string, Json>()
  const entries = set.entries()
  if (entries.length !== names.length || entries.some(({ name }) => !names.includes(name))) {
    const all = listed(names)
    issues.error(set, `each combination must name the same: expected ${all} as in the first. Write out what is absent.`)
  }
  for (const { name, place, field } of entries) {
    if (!keySchema.safeParse(name).success)
      issues.error({ path: field.path, place }, 'a sweep can have no such parameter.')
    if (field.kind !== 'scalar') readText(field, issues)
    const value = field.kind === 'scalar' ? readValue(field, issues) : undefined
    if (value !== undefined) row.set(name, value)
  }
  return row
}

function equals(name: string, value: Json): string {
  return `${/^[A-Za-z_][A-Za-z0-9_.]*$/.test(name) ? name : `\`${name}\``} == ${JSON.stringify(value)}`
}
