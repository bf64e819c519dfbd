/**
 * AMD devices by way of the files of Linux's `amdgpu` driver.
 *
 * Owns those files and the binding to one card. Loads no library of ROCm: their structs change between versions.
 * Invariant: of a card that sleeps no sensor is read, since that wakes it.
 */
import { readdir, readFile, realpath } from 'node:fs/promises'
import { freemem } from 'node:os'
import { basename, join } from 'node:path'
import type { Device, Reading } from '../ports.js'
import { ASLEEP, keepMissing, withFault } from './faults.js'
import type { DeviceSource } from './source.js'

const AMD = '0x1002'
/** A processor with graphics takes at most so much for good, and has many times as much on demand. */
const OWN_MAX_BYTES = 4 * 1024 ** 3
const ON_DEMAND_TIMES = 4

export interface AmdOptions {
  /** In place of `/sys`. */
  readonly systemFolder?: string
  /** Returns a file's text; rejects when it cannot be read. */
  readonly readText?: (path: string) => Promise<string>
}

/** Returns the source; undefined when there is no AMD GPU, or its driver is not `amdgpu`. */
export async function openAmd(options: AmdOptions = {}): Promise<DeviceSource | undefined> {
  const source = new AmdSource(options)
  return (await source.read()).length > 0 ? source : undefined
}

/**
 * Returns the environment that binds a program to one AMD device.
 *
 * Source: AMD, ROCm documentation, "GPU isolation techniques". ROCm's runtime takes ids or its own numbers and leaves
 * one device; HIP then counts from 0 what is left. HIP reads CUDA's variable too where its own is absent, and some
 * programs refuse to run when both name something.
 *
 * @param index  The card's number among AMD's, for one without an id of its own.
 */
export function amdEnvironment(deviceId: string, index: number): Readonly<Record<string, string>> {
  return {
    ROCR_VISIBLE_DEVICES: deviceId.startsWith('GPU-') ? deviceId : String(index),
    HIP_VISIBLE_DEVICES: '0',
    CUDA_VISIBLE_DEVICES: ''
  }
}

/** Reads one card's file by its name in the card's folder; undefined when it is not there. */
type ReadFact = (name: string) => Promise<string | undefined>

class AmdSource implements DeviceSource {
  readonly #cardsFolder: string
  readonly #readText: (path: string) => Promise<string>
  #known: readonly Device[] = []

  constructor({ systemFolder = '/sys', readText = path => readFile(path, 'utf8') }: AmdOptions) {
    this.#cardsFolder = join(systemFolder, 'class', 'drm')
    this.#readText = readText
  }

  async read(): Promise<readonly Reading[]> {
    const cards = await cardsIn(this.#cardsFolder)
    const readings = await Promise.all(cards.map(card => this.#readCard(join(this.#cardsFolder, card, 'device'))))
    const found = readings.filter(reading => reading !== undefined)
    const kept = keepMissing(this.#known, found)
    this.#known = kept.map(({ device }) => device)
    return kept
  }

  environment(deviceId: string): Readonly<Record<string, string>> {
    return amdEnvironment(
      deviceId,
      this.#known.findIndex(({ id }) => id === deviceId)
    )
  }

  async close(): Promise<void> {}

  async #readCard(folder: string): Promise<Reading | undefined> {
    const fact: ReadFact = async name => {
      const text = await this.#readText(join(folder, name)).catch(() => '')
      return text.trim() || undefined
    }
    if ((await fact('vendor')) !== AMD) return undefined
    const device = await readPlate(fact, folder)
    if (device === undefined) return undefined
    const isAsleep = /^suspend/.test((await fact('power/runtime_status')) ?? '')
    if (isAsleep) return { device: withFault(device, ASLEEP) }
    return { device: await readSensors(device, fact, await sensorsIn(folder)) }
  }
}

async function cardsIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => [])
  // `card0-DP-1` is a socket of a card.
  const cards = names.filter(name => /^card\d+$/.test(name))
  return cards.sort((a, b) => Number(a.slice(4)) - Number(b.slice(4)))
}

/** Returns what a card is, which the driver knows without asking it; undefined when it has no memory to tell of. */
async function readPlate(fact: ReadFact, folder: string): Promise<Device | undefined> {
  const ownBytes = numberOf(await fact('mem_info_vram_total')) ?? 0
  if (ownBytes === 0) return undefined
  const onDemandBytes = numberOf(await fact('mem_info_gtt_total')) ?? 0
  const isOwnBoard = ((await fact('mem_info_vram_vendor')) ?? (await fact('board_info'))) !== undefined
  const isUnified = !isOwnBoard && ownBytes <= OWN_MAX_BYTES && onDemandBytes >= ownBytes * ON_DEMAND_TIMES
  const uniqueId = await fact('unique_id')
  return {
    id: uniqueId === undefined ? `pci:${basename(await realpath(folder))}` : `GPU-${uniqueId.toLowerCase()}`,
    vendor: 'amd',
    model: (await fact('product_name')) ?? `AMD GPU ${(await fact('device')) ?? ''}`.trim(),
    memoryBytes: isUnified ? ownBytes + onDemandBytes : ownBytes,
    ...(isUnified ? { isUnified } : {})
  }
}

/** Returns the names of the files with temperature and power, from the card's folder on. */
async function sensorsIn(folder: string): Promise<string> {
  const [name = ''] = (await readdir(join(folder, 'hwmon')).catch(() => [])).sort()
  return `hwmon/${name}`
}

async function readSensors(device: Device, fact: ReadFact, sensors: string): Promise<Device> {
  const usedBytes = numberOf(await fact('mem_info_vram_used'))
  if (usedBytes === undefined) return withFault(device, 'The driver does not tell what this GPU holds.')
  const onDemandBytes = device.isUnified ? (numberOf(await fact('mem_info_gtt_used')) ?? 0) : 0
  const leftBytes = Math.max(0, device.memoryBytes - usedBytes - onDemandBytes)
  const percent = numberOf(await fact('gpu_busy_percent'))
  const milliC = numberOf(await fact(`${sensors}/temp1_input`))
  const microW = numberOf((await fact(`${sensors}/power1_average`)) ?? (await fact(`${sensors}/power1_input`)))
  const limitMicroW = numberOf(await fact(`${sensors}/power1_cap`))
  return {
    ...device,
    freeBytes: device.isUnified ? Math.min(leftBytes, freemem()) : leftBytes,
    ...(percent === undefined ? {} : { utilisation: Math.min(1, percent / 100) }),
    ...(milliC === undefined ? {} : { temperatureC: milliC / 1000 }),
    ...(microW === undefined ? {} : { powerW: microW / 1_000_000 }),
    ...(limitMicroW === undefined ? {} : { powerLimitW: limitMicroW / 1_000_000 })
  }
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}
