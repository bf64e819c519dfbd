/**
 * A sweep as data: what to run, what to vary, what to minimise, how much of it.
 *
 * Owns the checked form that travels in the log. Reading `sweep.yaml` with its places and hints is the cli's work;
 * this schema is what both the file and a peer's record must satisfy.
 */
import { z } from 'zod'
import { canonicalJson } from './hash.js'
import { LIMITS } from './limits.js'
import { VENDORS } from './vendors.js'

/** W&B's pattern for parameter names; the three names that would reach a JavaScript prototype are refused. */
const NAME = /^[A-Za-z_][A-Za-z0-9_./-]*$/
const PROTOTYPE_NAMES = ['__proto__', 'constructor', 'prototype']

/** A parameter's or a metric's name. */
export const keySchema = z
  .string()
  .max(LIMITS.keyChars)
  .regex(NAME, 'a name starts with a letter or _ and holds letters, digits and _ . / - only')
  .refine(name => !PROTOTYPE_NAMES.includes(name), 'this name is reserved')

const number = z.number().min(-LIMITS.rangeMax).max(LIMITS.rangeMax)
/** A step or a bound of a logarithmic range: not so small that dividing by it leaves what a double holds. */
const positive = z
  .number()
  .min(1 / LIMITS.rangeMax)
  .max(LIMITS.rangeMax)
/** A value that a parameter may take. Lists and maps are refused: a choice must be comparable and printable. */
export const valueSchema = z.union([z.null(), z.boolean(), number, z.string().max(LIMITS.valueChars)])
export type ParameterValue = z.infer<typeof valueSchema>
export type Parameters = Readonly<Record<string, ParameterValue>>

/** An empty range has no value to draw, and one value is a constant: W&B refuses both too. */
const RANGE = [(range: { min: number; max: number }) => range.min < range.max, 'min must be less than max'] as const

/** The ranges that a parameter may have, by W&B's names for them. Source: wandb/sweeps, config/schema.json. */
export const parameterSchema = z.discriminatedUnion('distribution', [
  z.strictObject({ distribution: z.literal('constant'), value: valueSchema }),
  z.strictObject({
    distribution: z.literal('categorical'),
    values: z.array(valueSchema).min(1).max(LIMITS.valuesPerParameter)
  }),
  z
    .strictObject({ distribution: z.literal('int_uniform'), min: z.number().int(), max: z.number().int() })
    .refine(...RANGE),
  z.strictObject({ distribution: z.literal('uniform'), min: number, max: number }).refine(...RANGE),
  z.strictObject({ distribution: z.literal('q_uniform'), min: number, max: number, q: positive }).refine(...RANGE),
  z.strictObject({ distribution: z.literal('log_uniform_values'), min: positive, max: positive }).refine(...RANGE),
  z
    .strictObject({
      distribution: z.literal('q_log_uniform_values'),
      min: positive,
      max: positive,
      q: positive
    })
    .refine(...RANGE)
])
export type Parameter = z.infer<typeof parameterSchema>
export type Distribution = Parameter['distribution']

export const METHODS = ['grid', 'random'] as const
export const GOALS = ['minimize', 'maximize'] as const
export const SUMMARIES = ['last', 'best'] as const
export const BACKUPS = ['on', 'off'] as const
export const ON_DUPLICATE = ['resample', 'reuse', 'replicate'] as const

/** How a parameter changes the memory that a trial needs: in proportion, with its square, or not at all. */
export const MEMORY_EFFECTS = ['up', 'up2', 'down', 'none', 'same'] as const
export type MemoryEffect = (typeof MEMORY_EFFECTS)[number]
export const FINE_TUNING = ['full', 'lora', 'qlora'] as const

/** The shape of a decoder-only transformer: what a first guess of its memory needs. */
export const modelShapeSchema = z.strictObject({
  parameters: positive,
  hidden: positive,
  layers: positive,
  vocabulary: positive,
  heads: positive.optional(),
  fineTuning: z.enum(FINE_TUNING)
})
export type ModelShape = z.infer<typeof modelShapeSchema>

const label = z.string().min(1).max(LIMITS.nameChars)

/** What a device and its machine must have to take a trial. */
export const requiresSchema = z.strictObject({
  /** Bytes of device memory; learned from what ran when absent. */
  memoryBytes: z.number().int().min(0).optional(),
  vendors: z.array(z.enum(VENDORS)).min(1).max(VENDORS.length).optional(),
  /** At least this capability, by numbers: `8.0` of NVIDIA. */
  capability: z
    .string()
    .regex(/^\d{1,4}(\.\d{1,4})?$/)
    .optional(),
  bf16: z.literal(true).optional(),
  diskBytes: z.number().int().min(0).optional(),
  /** Python packages that the interpreter must find. */
  packages: z.array(label).max(LIMITS.requirementsPerSweep).optional(),
  /** Names under which machines know models and data sets that do not travel. */
  assets: z.array(label).max(LIMITS.requirementsPerSweep).optional(),
  /** By parameter; what is not named here is judged by its name. */
  memoryEffects: z.record(keySchema, z.enum(MEMORY_EFFECTS)).optional(),
  model: modelShapeSchema.optional()
})
export type Requires = z.infer<typeof requiresSchema>

/** A checked sweep. */
export const sweepSpecSchema = z.object({
  name: z.string().min(1).max(LIMITS.nameChars),
  description: z.string().max(LIMITS.messageChars).optional(),
  /** The file that `${program}` stands for: a path inside the bundle, with forward slashes. */
  program: z.string().max(LIMITS.pathBytes).optional(),
  /** The command with its macros; no shell reads it. */
  command: z.array(z.string().max(LIMITS.valueChars)).min(1).max(LIMITS.commandArguments),
  method: z.enum(METHODS),
  /** The objective: which metric, which way, and whether a trial counts by its last or by its best value. */
  metric: z.object({ name: keySchema, goal: z.enum(GOALS), summary: z.enum(SUMMARIES) }),
  parameters: z
    .record(keySchema, parameterSchema)
    .refine(all => Object.keys(all).length <= LIMITS.parametersPerSweep, 'too many parameters'),
  /** Seed of every choice that the search makes: the same seed gives the same trials. */
  seed: z
    .number()
    .int()
    .min(0)
    .max(2 ** 32 - 1),
  /** Trials at most. A grid without it has as many as it has combinations; `random` must name it. */
  runCap: z.number().int().min(1).max(LIMITS.trialsPerSweep).optional(),
  /** What becomes of a configuration that the sweep has had already (rule C10). */
  onDuplicate: z.enum(ON_DUPLICATE),
  /** Silence of a machine after which another may take its trial over, in ms (rule C6). */
  leaseMs: z.number().int().min(LIMITS.leaseMinMs).max(LIMITS.leaseMaxMs),
  /** An attempt that runs longer than this, in ms, is stopped and counts as failed. */
  timeLimitMs: z.number().int().min(1).optional(),
  /** Whether idle machines train slow trials a second time (rule C11). Absent: they do. */
  backups: z.enum(BACKUPS).optional(),
  /** What it takes to run a trial. Absent: memory as learned, nothing else. */
  requires: requiresSchema.optional()
})
export type SweepSpec = z.infer<typeof sweepSpecSchema>

/** The same as it stands in a record: a field of a newer release stays, since the sweep's name covers it (rule L5). */
export const recordedSpecSchema: z.ZodType<SweepSpec> = sweepSpecSchema
  .loose()
  .refine(spec => canonicalJson(spec).length <= LIMITS.specBytes, `a sweep has at most ${LIMITS.specBytes} characters`)
  .refine(
    ({ method, onDuplicate, runCap = 0 }) =>
      method === 'grid' || onDuplicate === 'replicate' || runCap <= LIMITS.trialsWithHistory,
    `more than ${LIMITS.trialsWithHistory} random trials need \`on_duplicate: replicate\``
  )

/** True when this release knows every field: else it folds the sweep, and leaves its trials to newer agents (L5). */
export function isUnderstood(spec: SweepSpec): boolean {
  return Object.keys(spec).every(key => Object.hasOwn(sweepSpecSchema.shape, key))
}
