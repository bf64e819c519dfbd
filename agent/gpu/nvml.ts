/**
 * NVML's reading of the cards: from handles and buffers to readings.
 *
 * Owns which facts are read and how older drivers are asked. For the child process only (nvml-child.ts).
 * Invariant: one sick card never hides the others; what a card does not tell is absent, never 0.
 */
import { freemem, totalmem } from 'node:os'
import type { Device, Reading } from '../ports.js'
import { withFault } from './faults.js'
import { capabilityFacts, modelOf, nameless } from './nvidia.js'
import { absent, call, check, type Library, loadLibrary, type Name, UPDATED } from './nvml-calls.js'
import { CardEvents } from './nvml-events.js'
import {
  CODE,
  MEMORY,
  MEMORY_V2,
  MIG_ON,
  NAME_BYTES,
  SENSOR_CHIP,
  TEMPERATURE,
  UTILISATION,
  UUID_BYTES
} from './nvml-layout.js'
import { ProcessLists } from './nvml-processes.js'

const IS_SPLIT = 'MIG is on: this GPU is split into instances. Turn MIG off to use it.'

/**
 * Loads the first library that can be loaded, and starts NVML.
 *
 * @param paths  Files to try, best first; a bare name is looked up by the system's loader.
 * Errors:       `NvmlFailure`, with `absent` when there is no driver to talk to, and `fault` when it does not start.
 */
export async function openNvml(paths: readonly string[]): Promise<Nvml> {
  const library = await loadLibrary(paths)
  check(library, call(library, 'nvmlInit_v2'))
  return new Nvml(library)
}

/** What a card says of itself that does not change while it is there. */
type Plate = Pick<Device, 'model' | 'capability' | 'bf16'>

/** A started NVML. */
export class Nvml {
  readonly #library: Library
  readonly #processes: ProcessLists
  readonly #events: CardEvents
  /** What each card said of itself when it was well, by the driver's number for it. */
  readonly #known = new Map<number, Device>()
  /** By UUID: a driver needs longer for these than for all sensors, so each is asked for once. */
  readonly #plates = new Map<string, Plate>()

  constructor(library: Library) {
    this.#library = library
    this.#processes = new ProcessLists(library)
    this.#events = new CardEvents(library)
  }

  /**
   * Returns one reading per GPU, in the driver's order.
   *
   * Errors: `NvmlFailure` when the driver as a whole does not answer or has no GPU.
   */
  read(): readonly Reading[] {
    const count = Buffer.alloc(4)
    check(this.#library, call(this.#library, 'nvmlDeviceGetCount_v2', count))
    const cards = count.readUInt32LE(0)
    if (cards === 0) throw absent('The NVIDIA driver finds no GPU.')
    this.#events.take()
    return Array.from({ length: cards }, (_, index) => this.#readCard(index))
  }

  close(): void {
    this.#events.close()
    call(this.#library, 'nvmlShutdown')
  }

  #readCard(index: number): Reading {
    const library = this.#library
    const handle = Buffer.alloc(8)
    const code = call(library, 'nvmlDeviceGetHandleByIndex_v2', index, handle)
    if (code !== CODE.ok) return this.#sick(index, code)
    const card = handle.readBigUInt64LE(0)
    const memory = readMemory(library, card)
    if (typeof memory === 'number') return this.#sick(index, memory)
    const id = readText(library, 'nvmlDeviceGetUUID', card, UUID_BYTES)
    if (id === undefined) return { device: nameless('The driver does not tell the UUID of this GPU.', index) }
    const device: Device = {
      id,
      vendor: 'nvidia',
      ...this.#plateOf(id, card),
      ...memory,
      ...readSensors(library, card)
    }
    this.#known.set(index, device)
    return this.#judged(card, device)
  }

  /** A card that has failed, or that CUDA cannot name, may still answer every question. */
  #judged(card: bigint, device: Device): Reading {
    this.#events.listen(card)
    const isSplit = readPair(this.#library, 'nvmlDeviceGetMigMode', card)?.[0] === MIG_ON
    const fault = this.#events.faultOf(card) ?? (isSplit ? IS_SPLIT : undefined)
    if (fault !== undefined) return { device: withFault(device, fault) }
    const processes = this.#processes.read(card)
    const display = readNumber(this.#library, 'nvmlDeviceGetDisplayActive', card)
    return {
      device,
      ...(processes === undefined ? {} : { processes }),
      ...(display === undefined ? {} : { hasDisplay: display !== 0 })
    }
  }

  #plateOf(id: string, card: bigint): Plate {
    const known = this.#plates.get(id)
    if (known !== undefined) return known
    const name = readText(this.#library, 'nvmlDeviceGetName', card, NAME_BYTES)
    const capability = readPair(this.#library, 'nvmlDeviceGetCudaComputeCapability', card)?.join('.')
    const plate = { model: modelOf(name), ...capabilityFacts(capability) }
    this.#plates.set(id, plate)
    return plate
  }

  #sick(index: number, code: number): Reading {
    const fault = faultOf(code, this.#library.explain(code))
    const known = this.#known.get(index)
    return { device: known === undefined ? nameless(fault, index) : withFault(known, fault) }
  }
}

function faultOf(code: number, words: string): string {
  switch (code) {
    case CODE.gpuIsLost:
      return `The driver has lost this GPU: ${words}. Check its power and its cable, then restart the computer.`
    case CODE.resetRequired:
      return `This GPU must be reset: ${words}. Restart the computer.`
    case CODE.versionMismatch:
      return UPDATED
    default:
      return `The driver cannot use this GPU: ${words}.`
  }
}

type CardMemory = Pick<Device, 'memoryBytes' | 'freeBytes' | 'isUnified'>

/** Returns a card's memory without the driver's reserve, or the code that says why it cannot be read. */
function readMemory(library: Library, card: bigint): CardMemory | number {
  const v2 = Buffer.alloc(MEMORY_V2.bytes)
  v2.writeUInt32LE(MEMORY_V2.versionWord, MEMORY_V2.version)
  if (call(library, 'nvmlDeviceGetMemoryInfo_v2', card, v2) === CODE.ok && bytesAt(v2, MEMORY_V2.total) > 0) {
    const memoryBytes = bytesAt(v2, MEMORY_V2.total) - bytesAt(v2, MEMORY_V2.reserved)
    return { memoryBytes, freeBytes: bytesAt(v2, MEMORY_V2.free) }
  }
  const v1 = Buffer.alloc(MEMORY.bytes)
  const code = call(library, 'nvmlDeviceGetMemoryInfo', card, v1)
  const memoryBytes = bytesAt(v1, MEMORY.total)
  if (code === CODE.ok && memoryBytes > 0) return { memoryBytes, freeBytes: bytesAt(v1, MEMORY.free) }
  // GB10 and Jetson have no memory of their own: theirs is the system's.
  if (code === CODE.ok || code === CODE.notSupported)
    return { memoryBytes: totalmem(), freeBytes: freemem(), isUnified: true }
  return code
}

type Sensors = Pick<Device, 'utilisation' | 'temperatureC' | 'powerW' | 'powerLimitW'>

function readSensors(library: Library, card: bigint): Sensors {
  const utilisation = readUtilisation(library, card)
  const temperatureC = readTemperature(library, card)
  const milliwatts = readNumber(library, 'nvmlDeviceGetPowerUsage', card)
  const limit = readNumber(library, 'nvmlDeviceGetEnforcedPowerLimit', card)
  return {
    ...(utilisation === undefined ? {} : { utilisation }),
    ...(temperatureC === undefined ? {} : { temperatureC }),
    ...(milliwatts === undefined ? {} : { powerW: milliwatts / 1000 }),
    ...(limit === undefined ? {} : { powerLimitW: limit / 1000 })
  }
}

function readUtilisation(library: Library, card: bigint): number | undefined {
  const rates = Buffer.alloc(UTILISATION.bytes)
  if (call(library, 'nvmlDeviceGetUtilizationRates', card, rates) !== CODE.ok) return undefined
  return Math.min(1, rates.readUInt32LE(UTILISATION.gpu) / 100)
}

function readTemperature(library: Library, card: bigint): number | undefined {
  const reading = Buffer.alloc(TEMPERATURE.bytes)
  reading.writeUInt32LE(TEMPERATURE.versionWord, TEMPERATURE.version)
  reading.writeInt32LE(SENSOR_CHIP, TEMPERATURE.sensor)
  if (call(library, 'nvmlDeviceGetTemperatureV', card, reading) === CODE.ok)
    return reading.readInt32LE(TEMPERATURE.celsius)
  const old = Buffer.alloc(4)
  return call(library, 'nvmlDeviceGetTemperature', card, SENSOR_CHIP, old) === CODE.ok ? old.readUInt32LE(0) : undefined
}

function readNumber(library: Library, name: Name, card: bigint): number | undefined {
  const number = Buffer.alloc(4)
  return call(library, name, card, number) === CODE.ok ? number.readUInt32LE(0) : undefined
}

function readPair(library: Library, name: Name, card: bigint): readonly [number, number] | undefined {
  const first = Buffer.alloc(4)
  const second = Buffer.alloc(4)
  if (call(library, name, card, first, second) !== CODE.ok) return undefined
  return [first.readUInt32LE(0), second.readUInt32LE(0)]
}

function readText(library: Library, name: Name, card: bigint, bytes: number): string | undefined {
  const text = Buffer.alloc(bytes)
  if (call(library, name, card, text, bytes) !== CODE.ok) return undefined
  const end = text.indexOf(0)
  return text.toString('latin1', 0, end === -1 ? bytes : end) || undefined
}

/** Returns a number of bytes, exact below 8 PiB. */
function bytesAt(buffer: Buffer, offset: number): number {
  return Number(buffer.readBigUInt64LE(offset))
}
