/**
 * Packing: several attempts on one device, where its owner lets them.
 *
 * Owns who may sit beside whom, and when one takes what another was promised. Each has a device for itself unless the
 * owner says otherwise: attempts that share one are slower, and only sometimes faster together.
 * Invariant: an attempt of which nobody knows what it needs shares its device with nobody.
 */
import type { Device } from '#protocol'
import type { Charge, Local } from './local.js'

/** More than it was promised, by so much, an attempt may take: predictions are no more exact than that. */
const OVER_SHARE = 1.1

/** True when a device has a seat left for one more attempt. */
export function hasSeat(local: Local, device: Device): boolean {
  const charges = chargesOn(local, device)
  if (charges.length === 0) return true
  const mayShare = device.vendor !== 'cpu' && charges.every(({ promisedBytes }) => promisedBytes !== undefined)
  return mayShare && charges.length < local.rules.packing
}

/** Returns a device with what is free of it once what its attempts were promised is taken; `but`: not this one. */
export function besidePromises(local: Local, device: Device, but?: Charge): Device {
  if (device.freeBytes === undefined) return device
  const others = chargesOn(local, device).filter(({ id }) => id !== but?.id)
  const stillBytes = others.reduce((sum, charge) => sum + untakenBytes(local, charge), 0)
  return stillBytes === 0 ? device : { ...device, freeBytes: Math.max(0, device.freeBytes - stillBytes) }
}

/** True when an attempt holds clearly more than it was promised, and its device has too little left for the others. */
export function isOverMemory(local: Local, charge: Charge): boolean {
  const device = local.devices.find(each => each.id === charge.device)
  if (device?.freeBytes === undefined || charge.promisedBytes === undefined) return false
  const charges = chargesOn(local, device)
  if (charges.length < 2 || device.freeBytes >= (device.reservedBytes ?? 0)) return false
  if (overShare(local, charge) <= OVER_SHARE) return false
  // One after the other: what the first gives back may be enough for the rest.
  return charges.every(other => overShare(local, other) <= overShare(local, charge))
}

function chargesOn(local: Local, { id }: Device): Charge[] {
  return [...local.charges.values()].filter(charge => charge.device === id)
}

/** What an attempt holds, times what it was promised. */
function overShare(local: Local, charge: Charge): number {
  return heldBytes(local, charge) / (charge.promisedBytes ?? Number.POSITIVE_INFINITY)
}

function untakenBytes(local: Local, charge: Charge): number {
  return Math.max(0, (charge.promisedBytes ?? 0) - heldBytes(local, charge))
}

function heldBytes(local: Local, { id }: Charge): number {
  return local.memoryOf?.(id) ?? 0
}
