/**
 * Results: how the end of an attempt becomes a record.
 *
 * Owns what is left out when it does not fit: a result is never lost because its program talked too much.
 */
import { canonicalJson, type Device, type Draft, LIMITS, type Parameters } from '#protocol'
import { type Charge, subject } from './local.js'
import type { Exit } from './ports.js'

/** Room for the record's stamp, in bytes. */
const STAMP_BYTES = 128

type Finished = Extract<Draft, { kind: 'attempt-finished' }>

/** Returns the record of an attempt's end, within the limit of a record. */
export function resultOf(charge: Charge, exit: Exit, parameters: Parameters, device: Device | undefined): Finished {
  const failed = exit.class !== 'complete'
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
    device: { id: charge.device, model: device?.model ?? 'unknown', memoryBytes: device?.memoryBytes ?? 0 },
    ...(exit.message ? { message: exit.message } : {}),
    ...(failed && exit.tail ? { tail: exit.tail } : {}),
    ...(exit.bulk === undefined ? {} : { bulk: exit.bulk })
  })
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
