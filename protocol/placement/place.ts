/**
 * Places: which devices of a pool could take a trial, now or ever.
 *
 * Owns what becomes of a trial whose guessed need is more than any device has: a guess is no reason never to try, so
 * the largest device may. What was observed, and what its author declares, is believed.
 */
import type { Pool, Sweep } from '../pool/pool.js'
import type { Device } from '../presence.js'
import { formatBytes } from '../units.js'
import type { Demand } from './demand.js'
import { type Fit, fitOf, fitsEver, type LastingDevice } from './fit.js'
import { demandOf } from './learned.js'

type NamedDevice = LastingDevice & Pick<Device, 'model'>

const NOTHING_KNOWN: Demand = { bytes: 0, basis: 'unknown', observations: 0 }

/** Says whether a trial fits a device as it is now. */
export function fitOfTrial(pool: Pool, sweep: Sweep, index: number, device: Device): Fit {
  const tooSmallBytes = tooSmallBytesOf(sweep, index)
  if (tooSmallBytes > 0 && device.memoryBytes <= tooSmallBytes) {
    const text = `it ran out of memory with ${formatBytes(tooSmallBytes)}, ${device.model} has ${formatBytes(device.memoryBytes)}`
    return { fits: false, refusal: 'too-small', text }
  }
  const requires = sweep.submission?.spec.requires
  const demand = demandOf(pool, sweep, index, device)
  const fit = fitOf({ device, demand, requires })
  if (fit.fits || fit.refusal !== 'too-small' || !mayTry(pool, sweep, index, device, demand)) return fit
  return fitOf({ device, demand: NOTHING_KNOWN, requires })
}

/** True when no device that the pool knows could take a trial, were it idle and empty. */
export function isUnplaceable(pool: Pool, sweep: Sweep, index: number): boolean {
  const devices = devicesFor(pool, sweep, index)
  if (devices.length === 0) return tooSmallBytesOf(sweep, index) > 0 || failedHostsOf(sweep, index).length > 0
  return !devices.some(device => couldTake(pool, sweep, index, device))
}

/** True when the pool has learned, and was not only told, that a trial fits none of its devices. */
export function isHopeless(pool: Pool, sweep: Sweep, index: number): boolean {
  if (!isUnplaceable(pool, sweep, index)) return false
  const hasLearned = (device: NamedDevice) => isObserved(demandOf(pool, sweep, index, device))
  return tooSmallBytesOf(sweep, index) > 0 || devicesIn(pool).some(hasLearned)
}

/** The devices that may come into question: none of a machine whose own memory ran out in the trial (rule G5). */
function devicesFor(pool: Pool, sweep: Sweep, index: number): readonly NamedDevice[] {
  const failed = failedHostsOf(sweep, index)
  if (failed.length === 0) return devicesIn(pool)
  return [...pool.machines.values()].filter(({ key }) => !failed.includes(key)).flatMap(({ devices }) => devices)
}

function failedHostsOf(sweep: Sweep, index: number): string[] {
  const { failures = [] } = sweep.trials.get(index)?.standing ?? {}
  return failures.filter(({ oom }) => oom?.kind === 'host').map(({ machine }) => machine)
}

function couldTake(pool: Pool, sweep: Sweep, index: number, device: NamedDevice): boolean {
  if (device.memoryBytes <= tooSmallBytesOf(sweep, index)) return false
  const demand = demandOf(pool, sweep, index, device)
  if (fitsEver(device, demand, sweep.submission?.spec.requires)) return true
  return mayTry(pool, sweep, index, device, demand)
}

/** A guess that no device meets is tried once where there is most memory; what comes of it is no guess any more. */
function mayTry(pool: Pool, sweep: Sweep, index: number, device: NamedDevice, demand: Demand): boolean {
  if (demand.basis !== 'scaled' && demand.basis !== 'formula') return false
  const requires = sweep.submission?.spec.requires
  if (!fitsEver(device, NOTHING_KNOWN, requires)) return false
  const others = devicesIn(pool).filter(other => fitsEver(other, NOTHING_KNOWN, requires))
  if (others.some(other => other.memoryBytes > device.memoryBytes)) return false
  return !others.some(other => fitsEver(other, demandOf(pool, sweep, index, other), requires))
}

function isObserved({ basis }: Demand): boolean {
  return basis === 'raised' || basis === 'observed'
}

function tooSmallBytesOf(sweep: Sweep, index: number): number {
  return sweep.trials.get(index)?.standing.tooSmallBytes ?? 0
}

interface KnownDevices {
  readonly entries: number
  readonly kinds: string
  readonly devices: readonly NamedDevice[]
}
const devicesOf = new WeakMap<Pool, KnownDevices>()

/** The devices of all machines of the pool, one of each kind; the same list until a kind comes or goes. */
export function devicesIn(pool: Pool): readonly NamedDevice[] {
  const known = devicesOf.get(pool)
  if (known?.entries === pool.entries) return known.devices
  const all = [...pool.machines.values()].flatMap(({ devices }) => devices)
  // Of many equal ones one tells all.
  const byKind = new Map(all.map(device => [kindOf(device), device]))
  const kinds = [...byKind.keys()].sort().join()
  const devices =
    known?.kinds === kinds
      ? known.devices
      : [...byKind].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, device]) => device)
  devicesOf.set(pool, { entries: pool.entries, kinds, devices })
  return devices
}

function kindOf({ vendor, model, memoryBytes, capability, bf16, reservedBytes }: NamedDevice): string {
  return JSON.stringify([vendor, model, memoryBytes, capability, bf16, reservedBytes])
}
