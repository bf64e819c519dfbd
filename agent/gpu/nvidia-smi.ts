/**
 * NVIDIA devices by way of the `nvidia-smi` command, for machines on which the library cannot be loaded.
 *
 * Owns the command and its text. Never used where NVML works: a call takes 0.3 s to 6 s and may wake the card.
 * Invariant: what the command does not tell is absent, never 0.
 */
import { execFile } from 'node:child_process'
import { freemem, totalmem } from 'node:os'
import { win32 } from 'node:path'
import { promisify } from 'node:util'
import type { Device } from '../ports.js'
import { allWithFault, keepMissing, modelOf, nvidiaEnvironment, withFault } from './nvidia.js'
import type { DeviceSource, Log } from './source.js'

const QUERY = 'uuid,name,memory.total,memory.free,utilization.gpu,temperature.gpu,power.draw,compute_cap'
const ARGUMENTS = [`--query-gpu=${QUERY}`, '--format=csv,noheader,nounits']
/** More than twice the slowest call that was reported. */
const ANSWER_MS = 15_000
/** Each call is a process that may hold the card awake, so facts of this age are good enough here. */
const POLL_MIN_MS = 10_000
const MIB = 1024 ** 2
/** What the command prints for a fact that this card does not have. */
const NOT_AVAILABLE = /^\[(N\/A|Not Supported)\]$/

export interface SmiOptions {
  readonly log: Log
  /** Path of the command. Default: where the driver puts it. */
  readonly command?: string
}

/** Returns the source; undefined when the command is not there, fails, or names no GPU. */
export async function openSmi(options: SmiOptions): Promise<DeviceSource | undefined> {
  const source = new SmiSource(options.command ?? defaultCommand())
  if (await source.start(options.log)) return source
  return undefined
}

/**
 * Returns the devices in the command's text: one line each, fields as in `QUERY`, memory in MiB, power in W.
 *
 * Lines that are not of this form are passed over: drivers print warnings there.
 */
export function parseSmi(text: string): readonly Device[] {
  return text
    .split(/\r?\n/)
    .map(line => line.split(',').map(field => field.trim()))
    .filter(fields => fields.length === QUERY.split(',').length && /^(GPU|MIG)-/.test(fields[0] ?? ''))
    .map(toDevice)
}

class SmiSource implements DeviceSource {
  readonly #command: string
  readonly #closing = new AbortController()
  #devices: readonly Device[] = []
  #nextMs = 0

  constructor(command: string) {
    this.#command = command
  }

  /** Asks for the first time; false when there is nothing to be asked. */
  async start(log: Log): Promise<boolean> {
    try {
      this.#devices = await this.#ask()
    } catch (error) {
      log('nvidia-smi could not be asked.', { reason: String(error) })
    }
    return this.#devices.length > 0
  }

  async read(): Promise<readonly Device[]> {
    if (performance.now() < this.#nextMs || this.#closing.signal.aborted) return this.#devices
    try {
      this.#devices = keepMissing(this.#devices, await this.#ask())
    } catch {
      this.#devices = allWithFault(this.#devices, 'nvidia-smi does not answer.')
    }
    return this.#devices
  }

  environment(deviceId: string): Readonly<Record<string, string>> {
    return nvidiaEnvironment(deviceId)
  }

  async close(): Promise<void> {
    this.#closing.abort()
  }

  async #ask(): Promise<readonly Device[]> {
    this.#nextMs = performance.now() + POLL_MIN_MS
    const { stdout } = await promisify(execFile)(this.#command, ARGUMENTS, {
      timeout: ANSWER_MS,
      killSignal: 'SIGKILL',
      signal: this.#closing.signal,
      windowsHide: true
    })
    return parseSmi(stdout)
  }
}

/** On Windows an absolute path: a bare name would run a file that somebody left in the current folder. */
function defaultCommand(): string {
  if (process.platform !== 'win32') return 'nvidia-smi'
  return win32.join(process.env['SystemRoot'] ?? 'C:\\Windows', 'System32', 'nvidia-smi.exe')
}

function toDevice(fields: readonly string[]): Device {
  const [id = '', name, total = '', free = '', ...measured] = fields
  const [percent, temperatureC, powerW] = measured.map(numberOf)
  const capability = measured[3] ?? ''
  const device: Device = {
    id,
    vendor: 'nvidia',
    model: modelOf(name),
    ...memoryOf(total, free),
    ...(percent === undefined ? {} : { utilisation: Math.min(1, percent / 100) }),
    ...(temperatureC === undefined ? {} : { temperatureC }),
    ...(powerW === undefined ? {} : { powerW }),
    ...(numberOf(capability) === undefined ? {} : { capability })
  }
  return device.memoryBytes > 0 ? device : withFault(device, `nvidia-smi cannot read this GPU: ${total}.`)
}

function memoryOf(total: string, free: string): Pick<Device, 'memoryBytes' | 'freeBytes'> {
  // GB10 and Jetson have no memory of their own: theirs is the system's.
  if (NOT_AVAILABLE.test(total)) return { memoryBytes: totalmem(), freeBytes: freemem() }
  const freeMib = numberOf(free)
  const memoryBytes = (numberOf(total) ?? 0) * MIB
  return freeMib === undefined ? { memoryBytes } : { memoryBytes, freeBytes: freeMib * MIB }
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined
}
