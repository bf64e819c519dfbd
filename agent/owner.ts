/**
 * Owner: what the owner of this machine lets it do, device by device.
 *
 * Owns when a device is held back and when it is given free again: pauses, hours, games, heat, batteries. Fast to yield
 * and slow to come back. Pure: what was seen comes in, and the time.
 * Invariant: a hold has a text that its owner understands.
 */
import { type Device, formatBytes, LIMITS, type PauseHow } from '#protocol'
import type { Reading } from './ports.js'

const GIB = 2 ** 30
const MIB = 2 ** 20

/** What a machine knows of its devices and of its owner. */
export interface Owned {
  devices: readonly Device[]
  /** The attempts in hand. */
  readonly charges: ReadonlyMap<string, { readonly device: string }>
  readonly rules: OwnerRules
  readonly pauses: readonly Pause[]
  readonly desk: DeskNews | undefined
  readonly watched: Map<string, Watched>
}

/** What its owner set, once and for all: `owner` in config.yaml. */
export interface OwnerRules {
  /** Memory kept free on each device; absent: more where a screen hangs on it. */
  readonly reserveBytes?: number
  /** Minutes of the week, from Monday 0:00 on, in which work is allowed; absent: always. */
  readonly schedule?: readonly { readonly fromMinute: number; readonly toMinute: number }[]
  /** Work only once nobody has touched the computer for so long. */
  readonly onlyWhenIdleMs?: number
  readonly maxTemperatureC?: number
  /** Attempts that may share a GPU; 1: each has one for itself. */
  readonly packing: number
  readonly worksOnBattery: boolean
  /** How long a device must be left alone after somebody used it. */
  readonly quietMs: number
  /** From the request to end to the end by force. */
  readonly graceMs: number
}

export const OWNER_DEFAULTS: OwnerRules = {
  packing: 1,
  worksOnBattery: false,
  quietMs: 120_000,
  graceMs: LIMITS.ownerGraceMs
}

/** What was seen of the computer itself. Absent fields are unknown. */
export interface DeskNews {
  /** Local time as minutes since Monday 0:00. */
  readonly minuteOfWeek: number
  readonly isOnBattery?: boolean
  /** A program that runs now and that its owner wants alone. */
  readonly exclusiveProgram?: string
  /** For how long nobody has touched the computer. */
  readonly untouchedMs?: number
}

/** A pause of the whole machine, or of one device. */
export interface Pause {
  readonly device?: string
  /** Monotonic ms; absent: until it is resumed. */
  readonly untilMs?: number
}

export interface PauseRequest {
  readonly device?: string | undefined
  readonly forMs?: number | undefined
  readonly how: PauseHow
}

/** What is remembered of a device from one look to the next. */
export interface Watched {
  /** Looks in a row at which somebody used it. */
  readonly hits: number
  readonly lastUsedMs: number
  /** Why it counts as used; absent when it does not. */
  readonly why?: string
  readonly isHot: boolean
}

/** `evicts`: what runs there is ended. A pause does so once, when it is made, if at all. */
export interface Hold {
  readonly text: string
  readonly evicts: boolean
}

/** How often devices are looked at, in ms: with an attempt, while work is waited for, and while there is none. */
export const PACE_MS = { busy: 1000, waiting: 2000, idle: 30_000 } as const

/** Looks in a row before somebody counts as using a device: one is a window that opened. */
const HITS = 2
/** From this share of a device's time on, its owner feels what else runs there. */
const FOREIGN_UTILISATION = 0.15
/** More than a desktop's windows hold. */
const FOREIGN_BYTES = 700 * MIB
/** The same for a device of which nobody tells whose programs are on it, while no attempt runs there. */
const UNLISTED_UTILISATION = 0.3
/** So much cooler than its ceiling a device must be before work goes on, or it would stop and start all the time. */
const COOLED_C = 5
const DISPLAY_RESERVE_BYTES = 1.5 * GIB
const RESERVE_BYTES = 256 * MIB

/** Returns what is kept free on a device: the screen's share where one hangs on it. */
export function reserveOf({ device, hasDisplay }: Reading, { reserveBytes }: OwnerRules): number {
  if (reserveBytes !== undefined) return Math.min(reserveBytes, device.memoryBytes)
  if (device.vendor === 'cpu') return 0
  return Math.min(hasDisplay ? DISPLAY_RESERVE_BYTES : RESERVE_BYTES, device.memoryBytes / 2)
}

/** Notes a look at the devices: who else uses them, and how warm they are. */
export function noteDevices(local: Owned, devices: readonly Device[], nowMs: number): void {
  local.devices = devices
  for (const device of devices) {
    const before = local.watched.get(device.id) ?? { hits: 0, lastUsedMs: Number.NEGATIVE_INFINITY, isHot: false }
    local.watched.set(device.id, watchedNow(local, device, before, nowMs))
  }
}

function watchedNow({ charges, rules }: Owned, device: Device, before: Watched, nowMs: number): Watched {
  const isHot = isTooHot(device, rules, before.isHot)
  const hasAttempt = [...charges.values()].some(charge => charge.device === device.id)
  const use = device.vendor === 'cpu' ? undefined : foreignUse(device, hasAttempt)
  if (use !== undefined) {
    const hits = before.hits + 1
    return { hits, lastUsedMs: nowMs, isHot, ...(hits >= HITS || before.why !== undefined ? { why: use } : {}) }
  }
  const isQuiet = nowMs - before.lastUsedMs >= rules.quietMs
  const { lastUsedMs, why } = before
  return { hits: 0, lastUsedMs, isHot, ...(why === undefined || isQuiet ? {} : { why }) }
}

function foreignUse(device: Device, hasAttempt: boolean): string | undefined {
  const { foreignBytes, foreignUtilisation, utilisation, reservedBytes = 0 } = device
  if (foreignUtilisation !== undefined && foreignUtilisation >= FOREIGN_UTILISATION)
    return `other programs keep it ${Math.round(foreignUtilisation * 100)} % busy`
  if (foreignBytes !== undefined && foreignBytes >= Math.max(FOREIGN_BYTES, reservedBytes))
    return `other programs hold ${formatBytes(foreignBytes)} of it`
  if (foreignBytes === undefined && !hasAttempt && utilisation !== undefined && utilisation >= UNLISTED_UTILISATION)
    return `something keeps it ${Math.round(utilisation * 100)} % busy`
  return undefined
}

function isTooHot({ temperatureC }: Device, { maxTemperatureC }: OwnerRules, wasHot: boolean): boolean {
  if (maxTemperatureC === undefined || temperatureC === undefined) return false
  return temperatureC >= (wasHot ? maxTemperatureC - COOLED_C : maxTemperatureC)
}

/** Returns the devices with why their owner lets them take no work, where that is so. */
export function devicesNow(local: Owned, nowMs: number): Device[] {
  return local.devices.map(device => {
    const hold = deviceHold(local, device, nowMs)
    return hold === undefined ? device : { ...device, hold: hold.text }
  })
}

/** Returns why one device takes no work now, by its owner's will; nothing when it may. */
export function deviceHold(local: Owned, device: Device, nowMs: number): Hold | undefined {
  return withPause(local, useHold(local, device), { device: device.id, nowMs })
}

/** Returns why the whole machine takes no work now, by its owner's will; nothing when it may. */
export function machineHold(local: Owned, nowMs: number): Hold | undefined {
  return withPause(local, deskHold(local), { device: undefined, nowMs })
}

/** A pause says why; whether what runs there must end, all else says. */
function withPause(
  local: Owned,
  hold: Hold | undefined,
  { device, nowMs }: { readonly device: string | undefined; readonly nowMs: number }
): Hold | undefined {
  const pause = pausesNow(local, nowMs).find(each => each.device === device)
  return pause ? { text: pauseText(pause, nowMs), evicts: hold?.evicts ?? false } : hold
}

function useHold({ watched }: Owned, { id, temperatureC }: Device): Hold | undefined {
  const { why, isHot = false } = watched.get(id) ?? {}
  if (why !== undefined) return { text: why, evicts: true }
  return isHot ? { text: `it is ${Math.round(temperatureC ?? 0)} °C warm`, evicts: true } : undefined
}

function deskHold({ rules, desk }: Owned): Hold | undefined {
  if (desk === undefined) return undefined
  const { exclusiveProgram, isOnBattery, untouchedMs, minuteOfWeek } = desk
  if (exclusiveProgram !== undefined) return { text: `${exclusiveProgram} runs`, evicts: true }
  if (isOnBattery && !rules.worksOnBattery) return { text: 'it runs on its battery', evicts: true }
  if (!isScheduled(rules, minuteOfWeek)) return { text: 'outside its hours', evicts: true }
  const isTouched = untouchedMs !== undefined && untouchedMs < (rules.onlyWhenIdleMs ?? 0)
  return isTouched ? { text: 'somebody sits at it', evicts: true } : undefined
}

/** Returns the pauses that are not over. */
export function pausesNow({ pauses }: Pick<Owned, 'pauses'>, nowMs: number): Pause[] {
  return pauses.filter(({ untilMs }) => untilMs === undefined || nowMs < untilMs)
}

function pauseText({ untilMs }: Pause, nowMs: number): string {
  return untilMs === undefined ? 'paused by its owner' : `paused for ${leftText(untilMs - nowMs)} more`
}

/** In steps of minutes, hours and days: a beat that changes each second would go out each second. */
function leftText(ms: number): string {
  const minutes = Math.ceil(ms / 60_000)
  if (minutes < 120) return `${minutes} min`
  return minutes < 48 * 60 ? `${Math.ceil(minutes / 60)} h` : `${Math.ceil(minutes / 1440)} days`
}

function isScheduled({ schedule }: OwnerRules, minute: number): boolean {
  if (schedule === undefined) return true
  return schedule.some(({ fromMinute, toMinute }) => minute >= fromMinute && minute < toMinute)
}
