/**
 * A sweep as data: what to run, what to vary, what to minimise, how much of it.
 *
 * Owns the checked form that travels in the log. Reading `sweep.yaml` with its places and hints is the cli's work;
 * this schema is what both the file and a peer's record must satisfy.
 */
import { z } from 'zod'
import { canonicalJson } from './hash.js'
import { LIMITS } from './limits.js'
import {
  keySchema,
  type Parameter,
  parameterSchema,
  positiveSchema,
  rangeNumberSchema,
  valueSchema
} from './parameter.js'
import { parseExpression } from './search/expression.js'
import { stoppingSchema } from './stopping-spec.js'
import { VENDORS } from './vendors.js'

export * from './parameter.js'
export * from './stopping-spec.js'

export const METHODS = ['grid', 'random', 'sobol', 'one-at-a-time', 'tpe', 'gp', 'auto'] as const
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
  parameters: positiveSchema,
  hidden: positiveSchema,
  layers: positiveSchema,
  vocabulary: positiveSchema,
  heads: positiveSchema.optional(),
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

/** One rule over the parameters, such as `batch * accumulation <= 64`. */
const constraintSchema = z
  .string()
  .max(LIMITS.constraintChars)
  .refine(text => 'expression' in parseExpression(text), 'this is no expression over parameters')

/** What a sweep may use in all. */
const budgetSchema = z.strictObject({
  /** Seconds of devices, added up over all attempts that have ended (rule E7). */
  gpuSeconds: z.number().min(1).max(LIMITS.rangeMax)
})

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
  metric: z.object({
    name: keySchema,
    goal: z.enum(GOALS),
    summary: z.enum(SUMMARIES),
    /** The sweep ends when a trial reaches it. */
    target: rangeNumberSchema.optional()
  }),
  /** Objectives beside the metric: trials are ranked by all, and stopped early by the metric alone. */
  furtherMetrics: z
    .array(z.strictObject({ name: keySchema, goal: z.enum(GOALS) }))
    .min(1)
    .max(LIMITS.furtherMetrics)
    .optional(),
  parameters: z
    .record(keySchema, parameterSchema)
    .refine(all => Object.keys(all).length <= LIMITS.parametersPerSweep, 'too many parameters')
    .refine(isConditional, '`when` names no other parameter, or leads back to itself'),
  /** Names that stand for maps in the program's configuration: `optimizer`, where a parameter is `optimizer.lr`. */
  nested: z.array(keySchema).max(LIMITS.parametersPerSweep).optional(),
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
  /** So long after it was submitted, in ms, nothing new of the sweep begins (rule E8). */
  wallTimeMs: z.number().int().min(1).optional(),
  /** Whether idle machines train slow trials a second time (rule C11). Absent: they do. */
  backups: z.enum(BACKUPS).optional(),
  /** What it takes to run a trial. Absent: memory as learned, nothing else. */
  requires: requiresSchema.optional(),
  /** Which trials end before their time. Absent: none. */
  stopping: stoppingSchema.optional(),
  /** A configuration that breaks one is never run. */
  constraints: z.array(constraintSchema).max(LIMITS.constraintsPerSweep).optional(),
  /** Configurations that are run before the method chooses any; each has all parameters that are there. */
  trials: z.array(z.record(keySchema, valueSchema)).max(LIMITS.namedTrialsPerSweep).optional(),
  /** Times that each configuration is trained, each with another seed of the program. Absent: once. */
  seeds: z.number().int().min(1).max(LIMITS.seedsPerConfiguration).optional(),
  budget: budgetSchema.optional()
})
export type SweepSpec = z.infer<typeof sweepSpecSchema>

/** The same as it stands in a record: a field of a newer release stays, since the sweep's name covers it (rule L5). */
export const recordedSpecSchema: z.ZodType<SweepSpec> = sweepSpecSchema
  .loose()
  .refine(spec => canonicalJson(spec).length <= LIMITS.specBytes, `a sweep has at most ${LIMITS.specBytes} characters`)
  .refine(
    ({ method, onDuplicate, runCap = 0 }) =>
      method === 'grid' || onDuplicate === 'replicate' || runCap <= LIMITS.trialsWithHistory,
    {
      message: `more than ${LIMITS.trialsWithHistory} random trials need \`on_duplicate: replicate\``,
      path: ['runCap']
    }
  )
  .refine(
    ({ parameters, trials = [] }) =>
      trials.every(trial => Object.keys(trial).every(name => Object.hasOwn(parameters, name))),
    { message: 'a trial names a parameter that there is not', path: ['trials'] }
  )

/** True when this release knows every field: else it folds the sweep, and leaves its trials to newer agents (L5). */
export function isUnderstood(spec: SweepSpec): boolean {
  return Object.keys(spec).every(key => Object.hasOwn(sweepSpecSchema.shape, key))
}

/** True when each condition leads, perhaps by other conditions, to a parameter that is always there. */
function isConditional(all: Readonly<Record<string, Parameter>>): boolean {
  return Object.keys(all).every(name => {
    let at: string | undefined = name
    // A chain without a loop is shorter than there are parameters.
    for (let steps = 0; at !== undefined && steps <= LIMITS.parametersPerSweep; steps++) {
      if (!Object.hasOwn(all, at)) return false
      at = all[at]?.when?.parameter
    }
    return at === undefined
  })
}
