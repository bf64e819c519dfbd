/**
 * A parameter as data: its name, the values that it may take, and the law by which random draws choose among them.
 *
 * Owns the names of the distributions, which are W&B's, and what each needs. What they mean is the search's work.
 * A member is added, never changed: sweeps in the logs name them.
 */
import { z } from 'zod'
import { LIMITS } from './limits.js'

/** W&B's pattern for parameter names; the three names that would reach a JavaScript prototype are refused. */
const NAME = /^[A-Za-z_][A-Za-z0-9_./-]*$/
const PROTOTYPE_NAMES = ['__proto__', 'constructor', 'prototype']

/** A parameter's or a metric's name. */
export const keySchema = z
  .string()
  .max(LIMITS.keyChars)
  .regex(NAME, 'a name starts with a letter or _ and holds letters, digits and _ . / - only')
  .refine(name => !PROTOTYPE_NAMES.includes(name), 'this name is reserved')

/** A number in a range. */
export const rangeNumberSchema = z.number().min(-LIMITS.rangeMax).max(LIMITS.rangeMax)
/** A step or a bound of a logarithmic range: not so small that dividing by it leaves what a double holds. */
export const positiveSchema = z
  .number()
  .min(1 / LIMITS.rangeMax)
  .max(LIMITS.rangeMax)
/** A value that a parameter may take. Lists and maps are refused: a choice must be comparable and printable. */
export const valueSchema = z.union([z.null(), z.boolean(), rangeNumberSchema, z.string().max(LIMITS.valueChars)])
export type ParameterValue = z.infer<typeof valueSchema>
export type Parameters = Readonly<Record<string, ParameterValue>>

/** A parameter is there only where another one has one of these values. */
export const conditionSchema = z.strictObject({
  parameter: keySchema,
  values: z.array(valueSchema).min(1).max(LIMITS.valuesPerParameter)
})

const [number, positive] = [rangeNumberSchema, positiveSchema]
const shape = z.number().min(LIMITS.betaShapeMin).max(LIMITS.betaShapeMax)
const values = z.array(valueSchema).min(1).max(LIMITS.valuesPerParameter)
const when = conditionSchema.optional()
/** `json`: each text is the JSON of a value that the program gets, such as a list of layer sizes. */
const encoding = z.literal('json').optional()

/** An empty range has no value to draw, and one value is a constant: W&B refuses both too. */
const RANGE = [(range: { min: number; max: number }) => range.min < range.max, 'min must be less than max'] as const
const WEIGHTS = [
  ({ values, probabilities }: { values: readonly unknown[]; probabilities: readonly number[] }) =>
    values.length === probabilities.length && probabilities.some(each => each > 0),
  'each value needs a probability, and one of them must be above 0'
] as const
const DECODABLE = 'a text that stands for JSON must be JSON'

/** The ranges that a parameter may have, by W&B's names for them. Source: wandb/sweeps, config/schema.json. */
export const parameterSchema = z.discriminatedUnion('distribution', [
  z
    .strictObject({ distribution: z.literal('constant'), value: valueSchema, encoding, when })
    .refine(({ encoding, value }) => encoding === undefined || isDecodable(value), DECODABLE),
  z
    .strictObject({ distribution: z.literal('categorical'), values, encoding, when })
    .refine(({ encoding, values }) => encoding === undefined || values.every(isDecodable), DECODABLE),
  z
    .strictObject({
      distribution: z.literal('categorical_w_probabilities'),
      values,
      /** In proportion: they need not add up to 1. */
      probabilities: z.array(z.number().min(0).max(LIMITS.rangeMax)).max(LIMITS.valuesPerParameter),
      encoding,
      when
    })
    .refine(...WEIGHTS)
    .refine(({ encoding, values }) => encoding === undefined || values.every(isDecodable), DECODABLE),
  z
    .strictObject({ distribution: z.literal('int_uniform'), min: z.number().int(), max: z.number().int(), when })
    .refine(...RANGE),
  z.strictObject({ distribution: z.literal('uniform'), min: number, max: number, when }).refine(...RANGE),
  z
    .strictObject({ distribution: z.literal('q_uniform'), min: number, max: number, q: positive, when })
    .refine(...RANGE),
  z
    .strictObject({ distribution: z.literal('log_uniform_values'), min: positive, max: positive, when })
    .refine(...RANGE),
  z
    .strictObject({
      distribution: z.literal('q_log_uniform_values'),
      min: positive,
      max: positive,
      q: positive,
      when
    })
    .refine(...RANGE),
  z.strictObject({ distribution: z.literal('normal'), mu: number, sigma: positive, when }),
  z.strictObject({ distribution: z.literal('q_normal'), mu: number, sigma: positive, q: positive, when }),
  /** `mu` and `sigma` are those of the natural logarithm. */
  z.strictObject({ distribution: z.literal('log_normal'), mu: number, sigma: positive, when }),
  z.strictObject({ distribution: z.literal('q_log_normal'), mu: number, sigma: positive, q: positive, when }),
  z.strictObject({ distribution: z.literal('beta'), a: shape, b: shape, when }),
  z.strictObject({ distribution: z.literal('q_beta'), a: shape, b: shape, q: positive, when })
])
export type Parameter = z.infer<typeof parameterSchema>
export type Distribution = Parameter['distribution']

function isDecodable(value: ParameterValue): boolean {
  if (typeof value !== 'string') return true
  try {
    JSON.parse(value)
    return true
  } catch {
    return false
  }
}

/** True for equal parameters, in whatever order they are held. */
export function sameParameters(a: Parameters, b: Parameters): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every(name => Object.hasOwn(b, name) && a[name] === b[name])
}
