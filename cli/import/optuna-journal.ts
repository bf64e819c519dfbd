/**
 * Optuna's journal: one operation a line, replayed to the studies and trials that they make.
 *
 * Owns which operations count. Values stay as the journal has them, in Optuna's internal form.
 * Invariant: no text throws anything but `SWEEP_INVALID`, which names the line.
 * Source: optuna/storages/journal/_storage.py.
 */
import { z } from 'zod'
import { PoolError } from '#protocol'

const [CREATE_STUDY, DELETE_STUDY, CREATE_TRIAL, SET_PARAM, SET_STATE] = [0, 1, 4, 5, 6]
/** States of a trial. */
const [RUNNING, COMPLETE, WAITING] = [0, 1, 4]

export interface JournalTrial {
  readonly study: number
  state: number
  value?: number
  /** By name: the internal value, and the distribution as JSON, with the line that says so. */
  readonly params: Map<string, { readonly value: number; readonly distribution: string; readonly line: number }>
}

export interface JournalSweep {
  readonly name: string
  /** 1: minimise, 2: maximise; one for each objective. */
  readonly directions: readonly number[]
  readonly line: number
  readonly trials: readonly JournalTrial[]
}

const id = z.number().int().min(0)
const number = z.number()
const operation = z.looseObject({ op_code: z.number().int() })
const shapes = {
  study: z.looseObject({ study_name: z.string(), directions: z.array(z.number()) }),
  ofStudy: z.looseObject({ study_id: id }),
  trial: z.looseObject({
    study_id: id,
    state: z.number().optional(),
    value: number.nullish(),
    values: z.array(number.nullable()).nullish(),
    params: z.record(z.string(), number).optional(),
    distributions: z.record(z.string(), z.string()).optional()
  }),
  param: z.looseObject({
    trial_id: id,
    param_name: z.string(),
    param_value_internal: number,
    distribution: z.string()
  }),
  state: z.looseObject({ trial_id: id, state: z.number(), values: z.array(number.nullable()).nullish() })
}

/** True for a text whose first line is an operation. */
export function isJournal(text: string): boolean {
  const [first = ''] = text.trimStart().split('\n', 1)
  return /^\{.*"op_code"/.test(first)
}

/**
 * Returns the studies of a journal that nobody deleted, in its order, with all their trials.
 *
 * Errors: `SWEEP_INVALID` with the line that is no operation, or is about what there is not.
 */
export function readJournal(text: string, fileName: string): readonly JournalSweep[] {
  const replay: Replay = { studies: [], trials: [] }
  for (const [index, written] of text.split('\n').entries()) {
    if (written.trim() === '') continue
    const line = index + 1
    const problem = apply(replay, written, line)
    if (problem !== undefined) {
      throw new PoolError('SWEEP_INVALID', `${fileName}:${line} ${problem}.`, {
        hint: 'Give a file that JournalFileBackend wrote, such as optuna.log.'
      })
    }
  }
  return replay.studies.filter(study => study !== undefined)
}

interface Replay {
  /** By id; undefined once deleted. */
  readonly studies: ((Omit<JournalSweep, 'trials'> & { readonly trials: JournalTrial[] }) | undefined)[]
  readonly trials: JournalTrial[]
}

/** Returns what is wrong with a line. */
function apply(replay: Replay, written: string, line: number): string | undefined {
  const parsed = operation.safeParse(jsonOf(written))
  if (!parsed.success) return 'expected an operation of a journal, a JSON object with "op_code"'
  switch (parsed.data.op_code) {
    case CREATE_STUDY:
      return taken(shapes.study, parsed.data, ({ study_name: name, directions }) => {
        // Who comes second with a name gets an error from Optuna, and no study.
        if (!replay.studies.some(study => study?.name === name))
          replay.studies.push({ name, directions, line, trials: [] })
        return undefined
      })
    case DELETE_STUDY:
      return taken(shapes.ofStudy, parsed.data, ({ study_id: study }) => {
        if (study < replay.studies.length) replay.studies[study] = undefined
        return undefined
      })
    case CREATE_TRIAL:
      return taken(shapes.trial, parsed.data, told => createTrial(replay, told, line))
    case SET_PARAM:
      return taken(shapes.param, parsed.data, ({ trial_id, param_name, param_value_internal: value, distribution }) => {
        const trial = replay.trials[trial_id]
        if (!trial) return `there is no trial ${trial_id} yet`
        if (isOpen(trial)) trial.params.set(param_name, { value, distribution, line })
        return undefined
      })
    case SET_STATE:
      return taken(shapes.state, parsed.data, ({ trial_id, state, values }) => {
        const trial = replay.trials[trial_id]
        if (!trial) return `there is no trial ${trial_id} yet`
        if (!isOpen(trial)) return undefined
        trial.state = state
        const [value] = values ?? []
        if (typeof value === 'number') trial.value = value
        return undefined
      })
    default:
      // Attributes, values on the way, and what newer releases have.
      return undefined
  }
}

function createTrial(
  { studies, trials }: Replay,
  told: z.infer<typeof shapes.trial>,
  line: number
): string | undefined {
  if (told.study_id >= studies.length) return `there is no sweep ${told.study_id} yet`
  const trial: JournalTrial = { study: told.study_id, state: told.state ?? RUNNING, params: new Map() }
  const value = told.value ?? told.values?.[0]
  if (typeof value === 'number') trial.value = value
  for (const [name, inner] of Object.entries(told.params ?? {})) {
    trial.params.set(name, { value: inner, distribution: told.distributions?.[name] ?? '', line })
  }
  trials.push(trial)
  studies[told.study_id]?.trials.push(trial)
  return undefined
}

function isOpen({ state }: JournalTrial): boolean {
  return state === RUNNING || state === WAITING
}

/** True for a trial that came to a value. */
export function isComplete(trial: JournalTrial): trial is JournalTrial & { value: number } {
  return trial.state === COMPLETE && trial.value !== undefined && Number.isFinite(trial.value)
}

function taken<T>(shape: z.ZodType<T>, told: unknown, take: (told: T) => string | undefined): string | undefined {
  const parsed = shape.safeParse(told)
  if (parsed.success) return take(parsed.data)
  const [issue] = parsed.error.issues
  return `${issue?.path.join('.') || 'it'} is not as a journal has it`
}

/** Python writes numbers that JSON has not; a value that is none is no result. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text.replace(/(?<=[:[,]\s*)-?(?:NaN|Infinity)(?=\s*[,\]}])/g, 'null'))
  } catch {
    return undefined
  }
}
