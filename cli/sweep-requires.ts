/**
 * What a sweep requires: the key `requires` of a sweep file.
 *
 * Owns its names and what is said about each wrong value. Whether a device has what is required is decided elsewhere.
 */
import {
  didYouMean,
  FINE_TUNING,
  keySchema,
  LIMITS,
  MEMORY_EFFECTS,
  type MemoryEffect,
  type ModelShape,
  type Requires,
  VENDORS
} from '#protocol'
import { readChoice, readInteger, readMap, readNumber, readSize, readText, shown } from './sweep-fields.js'
import type { Issues } from './sweep-issues.js'
import { requiresShape } from './sweep-shape.js'
import type { Entry, Field } from './yaml-places.js'

const KEYS = Object.keys(requiresShape.shape)
const MODEL_KEYS = Object.keys(requiresShape.shape.model.unwrap().shape)
/** More than any model has of it. */
const WHOLE = { min: 1, max: 1e9 }
const CAPABILITY = /^\d{1,4}(\.\d{1,4})?$/
/** How compilers write a capability: `sm_86` for 8.6. */
const ARCHITECTURE = /^(?:sm|compute)_?(\d{1,3})(\d)[af]?$/i
/** How models are named: `8B`, `1.5b`. */
const BILLIONS = /^(\d+(?:\.\d+)?)b$/i

/** What the rest of the file says that a requirement may refer to. */
export interface RequiresContext {
  /** Absent when the parameters could not be read, so that nothing is said about them twice. */
  readonly parameterNames: readonly string[] | undefined
}

/** Returns what a sweep requires; nothing where it requires nothing, or where something was reported. */
export function readRequires(field: Field, context: RequiresContext, issues: Issues): Requires | undefined {
  const fields = readMap(field, KEYS, issues)
  if (fields === undefined) return undefined
  const at = <Value>(name: string, reader: (each: Field) => Value | undefined) => {
    const each = fields.get(name)
    return each === undefined ? undefined : reader(each)
  }
  const read = {
    memoryBytes: at('memory', each => readMemory(each, issues)),
    vendors: at('vendor', each => readVendors(each, issues)),
    capability: at('capability', each => readCapability(each, issues)),
    bf16: at('bf16', each => readTrue(each, issues)),
    diskBytes: at('disk', each => readSize(each, issues)),
    packages: at('packages', each => readTexts(each, issues)),
    assets: at('assets', each => readTexts(each, issues)),
    memoryEffects: at('memory_effects', each => readEffects(each, context, issues)),
    model: at('model', each => readModel(each, issues))
  }
  // A sweep that says only what holds anyway is one that older agents understand, too.
  const said = Object.entries(read).filter(([, value]) => value !== undefined)
  return said.length === 0 ? undefined : (Object.fromEntries(said) as Requires)
}

/** `auto` is what holds without the key. */
function readMemory(field: Field, issues: Issues): number | undefined {
  return field.value === 'auto' ? undefined : readSize(field, issues, ', or "auto"')
}

function readVendors(field: Field, issues: Issues): Requires['vendors'] | undefined {
  if (field.kind !== 'list') {
    const vendor = readChoice(field, VENDORS, issues)
    return vendor && [vendor]
  }
  const items = field.items()
  if (items.length === 0) {
    issues.error(field, `expected at least one of ${VENDORS.join(', ')}.`)
    return undefined
  }
  const vendors = allRead(items, each => readChoice(each, VENDORS, issues))
  return vendors && [...new Set(vendors)]
}

/** A number is taken as it is written: `8.10` is not 8.1. */
function readCapability(field: Field, issues: Issues): string | undefined {
  if (field.kind === 'scalar' && CAPABILITY.test(field.token)) return field.token
  const [, major, minor] = ARCHITECTURE.exec(field.token) ?? []
  const guess = major === undefined ? '' : ` Did you mean "${major}.${minor}"?`
  issues.error(field, `expected a capability such as "8.0", got ${shown(field)}.${guess}`)
  return undefined
}

/** `false` requires nothing. */
function readTrue(field: Field, issues: Issues): true | undefined {
  if (field.value === true) return true
  if (field.value !== false) issues.error(field, `expected true, got ${shown(field)}.`)
  return undefined
}

function readTexts(field: Field, issues: Issues): string[] | undefined {
  if (field.kind === 'list') return allRead(field.items(), each => readText(each, issues))
  const hint = typeof field.value === 'string' ? ` Write [${field.token}].` : ''
  issues.error(field, `expected a list of names, got ${shown(field)}.${hint}`)
  return undefined
}

function readEffects(field: Field, context: RequiresContext, issues: Issues): Record<string, MemoryEffect> | undefined {
  if (field.kind !== 'map') {
    issues.error(field, `expected a map from parameters to ${MEMORY_EFFECTS.join(', ')}, got ${shown(field)}.`)
    return undefined
  }
  const effects = allRead(field.entries(), entry => readEffect(entry, context, issues))
  return effects && Object.fromEntries(effects)
}

function readEffect(
  { name, place, field }: Entry,
  { parameterNames }: RequiresContext,
  issues: Issues
): [string, MemoryEffect] | undefined {
  const effect = readChoice(field, MEMORY_EFFECTS, issues)
  const key = keySchema.safeParse(name)
  const problem = key.success
    ? parameterNames && !parameterNames.includes(name) && `no parameter is named "${name}".`
    : `${key.error.issues[0]?.message ?? 'not a name'}.`
  if (problem) issues.error({ path: field.path, place }, `${problem}${didYouMean(name, parameterNames ?? [])}`)
  return problem || effect === undefined ? undefined : [name, effect]
}

function readModel(field: Field, issues: Issues): ModelShape | undefined {
  const fields = readMap(field, MODEL_KEYS, issues)
  if (fields === undefined) return undefined
  const must = <Value>(name: string, example: string, reader: (each: Field) => Value | undefined) => {
    const each = fields.get(name)
    if (each !== undefined) return reader(each)
    issues.error({ path: [...field.path, name], place: field.place }, `missing. Add "${name}: ${example}".`)
    return undefined
  }
  const whole = (each: Field) => readInteger(each, WHOLE, issues)
  const parameters = must('parameters', '8.03e9', each => readParameterCount(each, issues))
  const hidden = must('hidden', '4096', whole)
  const layers = must('layers', '32', whole)
  const vocabulary = must('vocabulary', '128256', whole)
  const fineTuning = must('fine_tuning', 'lora', each => readChoice(each, FINE_TUNING, issues))
  const headsField = fields.get('heads')
  const heads = headsField && whole(headsField)
  if (!(parameters && hidden && layers && vocabulary && fineTuning)) return undefined
  return { parameters, hidden, layers, vocabulary, ...(heads === undefined ? {} : { heads }), fineTuning }
}

function readParameterCount(field: Field, issues: Issues): number | undefined {
  const [, billions] = BILLIONS.exec(field.token) ?? []
  if (billions !== undefined) {
    issues.error(field, `expected a number, got ${shown(field)}. Did you mean ${billions}e9?`)
    return undefined
  }
  const value = readNumber(field, issues)
  if (value === undefined || (value >= 1 && value <= LIMITS.rangeMax)) return value
  issues.error(field, `expected a number of parameters, such as 8.03e9, got ${shown(field)}.`)
  return undefined
}

/** Returns what a reader makes of each; nothing when at least one was reported. */
function allRead<Item, Value>(items: readonly Item[], reader: (item: Item) => Value | undefined): Value[] | undefined {
  const read = items.map(reader).filter((value): value is Value & {} => value !== undefined)
  return read.length === items.length ? read : undefined
}
