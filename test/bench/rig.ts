/**
 * The rig of the benches: a machine with a real store and a real log, a pool to measure on, and the measuring itself.
 *
 * Owns no figure: each bench says what it measures. Times are those of the monotonic clock, CPU time is this process's.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Draft, digestOf, idOf, LIMITS, type SweepSpec, sweepIdOf } from '#protocol'
import { markCleanStop, takeCleanStop } from '../../agent/store/clean-stop.js'
import { type Identity, type Membership, openIdentity } from '../../agent/store/identity.js'
import { openKeeper } from '../../agent/store/keeper.js'
import { openSharedLog, type SharedLog } from '../../agent/store/shared-log.js'
import { openStore, type Store } from '../../agent/store/store.js'

const MB = 1e6
/** A bench writes in seconds what friends write in months: the quota is not what it measures. */
const QUOTA_BYTES = 1e12

/** What a bench tells people beside its line of JSON. */
export interface Row {
  readonly what: string
  readonly measured: string
  readonly aim: string
  readonly isMet: boolean
}

/** A bench's figures, and the same for people. `rows` is no part of the JSON. */
export interface Figures {
  readonly bench: string
  readonly rows: readonly Row[]
}

export interface Machine {
  readonly home: string
  readonly identity: Identity
  readonly membership: Membership
  readonly store: Store
  readonly log: SharedLog
  /** Writes records; resolves once they are in the log and folded. */
  write(drafts: readonly Draft[]): Promise<void>
  close(): Promise<void>
}

export interface MachineOptions {
  readonly home: string
  readonly membership: Membership
  readonly onChanged?: () => void
  readonly onHeads?: () => void
}

/** Opens a machine's store and log in its home. */
export async function openMachine(options: MachineOptions): Promise<Machine> {
  const { home, membership } = options
  const identity = openIdentity(home, { member: 'member', machine: 'machine' })
  const keeper = openKeeper(home, { checkpoints: () => [] })
  const lastLog = takeCleanStop(home)
  const store = await openStore(home)
  const nothing = () => undefined
  const log = await openSharedLog({
    home,
    store,
    membership,
    identity,
    keeper,
    lastLog,
    quotaBytesPerDay: QUOTA_BYTES,
    wall: Date.now,
    note: nothing,
    onFailed: error => {
      throw error
    },
    onDropped: draft => {
      throw new Error(`The log refused a ${draft.kind}.`)
    },
    onHeads: options.onHeads ?? nothing,
    onChanged: options.onChanged ?? nothing
  })
  return {
    home,
    identity,
    membership,
    store,
    log,
    write(drafts) {
      log.append(drafts)
      return log.flushed()
    },
    async close() {
      const last = await log.close()
      await store.close()
      if (last !== undefined) markCleanStop(home, last)
    }
  }
}

/** A random sweep with five parameters, as the claims of the benches carry them. */
export function benchSweep(trials: number): SweepSpec {
  return {
    name: 'bench',
    command: ['python', 'train.py'],
    method: 'random',
    metric: { name: 'loss', goal: 'minimize', summary: 'last' },
    parameters: {
      learning_rate: { distribution: 'log_uniform_values', min: 1e-5, max: 1e-1 },
      dropout: { distribution: 'uniform', min: 0, max: 0.5 },
      layers: { distribution: 'int_uniform', min: 1, max: 12 },
      width: { distribution: 'q_uniform', min: 64, max: 1024, q: 64 },
      optimizer: { distribution: 'categorical', values: ['adamw', 'lion', 'sgd'] }
    },
    seed: 7,
    runCap: Math.min(trials, LIMITS.trialsPerSweep),
    onDuplicate: 'replicate',
    leaseMs: LIMITS.leaseMs
  }
}

/** Returns the submission of a bench's sweep by a member, under the name that it must have. */
export function submissionOf(spec: SweepSpec, member: string, name: string) {
  const bundle = { digest: digestOf(`bench/${name}`), drive: digestOf(`bench/drive/${name}`), bytes: 1000, files: 2 }
  const draft = { kind: 'sweep-submitted', nonce: idOf('bench', name), spec, bundle } as const
  return { ...draft, sweep: sweepIdOf(draft, member) } satisfies Draft
}

/** Makes a folder, hands it over, and removes it with all that is in it. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'hypersweep-bench-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export interface Cost {
  readonly wallMs: number
  readonly cpuMs: number
}

/** Returns what some work cost: wall time, and CPU time of the whole process, native threads included. */
export async function costOf(work: () => Promise<void>): Promise<Cost> {
  const [cpu, wall] = [process.cpuUsage(), performance.now()]
  await work()
  const { user, system } = process.cpuUsage(cpu)
  return { wallMs: performance.now() - wall, cpuMs: (user + system) / 1000 }
}

/** Returns costs added up. */
export function sumOf(costs: readonly Cost[]): Cost {
  return costs.reduce((sum, each) => ({ wallMs: sum.wallMs + each.wallMs, cpuMs: sum.cpuMs + each.cpuMs }), {
    wallMs: 0,
    cpuMs: 0
  })
}

/** Returns the value below which a share of the samples lies; 0 without samples. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.floor(share * (sorted.length - 1))] ?? 0
}

export function rounded(value: number, digits = 2): number {
  return Number(value.toFixed(digits))
}

/** Returns the bytes that a folder takes on disk, all its files together. */
export function diskBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(each => each.isFile())
    .reduce((sum, each) => sum + statSync(join(each.parentPath, each.name)).blocks * 512, 0)
}

/** The resident memory of this process, in MB. */
export function residentMB(): number {
  return rounded(process.memoryUsage.rss() / MB, 1)
}

/** The largest resident memory that this process ever had, in MB. */
export function peakMB(): number {
  return rounded((process.resourceUsage().maxRSS * 1024) / MB, 1)
}
