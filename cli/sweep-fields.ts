/**
 * Readers of single fields: text, numbers, choices, durations, maps with known keys.
 *
 * Each returns the value, or reports what it found instead and returns undefined. None stops the reading.
 */
import { didYouMean, formatDuration, type ParameterValue, parseBytes, parseDuration } from '#protocol'
import type { Issues } from './sweep-issues.js'
import type { Field } from './yaml-places.js'

/** Characters of a wrong value that are told back. */
const SHOWN_CHARS_MAX = 40
const INTEGER_TOKEN = /^[-+]?[0-9]+$|^0[xo][0-9a-fA-F]+$/
/** What YAML 1.1, and so W&B, reads as true or false, and YAML 1.2 as text. */
const BOOLEANS_OF_YAML_1_1 = /^(?:y|yes|on|n|no|off)$/i
/** The same of whole numbers: 1_000 is a thousand there, 010 is 8, and 1:30 is 90. */
const GROUPED_OF_YAML_1_1 = /^(?=[^_]*_)[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?$/
const OCTAL_OF_YAML_1_1 = /^[-+]?0[0-7]+$/
const SEXAGESIMAL_OF_YAML_1_1 = /^[-+]?[1-9][0-9]*(?::[0-5]?[0-9])+$/

/** A size as other programs write it: `14G`, `14gb`. */
const LOOSE_SIZE = /^(\d+(?:\.\d+)?) ?([kmgt])i?b?$/i

/** Returns what stands at a field, to end "expected ..., got ..." with. */
export function shown(field: Field): string {
  if (field.kind !== 'scalar') return `a ${field.kind}`
  if (field.value === null && field.token === '') return 'nothing'
  const token = field.token.length > SHOWN_CHARS_MAX ? `${field.token.slice(0, SHOWN_CHARS_MAX)}…` : field.token
  return typeof field.value === 'string' ? `"${token}"` : token
}

/** Returns the entries of a map by name, after reporting those that are not known. */
export function readMap(
  field: Field,
  known: readonly string[],
  issues: Issues
): ReadonlyMap<string, Field> | undefined {
  if (field.kind !== 'map') {
    issues.error(field, `expected a map with ${listed(known)}, got ${shown(field)}.`)
    return undefined
  }
  const fields = new Map<string, Field>()
  for (const { name, place, field: value } of field.entries()) {
    if (known.includes(name)) fields.set(name, value)
    else issues.error({ path: value.path, place }, unknownKey(name, known))
  }
  return fields
}

/** Returns what a reader makes of a key; the default when the key is absent, never when it is wrong. */
export function optional<Value>(
  fields: ReadonlyMap<string, Field>,
  name: string,
  reader: (field: Field) => Value | undefined,
  absent?: Value
): Value | undefined {
  const field = fields.get(name)
  return field === undefined ? absent : reader(field)
}

/** Returns a message on a key that is not known: the nearest one, or all of them. */
export function unknownKey(name: string, known: readonly string[]): string {
  const guess = didYouMean(name, known)
  return `unknown key.${guess === '' ? ` Known here: ${known.join(', ')}.` : guess}`
}

export function readText(field: Field, issues: Issues): string | undefined {
  if (typeof field.value === 'string' && field.value.trim() !== '') return field.value
  const hint = field.token !== '' && typeof field.value !== 'string' ? ` Put it in quotes: "${field.token}".` : ''
  issues.error(field, `expected text, got ${shown(field)}.${hint}`)
  return undefined
}

/** Returns a finite number. */
export function readNumber(field: Field, issues: Issues): number | undefined {
  if (typeof field.value === 'number' && Number.isFinite(field.value)) {
    warnOfOctal(field, issues)
    return field.value
  }
  issues.error(field, `expected a number, got ${shown(field)}.${unquoted(field)}`)
  return undefined
}

/** Returns an integer from `min` to `max`; `1.0` counts as one. */
export function readInteger(
  field: Field,
  { min, max }: { min: number; max: number },
  issues: Issues
): number | undefined {
  const { value } = field
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  issues.error(field, `expected a whole number from ${min} to ${max}, got ${shown(field)}.${unquoted(field)}`)
  return undefined
}

export function readChoice<Choice extends string>(
  field: Field,
  choices: readonly Choice[],
  issues: Issues
): Choice | undefined {
  const choice = choices.find(each => each === field.value)
  if (choice !== undefined) return choice
  const guess = field.kind === 'scalar' ? didYouMean(field.token, choices) : ''
  issues.error(field, `expected ${listed(choices)}, got ${shown(field)}.${guess}`)
  return undefined
}

/** Returns a duration in ms, from `min` to `max`. */
export function readDuration(
  field: Field,
  { min, max }: { min: number; max: number },
  issues: Issues
): number | undefined {
  const ms = typeof field.value === 'string' ? parseDuration(field.value) : undefined
  if (ms !== undefined && ms >= min && ms <= max) return ms
  if (ms !== undefined) {
    const bounds = `from ${formatDuration(min)} to ${formatDuration(max)}`
    issues.error(field, `expected a duration ${bounds}, got ${shown(field)}.`)
    return undefined
  }
  const guess = typeof field.value === 'number' ? ` Did you mean "${field.token}s"?` : ''
  issues.error(field, `expected a duration such as 90s, 30m or 2h, got ${shown(field)}.${guess}`)
  return undefined
}

/** Returns a size in bytes, more than 0. `or`: what else may stand there, for the message. */
export function readSize(field: Field, issues: Issues, or = ''): number | undefined {
  const bytes = typeof field.value === 'string' ? parseBytes(field.value) : undefined
  if (bytes !== undefined && bytes > 0) return bytes
  const [, digits, unit] = LOOSE_SIZE.exec(field.token) ?? []
  const loose = unit === undefined ? '' : `${digits}${unit.toUpperCase()}iB`
  const guess = typeof field.value === 'number' && field.value > 0 ? `${field.token}GiB` : loose
  const hint = guess === '' || bytes !== undefined ? '' : ` Did you mean "${guess}"?`
  issues.error(field, `expected a size such as 14GiB or 500MB${or}, got ${shown(field)}.${hint}`)
  return undefined
}

/** Returns a value that a parameter may take, null among them; undefined after reporting one that it may not. */
export function readValue(field: Field, issues: Issues): ParameterValue | undefined {
  const { value, token } = field
  if (field.kind !== 'scalar') {
    issues.error(
      field,
      `expected text, a number, true, false or null, got ${shown(field)}. Write it as text in quotes.`
    )
    return undefined
  }
  if (typeof value === 'number') return readNumberValue(field, value, issues)
  if (typeof value === 'string' && !field.isQuoted && BOOLEANS_OF_YAML_1_1.test(token)) {
    issues.warn(
      field,
      `"${token}" is text here, where W&B reads true or false. Write true or false, or put it in quotes.`
    )
  }
  const isNumber = [GROUPED_OF_YAML_1_1, SEXAGESIMAL_OF_YAML_1_1].some(pattern => pattern.test(token))
  if (typeof value === 'string' && !field.isQuoted && isNumber) {
    issues.warn(field, `"${token}" is text here, where W&B reads a number. Write the number, or put it in quotes.`)
  }
  return value === null || typeof value === 'boolean' || typeof value === 'string' ? value : undefined
}

/** Returns a list's items. `example`: what such an item is, for the message. */
export function readItems(
  field: Field,
  { min = 1, max }: { readonly min?: number; readonly max: number },
  example: string,
  issues: Issues
): readonly Field[] | undefined {
  const items = field.items()
  if (field.kind === 'list' && items.length >= min && items.length <= max) return items
  const got = field.kind === 'list' ? items.length : shown(field)
  const all = Array.from({ length: min }, () => example).join(', ')
  issues.error(field, `expected a list of ${min} to ${max}, such as [${all}], got ${got}.`)
  return undefined
}

/** True for a number written without a dot or an exponent; W&B tells `1` and `1.0` apart. */
export function isIntegerToken(field: Field): boolean {
  return INTEGER_TOKEN.test(field.token)
}

/** Returns words as a choice: `"a", "b" or "c"`. */
export function listed(words: readonly string[]): string {
  const quoted = words.map(word => `"${word}"`)
  return quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`
}

function readNumberValue(field: Field, value: number, issues: Issues): number | undefined {
  if (!Number.isFinite(value)) {
    issues.error(field, `expected a finite number, got ${shown(field)}. Put it in quotes to pass it as text.`)
    return undefined
  }
  if (isIntegerToken(field) && !Number.isSafeInteger(value)) {
    issues.error(field, `${shown(field)} has more digits than a number keeps. Put it in quotes to pass it as text.`)
    return undefined
  }
  warnOfOctal(field, issues)
  return value
}

function warnOfOctal(field: Field, issues: Issues): void {
  if (!OCTAL_OF_YAML_1_1.test(field.token)) return
  const octal = Number.parseInt(field.token, 8)
  if (octal === field.value) return
  issues.warn(field, `${field.token} is ${field.value} here, where W&B reads ${octal}. Write it without the 0.`)
}

function unquoted(field: Field): string {
  if (GROUPED_OF_YAML_1_1.test(field.token)) return ` Write ${field.token.replaceAll('_', '')}.`
  const isNumber = typeof field.value === 'string' && field.token.trim() !== '' && Number.isFinite(Number(field.token))
  return isNumber ? ' Remove the quotes.' : ''
}
