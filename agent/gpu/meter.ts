/**
 * The meter: what attempts take of their devices, and what other programs take.
 *
 * Owns one account for each running attempt, from its first sample until it is taken. Reads no device, starts no clock.
 * Invariant: what nobody can tell is absent, never 0. One attempt at a time has a device: its energy is the attempt's.
 */
import type { Device, Usage } from '#protocol'
import type { DeviceProcess, Reading } from '../ports.js'

/** Two samples further apart say nothing of what was between them: the computer slept, or the driver was ill. */
const GAP_MAX_MS = 120_000
/** An account that nobody takes is closed so long after its last sample. */
const KEPT_MS = 600_000
/** Less than what CUDA takes before a program's first number, more than what a desktop's memory trembles. */
const HIDDEN_BYTES = 128 * 1024 ** 2
const MS_PER_HOUR = 3_600_000
/** Usage is written down for ever: thousandths are enough. */
const GRAIN = 1000

/** A running program and its attempt. */
export interface MeteredProgram {
  /** Of its attempt. */
  readonly id: string
  readonly device: string
  readonly pid: number
}

export interface MeterOptions {
  /** Programs that run now. */
  readonly programs: () => readonly MeteredProgram[]
  /** Returns the attempt that a process belongs to; undefined when to none. */
  readonly attemptOf: (pid: number, programs: readonly MeteredProgram[]) => string | undefined
  /** Returns the system's memory that a program with its children holds, in bytes. */
  readonly residentBytesOf?: (pid: number) => number | undefined
  /** Monotonic ms. */
  readonly now: () => number
}

export interface Meter {
  /** Takes a sample of every device. Returns the devices, with what programs take of them that are no attempts. */
  note(readings: readonly Reading[]): readonly Device[]
  /** Returns what an attempt held of its device's memory at the last sample, in bytes. */
  memoryOf(id: string): number | undefined
  /** Returns what an attempt took in all, and forgets it; undefined when there was no sample of it. */
  take(id: string): Usage | undefined
}

/** Returns a meter without accounts. */
export function createMeter(options: MeterOptions): Meter {
  const accounts = new Map<string, Account>()
  const accountOf = (id: string) => accounts.get(id) ?? opened(accounts, id)

  return {
    note(readings) {
      const [nowMs, programs] = [options.now(), options.programs()]
      const isOver = (id: string) => !programs.some(program => program.id === id)
      for (const [id, { sampledMs }] of accounts) if (nowMs - sampledMs > KEPT_MS && isOver(id)) accounts.delete(id)
      return readings.map(reading => {
        const owned = ownedProcesses(reading, pid => options.attemptOf(pid, programs))
        const here = programs.filter(({ device }) => device === reading.device.id)
        for (const program of here) {
          const own = owned?.filter(({ owner }) => owner === program.id)
          const account = accountOf(program.id)
          // Of what a shared device holds nobody can tell whose it is.
          const device = here.length === 1 ? reading.device : withoutFree(reading.device)
          noteMemory(account, device, own, () => options.residentBytesOf?.(program.pid))
          noteWork(account, reading.device, nowMs)
        }
        return {
          ...reading.device,
          ...foreignOf(
            owned,
            here.map(({ id }) => accountOf(id))
          )
        }
      })
    },
    memoryOf: id => accounts.get(id)?.memory?.bytes,
    take(id) {
      const account = accounts.get(id)
      accounts.delete(id)
      return account && usageOf(account)
    }
  }
}

/** An amount of memory, and who told it: its processes themselves, or what its device holds more than before. */
interface Memory {
  readonly bytes: number
  readonly source: 'process' | 'device'
}

interface Account {
  /** What its device held at the first sample. */
  baseBytes?: number
  /** Some process of it was once seen on its device. */
  isSeen: boolean
  memory?: Memory
  peak?: Memory
  sampledMs: number
  powerW?: number
  wattMs: number
  /** How long power was known. */
  poweredMs: number
  utilisation?: number
  busyMs: number
  /** How long utilisation was known. */
  watchedMs: number
}

type OwnedProcess = DeviceProcess & { readonly owner: string | undefined }

function opened(accounts: Map<string, Account>, id: string): Account {
  const account = { isSeen: false, sampledMs: Number.NEGATIVE_INFINITY }
  const empty: Account = { ...account, wattMs: 0, poweredMs: 0, busyMs: 0, watchedMs: 0 }
  accounts.set(id, empty)
  return empty
}

function ownedProcesses(
  { processes }: Reading,
  ownerOf: (pid: number) => string | undefined
): readonly OwnedProcess[] | undefined {
  return processes?.map(each => ({ ...each, owner: ownerOf(each.pid) }))
}

function noteMemory(
  account: Account,
  device: Device,
  own: readonly DeviceProcess[] | undefined,
  residentBytes: () => number | undefined
): void {
  const usedBytes = device.freeBytes === undefined ? undefined : device.memoryBytes - device.freeBytes
  if (account.baseBytes === undefined && usedBytes !== undefined) account.baseBytes = usedBytes
  if (own !== undefined && own.length > 0) account.isSeen = true
  const memory =
    device.vendor === 'cpu' ? toldBy(residentBytes()) : (byProcesses(account, own) ?? byDevice(account, usedBytes))
  if (memory === undefined) return
  account.memory = memory
  account.peak = higher(account.peak, memory)
}

function withoutFree({ freeBytes: _, ...device }: Device): Device {
  return device
}

function toldBy(bytes: number | undefined): Memory | undefined {
  return bytes === undefined ? undefined : { bytes, source: 'process' }
}

/** Nothing where the driver hides its memory, or hides whose the processes are (WSL, containers). */
function byProcesses({ isSeen }: Account, own: readonly DeviceProcess[] | undefined): Memory | undefined {
  return own === undefined || !isSeen ? undefined : toldBy(sumOf(own.map(each => each.memoryBytes)))
}

function byDevice({ baseBytes }: Account, usedBytes: number | undefined): Memory | undefined {
  if (baseBytes === undefined || usedBytes === undefined) return undefined
  return { bytes: Math.max(0, usedBytes - baseBytes), source: 'device' }
}

/** What the processes themselves hold is the better witness, even where it is less. */
function higher(peak: Memory | undefined, memory: Memory): Memory {
  if (peak === undefined || peak.source !== memory.source)
    return memory.source === 'process' ? memory : (peak ?? memory)
  return memory.bytes > peak.bytes ? memory : peak
}

/** Utilisation and power of this moment stand for the time since the last sample; power for half of it. */
function noteWork(account: Account, { utilisation, powerW }: Device, nowMs: number): void {
  const passedMs = nowMs - account.sampledMs
  const ms = passedMs <= GAP_MAX_MS ? passedMs : 0
  if (utilisation !== undefined) {
    account.busyMs += utilisation * ms
    account.watchedMs += ms
    account.utilisation = utilisation
  }
  if (powerW !== undefined && account.powerW !== undefined) {
    account.wattMs += ((powerW + account.powerW) / 2) * ms
    account.poweredMs += ms
  }
  if (powerW === undefined) delete account.powerW
  else account.powerW = powerW
  account.sampledMs = nowMs
}

function usageOf({ peak, wattMs, poweredMs, utilisation, busyMs, watchedMs }: Account): Usage {
  // One sample alone lasts no time, but tells something.
  const mean = watchedMs > 0 ? Math.min(1, busyMs / watchedMs) : utilisation
  return {
    ...(peak === undefined ? {} : { peakBytes: Math.round(peak.bytes), peakSource: peak.source }),
    ...(poweredMs > 0 ? { wattHours: inGrains(wattMs / MS_PER_HOUR) } : {}),
    ...(mean === undefined ? {} : { utilisation: inGrains(mean) })
  }
}

/**
 * Returns what processes that are no attempts take of a device.
 *
 * Nothing while an attempt on it holds memory by a process that is not known as its own: in a container the driver
 * names processes as the machine around it does, and the attempt would pass for a stranger that drives it away.
 */
function foreignOf(
  processes: readonly OwnedProcess[] | undefined,
  accounts: readonly Account[]
): Pick<Device, 'foreignBytes' | 'foreignUtilisation'> {
  const isHidden = accounts.some(({ isSeen, memory }) => !isSeen && memory !== undefined && memory.bytes > HIDDEN_BYTES)
  if (processes === undefined || isHidden) return {}
  const strangers = processes.filter(({ owner }) => owner === undefined)
  const foreignBytes = sumOf(strangers.map(each => each.memoryBytes))
  const share = sumOf(strangers.map(each => each.utilisation))
  return {
    ...(foreignBytes === undefined ? {} : { foreignBytes }),
    ...(share === undefined ? {} : { foreignUtilisation: Math.min(1, share) })
  }
}

/** Returns the sum; undefined when a part of it is. */
function sumOf(parts: readonly (number | undefined)[]): number | undefined {
  const known = parts.filter(part => part !== undefined)
  return known.length === parts.length ? known.reduce((sum, part) => sum + part, 0) : undefined
}

function inGrains(value: number): number {
  return Math.round(value * GRAIN) / GRAIN
}
