/**
 * Lists and maps as values of a parameter: what the program gets as they are, and the sweep holds as JSON.
 *
 * Owns how large such a value may be. An alias may stand for more than the whole file, so reading stops at a limit.
 */
import { type Json, LIMITS } from '#protocol'
import { readValue } from './sweep-fields.js'
import type { Issues } from './sweep-issues.js'
import type { Field } from './yaml-places.js'

/** Fields in one value: each is at least one character of its text. */
const FIELDS_MAX = LIMITS.valueChars

/** Returns a value as JSON; undefined after something in it was reported. */
export function readJson(field: Field, issues: Issues): string | undefined {
  const budget = { fields: FIELDS_MAX }
  const value = jsonOf(field, budget, issues)
  if (value === undefined) return undefined
  const text = JSON.stringify(value)
  if (budget.fields >= 0 && text.length <= LIMITS.valueChars) return text
  issues.error(field, `this value is too large: as JSON it may have ${LIMITS.valueChars} characters.`)
  return undefined
}

function jsonOf(field: Field, budget: { fields: number }, issues: Issues): Json | undefined {
  if (--budget.fields < 0) return null
  if (field.kind === 'scalar') return readValue(field, issues)
  if (field.kind === 'list') {
    const items = field.items().map(item => jsonOf(item, budget, issues))
    return items.every(item => item !== undefined) ? items : undefined
  }
  const entries = field.entries().map(entry => [entry.name, jsonOf(entry.field, budget, issues)] as const)
  const read = entries.filter((entry): entry is readonly [string, Json] => entry[1] !== undefined)
  return read.length === entries.length ? Object.fromEntries(read) : undefined
}
