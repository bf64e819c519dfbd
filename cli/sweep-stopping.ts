/**
 * Early stopping in a sweep file: the key `early_terminate`, W&B's form and ours.
 *
 * Owns what W&B's numbers mean: its bands are counted in reports of the metric, not in steps.
 */
import { LIMITS, rungsFor, STOPPING_UNITS, type Stopping } from '#protocol'
import { listed, optional, readChoice, readInteger, readMap, readNumber, shown } from './sweep-fields.js'
import type { Issues } from './sweep-issues.js'
import { STOPPING_SHAPES } from './sweep-shape.js'
import type { Field } from './yaml-places.js'

type Type = keyof typeof STOPPING_SHAPES
const TYPES = Object.keys(STOPPING_SHAPES) as readonly Type[]
/** W&B's. */
const DEFAULT_ETA = 3
const COUNT = { min: 0, max: Number.MAX_SAFE_INTEGER }
const SOME = { min: 1, max: Number.MAX_SAFE_INTEGER }

interface Reading {
  readonly field: Field
  readonly fields: ReadonlyMap<string, Field>
  readonly issues: Issues
}

/** Returns a sweep's rule of early stopping; undefined when something of it was reported. */
export function readStopping(field: Field, issues: Issues): Stopping | undefined {
  const typeField = field.entries().find(({ name }) => name === 'type')?.field
  if (field.kind !== 'map' || typeField === undefined) {
    const got = field.kind === 'map' ? 'no type' : shown(field)
    issues.error(
      field,
      `expected a map with its type, got ${got}. Write "early_terminate: { type: hyperband, min_iter: 3 }".`
    )
    return undefined
  }
  const type = readChoice(typeField, TYPES, issues)
  if (type === undefined) return undefined
  const before = issues.errors.length
  const fields = readMap(field, Object.keys(STOPPING_SHAPES[type].shape), issues)
  const stopping = fields && readRule(type, { field, fields, issues })
  if (stopping === undefined || issues.errors.length > before) return undefined
  warnOfNothing(stopping, fields?.get('unit') ?? field, issues)
  return stopping
}

/**
 * Steps have an end that programs tell, and parts of it are rungs; of epochs and tokens the first complete trial does.
 * Nobody tells how many reports there will be.
 */
function warnOfNothing(stopping: Stopping, subject: Field, issues: Issues): void {
  const { rule, unit = 'steps' } = stopping
  if (rule === 'threshold' || rule === 'plateau' || rungsFor({ stopping }, undefined).length > 0) return
  const isHalving = rule === 'asha' || rule === 'hyperband'
  if (isHalving && [stopping.minSteps, stopping.maxSteps, 'bands' in stopping && stopping.bands].some(Boolean)) {
    issues.warn(subject, 'this stops nothing: no rung lies after warm-up and first length, and before the last one.')
  } else if (unit === 'reports') {
    const add = isHalving ? ', or add "min_steps"' : ''
    issues.warn(subject, `this stops nothing: how many reports there will be is not known. Use "unit: steps"${add}.`)
  } else if (unit !== 'steps') {
    const add = isHalving ? ' Add "max_steps" to say how many a training has.' : ''
    issues.warn(subject, `this stops nothing before a trial is complete: until then its ${unit} are not known.${add}`)
  }
}

function readRule(rule: Type, reading: Reading): Stopping | undefined {
  const common = readCommon(reading)
  const number = (name: string) => optional(reading.fields, name, each => readNumber(each, reading.issues))
  const count = (name: string, range = COUNT) =>
    optional(reading.fields, name, each => readInteger(each, range, reading.issues))
  switch (rule) {
    case 'asha':
      return given({ rule, ...readHalving(reading, common), ...common })
    case 'hyperband':
      return readHyperband(reading, common)
    case 'median':
      return given({ rule, startUpTrials: count('start_up_trials'), ...common })
    case 'threshold':
      return readThreshold(reading, { lower: number('lower'), upper: number('upper'), ...common })
    case 'plateau': {
      const patience = count('patience', SOME)
      if (!reading.fields.has('patience')) {
        reading.issues.error({ path: [...reading.field.path, 'patience'], place: reading.field.place }, 'missing.')
      }
      return patience === undefined ? undefined : given({ rule, patience, minDelta: number('min_delta'), ...common })
    }
    case 'auto':
      return given({ rule, ...common })
  }
}

type Common = Pick<Stopping, 'unit' | 'warmUpSteps'>

function readCommon({ fields, issues }: Reading): Common {
  const unit = optional(fields, 'unit', each => readChoice(each, STOPPING_UNITS, issues))
  return { unit, warmUpSteps: optional(fields, 'warm_up_steps', each => readLength(each, COUNT, { unit, issues })) }
}

/** Epochs have parts. */
function readLength(
  field: Field,
  range: { readonly min: number; readonly max: number },
  { unit, issues }: { readonly unit: Stopping['unit']; readonly issues: Issues }
): number | undefined {
  if (unit !== 'epochs') return readInteger(field, range, issues)
  const epochs = readNumber(field, issues)
  if (epochs === undefined || (epochs <= range.max && (range.min === 0 ? epochs >= 0 : epochs > 0))) return epochs
  issues.error(field, `expected epochs, such as 1 or 0.25, got ${field.token}.`)
  return undefined
}

function readHalving({ field, fields, issues }: Reading, { unit }: Common) {
  const minSteps = optional(fields, 'min_steps', each => readLength(each, SOME, { unit, issues }))
  const maxSteps = optional(fields, 'max_steps', each => readLength(each, SOME, { unit, issues }))
  if (minSteps !== undefined && maxSteps !== undefined && minSteps > maxSteps) {
    issues.error(fields.get('max_steps') ?? field, `expected min_steps (${minSteps}) or more, got ${maxSteps}.`)
  }
  return { eta: readEta(fields, issues), minSteps, maxSteps }
}

function readEta(fields: ReadonlyMap<string, Field>, issues: Issues): number {
  const field = fields.get('eta')
  if (field === undefined) return DEFAULT_ETA
  const eta = readNumber(field, issues)
  if (eta !== undefined && !(eta > 1 && eta <= LIMITS.etaMax)) {
    issues.error(field, `expected more than 1, ${LIMITS.etaMax} at most, got ${field.token}.`)
  }
  return eta ?? DEFAULT_ETA
}

/** With one of W&B's keys it is W&B's rule, which counts reports. */
function readHyperband(reading: Reading, common: Common): Stopping | undefined {
  const { field, fields, issues } = reading
  const rule = 'hyperband'
  const halving = readHalving(reading, common)
  const strict = optional(fields, 'strict', each => readBoolean(each, issues))
  if (strict === false) {
    issues.warn(fields.get('strict') ?? field, 'not used here: the value at the band counts, not the best one before.')
  }
  const theirs = ['min_iter', 'max_iter', 's'].filter(name => fields.has(name))
  if (theirs.length === 0) return given({ rule, ...halving, strict, ...common })
  if (common.unit !== undefined && common.unit !== 'reports') {
    issues.error(fields.get('unit') ?? field, `not beside ${listed(theirs)}: W&B's bands are counted in reports.`)
  }
  const ours = ['min_steps', 'max_steps'].find(name => fields.has(name))
  if (ours !== undefined) {
    issues.error(fields.get(ours) ?? field, `not beside ${listed(theirs)}: the one counts steps, the other reports.`)
  }
  const [minIter, maxIter, s] = ['min_iter', 'max_iter', 's'].map(name =>
    optional(fields, name, each => readInteger(each, SOME, issues))
  )
  const unit = 'reports'
  const { eta } = halving
  if (fields.has('min_iter') && theirs.length > 1) {
    const unused = theirs.filter(name => name !== 'min_iter')
    issues.warn(fields.get(unused[0] ?? '') ?? field, 'not used beside min_iter.')
  }
  if (fields.has('min_iter')) return given({ rule, eta, minSteps: minIter, strict, ...common, unit })
  if (theirs.length < 2) {
    issues.error(field, `expected "min_iter", or "max_iter" and "s", got ${listed(theirs)} alone.`)
    return undefined
  }
  const bands = maxIter === undefined || s === undefined ? [] : bandsOf({ maxIter, s, eta })
  if (bands.length > 0) return given({ rule, eta, bands, strict, ...common, unit })
  if (maxIter !== undefined) {
    issues.error(fields.get('max_iter') ?? field, `expected at least eta (${eta}), or no band is left, got ${maxIter}.`)
  }
  return undefined
}

/** Source: wandb/sweeps, hyperband_stopping.py: the last band divided by `eta`, `s` times, down to 1. */
function bandsOf({ maxIter, s, eta }: { maxIter: number; s: number; eta: number }): number[] {
  const bands = new Set<number>()
  let band = maxIter
  for (let i = 0; i < s && bands.size < LIMITS.bandsPerSweep; i++) {
    band /= eta
    if (band < 1) break
    bands.add(Math.floor(band))
  }
  return [...bands].sort((a, b) => a - b)
}

function readThreshold(
  { field, issues }: Reading,
  { lower, upper, ...common }: Common & { lower: number | undefined; upper: number | undefined }
): Stopping | undefined {
  if (lower === undefined && upper === undefined) issues.error(field, 'expected "lower", "upper" or both.')
  if (lower !== undefined && upper !== undefined && lower >= upper) {
    issues.error(field, `expected lower below upper, got ${lower} and ${upper}.`)
  }
  return given({ rule: 'threshold', lower, upper, ...common })
}

function readBoolean(field: Field, issues: Issues): boolean | undefined {
  if (typeof field.value === 'boolean') return field.value
  issues.error(field, `expected true or false, got ${shown(field)}.`)
  return undefined
}

/** Without the settings that were not given, so that equal rules are equal records. */
function given(stopping: Stopping): Stopping {
  return Object.fromEntries(Object.entries(stopping).filter(([, value]) => value !== undefined)) as Stopping
}
