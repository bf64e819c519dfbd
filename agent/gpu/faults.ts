/**
 * Faults, for the sources of every vendor: what is left to say of a device that is ill, asleep or gone.
 *
 * Pure: no driver, no process, no clock.
 * Invariant: a device that was seen once stays in the list; when it is gone or cannot be asked, it carries a fault.
 */
import type { Device, Reading } from '../ports.js'

/** What a device says that sleeps to save power: to look at it would wake it. */
export const ASLEEP = 'This GPU is asleep to save power. It is used again once a program wakes it.'

const MISSING = 'The driver no longer finds this GPU. Check its power and its cable, then restart the computer.'

/** Returns the device with a fault and without the facts that age: an old temperature would be a lie. */
export function withFault(device: Device, fault: string): Device {
  const { id, vendor, model, memoryBytes, capability, bf16, isUnified } = device
  return {
    ...{ id, vendor, model, memoryBytes },
    ...(capability === undefined ? {} : { capability }),
    ...(bf16 === undefined ? {} : { bf16 }),
    ...(isUnified === undefined ? {} : { isUnified }),
    fault
  }
}

/** Returns readings of devices that cannot be asked, all for the same reason. */
export function allWithFault(known: readonly Device[], fault: string): readonly Reading[] {
  return known.map(device => ({ device: withFault(device, fault) }))
}

/** Returns the new readings, and those of known devices that they lack. */
export function keepMissing(known: readonly Device[], readings: readonly Reading[]): readonly Reading[] {
  const missing = known.filter(({ id }) => !readings.some(({ device }) => device.id === id))
  return missing.length === 0 ? readings : [...readings, ...allWithFault(missing, MISSING)]
}
