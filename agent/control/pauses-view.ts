/**
 * Pauses as their owner sees them, and the device that an owner means.
 */
import { type PausesView, PoolError } from '#protocol'
import type { Local } from '../local.js'
import { pausesNow } from '../owner.js'

/** Where a pause stands on the clock that people read. */
interface Clocks {
  readonly names: { readonly machineName: string }
  now(): number
  wall(): number
}

/**
 * Returns the id of the device of this machine whose id or model a text is, or is a part of.
 *
 * Errors: `NOT_FOUND` when there is none; `REQUEST_INVALID` when it could be several.
 */
export function deviceNamed({ devices }: Pick<Local, 'devices'>, text: string): string {
  const wanted = text.toLowerCase()
  const exact = devices.filter(({ id, model }) => id.toLowerCase() === wanted || model.toLowerCase() === wanted)
  const partly = devices.filter(({ id, model }) => `${id} ${model}`.toLowerCase().includes(wanted))
  const found = exact.length > 0 ? exact : partly
  const [first] = found
  if (first && found.length === 1) return first.id
  const hint = `Its devices: ${devices.map(({ id, model }) => `${model} (${id})`).join(', ') || 'none'}.`
  if (first) throw new PoolError('REQUEST_INVALID', `${found.length} devices could be meant by "${text}".`, { hint })
  throw new PoolError('NOT_FOUND', `This machine has no device "${text}".`, { hint })
}

/** Returns what is paused here now. `ending`: attempts that were told to end just now. */
export function pausesView(local: Local, clocks: Clocks, ending: number): PausesView {
  const now = clocks.now()
  const pauses = pausesNow(local, now).map(({ device, untilMs }) => ({
    ...(device === undefined ? {} : { device }),
    ...(untilMs === undefined ? {} : { untilMs: clocks.wall() + untilMs - now })
  }))
  return { machineName: clocks.names.machineName, pauses, ending }
}
