/**
 * Who uses a card: NVML's lists of processes.
 *
 * Owns the three generations of the calls and their layouts. For the child process only (nvml-child.ts).
 * Invariant: a process is named once, and what the driver does not tell of it is absent, never 0.
 */
import type { DeviceProcess } from '../ports.js'
import { call, type Library, type Name } from './nvml-calls.js'
import { CODE, NOT_AVAILABLE, PROCESS, PROCESS_UTILISATION } from './nvml-layout.js'

/** Room for so many processes at first: more than a desktop has on its card. */
const ROOM = 64
/** Processes may start between the answer "too small" and the next question. */
const TRIES = 4

/** One generation of the calls: the younger tell more, the oldest drivers have only the last. */
interface Generation {
  readonly compute: Name
  readonly graphics: Name
  readonly bytes: number
}

/** Reads one library's lists. */
export class ProcessLists {
  readonly #library: Library
  readonly #generation: Generation
  /** At the widest layout, so that a wrong guess about it overruns nothing. */
  #rows = Buffer.alloc(PROCESS.bytesOf535 * ROOM)
  readonly #count = Buffer.alloc(4)
  /** Card -> the time of the newest sample that was read, by the driver's clock. */
  readonly #readUntil = new Map<bigint, bigint>()

  constructor(library: Library) {
    this.#library = library
    this.#generation = generationOf(library)
  }

  /** Returns the processes on a card, or undefined where the driver does not tell. */
  read(card: bigint): readonly DeviceProcess[] | undefined {
    const compute = this.#memories(this.#generation.compute, card)
    const graphics = this.#memories(this.#generation.graphics, card)
    if (compute === undefined && graphics === undefined) return undefined
    // A process in both lists has its whole memory in each: the sum would be twice what it holds.
    const memories = new Map([...(graphics ?? []), ...(compute ?? [])])
    for (const [pid, bytes] of graphics ?? []) if (memories.get(pid) === undefined) memories.set(pid, bytes)
    const shares = memories.size === 0 ? undefined : this.#shares(card)
    return [...memories].map(([pid, memoryBytes]) => ({
      pid,
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
      // Who did not compute in the last period is left out of the samples.
      ...(shares === undefined ? {} : { utilisation: shares.get(pid) ?? 0 })
    }))
  }

  #memories(name: Name, card: bigint): ReadonlyMap<number, number | undefined> | undefined {
    const { bytes } = this.#generation
    const code = this.#fill(bytes, () => call(this.#library, name, card, this.#count, this.#rows))
    return code === CODE.ok ? new Map(this.#rowsOf(bytes).map(memoryIn)) : undefined
  }

  /** Returns each process's share of the chip's time; undefined where the driver does not measure it. */
  #shares(card: bigint): ReadonlyMap<number, number> | undefined {
    const since = this.#readUntil.get(card) ?? 0n
    const name = 'nvmlDeviceGetProcessUtilization'
    const { bytes, time } = PROCESS_UTILISATION
    const code = this.#fill(bytes, () => call(this.#library, name, card, this.#rows, this.#count, since))
    if (code === CODE.notFound) return new Map()
    if (code !== CODE.ok) return undefined
    // Drivers leave rows of earlier periods and of processes that are gone, some with a share of 4 billion percent.
    const samples = this.#rowsOf(bytes).filter(row => row.readBigUInt64LE(time) > since && chipPercent(row) <= 100)
    samples.sort((a, b) => Number(a.readBigUInt64LE(time) - b.readBigUInt64LE(time)))
    const newest = samples.at(-1)?.readBigUInt64LE(time)
    if (newest !== undefined) this.#readUntil.set(card, newest)
    return new Map(samples.map(row => [row.readUInt32LE(PROCESS_UTILISATION.pid), chipPercent(row) / 100]))
  }

  /** Asks until the rows have room for the answer. Returns the last code; `#count` then is the number of rows. */
  #fill(rowBytes: number, ask: () => number): number {
    let code: number = CODE.insufficientSize
    for (let tries = 0; tries < TRIES && code === CODE.insufficientSize; tries++) {
      this.#count.writeUInt32LE(Math.floor(this.#rows.length / PROCESS.bytesOf535))
      code = ask()
      const wanted = this.#count.readUInt32LE() * PROCESS.bytesOf535
      if (code === CODE.insufficientSize) this.#rows = Buffer.alloc(Math.max(wanted, this.#rows.length) * 2)
    }
    const most = Math.floor(this.#rows.length / rowBytes)
    this.#count.writeUInt32LE(Math.min(this.#count.readUInt32LE(), most))
    return code
  }

  #rowsOf(bytes: number): Buffer[] {
    return Array.from({ length: this.#count.readUInt32LE() }, (_, n) => this.#rows.subarray(n * bytes, (n + 1) * bytes))
  }
}

function generationOf({ calls }: Library): Generation {
  const compute = 'nvmlDeviceGetComputeRunningProcesses'
  const graphics = 'nvmlDeviceGetGraphicsRunningProcesses'
  if (calls.has(`${compute}_v3`)) {
    const isOf535 =
      calls.has('nvmlDeviceGetConfComputeMemSizeInfo') && !calls.has('nvmlDeviceGetRunningProcessDetailList')
    const bytes = isOf535 ? PROCESS.bytesOf535 : PROCESS.bytes
    return { compute: `${compute}_v3`, graphics: `${graphics}_v3`, bytes }
  }
  if (calls.has(`${compute}_v2`)) return { compute: `${compute}_v2`, graphics: `${graphics}_v2`, bytes: PROCESS.bytes }
  return { compute, graphics, bytes: PROCESS.bytesV1 }
}

function memoryIn(row: Buffer): readonly [pid: number, memoryBytes: number | undefined] {
  const used = row.readBigUInt64LE(PROCESS.used)
  return [row.readUInt32LE(PROCESS.pid), used === NOT_AVAILABLE ? undefined : Number(used)]
}

function chipPercent(row: Buffer): number {
  return row.readUInt32LE(PROCESS_UTILISATION.chip)
}
