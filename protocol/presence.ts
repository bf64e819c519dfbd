/**
 * Presence: what a machine tells its peers about itself, live.
 *
 * Never stored, replaced by the next message; no rule of the fold reads it. It decides effort only: who takes which
 * trial, and how long a silent machine is waited for.
 */
import { z } from 'zod'
import { LIMITS } from './limits.js'
import { attestationSchema, idHex, keyHex } from './records/record.js'
import { VENDORS } from './vendors.js'

const text = z.string().max(LIMITS.nameChars)
const count = z.number().int().min(0)
const finite = z.number().finite()

/** A device as its probe sees it now. Absent fields are unknown, never 0. */
const deviceSchema = z.object({
  /** Stable name by which an attempt is bound to it: `GPU-<uuid>` for NVIDIA, `cpu` for the processor. */
  id: text.min(1),
  vendor: z.enum(VENDORS),
  model: text.min(1),
  memoryBytes: count,
  freeBytes: count.optional(),
  /** 0 to 1. */
  utilisation: finite.min(0).max(1).optional(),
  temperatureC: finite.optional(),
  powerW: finite.min(0).optional(),
  /** What it may draw at most. */
  powerLimitW: finite.min(0).optional(),
  /** Compute capability such as `8.9`. */
  capability: text.optional(),
  bf16: z.boolean().optional(),
  isUnified: z.boolean().optional(),
  /** What its owner keeps back of its memory. */
  reservedBytes: count.optional(),
  /** What programs hold of its memory that are no attempts. */
  foreignBytes: count.optional(),
  /** How busy those programs keep it, 0 to 1. */
  foreignUtilisation: finite.min(0).max(1).optional(),
  /** Why it cannot work, in words for its owner: it is broken, or its driver is. */
  fault: z.string().max(LIMITS.messageChars).optional(),
  /** Why its owner lets it take no work now, in words: a pause, a game, heat. */
  hold: z.string().max(LIMITS.messageChars).optional()
})
export type Device = Readonly<z.infer<typeof deviceSchema>>

const aboutAttempt = { sweep: idHex, trial: count, attempt: z.number().int().min(1) }

/** A running attempt, live. */
const runningSchema = z.object({
  ...aboutAttempt,
  device: text.min(1),
  seconds: finite.min(0),
  step: finite.optional(),
  steps: finite.optional(),
  value: finite.optional(),
  /** What it holds of its device's memory now. */
  memoryBytes: count.optional()
})
export type RunningAttempt = Readonly<z.infer<typeof runningSchema>>

const beatSchema = z.object({
  name: text.min(1),
  devices: z.array(deviceSchema).max(LIMITS.devicesPerMachine).readonly(),
  /** Sweeps whose trials this machine would run: approved by its owner, bundle at hand. */
  accepts: z.array(idHex).max(LIMITS.acceptsPerBeat).readonly(),
  running: z.array(runningSchema).max(LIMITS.attemptsPerMachine).readonly(),
  /** Attempts that it claimed and has not started yet: the claim settles, or the bundle is on its way. */
  claims: z.array(z.object(aboutAttempt)).max(LIMITS.attemptsPerMachine).readonly().optional(),
  /** Why it takes no work, in words; absent when it works. */
  paused: text.optional(),
  /** Machine -> ms since this machine last heard it: two machines that cannot connect know of each other by a third. */
  heard: z.record(keyHex, finite.min(0))
})
export type Beat = Readonly<z.infer<typeof beatSchema>>

/** A log that a peer knows: who writes it, and how many blocks the peer has seen of it (rule L7). */
const gossipSchema = z.array(z.object({ attestation: attestationSchema, length: count })).max(LIMITS.logsPerGossip)
export type Gossip = z.infer<typeof gossipSchema>

const messageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('beat'), beat: beatSchema }),
  z.object({ type: z.literal('logs'), logs: gossipSchema })
])
export type PresenceMessage = z.infer<typeof messageSchema>

/** Reads one presence message; nothing when it is none. Never throws. */
export function decodePresence(bytes: Uint8Array): PresenceMessage | undefined {
  if (bytes.length > LIMITS.presenceBytes) return undefined
  try {
    return messageSchema.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data
  } catch {
    return undefined
  }
}

/** Returns the bytes of one presence message. */
export function encodePresence(message: PresenceMessage): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(message))
}
