/**
 * The text of a sweep file that a command writes: keys in their order, one parameter and one trial a line.
 *
 * JSON is YAML, so each value is written as JSON. Its numbers are written so that YAML 1.1 reads them as numbers, too.
 */
import type { Json } from '#protocol'

/** A sweep file as data: its keys and what stands under them. It has `parameters`. */
export type SweepDocument = Readonly<Record<string, Json>>

/** Returns a sweep file. `notes`: what its reader should know, as comments at its beginning. */
export function sweepText(document: SweepDocument, notes: readonly string[]): string {
  const { parameters, trials, constraints, ...rest } = document
  const lines = notes.map(note => `# ${note.replace(/\p{C}/gu, ' ')}`)
  for (const [name, value] of Object.entries(rest)) lines.push(`${name}: ${flow(value)}`)
  lines.push('parameters:')
  for (const [name, range] of Object.entries(parameters ?? {})) lines.push(`  ${JSON.stringify(name)}: ${flow(range)}`)
  for (const [name, items] of Object.entries({ constraints, trials })) {
    if (Array.isArray(items) && items.length > 0) lines.push(`${name}:`, ...items.map(each => `  - ${flow(each)}`))
  }
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
