/**
 * What every source of NVIDIA devices shares: binding, names, and cards that have none.
 *
 * Pure: no driver, no process, no clock.
 * Invariant: a nameless card is in the list only as long as no known one can be meant.
 */
import type { Device, Reading } from '../ports.js'
import { allWithFault, keepMissing } from './faults.js'

/** Ids of cards whose UUID nobody could read start like this; a real id starts with `GPU-` or `MIG-`. */
const NAMELESS = 'nvidia'
/** The first generation of cards that computes in bfloat16: Ampere. */
const BF16_MAJOR = 8

/**
 * Returns the environment that binds a program to one NVIDIA device.
 *
 * Source: NVIDIA, CUDA C++ Programming Guide, "CUDA Environment Variables". An id that CUDA does not know hides every
 * GPU, so a device that is gone never turns into another one. An AMD card beside it is hidden: it was not given.
 */
export function nvidiaEnvironment(deviceId: string): Readonly<Record<string, string>> {
  return {
    CUDA_VISIBLE_DEVICES: deviceId,
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
    HIP_VISIBLE_DEVICES: '-1',
    // ROCm takes the empty list for what it says: no device.
    ROCR_VISIBLE_DEVICES: ''
  }
}

/** Returns a driver's name for a card; some words for one that it does not name. */
export function modelOf(name: string | undefined): string {
  return name?.trim() || 'NVIDIA GPU'
}

/** Returns what follows from a compute capability such as `8.9`; nothing when it is none. */
export function capabilityFacts(capability: string | undefined): Pick<Device, 'capability' | 'bf16'> {
  if (capability === undefined || !/^\d+\.\d+$/.test(capability)) return {}
  return { capability, bf16: Number.parseInt(capability, 10) >= BF16_MAJOR }
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
export function allNvidiaWithFault(known: readonly Device[], fault: string): readonly Reading[] {
  return known.length === 0 ? [{ device: nameless(fault) }] : allWithFault(known, fault)
}

/**
 * Returns the new readings and those of known cards that they lack.
 *
 * A nameless card is left out while a known one is missing: most likely it is the same.
 */
export function keepMissingNvidia(known: readonly Device[], readings: readonly Reading[]): readonly Reading[] {
  const named = readings.filter(({ device }) => hasName(device))
  const kept = keepMissing(known.filter(hasName), named)
  return kept.length === named.length ? readings : kept
}

function hasName(device: Device): boolean {
  return !device.id.startsWith(NAMELESS)
}
