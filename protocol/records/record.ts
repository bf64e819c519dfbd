/**
 * Records: every kind of fact that a log may hold, and the shape of each.
 *
 * A record is for ever: a field is added, never changed; a kind is added, never reused (rule L5). docs/protocol.md
 * describes each kind. Nothing here decides what a record means: that is the fold.
 */
import { z } from 'zod'
import { LIMITS } from '../limits.js'
import { keySchema, recordedSpecSchema, STOPPING_UNITS, valueSchema } from '../sweep-spec.js'
import { VENDORS } from '../vendors.js'

const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`))
/** An Ed25519 public key, a log's key or a 256-bit digest. */
export const keyHex = hex(64)
const signatureHex = hex(128)
/** The name of a sweep, an invite: a 128-bit hash. */
export const idHex = hex(32)

const count = z.number().int().min(0)
const finite = z.number().finite()
const name = z.string().min(1).max(LIMITS.nameChars)
const deviceId = z.string().min(1).max(LIMITS.nameChars)
const trial = count.max(LIMITS.trialsPerSweep - 1)
const attempt = z.number().int().min(1).max(LIMITS.attemptsPerTrial)
const parameters = z
  .record(keySchema, valueSchema)
  .refine(all => Object.keys(all).length <= LIMITS.parametersPerSweep, 'too many parameters')

/** `clock`: 1 + the largest clock that the author had seen. `at`: the author's wall time in ms, for display (L2). */
const stamp = { clock: count.max(LIMITS.clockMax), at: finite }
const aboutAttempt = { sweep: idHex, trial, attempt }

export const ROLES = ['owner', 'member', 'viewer'] as const
export const RELEASE_REASONS = ['lost-claim', 'restart', 'owner', 'unable'] as const
export const RESULT_CLASSES = [
  'complete',
  'oom',
  'diverged',
  'error',
  'environment',
  'timeout',
  'stopped',
  'released',
  'lost'
] as const
/** What ran out when an attempt ran out of memory. `contention`: somebody else's program held what was missing. */
export const OOM_KINDS = ['intrinsic', 'contention', 'host'] as const
/** Who says how much memory an attempt took: its processes, the whole device, or the program itself. */
export const PEAK_SOURCES = ['process', 'device', 'program'] as const

/** A device as the log knows it: what does not change from minute to minute. */
const deviceSchema = z.object({
  id: deviceId,
  vendor: z.enum(VENDORS),
  model: name,
  memoryBytes: count,
  capability: z.string().max(LIMITS.nameChars).optional(),
  /** Computes in bfloat16. Absent: not known. */
  bf16: z.boolean().optional(),
  /** Its memory is the computer's own. */
  isUnified: z.boolean().optional(),
  /** What its owner keeps back of its memory. */
  reservedBytes: count.optional()
})

/** What an attempt took of its device. Absent fields are unknown, never 0. */
const usageSchema = z.object({
  peakBytes: count.optional(),
  peakSource: z.enum(PEAK_SOURCES).optional(),
  wattHours: finite.min(0).optional(),
  /** Mean over the attempt, 0 to 1. */
  utilisation: finite.min(0).max(1).optional()
})
export type Usage = Readonly<z.infer<typeof usageSchema>>

/** Who writes a log: the member vouches for the machine, the machine for the log (rule L7). */
export const attestationSchema = z.object({
  pool: keyHex,
  member: keyHex,
  machine: keyHex,
  incarnation: z.number().int().min(1),
  log: keyHex,
  memberSignature: signatureHex,
  machineSignature: signatureHex
})
export type Attestation = z.infer<typeof attestationSchema>

/** A block of a bulk log: `bulk.ts` says what is in it. */
export const bulkPlaceSchema = z.object({ log: keyHex, block: count.max(LIMITS.bulkBlocksPerLog - 1) })
export type BulkPlace = z.infer<typeof bulkPlaceSchema>

/** A folder of files, and the drive that carries it: a sweep's code, or a checkpoint. */
const bundleSchema = z.object({
  digest: keyHex,
  drive: keyHex,
  bytes: count.max(LIMITS.bundleBytes),
  files: count.max(LIMITS.bundleFiles)
})

/** What a rule of early stopping said of an attempt, in the rule's unit. */
const stopSchema = z.object({
  rule: z.string().max(LIMITS.nameChars),
  unit: z.enum(STOPPING_UNITS),
  rung: finite.optional(),
  value: finite.optional(),
  threshold: finite.optional(),
  /** From 1, the best, of so many. */
  rank: count.optional(),
  of: count.optional(),
  bracket: count.optional()
})

const kinds = {
  'writer-opened': z.object({ kind: z.literal('writer-opened'), ...stamp, ...attestationSchema.shape }),
  'pool-founded': z.object({
    kind: z.literal('pool-founded'),
    ...stamp,
    name,
    member: keyHex,
    memberName: name,
    machine: keyHex,
    nonce: idHex
  }),
  'member-admitted': z.object({
    kind: z.literal('member-admitted'),
    ...stamp,
    member: keyHex,
    name,
    role: z.enum(ROLES),
    machine: keyHex,
    invite: idHex
  }),
  'member-removed': z.object({
    kind: z.literal('member-removed'),
    ...stamp,
    member: keyHex,
    /** How many blocks of each log count; a log that no removal of the member names counts for nothing. */
    cuts: z.array(z.object({ log: keyHex, length: count })).max(LIMITS.cutsPerRemoval),
    reason: z.string().max(LIMITS.reasonChars).optional()
  }),
  'machine-announced': z.object({
    kind: z.literal('machine-announced'),
    ...stamp,
    name,
    version: z.string().max(LIMITS.nameChars),
    platform: z.string().max(LIMITS.nameChars),
    devices: z.array(deviceSchema).max(LIMITS.devicesPerMachine)
  }),
  'sweep-submitted': z.object({
    kind: z.literal('sweep-submitted'),
    ...stamp,
    sweep: idHex,
    nonce: idHex,
    spec: recordedSpecSchema,
    bundle: bundleSchema
  }),
  'sweep-stopped': z.object({ kind: z.literal('sweep-stopped'), ...stamp, sweep: idHex }),
  /** Its wall time is over (rule E8). */
  'sweep-expired': z.object({ kind: z.literal('sweep-expired'), ...stamp, sweep: idHex }),
  'trial-claimed': z.object({
    kind: z.literal('trial-claimed'),
    ...stamp,
    ...aboutAttempt,
    device: deviceId,
    parameters,
    /** The trial is under way elsewhere, and stays so: this claim takes nothing over (rule C11). */
    backup: z.literal(true).optional()
  }),
  'trial-released': z.object({
    kind: z.literal('trial-released'),
    ...stamp,
    ...aboutAttempt,
    reason: z.enum(RELEASE_REASONS),
    /** How long it had trained; absent when it never did. */
    seconds: finite.min(0).optional(),
    /** What the program had saved, for whoever goes on with the trial (rule C7). */
    checkpoint: bundleSchema.optional()
  }),
  'attempt-reported': z.object({
    kind: z.literal('attempt-reported'),
    ...stamp,
    ...aboutAttempt,
    step: finite,
    value: finite,
    /** Which of its reports of the objective this is, from 1. */
    count: count.min(1).optional(),
    /** How far it was in epochs or tokens, where the sweep's rule counts in these. */
    position: finite.min(0).optional()
  }),
  'attempt-finished': z.object({
    kind: z.literal('attempt-finished'),
    ...stamp,
    ...aboutAttempt,
    class: z.enum(RESULT_CLASSES),
    parameters,
    /** The objective, by the sweep's `summary`; present exactly for `complete`. */
    value: finite.optional(),
    step: finite.optional(),
    metrics: z
      .record(keySchema, finite)
      .refine(all => Object.keys(all).length <= LIMITS.metricsPerResult, 'too many metrics'),
    curve: z.array(z.tuple([finite, finite])).max(LIMITS.curvePoints),
    seconds: finite.min(0),
    device: z.object({ id: deviceId, model: name, memoryBytes: count, vendor: z.enum(VENDORS).optional() }),
    usage: usageSchema.optional(),
    /** For `oom`: what ran out, and how much memory was too little for the attempt. */
    oom: z.object({ kind: z.enum(OOM_KINDS), bytes: count }).optional(),
    /** What the program did otherwise than the parameters say, in its own words: another batch size, most often. */
    changed: z.array(z.string().max(LIMITS.changeChars)).max(LIMITS.changesPerResult).optional(),
    /** For `stopped` by the sweep's rule: what that said. Bounds and values as losses, which are better when lower. */
    stop: stopSchema.optional(),
    message: z.string().max(LIMITS.messageChars).optional(),
    tail: z.string().max(LIMITS.tailChars).optional(),
    /** Where the full curve and the end of the output stand, for whoever looks at them. */
    bulk: bulkPlaceSchema.optional()
  })
} as const

export type RecordKind = keyof typeof kinds
export const RECORD_KINDS = Object.keys(kinds) as readonly RecordKind[]
/** One schema for each kind; the codec looks the kind up, so that an unknown one is told from a broken one. */
export const RECORD_SCHEMAS: Readonly<Record<string, z.ZodType>> = kinds

type Kinds = typeof kinds
/** A record of any kind, checked. */
export type LogRecord = { [K in RecordKind]: z.infer<Kinds[K]> }[RecordKind]
/** A record of one kind. */
export type RecordOf<K extends RecordKind> = Extract<LogRecord, { kind: K }>
/** What an author hands in: the store adds `clock` and `at`. */
export type Draft = { [K in RecordKind]: Omit<RecordOf<K>, 'clock' | 'at'> }[RecordKind]

export type Role = (typeof ROLES)[number]
export type ReleaseReason = (typeof RELEASE_REASONS)[number]
export type OomKind = (typeof OOM_KINDS)[number]
export type PeakSource = (typeof PEAK_SOURCES)[number]
export type ResultClass = (typeof RESULT_CLASSES)[number]
/** The ways in which an attempt ends without a complete training (rule C9). */
export type FailureClass = Exclude<ResultClass, 'complete'>
export type KnownDevice = z.infer<typeof deviceSchema>

/** A record in its place: whose log, which block, which record of the block. Authenticated by the store. */
export interface Entry {
  readonly log: string
  readonly member: string
  readonly machine: string
  readonly block: number
  readonly index: number
  readonly record: LogRecord
}
