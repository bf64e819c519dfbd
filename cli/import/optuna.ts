/**
 * A study of Optuna as a sweep file: its space, its direction, and its best trials as the first ones to run.
 *
 * Its results do not become the pool's: nobody here saw this program train them. So its best configurations are
 * trained again, and what comes of it is what the search learns from.
 * Source: optuna/distributions.py.
 */
import { z } from 'zod'
import { didYouMean, type Json, keySchema, LIMITS, PoolError } from '#protocol'
import { isComplete, type JournalSweep, type JournalTrial, readJournal } from './optuna-journal.js'
import type { SweepDocument } from './sweep-text.js'

/** Trials of a sweep that somebody imports; they will want another number. */
const RUN_CAP = 100

export interface OptunaOptions {
  readonly fileName: string
  readonly study?: string
  /** So many trials come along. */
  readonly best: number
  readonly metric: string
  readonly program: string
}

export interface Imported {
  readonly document: SweepDocument
  /** What its reader should know. */
  readonly notes: readonly string[]
}

const attributes = {
  numeric: z.looseObject({
    low: z.number(),
    high: z.number(),
    step: z.number().gt(0).nullish(),
    log: z.boolean().nullish()
  }),
  categorical: z.looseObject({
    choices: z
      .array(z.union([z.string(), z.number(), z.boolean(), z.null()]))
      .min(1)
      .max(LIMITS.valuesPerParameter)
  })
}

/** A parameter: what the file says of it, and what an internal value stands for. */
interface Range {
  readonly range: { readonly [Key in string]: Json }
  readonly meaning: (internal: number) => Json | undefined
}

/**
 * Returns a study of a journal as a sweep.
 *
 * Errors: `SWEEP_INVALID` with a line, for what is no journal and what cannot be a sweep; `REQUEST_INVALID` for a study
 * that there is not.
 */
export function sweepFromOptuna(text: string, options: OptunaOptions): Imported {
  const study = chosen(readJournal(text, options.fileName), options.study)
  const fail = failing(options.fileName)
  if (study.directions.length !== 1)
    fail(study.line, 'it has several objectives: only a sweep with one can be imported')
  const isMaximised = study.directions[0] === 2
  const complete = study.trials.filter(isComplete)
  const ranges = rangesOf(study, fail)
  if (ranges.size === 0) fail(study.line, 'no trial of it has parameters')
  const conditions = conditionsOf(study.trials, ranges)
  const [whole, lacking] = [[] as (JournalTrial & { value: number })[], new Set<string>()]
  for (const trial of complete) {
    const missing = [...ranges.keys()].filter(name => !trial.params.has(name) && !conditions.has(name))
    for (const name of missing) lacking.add(name)
    if (missing.length === 0) whole.push(trial)
  }
  whole.sort((a, b) => (isMaximised ? b.value - a.value : a.value - b.value))
  const trials = distinct(whole.map(trial => trialOf(trial, ranges)).filter(trial => trial !== undefined)).slice(
    0,
    options.best
  )
  const notes = [
    `From Optuna's study "${study.name}": ${complete.length} complete trials; the best ${trials.length} run first.`,
    `Does the program print "${options.metric}"? Optuna does not tell how the objective is called.`,
    ...[...conditions].map(
      ([name, { on }]) => `"${name}" is taken to depend on "${on}", as it did in every trial: see its "when".`
    ),
    ...[...lacking].map(
      name => `Trials that had no "${name}" are left out below. Add "when" to it if it depends on another one.`
    )
  ]
  return {
    notes,
    document: {
      program: options.program,
      method: 'auto',
      metric: { name: options.metric, goal: isMaximised ? 'maximize' : 'minimize' },
      run_cap: RUN_CAP,
      parameters: Object.fromEntries(
        [...ranges].map(([name, { range }]) => [name, { ...range, ...whenOf(conditions.get(name)) }])
      ),
      ...(trials.length > 0 ? { trials } : {})
    }
  }
}

interface Condition {
  readonly on: string
  readonly values: readonly Json[]
}

/** Optuna does not tell why a trial lacks a parameter; a choice by which it always could have been told, is taken. */
function conditionsOf(trials: readonly JournalTrial[], ranges: ReadonlyMap<string, Range>): Map<string, Condition> {
  const begun = trials.filter(({ state, params }) => params.size > 0 && state !== 0)
  const isEverywhere = (name: string) => begun.every(({ params }) => params.has(name))
  const choices = [...ranges].filter(([name, { range }]) => 'values' in range && isEverywhere(name))
  const conditions = new Map<string, Condition>()
  for (const name of ranges.keys()) {
    if (isEverywhere(name)) continue
    for (const [on, { meaning }] of choices) {
      const valuesIn = (isThere: boolean) =>
        new Set(
          begun.filter(({ params }) => params.has(name) === isThere).map(each => each.params.get(on)?.value ?? -1)
        )
      const [there, absent] = [valuesIn(true), valuesIn(false)]
      if ([...there].some(value => absent.has(value))) continue
      const values = [...there].map(meaning).filter(value => value !== undefined)
      conditions.set(name, { on, values })
      break
    }
  }
  return conditions
}

function whenOf(condition: Condition | undefined): { readonly when?: Json } {
  return condition ? { when: { [condition.on]: condition.values } } : {}
}

type Fail = (line: number, what: string) => never

function failing(fileName: string): Fail {
  return (line, what) => {
    throw new PoolError('SWEEP_INVALID', `${fileName}:${line} ${what}.`)
  }
}

function chosen(studies: readonly JournalSweep[], name: string | undefined): JournalSweep {
  const names = studies.map(study => study.name)
  const found = name === undefined && studies.length === 1 ? studies[0] : studies.find(study => study.name === name)
  if (found) return found
  const what = name === undefined ? `The file has ${names.length} sweeps` : `The file has no sweep "${name}"`
  throw new PoolError('REQUEST_INVALID', `${what}.${didYouMean(name ?? '', names)}`, {
    hint: names.length > 0 ? `Say --study and one of: ${names.slice(0, 8).join(', ')}.` : 'It has none at all.'
  })
}

/** Ranges may change during a study: the sweep's reach over all of them. */
function rangesOf(study: JournalSweep, fail: Fail): Map<string, Range> {
  const kinds = new Map<string, Distribution>()
  for (const trial of study.trials) {
    for (const [name, { distribution, line }] of trial.params) {
      if (!keySchema.safeParse(name).success) fail(line, `a sweep can have no parameter named ${JSON.stringify(name)}`)
      const read = distributionOf(distribution)
      if (!read) fail(line, `the distribution of "${name}" is none that is known here`)
      const known = kinds.get(name)
      const both = known ? joined(known, read as Distribution) : read
      if (!both) fail(line, `"${name}" has another distribution here than before`)
      kinds.set(name, both as Distribution)
    }
  }
  const line = study.line
  return new Map([...kinds].map(([name, kind]) => [name, rangeOf(kind) ?? fail(line, tooFine(name))]))
}

function tooFine(name: string): string {
  return `"${name}" has more than ${LIMITS.valuesPerParameter} steps that do not begin at a multiple of themselves`
}

type Distribution =
  | { readonly kind: 'choice'; readonly choices: readonly (string | number | boolean | null)[] }
  | {
      readonly kind: 'int' | 'float'
      readonly low: number
      readonly high: number
      readonly step?: number
      readonly isLog: boolean
    }

function distributionOf(text: string): Distribution | undefined {
  let told: unknown
  try {
    told = JSON.parse(text)
  } catch {
    return undefined
  }
  const named = z.object({ name: z.string(), attributes: z.unknown() }).safeParse(told)
  if (!named.success) return undefined
  const choice = attributes.categorical.safeParse(named.data.attributes)
  if (named.data.name === 'CategoricalDistribution')
    return choice.success ? { kind: 'choice', choices: choice.data.choices } : undefined
  const numeric = attributes.numeric.safeParse(named.data.attributes)
  const kind = { IntDistribution: 'int', FloatDistribution: 'float' }[named.data.name] as 'int' | 'float' | undefined
  if (!kind || !numeric.success || numeric.data.low > numeric.data.high) return undefined
  const { low, high, step, log } = numeric.data
  const isLog = log === true && low > 0
  const isStepped = step != null && !isLog && !(kind === 'int' && step === 1)
  return { kind, low, high, isLog, ...(isStepped ? { step } : {}) }
}

function joined(a: Distribution, b: Distribution): Distribution | undefined {
  if (a.kind === 'choice' || b.kind === 'choice') return JSON.stringify(a) === JSON.stringify(b) ? a : undefined
  if (a.kind !== b.kind || a.isLog !== b.isLog || a.step !== b.step) return undefined
  const steps = a.step === undefined ? 0 : (b.low - a.low) / a.step
  if (Math.abs(steps - Math.round(steps)) > 1e-6) return undefined
  return { ...a, low: Math.min(a.low, b.low), high: Math.max(a.high, b.high) }
}

/** Returns nothing for what would be a list longer than a sweep file's may be. */
function rangeOf(kind: Distribution): Range | undefined {
  if (kind.kind === 'choice') {
    const { choices } = kind
    return {
      range: choices.length === 1 ? { value: choices[0] ?? null } : { values: choices },
      meaning: at => choices[at]
    }
  }
  const { low: min, high: max, step, isLog } = kind
  const exact = (value: number) => (kind.kind === 'int' ? Math.round(value) : value)
  if (min === max) return { range: { value: min }, meaning: () => min }
  if (step !== undefined) return steppedRange(min, max, step)
  if (kind.kind === 'int') {
    const range = isLog
      ? { distribution: 'q_log_uniform_values', min, max, q: 1 }
      : { distribution: 'int_uniform', min, max }
    return { range, meaning: exact }
  }
  return { range: { distribution: isLog ? 'log_uniform_values' : 'uniform', min, max }, meaning: exact }
}

/** Optuna's steps begin at `low`, those of a sweep at 0: where these differ, each value is written out. */
function steppedRange(min: number, max: number, step: number): Range | undefined {
  if (Number.isInteger(min / step)) {
    return {
      range: { distribution: 'q_uniform', min, max, q: step },
      meaning: value => min + Math.round((value - min) / step) * step
    }
  }
  const count = Math.floor((max - min) / step + 1e-8) + 1
  if (count > LIMITS.valuesPerParameter) return undefined
  const values = Array.from({ length: count }, (_, k) => Number((min + k * step).toPrecision(12)))
  return { range: { values }, meaning: value => values[Math.round((value - min) / step)] }
}

function trialOf({ params }: JournalTrial, ranges: ReadonlyMap<string, Range>): Record<string, Json> | undefined {
  const trial: Record<string, Json> = {}
  for (const [name, { meaning }] of ranges) {
    const internal = params.get(name)?.value
    if (internal === undefined) continue
    const value = meaning(internal)
    if (value === undefined) return undefined
    trial[name] = value
  }
  return trial
}

function distinct(trials: readonly Record<string, Json>[]): Record<string, Json>[] {
  return [...new Map(trials.map(trial => [JSON.stringify(trial), trial])).values()]
}
