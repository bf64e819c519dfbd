/**
 * Fit: whether a trial can run on a device, and if not, why not.
 *
 * Owns the rules by which a device is refused, and their words. Looks at the device as its probe saw it and at
 * nothing else: whether the machine may run the program, and whether the device is busy with an attempt, are others'
 * questions.
 */
import type { Device } from '../presence.js'
import type { Requires } from '../sweep-spec.js'
import { formatBytes } from '../units.js'
import { type Demand, neededBytes } from './demand.js'

/** Why a device does not take a trial. A device that is `too-small` never will; one that is `too-full` may later. */
export type Refusal = 'fault' | 'hold' | 'vendor' | 'capability' | 'bf16' | 'too-small' | 'too-full' | 'foreign'

/** Whether a device takes a trial. The text is for people, a clause without a full stop. */
export type Fit = { readonly fits: true } | { readonly fits: false; readonly refusal: Refusal; readonly text: string }

/** A device as the log alone knows it. */
export type LastingDevice = Pick<Device, 'memoryBytes' | 'reservedBytes' | 'vendor' | 'capability' | 'bf16'>

interface Wanted {
  readonly demand: Demand
  readonly requires?: Requires | undefined
}

/** Of a GPU, what must be free for a trial of which nothing is known: it then most likely fits, or nothing does. */
const FREE_SHARE_UNKNOWN = 0.5
/** Whoever holds more of a GPU than this is at work there, and would be slowed down. */
const FOREIGN_SHARE = 0.25
/** Of a device that was enough before, what must be free: frameworks take what they find, and need less. */
const PROVEN_SHARE = 0.9
/** NVIDIA's GPUs compute in bfloat16 from this capability on (Ampere). */
const BF16_CAPABILITY = '8.0'

/** Says whether a trial can run on a device now, and if not, why not: what lasts comes before what passes. */
export function fitOf({ device, ...wanted }: Wanted & { readonly device: Device }): Fit {
  const refusal = refusalOf(device, wanted)
  if (refusal === undefined) return { fits: true }
  return { fits: false, refusal, text: textOf(refusal, device, wanted) }
}

/** True when a trial could run on a device that is known from the log alone, were it idle and empty. */
export function fitsEver(device: LastingDevice, demand: Demand, requires?: Requires): boolean {
  return lastingRefusal(device, { demand, requires }) === undefined
}

function refusalOf(device: Device, wanted: Wanted): Refusal | undefined {
  if (device.fault !== undefined) return 'fault'
  if (device.hold !== undefined) return 'hold'
  return lastingRefusal(device, wanted) ?? passingRefusal(device, wanted)
}

function lastingRefusal(device: LastingDevice, { demand, requires = {} }: Wanted): Refusal | undefined {
  const { vendors, capability, bf16 } = requires
  if (vendors && !vendors.includes(device.vendor)) return 'vendor'
  if (capability !== undefined && !isAtLeast(device.capability, capability)) return 'capability'
  if (bf16 && !hasBf16(device)) return 'bf16'
  if (isUnknownOnCpu(device, demand)) return undefined
  return usableBytes(device) < wantedBytes(device, demand) ? 'too-small' : undefined
}

/** Where the free memory is not known, only what lasts counts. */
function passingRefusal(device: Device, { demand }: Wanted): Refusal | undefined {
  if (isUnknownOnCpu(device, demand)) return undefined
  // What computers hold of their own memory is no sign of anybody at work.
  const isOwn = device.vendor === 'cpu' || device.isUnified === true
  if (!isOwn && (device.foreignBytes ?? 0) > FOREIGN_SHARE * device.memoryBytes) return 'foreign'
  if (device.freeBytes === undefined) return undefined
  if (demand.basis === 'unknown' && device.freeBytes < FREE_SHARE_UNKNOWN * device.memoryBytes) return 'too-full'
  return availableBytes(device) < wantedBytes(device, demand) ? 'too-full' : undefined
}

/** What a trial wants of a device. Where one that asked for at least as much did run, most of the device will do. */
function wantedBytes(device: LastingDevice, demand: Demand): number {
  const neededOfAny = neededBytes(demand)
  const isProven = demand.provenBytes !== undefined && demand.provenBytes <= device.memoryBytes
  return isProven ? Math.min(neededOfAny, PROVEN_SHARE * usableBytes(device)) : neededOfAny
}

function usableBytes({ memoryBytes, reservedBytes = 0 }: LastingDevice): number {
  return memoryBytes - reservedBytes
}

/** A computer has memory for what it can swap, and nothing but trying tells. */
function isUnknownOnCpu({ vendor }: LastingDevice, { basis }: Demand): boolean {
  return vendor === 'cpu' && basis === 'unknown'
}

function availableBytes({ freeBytes = 0, reservedBytes = 0 }: Device): number {
  return Math.max(0, freeBytes - reservedBytes)
}

/** A device that does not say whether it computes in bfloat16 is judged by its capability. */
function hasBf16({ vendor, capability, bf16 }: LastingDevice): boolean {
  return bf16 ?? (vendor === 'nvidia' && isAtLeast(capability, BF16_CAPABILITY))
}

/** Compares part by part as numbers: 10.0 is more than 8.9. What is absent or no number is not enough. */
function isAtLeast(capability: string | undefined, wanted: string): boolean {
  if (capability === undefined || !/^\d+(\.\d+)*$/.test(capability)) return false
  const has = capability.split('.').map(Number)
  const needs = wanted.split('.').map(Number)
  for (let at = 0; at < Math.max(has.length, needs.length); at++) {
    const difference = (has[at] ?? 0) - (needs[at] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}

function textOf(refusal: Refusal, device: Device, { demand, requires = {} }: Wanted): string {
  const { model } = device
  switch (refusal) {
    case 'fault':
      return `${model} cannot work: ${device.fault}`
    case 'hold':
      return `${model} takes no work now: ${device.hold}`
    case 'vendor':
      return `needs a device of ${requires.vendors?.join(' or ')}, ${model} is of ${device.vendor}`
    case 'capability':
      return `needs capability ${requires.capability}, ${model} has ${device.capability ?? 'none that is known'}`
    case 'bf16':
      return `needs bfloat16, which ${model} does not compute in`
    case 'too-small':
      return `${needText(demand)}, ${model} has ${formatBytes(device.memoryBytes)} in all${keptText(device)}`
    case 'foreign':
      return `other programs hold ${formatBytes(device.foreignBytes ?? 0)} of ${model}`
    case 'too-full':
      return `${waitText(device, demand)}, ${model} has ${formatBytes(device.freeBytes ?? 0)} free${keptText(device)}`
  }
}

/** An unknown demand waits for half of the device, or for more where a trial like it took more. */
function waitText({ memoryBytes }: Device, demand: Demand): string {
  const waitsFor = FREE_SHARE_UNKNOWN * memoryBytes
  if (demand.basis !== 'unknown' || neededBytes(demand) > waitsFor) return needText(demand)
  return `waits for ${formatBytes(waitsFor)}, since nobody knows what it needs`
}

function needText(demand: Demand): string {
  return `needs about ${formatBytes(neededBytes(demand))}`
}

function keptText({ reservedBytes = 0 }: Device): string {
  return reservedBytes > 0 ? `, of which its owner keeps ${formatBytes(reservedBytes)}` : ''
}
