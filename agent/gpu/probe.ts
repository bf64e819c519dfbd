/**
 * The probe: which devices this machine has, and how they are.
 *
 * Owns the choice of the source and the polling. Never judges whether a device may work: that is the core's plan.
 * Invariant: the source is chosen once; a driver that falls ill later is a fault of its devices, not a new source.
 */
import { isDeepStrictEqual } from 'node:util'
import { LIMITS } from '#protocol'
import type { Device, Probe } from '../ports.js'
import { openCpu } from './cpu.js'
import { openSmi } from './nvidia-smi.js'
import { findLibraries } from './nvml-library.js'
import { openNvmlSource } from './nvml-source.js'
import type { DeviceSource, Log } from './source.js'

export interface ProbeOptions {
  /** Called once before `openProbe` resolves, then after each poll that differs from the one before. */
  readonly onDevices: (devices: readonly Device[]) => void
  /** The pause between the end of one poll and the start of the next, in ms. */
  readonly pollMs: number
  /** Paths of NVIDIA's library, best first, instead of the search for it; an empty list means no NVIDIA device. */
  readonly libraries?: readonly string[]
  readonly log?: Log
}

/**
 * Opens the probe: NVIDIA devices by NVML, else by `nvidia-smi`, else the processor as the only device.
 *
 * `HYPERSWEEP_NVML_LIBRARY` names the library's path (`none`: no NVIDIA device) where `libraries` does not.
 * Errors: none. A driver that does not work gives devices with a `fault`.
 */
export async function openProbe(options: ProbeOptions): Promise<Probe> {
  const probe = new PollingProbe(await openSource(options), options)
  await probe.poll()
  return probe
}

class PollingProbe implements Probe {
  readonly #source: DeviceSource
  readonly #options: ProbeOptions
  #latest: readonly Device[] | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(source: DeviceSource, options: ProbeOptions) {
    this.#source = source
    this.#options = options
  }

  /** Reads once, tells what is new, and plans the next poll. Polls never overlap, however slow a driver is. */
  async poll(): Promise<void> {
    const devices = bounded(await this.#source.read())
    if (this.#isClosed) return
    this.#timer = setTimeout(() => void this.poll(), this.#options.pollMs)
    if (isDeepStrictEqual(devices, this.#latest)) return
    this.#latest = devices
    this.#options.onDevices(devices)
  }

  environment(deviceId: string): Readonly<Record<string, string>> {
    return this.#source.environment(deviceId)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#source.close()
  }
}

/** Returns what a record has room for: names are cut, and devices beyond the limit left out. */
function bounded(devices: readonly Device[]): readonly Device[] {
  return devices
    .slice(0, LIMITS.devicesPerMachine)
    .map(device => ({ ...device, model: device.model.slice(0, LIMITS.nameChars) }))
}

/** Returns the first source that has a device. The paths that somebody named are the whole search. */
async function openSource(options: ProbeOptions): Promise<DeviceSource> {
  const log: Log = options.log ?? (() => undefined)
  const named = options.libraries ?? namedLibraries()
  const libraries = named ?? findLibraries()
  const nvml = libraries.length > 0 ? await openNvmlSource({ libraries, log }) : undefined
  const smi = nvml === undefined && named === undefined ? await openSmi({ log }) : undefined
  return nvml ?? smi ?? openCpu()
}

/** Returns what the owner named; undefined when nothing was. */
function namedLibraries(): readonly string[] | undefined {
  const path = process.env['HYPERSWEEP_NVML_LIBRARY']
  if (path === undefined || path === '') return undefined
  return path === 'none' ? [] : [path]
}
