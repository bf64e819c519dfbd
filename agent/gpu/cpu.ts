/**
 * The processor as a device: a machine without a GPU is still a machine.
 *
 * Owns what the operating system says of processor and memory. Never starts a process, never looks for a GPU.
 * Invariant: exactly one device, named `cpu`, without a fault.
 */
import { arch, availableParallelism, cpus, freemem, loadavg, platform, totalmem } from 'node:os'
import type { Device } from '../ports.js'
import type { DeviceSource } from './source.js'

/** Free memory is told in steps of 64 MiB: it trembles all the time, and no trial is placed by less. */
const FREE_GRAIN_BYTES = 64 * 1024 ** 2
/** Load is told in hundredths, for the same reason. */
const LOAD_GRAIN = 100

/** Hides every GPU, so that a program on this device does not take one that was not given to it. */
const ENVIRONMENT = Object.freeze({
  CUDA_VISIBLE_DEVICES: '-1',
  HIP_VISIBLE_DEVICES: '-1',
  ROCR_VISIBLE_DEVICES: '',
  JAX_PLATFORMS: 'cpu'
})

/** Returns the source for machines on which no other source finds a device. */
export function openCpu(): DeviceSource {
  return {
    read: async () => [{ device: readCpu() }],
    environment: () => ENVIRONMENT,
    close: async () => undefined
  }
}

/** Returns the processor as a device. `utilisation` is absent where the system keeps no load average (Windows). */
export function readCpu(): Device {
  const utilisation = load()
  return {
    id: 'cpu',
    vendor: 'cpu',
    model: cleanModel(cpus()[0]?.model ?? ''),
    memoryBytes: totalmem(),
    // On Linux this is MemAvailable (libuv since 1.45), which counts the page cache as free, as it should.
    freeBytes: Math.floor(freemem() / FREE_GRAIN_BYTES) * FREE_GRAIN_BYTES,
    isUnified: true,
    ...(utilisation === undefined ? {} : { utilisation })
  }
}

/**
 * Returns a processor's name as people say it: `AMD Ryzen 9 5950X`, not `AMD Ryzen 9 5950X 16-Core Processor`.
 *
 * @param model  What the operating system says; may be empty or `unknown` (many ARM boards).
 * @returns      At least one character.
 */
export function cleanModel(model: string): string {
  const clean = model
    .replace(/\((R|TM|C)\)/gi, ' ')
    .replace(/@.*$/, ' ')
    .replace(/\b(\d+|\w+)-Core\b/gi, ' ')
    .replace(/\b(CPU|Processor)\b/gi, ' ')
    .replace(/\s+/g, ' ')
    .trim()
  return clean === '' || clean === 'unknown' ? `${arch()} processor` : clean
}

/** Returns the load of the last minute per thread, 0 to 1. */
function load(): number | undefined {
  if (platform() === 'win32') return undefined
  const perThread = (loadavg()[0] ?? 0) / availableParallelism()
  return Math.min(1, Math.round(perThread * LOAD_GRAIN) / LOAD_GRAIN)
}
