/**
 * Kept values: what stays in memory of a record about an attempt.
 *
 * Owns their shapes and nothing else: no rule looks in here. A pool may hold a million of them, so each is built in one
 * piece with its fields in one order, lists have no spare room, and equal texts are one text.
 */

import { type Parameters, sameParameters } from '../parameter.js'
import type { Entry, RecordOf } from '../records/record.js'
import type { Claim, Pool, Release, Report, Result } from './pool.js'

/** Texts that a pool shares at most. Friends have fewer; what a liar makes up beyond them is kept as it comes. */
const TEXTS_MAX = 10_000

/** Saves memory only: a pool that comes back from a checkpoint begins a new one. */
const texts = new WeakMap<Pool, Map<string, string>>()

/** Returns what stays of a claim. */
export function claimOf(pool: Pool, entry: Entry, record: RecordOf<'trial-claimed'>): Claim {
  return {
    clock: record.clock,
    log: shared(pool, entry.log),
    block: entry.block,
    index: entry.index,
    at: record.at,
    machine: shared(pool, entry.machine),
    device: shared(pool, record.device),
    parameters: parametersOf(pool, record.parameters),
    ...(record.backup ? { backup: true as const } : {})
  }
}

/** Returns what stays of a release. */
export function releaseOf(pool: Pool, entry: Entry, record: RecordOf<'trial-released'>): Release {
  return {
    clock: record.clock,
    log: shared(pool, entry.log),
    block: entry.block,
    index: entry.index,
    at: record.at,
    machine: shared(pool, entry.machine),
    reason: record.reason,
    ...(record.seconds === undefined ? {} : { seconds: record.seconds }),
    ...(record.checkpoint === undefined ? {} : { checkpoint: record.checkpoint })
  }
}

/** Returns what stays of a report. */
export function reportOf(pool: Pool, entry: Entry, record: RecordOf<'attempt-reported'>): Report {
  return {
    clock: record.clock,
    log: shared(pool, entry.log),
    block: entry.block,
    index: entry.index,
    at: record.at,
    value: record.value,
    ...(record.count === undefined ? {} : { count: record.count }),
    ...(record.position === undefined ? {} : { position: record.position })
  }
}

/**
 * Returns what stays of a result.
 *
 * @param claimed  The parameters of its claim, where that is known: they are the same, unless somebody lies.
 */
export function resultOf(
  pool: Pool,
  entry: Entry,
  record: RecordOf<'attempt-finished'>,
  claimed: Parameters | undefined
): Result {
  const { value, step, message, tail, bulk, device, usage, oom, changed, stop } = record
  const { id, model, memoryBytes, vendor } = device
  const isAsClaimed = claimed !== undefined && sameParameters(claimed, record.parameters)
  return {
    clock: record.clock,
    log: shared(pool, entry.log),
    block: entry.block,
    index: entry.index,
    at: record.at,
    attempt: record.attempt,
    machine: shared(pool, entry.machine),
    class: record.class,
    parameters: isAsClaimed ? claimed : parametersOf(pool, record.parameters),
    metrics: record.metrics,
    // Lists that were grown by a reader have room for more; these are as long as they are.
    curve: record.curve.map(([at, objective]) => [at, objective] as const),
    seconds: record.seconds,
    device: {
      id: shared(pool, id),
      model: shared(pool, model),
      memoryBytes,
      ...(vendor === undefined ? {} : { vendor })
    },
    ...(value === undefined ? {} : { value }),
    ...(step === undefined ? {} : { step }),
    ...(message === undefined ? {} : { message }),
    ...(tail === undefined ? {} : { tail }),
    ...(bulk === undefined ? {} : { bulk }),
    ...(usage === undefined ? {} : { usage }),
    ...(oom === undefined ? {} : { oom }),
    ...(changed === undefined ? {} : { changed }),
    ...(stop === undefined ? {} : { stop })
  }
}

function parametersOf(pool: Pool, parameters: Parameters): Parameters {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [name, typeof value === 'string' ? shared(pool, value) : value])
  )
}

/** Each text that is decoded is a copy of its own; the pool needs one of them. */
function shared(pool: Pool, text: string): string {
  const known = texts.get(pool) ?? new Map<string, string>()
  if (known.size === 0) texts.set(pool, known)
  const first = known.get(text)
  if (first !== undefined) return first
  if (known.size < TEXTS_MAX) known.set(text, text)
  return text
}
