/**
 * The text of a sweep file that a command writes: keys in their order, one parameter and one trial a line.
 *
 * JSON is YAML, so each value is written as JSON. Its numbers are written so that YAML 1.1 reads them as numbers, too.
 */
import type { Json } from '#protocol'

/** A sweep file as data: what `--json` prints, and what a sweep file may hold. */
export interface SweepDocument {
  readonly method: string
  readonly metric: { readonly [Name in string]: Json }
  readonly parameters: { readonly [Name in string]: { readonly [Key in string]: Json } }
  readonly program?: string
  readonly command?: readonly string[]
  readonly run_cap?: number
  readonly constraints?: readonly string[]
  readonly trials?: readonly { readonly [Name in string]: Json }[]
}

/** Returns a sweep file. `notes`: what its reader should know, as comments at its beginning. */
export function sweepText(document: SweepDocument, notes: readonly string[]): string {
  const { parameters, trials = [], constraints = [], ...rest } = document
  const lines = notes.map(note => `# ${note.replace(/\p{C}/gu, ' ')}`)
  for (const [name, value] of Object.entries(rest)) lines.push(`${name}: ${flow(value as Json)}`)
  lines.push('parameters:')
  for (const [name, range] of Object.entries(parameters)) lines.push(`  ${JSON.stringify(name)}: ${flow(range)}`)
  if (constraints.length > 0) lines.push('constraints:', ...constraints.map(each => `  - ${JSON.stringify(each)}`))
  if (trials.length > 0) lines.push('trials:', ...trials.map(trial => `  - ${flow(trial)}`))
  return lines.join('\n')
}

function flow(value: Json): string {
  if (typeof value === 'number') return String(value).replace(/^(-?\d+)e/, '$1.0e')
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`
  return `{${Object.entries(value)
    .map(([name, each]) => `${JSON.stringify(name)}: ${flow(each)}`)
    .join(', ')}}`
}
