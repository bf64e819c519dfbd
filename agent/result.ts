/**
 * Results: how the end of an attempt becomes a record, and where that record stands.
 *
 * Owns what is left out when it does not fit: a result is never lost because its program talked too much.
 */
import {
  canonicalJson,
  type Device,
  type Draft,
  LIMITS,
  type Parameters,
  type Place,
  type Pool,
  stopOf
} from '#protocol'
import { textOf } from './early.js'
import { type Charge, subject } from './local.js'
import type { Exit } from './ports.js'

/** Room for the record's stamp, in bytes. */
const STAMP_BYTES = 128

type Finished = Extract<Draft, { kind: 'attempt-finished' }>

/** Returns the record of an attempt's end, within the limit of a record. */
export function resultOf(charge: Charge, exit: Exit, parameters: Parameters, device: Device | undefined): Finished {
  const failed = exit.class !== 'complete'
  const stopped = exit.class === 'stopped' ? charge.verdict : undefined
  const message = stopped ? textOf(stopped) : exit.message
  return fitted({
    kind: 'attempt-finished',
    ...subject(charge),
    class: exit.class,
    parameters,
    ...(exit.class === 'complete' ? { value: exit.value } : {}),
    ...(exit.step === undefined ? {} : { step: exit.step }),
    metrics: exit.metrics,
    curve: exit.curve.map(([step, value]): [number, number] => [step, value]),
    seconds: exit.seconds,
    device: {
      id: charge.device,
      model: device?.model ?? 'unknown',
      memoryBytes: device?.memoryBytes ?? 0,
      ...(device ? { vendor: device.vendor } : {})
    },
    ...(exit.usage === undefined ? {} : { usage: exit.usage }),
    ...(exit.class === 'oom' ? { oom: oomOf(exit, device) } : {}),
    ...(exit.changed === undefined ? {} : { changed: [...exit.changed] }),
    ...(stopped ? { stop: stopOf(stopped) } : {}),
    ...(message ? { message } : {}),
    ...(failed && exit.tail ? { tail: exit.tail } : {}),
    ...(exit.bulk === undefined ? {} : { bulk: exit.bulk })
  })
}

/** How much was too little: the whole device, or what the attempt held when others had the rest. */
function oomOf({ oom, usage }: Exit, device: Device | undefined): NonNullable<Finished['oom']> {
  const kind = oom?.kind ?? 'intrinsic'
  const heldBytes = Math.max(oom?.heldBytes ?? 0, usage?.peakBytes ?? 0)
  if (kind === 'intrinsic') return { kind: 'intrinsic', bytes: device?.memoryBytes ?? heldBytes }
  return { kind, bytes: heldBytes }
}

/** What tells least goes first: the output's end, then every other point of the curve, then all metrics. */
function fitted(draft: Finished): Finished {
  if (bytesOf(draft) <= LIMITS.recordBytes - STAMP_BYTES) return draft
  if (draft.tail !== undefined) {
    const { tail: _, ...rest } = draft
    return fitted(rest)
  }
  if (draft.curve.length > 2) return fitted({ ...draft, curve: draft.curve.filter((_, index) => index % 2 === 0) })
  const { message: _, ...rest } = draft
  return { ...rest, curve: [], metrics: {} }
}

function bytesOf(draft: Draft): number {
  return new TextEncoder().encode(canonicalJson(draft)).length
}

/** Returns where this machine's record of an attempt's end stands; nothing while the log lacks it. */
export function ownEnd(pool: Pool, machine: string, id: string): Place | undefined {
  const [sweep = '', trial = '', attempt = ''] = id.split('-')
  const known = pool.sweeps.get(sweep)?.trials.get(Number(trial))?.attempts.get(Number(attempt))
  return known?.results.get(machine) ?? known?.releases.get(machine)
}

/** Why an attempt is given back. One that nobody stopped could not even begin: a full disk. */
export function releaseReasonOf({ stopReason }: Charge): 'lost-claim' | 'owner' | 'unable' {
  if (stopReason === 'lost-claim') return 'lost-claim'
  return stopReason === undefined ? 'unable' : 'owner'
}
