/**
 * The shape of a sweep file: its keys, what each may hold, and a sentence on each.
 *
 * Owns the names that the readers know and the JSON Schema that editors check and complete by: both come from here.
 * What a schema cannot say, the readers check, with better words.
 */

import { z } from 'zod'
import {
  BACKUPS,
  DURATION,
  FINE_TUNING,
  GOALS,
  LIMITS,
  MEMORY_EFFECTS,
  METHODS,
  ON_DUPLICATE,
  SIZE,
  STOPPING_UNITS,
  SUMMARIES,
  VENDORS
} from '#protocol'
import { DISTRIBUTION_KEYS, DISTRIBUTIONS, type FileDistribution } from './sweep-distribution.js'

/** W&B's names beside ours. */
export const FILE_METHODS = ['bayes', ...METHODS] as const
export const PRESETS = ['lora'] as const

const whole = (min: number, max: number) => z.number().int().min(min).max(max)
const duration = z.string().regex(DURATION)
const size = z.string().regex(SIZE)
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()])
const anything = z.json()

export const metricShape = z.strictObject({
  name: z.string().describe('The name under which the program prints it'),
  goal: z.enum(GOALS).default('minimize').describe('Which way is better'),
  summary: z.enum(SUMMARIES).default('last').describe('Which value of a trial counts'),
  target: z.number().optional().describe('The sweep ends when a trial reaches it'),
  impute: scalar.optional().describe("W&B's; not used here"),
  impute_while_running: scalar.optional().describe("W&B's; not used here")
})

export const furtherMetricShape = metricShape.pick({ name: true, goal: true })

const rangeFields: Readonly<Record<string, z.ZodType>> = {
  value: anything,
  values: z.array(anything).min(1).max(LIMITS.valuesPerParameter),
  probabilities: z.array(z.number().min(0)).min(1),
  min: z.number(),
  max: z.number(),
  q: z.number().gt(0).default(1),
  mu: z.number().default(0),
  sigma: z.number().gt(0).default(1),
  a: z.number().min(LIMITS.betaShapeMin).max(LIMITS.betaShapeMax).default(1),
  b: z.number().min(LIMITS.betaShapeMin).max(LIMITS.betaShapeMax).default(1)
}
/** Of these keys W&B infers the distribution. */
const INFERRED: readonly FileDistribution[] = ['constant', 'categorical', 'categorical_w_probabilities', 'uniform']

const when = z
  .record(z.string(), z.union([scalar, z.array(scalar)]))
  .describe('There only where another one has a value')
const parametersShape: z.ZodType = z.lazy(() =>
  z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_./-]*$/), parameterShape)
)
const parameterShape: z.ZodType = z.union([
  ...INFERRED.map(name => rangeShape(name, z.enum([name, ...(name === 'uniform' ? ['int_uniform'] : [])]).optional())),
  ...DISTRIBUTIONS.filter(name => !INFERRED.includes(name)).map(name => rangeShape(name, z.literal(name))),
  z.strictObject({ parameters: parametersShape })
])

function rangeShape(name: FileDistribution, distribution: z.ZodType): z.ZodType {
  const fields = DISTRIBUTION_KEYS[name].map(key => [key, rangeFields[key] ?? anything] as const)
  return z.strictObject({ distribution, ...Object.fromEntries(fields), when: when.optional() })
}

const count = whole(0, Number.MAX_SAFE_INTEGER)
/** Of epochs there are parts. */
const length = z.number().min(0)
const halving = { eta: z.number().gt(1).default(3), min_steps: length.optional(), max_steps: length.optional() }
const common = {
  unit: z.enum(STOPPING_UNITS).optional().describe("What is counted; hyperband with W&B's keys counts reports"),
  warm_up_steps: length.optional().describe('Nothing is stopped before')
}
/** By type: the settings of each rule of early stopping. */
export const STOPPING_SHAPES = {
  asha: z.strictObject({ type: z.literal('asha'), ...halving, ...common }),
  hyperband: z.strictObject({
    type: z.literal('hyperband'),
    ...halving,
    min_iter: count.optional().describe("W&B's: the first band, in reports"),
    max_iter: count.optional().describe("W&B's, with s: the last band, in reports"),
    s: count.optional().describe("W&B's: the number of bands"),
    strict: z.boolean().optional(),
    ...common
  }),
  median: z.strictObject({ type: z.literal('median'), start_up_trials: count.optional(), ...common }),
  threshold: z.strictObject({
    type: z.literal('threshold'),
    lower: z.number().optional(),
    upper: z.number().optional(),
    ...common
  }),
  plateau: z.strictObject({
    type: z.literal('plateau'),
    patience: count,
    min_delta: z.number().min(0).optional(),
    ...common
  }),
  auto: z.strictObject({ type: z.literal('auto'), ...common })
} as const

export const requiresShape = z.strictObject({
  memory: z.union([z.literal('auto'), size]).optional(),
  vendor: z.union([z.enum(VENDORS), z.array(z.enum(VENDORS)).min(1)]).optional(),
  capability: z.union([z.string(), z.number()]).optional(),
  bf16: z.boolean().optional(),
  disk: size.optional(),
  packages: z.array(z.string()).max(LIMITS.requirementsPerSweep).optional(),
  assets: z.array(z.string()).max(LIMITS.requirementsPerSweep).optional(),
  memory_effects: z.record(z.string(), z.enum(MEMORY_EFFECTS)).optional(),
  model: z
    .strictObject({
      parameters: z.number(),
      hidden: z.number(),
      layers: z.number(),
      vocabulary: z.number(),
      heads: z.number().optional(),
      fine_tuning: z.enum(FINE_TUNING)
    })
    .optional()
})

/** The keys that a sweep is made of. */
export const sweepShape = z.strictObject({
  name: z.string().optional().describe('For people; need not be unique'),
  description: z.string().optional().describe('For people'),
  program: z.string().optional().describe('The file to run, inside this folder'),
  command: z.array(scalar).min(1).optional().describe('Arguments with macros; no shell reads it'),
  method: z.enum(FILE_METHODS).describe('How trials are chosen; bayes is run as auto'),
  metric: metricShape.optional().describe('The objective'),
  metrics: z
    .tuple([metricShape, furtherMetricShape], furtherMetricShape)
    .optional()
    .describe('Several objectives in place of one; the first decides which trials are stopped early'),
  parameters: parametersShape.optional().describe('What to vary'),
  preset: z.enum(PRESETS).optional().describe('Parameters that are not written here come from it'),
  constraints: z.array(z.string()).optional().describe('A configuration that breaks one is never run'),
  trials: z.array(z.record(z.string(), scalar)).optional().describe('Configurations that are run first'),
  early_terminate: z.union(Object.values(STOPPING_SHAPES)).optional().describe('Which trials end before their time'),
  run_cap: whole(1, LIMITS.trialsPerSweep).optional().describe('Trials at most'),
  gpu_hours: z.number().gt(0).optional().describe('Hours of devices at most, all attempts together'),
  wall_time: duration.optional().describe('So long after it was submitted nothing new begins'),
  seeds: whole(1, LIMITS.seedsPerConfiguration).optional().describe('Times that each configuration is trained'),
  seed: whole(0, 2 ** 32 - 1)
    .optional()
    .describe('The same seed gives the same trials'),
  on_duplicate: z.enum(ON_DUPLICATE).optional().describe('What becomes of a configuration that comes again'),
  lease: duration.optional().describe('Silence of a machine after which another may take its trial over'),
  time_limit: duration.optional().describe('An attempt that runs longer is stopped and counts as failed'),
  backups: z.enum(BACKUPS).optional().describe('Whether idle machines train slow trials a second time'),
  requires: requiresShape.optional().describe('What a device and its machine must have')
})

/** W&B's keys that a sweep runs without: what becomes of each. */
export const IGNORED_KEYS: Readonly<Record<string, string>> = {
  project: 'not used here: results stay in the pool.',
  entity: 'not used here: results stay in the pool.',
  apiVersion: 'not used here.',
  kind: 'not used here.',
  controller: 'not used here: a pool has no server.',
  job: 'not used here: W&B Launch is not run. The program and its command are.',
  image_uri: 'not used here: W&B Launch is not run. The program and its command are.'
}

/** Returns the JSON Schema of sweep files, draft 2020-12, for editors. */
export function sweepFileSchema(): object {
  const ignored = Object.entries(IGNORED_KEYS).map(([name, text]) => [
    name,
    anything.optional().describe(`W&B's; ${text}`)
  ])
  const whole = sweepShape.extend(Object.fromEntries(ignored))
  const schema = z.toJSONSchema(whole, { io: 'input', unrepresentable: 'any' })
  const { metrics } = schema.properties ?? {}
  // A tuple says how it begins, and not how long it may be.
  if (typeof metrics === 'object') metrics.maxItems = 1 + LIMITS.furtherMetrics
  return {
    title: 'A sweep file of hypersweep',
    ...schema,
    oneOf: [{ required: ['metric'] }, { required: ['metrics'] }]
  }
}
