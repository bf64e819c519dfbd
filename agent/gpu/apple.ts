/**
 * The GPU of an Apple chip, by way of commands of macOS.
 *
 * Owns the commands and their texts. Loads no framework: what these tell needs no rights and no binding.
 * Invariant: exactly one device, whose memory is the part of the system's that Metal lets it wire.
 */
import type { Device } from '../ports.js'
import { type Run, runCommand } from './commands.js'
import type { DeviceSource, Log } from './source.js'

const SYSCTL = '/usr/sbin/sysctl'
const IOREG = '/usr/sbin/ioreg'
const VM_STAT = '/usr/bin/vm_stat'
const GPU_STATISTICS = ['-r', '-d', '1', '-w', '0', '-c', 'IOAccelerator']
/** They take some 10 ms each. */
const ANSWER_MS = 5_000

const MIB = 1024 ** 2
/** Up to this much memory Metal leaves the system a third of it, above that a quarter. */
const SMALL_BYTES = 36 * 1024 * MIB
/** Free memory is told in steps of 64 MiB: it trembles all the time, and no trial is placed by less. */
const FREE_GRAIN_BYTES = 64 * MIB

/**
 * One device has no other to be hidden from. PyTorch takes 1.7 times what Metal recommends, and the Mac swaps; with
 * this it takes what there is. It refuses to start when the lower mark, 1.4 by itself, stands above the higher one.
 */
const ENVIRONMENT = Object.freeze({
  PYTORCH_MPS_HIGH_WATERMARK_RATIO: '1.0',
  PYTORCH_MPS_LOW_WATERMARK_RATIO: '0.9'
})

export interface AppleOptions {
  readonly log: Log
  /** Runs the commands. Default: as processes. */
  readonly run?: Run
}

/** Returns the source; undefined when this is no Mac with a chip of Apple's. */
export async function openApple({ log, run }: AppleOptions): Promise<DeviceSource | undefined> {
  const closing = new AbortController()
  const source = new AppleSource(run ?? runCommand({ withinMs: ANSWER_MS, signal: closing.signal }), closing)
  try {
    return (await source.start()) ? source : undefined
  } catch (error) {
    log('macOS could not be asked for its GPU.', { reason: String(error) })
    return undefined
  }
}

/**
 * Returns how much of a Mac's memory its GPU may hold, in bytes.
 *
 * @param memoryBytes  All memory of the machine.
 * @param wiredMib     What its owner has set as `iogpu.wired_limit_mb`; 0 when nothing.
 */
export function wiredLimitBytes(memoryBytes: number, wiredMib: number): number {
  if (wiredMib > 0) return wiredMib * MIB
  return Math.floor(memoryBytes <= SMALL_BYTES ? (memoryBytes * 2) / 3 : (memoryBytes * 3) / 4)
}

/** Returns what `ioreg` tells of the GPU: its share of busy time, 0 to 1, and the memory that it holds. */
export function parseIoreg(text: string): { readonly utilisation?: number; readonly usedBytes?: number } {
  const percent = numberAfter(text, '"Device Utilization %"\\s*=\\s*')
  const usedBytes = numberAfter(text, '"In use system memory"\\s*=\\s*')
  return {
    ...(percent === undefined ? {} : { utilisation: Math.min(1, percent / 100) }),
    ...(usedBytes === undefined ? {} : { usedBytes })
  }
}

/** Returns how many bytes macOS gives away without swapping, from the text of `vm_stat`; undefined when it is none. */
export function parseVmStat(text: string): number | undefined {
  const pageBytes = numberAfter(text, 'page size of ')
  if (pageBytes === undefined) return undefined
  const names = ['Pages free', 'Pages speculative', 'Pages purgeable', 'File-backed pages']
  return names.reduce((pages, name) => pages + (numberAfter(text, `${name}:\\s+`) ?? 0), 0) * pageBytes
}

class AppleSource implements DeviceSource {
  readonly #run: Run
  readonly #closing: AbortController
  #plate: Device | undefined

  constructor(run: Run, closing: AbortController) {
    this.#run = run
    this.#closing = closing
  }

  /** Learns what does not change; false when the processor is not Apple's. */
  async start(): Promise<boolean> {
    const model = await this.#setting('machdep.cpu.brand_string')
    const memoryBytes = Number(await this.#setting('hw.memsize'))
    // A system before macOS 14 does not know this one.
    const wiredMib = Number(await this.#setting('iogpu.wired_limit_mb').catch(() => 0)) || 0
    if (!model.startsWith('Apple') || !(memoryBytes > 0)) return false
    const limitBytes = wiredLimitBytes(memoryBytes, wiredMib)
    this.#plate = { id: 'apple', vendor: 'apple', model, memoryBytes: limitBytes, isUnified: true, bf16: true }
    return true
  }

  async read() {
    if (this.#plate === undefined) return []
    const [statistics, memory] = await Promise.all([
      this.#run(IOREG, GPU_STATISTICS).catch(() => ''),
      this.#run(VM_STAT, []).catch(() => '')
    ])
    const { utilisation, usedBytes = 0 } = parseIoreg(statistics)
    const systemFreeBytes = parseVmStat(memory)
    const freeBytes = Math.min(this.#plate.memoryBytes - usedBytes, systemFreeBytes ?? 0)
    const device: Device = {
      ...this.#plate,
      ...(systemFreeBytes === undefined ? {} : { freeBytes: inGrains(freeBytes) }),
      ...(utilisation === undefined ? {} : { utilisation })
    }
    return [{ device }]
  }

  environment(): Readonly<Record<string, string>> {
    return ENVIRONMENT
  }

  async close(): Promise<void> {
    this.#closing.abort()
  }

  async #setting(name: string): Promise<string> {
    return (await this.#run(SYSCTL, ['-n', name])).trim()
  }
}

function inGrains(bytes: number): number {
  return Math.max(0, Math.floor(bytes / FREE_GRAIN_BYTES) * FREE_GRAIN_BYTES)
}

function numberAfter(text: string, before: string): number | undefined {
  const digits = new RegExp(`${before}(\\d+)`).exec(text)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
