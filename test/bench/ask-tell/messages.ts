/**
 * Messages of the ask-and-tell program: from a line to what is asked for, and from its space to dimensions.
 *
 * Owns what a line may hold and what is said of one that does not hold it; keeps nothing between two lines.
 */
import { z } from 'zod'
import type { Dimension, Space } from '../../../protocol/search/dimension.js'

/** What a program may say instead of a loss once training has left the numbers. */
const DIVERGED = ['NaN', 'Infinity', '-Infinity']
/** Python writes these names bare, which is no JSON. */
const BARE = /([:[,]\s*)(NaN|-?Infinity)(?=\s*[,}\]])/g

/** Of a step, by which a range may miss its last value: 0.3 / 0.1 is 2.9999999999999996. */
const ROUNDING = 1e-9

const choice = z.union([z.string(), z.number(), z.boolean(), z.null()])
const condition = z
  .record(z.string(), z.array(choice).min(1))
  .refine(when => Object.keys(when).length <= 1, '`when` names one other parameter')
const common = { name: z.string().min(1), when: condition.optional() }
const range = { ...common, low: z.number(), high: z.number(), log: z.boolean().default(false) }
/** A field that says `null` is not there. */
const withoutNulls = (value: unknown) =>
  typeof value === 'object' && value !== null
    ? Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null))
    : value
const parameterSchema = z.preprocess(
  withoutNulls,
  z.discriminatedUnion('type', [
    z.object({ type: z.literal('float'), ...range, step: z.number().positive().optional() }),
    z.object({ type: z.literal('int'), ...range, low: z.int(), high: z.int() }),
    z.object({ type: z.literal('cat'), ...common, choices: z.array(choice).min(1) })
  ])
)
const initSchema = z.object({
  op: z.literal('init'),
  space: z.array(parameterSchema).default([]),
  seed: z.int().default(0),
  trials: z.int().positive().default(100),
  parallel: z.int().positive().default(1),
  configs: z.array(z.unknown()).min(1).optional(),
  max_epoch: z.int().positive().default(1),
  eta: z.number().gt(1).optional()
})
const measured = {
  id: z.int().nonnegative(),
  /** null: training diverged. */
  value: z.preprocess(value => (hasDiverged(value) ? null : value), z.number().nullable())
}
const messageSchema = z.discriminatedUnion('op', [
  initSchema,
  z.object({ op: z.literal('ask') }),
  z.object({ op: z.literal('tell'), ...measured }),
  z.object({ op: z.literal('report'), epoch: z.number(), ...measured })
])

/** A number that is too large for a double is read as an infinite one. */
function hasDiverged(value: unknown): boolean {
  return typeof value === 'number' ? !Number.isFinite(value) : DIVERGED.some(name => name === value)
}

/** A parameter as the program is told it. `when`: it is there only where another one has one of these values. */
export type ParameterMessage = z.output<typeof parameterSchema>
export type InitMessage = z.output<typeof initSchema>
export type Message = z.output<typeof messageSchema>

/** Returns what a line says. Errors: a sentence about the first thing that is wrong with it. */
export function messageOf(line: string): Message {
  const said = jsonOf(line)
  const read = messageSchema.safeParse(isInit(said) ? withoutNulls(said) : said)
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw new Error(`${issue?.path.join('.') || 'the line'}: ${issue?.message ?? 'cannot be read'}`)
}

function isInit(said: unknown): boolean {
  return typeof said === 'object' && said !== null && 'op' in said && said.op === 'init'
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return JSON.parse(line.replace(BARE, '$1"$2"'))
  }
}

/**
 * Returns the dimensions of a space in the one order that every machine has.
 *
 * Errors: two parameters of one name, an empty range, a logarithm of what is not positive, choices that repeat, a
 * condition on a parameter that is not there or, over others, on itself.
 */
export function spaceOf(parameters: readonly ParameterMessage[]): Space {
  const names = new Set(parameters.map(({ name }) => name))
  if (names.size < parameters.length) throw new Error('two parameters have one name')
  const waiting = [...parameters].sort((a, b) => (a.name < b.name ? -1 : 1)).map(dimensionOf)
  const space: Dimension[] = []
  while (waiting.length > 0) {
    const next = waiting.findIndex(({ when }) => !when || space.some(({ name }) => name === when.parameter))
    const [dimension] = next < 0 ? [] : waiting.splice(next, 1)
    if (!dimension) throw new Error(`${waiting[0]?.name}: its condition names a parameter that cannot come before it`)
    space.push(dimension)
  }
  return space
}

function dimensionOf(message: ParameterMessage): Dimension {
  const { name } = message
  const [condition] = Object.entries(message.when ?? {}).map(([parameter, values]) => ({ parameter, values }))
  const when = condition ? { when: condition } : {}
  if (message.type === 'cat') {
    const { choices } = message
    if (new Set(choices).size < choices.length) throw new Error(`${name}: a choice is listed twice`)
    return { kind: 'categorical', name, choices, ...when }
  }
  const { low, high, log: isLog = false } = message
  if (!(low < high)) throw new Error(`${name}: low must be less than high`)
  if (isLog && low <= 0) throw new Error(`${name}: a logarithm needs low above 0`)
  const step = message.type === 'int' ? 1 : message.step
  if (step === undefined) return { kind: 'numeric', name, low, high, isLog, ...when }
  const steps = Math.floor((high - low) / step + ROUNDING)
  if (steps < 1) throw new Error(`${name}: one step leads out of the range`)
  return { kind: 'numeric', name, low, high: low + steps * step, isLog, step, ...when }
}
