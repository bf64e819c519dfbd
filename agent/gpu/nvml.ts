/**
 * NVML's reading of the cards: from handles and buffers to devices.
 *
 * Owns which facts are read and how older drivers are asked. For the child process only (nvml-child.ts).
 * Invariant: one sick card never hides the others; what a card does not tell is absent, never 0.
 */
import { freemem, totalmem } from 'node:os'
import type { Device } from '../ports.js'
import { modelOf, nameless, withFault } from './nvidia.js'
import { absent, call, check, type Library, loadLibrary, type Name } from './nvml-calls.js'
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

/** A started NVML. */
export class Nvml {
  readonly #library: Library
  /** What each card said of itself when it was well, by the driver's number for it. */
  readonly #known = new Map<number, Device>()

  constructor(library: Library) {
    this.#library = library
  }

  /**
   * Returns one device per GPU, in the driver's order.
   *
   * Errors: `NvmlFailure` when the driver as a whole does not answer or has no GPU.
   */
  read(): readonly Device[] {
    const count = Buffer.alloc(4)
    check(this.#library, call(this.#library, 'nvmlDeviceGetCount_v2', count))
    const cards = count.readUInt32LE(0)
    if (cards === 0) throw absent('The NVIDIA driver finds no GPU.')
    return Array.from({ length: cards }, (_, index) => this.#readCard(index))
  }

  close(): void {
    call(this.#library, 'nvmlShutdown')
  }

  #readCard(index: number): Device {
    const library = this.#library
    const handle = Buffer.alloc(8)
    const code = call(library, 'nvmlDeviceGetHandleByIndex_v2', index, handle)
    if (code !== CODE.ok) return this.#sick(index, code)
    const card = handle.readBigUInt64LE(0)
    const memory = readMemory(library, card)
    if (typeof memory === 'number') return this.#sick(index, memory)
    const id = readText(library, 'nvmlDeviceGetUUID', card, UUID_BYTES)
    if (id === undefined) return nameless('The driver does not tell the UUID of this GPU.', index)
    const device = describe(library, card, id, memory)
    this.#known.set(index, device)
    return device
  }

  #sick(index: number, code: number): Device {
    const fault = `The driver cannot use this GPU: ${this.#library.explain(code)}.`
    const known = this.#known.get(index)
    return known === undefined ? nameless(fault, index) : withFault(known, fault)
  }
}

type CardMemory = Pick<Device, 'memoryBytes' | 'freeBytes'>

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
  if (code === CODE.ok || code === CODE.notSupported) return { memoryBytes: totalmem(), freeBytes: freemem() }
  return code
}

function describe(library: Library, card: bigint, id: string, memory: CardMemory): Device {
  const utilisation = readUtilisation(library, card)
  const temperatureC = readTemperature(library, card)
  const milliwatts = readNumber(library, 'nvmlDeviceGetPowerUsage', card)
  const capability = readCapability(library, card)
  const device: Device = {
    id,
    vendor: 'nvidia',
    model: modelOf(readText(library, 'nvmlDeviceGetName', card, NAME_BYTES)),
    ...memory,
    ...(utilisation === undefined ? {} : { utilisation }),
    ...(temperatureC === undefined ? {} : { temperatureC }),
    ...(milliwatts === undefined ? {} : { powerW: milliwatts / 1000 }),
    ...(capability === undefined ? {} : { capability })
  }
  const isSplit = readPair(library, 'nvmlDeviceGetMigMode', card)?.[0] === MIG_ON
  return isSplit ? withFault(device, 'MIG is on: this GPU is split into instances. Turn MIG off to use it.') : device
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

function readCapability(library: Library, card: bigint): string | undefined {
  return readPair(library, 'nvmlDeviceGetCudaComputeCapability', card)?.join('.')
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
