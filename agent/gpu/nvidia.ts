/**
 * What every source of NVIDIA devices shares: binding, faults, and facts that outlive a fault.
 *
 * Pure: no driver, no process, no clock.
 * Invariant: a device that was seen once stays in the list; when it is gone or cannot be asked, it carries a fault.
 */
import type { Device } from '../ports.js'

/** Ids of cards whose UUID nobody could read start like this; a real id starts with `GPU-` or `MIG-`. */
const NAMELESS = 'nvidia'

const MISSING = 'The driver no longer finds this GPU. Check its power and its cable, then restart the computer.'

/**
 * Returns the environment that binds a program to one NVIDIA device.
 *
 * Source: NVIDIA, CUDA C++ Programming Guide, "CUDA Environment Variables". An id that CUDA does not know hides every
 * GPU, so a device that is gone never turns into another one.
 */
export function nvidiaEnvironment(deviceId: string): Readonly<Record<string, string>> {
  return { CUDA_VISIBLE_DEVICES: deviceId, CUDA_DEVICE_ORDER: 'PCI_BUS_ID' }
}

/** Returns a driver's name for a card; some words for one that it does not name. */
export function modelOf(name: string | undefined): string {
  return name?.trim() || 'NVIDIA GPU'
}

/** Returns the device with a fault and without the facts that age: an old temperature would be a lie. */
export function withFault(device: Device, fault: string): Device {
  const { id, vendor, model, memoryBytes, capability } = device
  return { id, vendor, model, memoryBytes, ...(capability === undefined ? {} : { capability }), fault }
}

/**
 * Stands for a card that is there but could not be asked even for its name; its memory counts as 0.
 *
 * @param index  The driver's number for it; absent when the driver could not be asked how many there are.
 */
export function nameless(fault: string, index?: number): Device {
  const id = index === undefined ? NAMELESS : `${NAMELESS}-${index}`
  return { id, vendor: 'nvidia', model: modelOf(undefined), memoryBytes: 0, fault }
}

/** Returns what is left to say when the driver cannot be asked: all that was known, with the fault. */
export function allWithFault(known: readonly Device[], fault: string): readonly Device[] {
  return known.length === 0 ? [nameless(fault)] : known.map(device => withFault(device, fault))
}

/**
 * Returns the devices of a new reading and those of earlier ones that it lacks.
 *
 * A nameless card is left out while a known one is missing: most likely it is the same.
 */
export function keepMissing(known: readonly Device[], reading: readonly Device[]): readonly Device[] {
  const missing = known.filter(old => hasName(old) && !reading.some(device => device.id === old.id))
  if (missing.length === 0) return reading
  return [...reading.filter(hasName), ...missing.map(device => withFault(device, MISSING))]
}

function hasName(device: Device): boolean {
  return !device.id.startsWith(NAMELESS)
}
