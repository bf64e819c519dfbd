/**
 * The probe: which devices this machine has, and how they are.
 *
 * Owns the choice of the source and the polling. Never judges whether a device may work: that is the core's plan.
 * Invariant: the source is chosen once; a driver that falls ill later is a fault of its devices, not a new source.
 */
import { LIMITS } from '#protocol'
import type { Device, Probe, Reading } from '../ports.js'
import { openAmd } from './amd-sysfs.js'
import { openApple } from './apple.js'
import { openCpu } from './cpu.js'
import { openSmi } from './nvidia-smi.js'
import { findLibraries } from './nvml-library.js'
import { openNvmlSource } from './nvml-source.js'
import type { DeviceSource, Log } from './source.js'

/** Whoever looks this seldom has no attempt on a device. */
const IDLE_PACE_MS = 30_000

export interface ProbeOptions {
  /** Called once before `openProbe` resolves, then after each poll. */
  readonly onReadings: (readings: readonly Reading[]) => void
  /** The pause between the end of one poll and the start of the next, in ms, until `pace` changes it. */
  readonly pollMs: number
  /** Paths of NVIDIA's library, best first, instead of the search for a GPU; an empty list means the processor. */
  readonly libraries?: readonly string[]
  /** In place of `/sys`. */
  readonly systemFolder?: string
  readonly log?: Log
}

/**
 * Opens the probe: NVIDIA devices by NVML, else by `nvidia-smi`, else AMD's or Apple's, else the processor alone.
 *
 * A machine with cards of NVIDIA and of AMD shares NVIDIA's alone: most often the other one is in the processor, where
 * the screen hangs, and a program is made for one of the two. `HYPERSWEEP_NVML_LIBRARY` names the library's path
 * (`none`: no GPU) where `libraries` does not.
 * Errors: none. A driver that does not work gives devices with a `fault`.
 */
export async function openProbe(options: ProbeOptions): Promise<Probe> {
  const probe = new PollingProbe(await openSource(options), options)
  await probe.poll()
  return probe
}

class PollingProbe implements Probe {
  readonly #source: DeviceSource
  readonly #onReadings: ProbeOptions['onReadings']
  #pollMs: number
  /** When the last poll ended; absent while one runs. */
  #polledMs: number | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(source: DeviceSource, options: ProbeOptions) {
    this.#source = source
    this.#onReadings = options.onReadings
    this.#pollMs = options.pollMs
  }

  /** Reads once, tells it, and plans the next poll. Polls never overlap, however slow a driver is. */
  async poll(): Promise<void> {
    this.#polledMs = undefined
    const readings = bounded(await this.#source.read(this.#pollMs >= IDLE_PACE_MS))
    if (this.#isClosed) return
    this.#polledMs = performance.now()
    this.#plan()
    this.#onReadings(readings)
  }

  pace(pollMs: number): void {
    this.#pollMs = pollMs
    this.#plan()
  }

  environment(deviceId: string): Readonly<Record<string, string>> {
    return this.#source.environment(deviceId)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#source.close()
  }

  /** The pause counts from the last poll, so that a new pace neither waits for the old one nor starts it anew. */
  #plan(): void {
    if (this.#isClosed || this.#polledMs === undefined) return
    clearTimeout(this.#timer)
    const waitMs = this.#polledMs + this.#pollMs - performance.now()
    this.#timer = setTimeout(() => void this.poll(), Math.max(0, waitMs))
  }
}

/** Returns what presence has room for: names are cut, and devices beyond the limit left out. */
function bounded(readings: readonly Reading[]): readonly Reading[] {
  return readings.slice(0, LIMITS.devicesPerMachine).map(reading => ({ ...reading, device: cut(reading.device) }))
}

function cut(device: Device): Device {
  const { model, fault } = device
  return {
    ...device,
    model: model.slice(0, LIMITS.nameChars),
    ...(fault === undefined ? {} : { fault: fault.slice(0, LIMITS.messageChars) })
  }
}

/** Returns the first source that has a device. The paths that somebody named are the whole search. */
async function openSource(options: ProbeOptions): Promise<DeviceSource> {
  const log: Log = options.log ?? (() => undefined)
  const named = options.libraries ?? namedLibraries()
  const libraries = named ?? findLibraries()
  const { systemFolder } = options
  const place = systemFolder === undefined ? {} : { systemFolder }
  const nvml = libraries.length > 0 ? await openNvmlSource({ ...place, libraries, log }) : undefined
  if (nvml !== undefined || named !== undefined) return nvml ?? openCpu()
  return (await openSmi({ ...place, log })) ?? (await openOther({ ...place, log })) ?? openCpu()
}

function openOther(options: { readonly systemFolder?: string; readonly log: Log }) {
  switch (process.platform) {
    case 'linux':
      return openAmd(options)
    case 'darwin':
      return openApple(options)
    default:
      return undefined
  }
}

/** Returns what the owner named; undefined when nothing was. */
function namedLibraries(): readonly string[] | undefined {
  const path = process.env['HYPERSWEEP_NVML_LIBRARY']
  if (path === undefined || path === '') return undefined
  return path === 'none' ? [] : [path]
}
