/**
 * NVIDIA devices by way of the `nvidia-smi` command, for machines on which the library cannot be loaded.
 *
 * Owns the command and its text. Never used where NVML works: a call takes 0.3 s to 6 s and may wake the card.
 * Invariant: what the command does not tell is absent, never 0.
 */
import { freemem, totalmem } from 'node:os'
import { win32 } from 'node:path'
import type { Device, DeviceProcess, Reading } from '../ports.js'
import { type Run, runCommand } from './commands.js'
import { ASLEEP, withFault } from './faults.js'
import { allNvidiaWithFault, capabilityFacts, keepMissingNvidia, modelOf, nvidiaEnvironment } from './nvidia.js'
import { openSleepGate, type SleepGate } from './sleep-gate.js'
import type { DeviceSource, Log } from './source.js'

const FACTS =
  'uuid,name,memory.total,memory.free,utilization.gpu,temperature.gpu,power.draw,enforced.power.limit,compute_cap,display_active'
const FORMAT = '--format=csv,noheader,nounits'
const ASK_CARDS = [`--query-gpu=${FACTS}`, FORMAT]
const ASK_PROCESSES = ['--query-compute-apps=gpu_uuid,pid,used_memory', FORMAT]
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
  /** In place of `/sys`. */
  readonly systemFolder?: string
}

/** Returns the source; undefined when the command is not there, fails, or names no GPU. */
export async function openSmi(options: SmiOptions): Promise<DeviceSource | undefined> {
  const source = new SmiSource(options)
  if (await source.start(options.log)) return source
  return undefined
}

/**
 * Returns the readings in the command's texts.
 *
 * @param cards      One line each, fields as in `FACTS`, memory in MiB, power in W.
 * @param processes  One line each: card, pid, memory in MiB.
 *
 * Lines that are not of this form are passed over: drivers print warnings there.
 */
export function parseSmi(cards: string, processes = ''): readonly Reading[] {
  const rows = rowsOf(processes, 3)
  return rowsOf(cards, FACTS.split(',').length).map(fields => {
    const device = toDevice(fields)
    const display = fields.at(-1)
    const found = rows.filter(([id]) => id === device.id).flatMap(toProcess)
    return {
      device,
      // Games are not in this list: that it is empty does not mean that nobody uses the card.
      ...(found.length === 0 ? {} : { processes: found }),
      ...(display === 'Enabled' || display === 'Disabled' ? { hasDisplay: display === 'Enabled' } : {})
    }
  })
}

class SmiSource implements DeviceSource {
  readonly #run: Run
  readonly #command: string
  readonly #gate: SleepGate
  readonly #closing = new AbortController()
  #known: readonly Device[] = []
  #latest: readonly Reading[] = []
  #nextMs = 0

  constructor(options: SmiOptions) {
    this.#run = runCommand({ withinMs: ANSWER_MS, signal: this.#closing.signal })
    this.#command = options.command ?? defaultCommand()
    this.#gate = openSleepGate(options.systemFolder)
  }

  /** Asks for the first time; false when there is nothing to be asked. */
  async start(log: Log): Promise<boolean> {
    try {
      await this.#look()
    } catch (error) {
      log('nvidia-smi could not be asked.', { reason: String(error) })
    }
    return this.#latest.length > 0
  }

  async read(): Promise<readonly Reading[]> {
    if (performance.now() < this.#nextMs || this.#closing.signal.aborted) return this.#latest
    try {
      await this.#look()
    } catch {
      this.#latest = allNvidiaWithFault(this.#known, 'nvidia-smi does not answer.')
    }
    return this.#latest
  }

  environment(deviceId: string): Readonly<Record<string, string>> {
    return nvidiaEnvironment(deviceId)
  }

  async close(): Promise<void> {
    this.#closing.abort()
  }

  async #look(): Promise<void> {
    this.#nextMs = performance.now() + POLL_MIN_MS
    this.#latest = this.#gate.areAllAsleep() ? allNvidiaWithFault(this.#known, ASLEEP) : await this.#ask()
    this.#known = this.#latest.map(({ device }) => device)
  }

  async #ask(): Promise<readonly Reading[]> {
    const [cards, processes] = await Promise.all([
      this.#run(this.#command, ASK_CARDS),
      // Some cards and systems refuse this question; that is no fault.
      this.#run(this.#command, ASK_PROCESSES).catch(() => '')
    ])
    return keepMissingNvidia(this.#known, parseSmi(cards, processes))
  }
}

/** On Windows an absolute path: a bare name would run a file that somebody left in the current folder. */
function defaultCommand(): string {
  if (process.platform !== 'win32') return 'nvidia-smi'
  return win32.join(process.env['SystemRoot'] ?? 'C:\\Windows', 'System32', 'nvidia-smi.exe')
}

/** Returns the lines of `count` fields that begin with a card's id. */
function rowsOf(text: string, count: number): readonly (readonly string[])[] {
  return text
    .split(/\r?\n/)
    .map(line => line.split(',').map(field => field.trim()))
    .filter(fields => fields.length === count && /^(GPU|MIG)-/.test(fields[0] ?? ''))
}

function toProcess([, pidText, memoryText]: readonly string[]): readonly DeviceProcess[] {
  const [pid, mib] = [numberOf(pidText), numberOf(memoryText)]
  if (pid === undefined) return []
  return [{ pid, ...(mib === undefined ? {} : { memoryBytes: mib * MIB }) }]
}

function toDevice(fields: readonly string[]): Device {
  const [id = '', name, total = '', free = '', ...measured] = fields
  const [percent, temperatureC, powerW, powerLimitW] = measured.map(numberOf)
  const device: Device = {
    id,
    vendor: 'nvidia',
    model: modelOf(name),
    ...memoryOf(total, free),
    ...(percent === undefined ? {} : { utilisation: Math.min(1, percent / 100) }),
    ...(temperatureC === undefined ? {} : { temperatureC }),
    ...(powerW === undefined ? {} : { powerW }),
    ...(powerLimitW === undefined ? {} : { powerLimitW }),
    ...capabilityFacts(measured[4])
  }
  return device.memoryBytes > 0 ? device : withFault(device, `nvidia-smi cannot read this GPU: ${total}.`)
}

function memoryOf(total: string, free: string): Pick<Device, 'memoryBytes' | 'freeBytes' | 'isUnified'> {
  // GB10 and Jetson have no memory of their own: theirs is the system's.
  if (NOT_AVAILABLE.test(total)) return { memoryBytes: totalmem(), freeBytes: freemem(), isUnified: true }
  const freeMib = numberOf(free)
  const memoryBytes = (numberOf(total) ?? 0) * MIB
  return freeMib === undefined ? { memoryBytes } : { memoryBytes, freeBytes: freeMib * MIB }
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined
}
