/**
 * Early stopping as data: the rule by which trials that do badly end before their time.
 *
 * Owns the rules' names and settings. What a rule decides is not computed here.
 */
import { z } from 'zod'
import { LIMITS } from './limits.js'
import { rangeNumberSchema } from './parameter.js'

/** What a rule counts: steps, epochs or tokens as the program tells them, or reports of the objective, as W&B does. */
export const STOPPING_UNITS = ['steps', 'epochs', 'tokens', 'reports'] as const
export const STOPPING_RULES = ['asha', 'hyperband', 'median', 'threshold', 'plateau', 'auto'] as const

const count = z.number().int().min(0)
const eta = z.number().gt(1).max(LIMITS.etaMax)
/** Of epochs there are parts. */
const length = z.number().gt(0).max(Number.MAX_SAFE_INTEGER)
/** `warmUpSteps`: nothing is stopped before so much, in the rule's unit. */
const common = { unit: z.enum(STOPPING_UNITS).optional(), warmUpSteps: length.or(z.literal(0)).optional() }
const halving = { eta, minSteps: length.optional(), maxSteps: length.optional() }

const anyRule = z.discriminatedUnion('rule', [
  z.strictObject({ rule: z.literal('asha'), ...halving, ...common }),
  z.strictObject({
    rule: z.literal('hyperband'),
    ...halving,
    /** Where it is decided, ascending; absent: `minSteps` and its multiples by `eta`. */
    bands: z.array(count.min(1)).min(1).max(LIMITS.bandsPerSweep).optional(),
    /** W&B's: true compares the value at the band, false the best one until then. Absent: true. */
    strict: z.boolean().optional(),
    ...common
  }),
  z.strictObject({ rule: z.literal('median'), startUpTrials: count.optional(), ...common }),
  z
    .strictObject({
      rule: z.literal('threshold'),
      /** The objective must lie between the two. */
      lower: rangeNumberSchema.optional(),
      upper: rangeNumberSchema.optional(),
      ...common
    })
    .refine(({ lower, upper }) => lower !== undefined || upper !== undefined, 'a threshold needs `lower` or `upper`')
    .refine(({ lower, upper }) => lower === undefined || upper === undefined || lower < upper, '`lower` is not below'),
  z.strictObject({
    rule: z.literal('plateau'),
    /** Reports without an improvement by more than `minDelta`. */
    patience: count.min(1),
    minDelta: rangeNumberSchema.min(0).optional(),
    ...common
  }),
  z.strictObject({ rule: z.literal('auto'), ...common })
])

/** Lengths are counted in `unit`; absent: steps. */
export const stoppingSchema = anyRule.refine(
  ({ unit, ...fields }) =>
    unit === 'epochs' ||
    Object.entries(fields).every(([name, value]) => !name.endsWith('Steps') || Number.isSafeInteger(value)),
  'only epochs have parts'
)
export type Stopping = z.infer<typeof stoppingSchema>
