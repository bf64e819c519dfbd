/**
 * Bench: what a record costs to decode and to fold, and what it takes of memory, from the first to the millionth.
 *
 * Some twenty machines work on several sweeps, all records through the codec as they come from a log. `npm run bench --
 * fold` prints JSON: microseconds of processor time for each record by decade, the ratio of the last decade to the one
 * before, bytes of heap for each record. `FOLD_RECORDS` in the environment says how many records instead.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  applyEntry,
  type Draft,
  decodeBlock,
  digestOf,
  emptyPool,
  encodeBlock,
  idOf,
  type LogRecord,
  type Pool,
  poolDigest,
  poolIdOf,
  type SweepSpec,
  sweepIdOf
} from '#protocol'
import type { Figures } from './rig.js'

const RECORDS = Number(process.env['FOLD_RECORDS'] ?? 1_000_000)
const DECADES = [1000, 10_000, 100_000, 1_000_000]
const MACHINES = 20
const SWEEPS = 16
const BATCH = 100
const REPORTS = 6
const CURVE_POINTS = 16

const keyOf = (name: string) => digestOf(`bench/${name}`)
const NONCE = idOf('bench', 'nonce')
const FOUNDING = { name: 'bench', member: keyOf('m0'), memberName: 'm0', machine: keyOf('machine0'), nonce: NONCE }
const BUNDLE = { digest: keyOf('bundle'), drive: keyOf('drive'), bytes: 1000, files: 2 }

interface Writer {
  readonly log: string
  readonly member: string
  readonly machine: string
  length: number
}

/** Returns the measured figures as one object. */
export function benchFold(): Promise<Figures> {
  const writers = Array.from({ length: MACHINES }, (_, n) => ({
    log: keyOf(`log${n}`),
    member: keyOf(`m${n}`),
    machine: keyOf(`machine${n}`),
    length: 0
  }))
  const pool = emptyPool(poolIdOf(FOUNDING))
  const [founder] = writers
  if (!founder) throw new Error('There is a founder.')
  const before = heapBytes()
  const opening = [...openings(writers), ...SWEEP_DRAFTS]
  let clock = 0
  const spent = { decodeUs: 0, foldUs: 0 }
  const add = (writer: Writer, drafts: readonly Draft[]) => {
    const bytes = encodeBlock(drafts.map((draft): LogRecord => ({ ...draft, clock: ++clock, at: 1.76e12 + clock })))
    fold(pool, writer, bytes, spent)
  }
  for (const draft of opening) add(founder, [draft])
  const decades: { records: number; decodeUs: number; foldUs: number; bytesPerRecord: number }[] = []
  let from = { records: 0, ...spent }
  for (let turn = 0; clock < RECORDS; turn++) {
    const writer = writers[turn % MACHINES]
    if (writer) add(writer, attemptsOf(turn))
    if (!DECADES.some(decade => from.records < decade && clock >= decade) && clock < RECORDS) continue
    const records = clock - from.records
    decades.push({
      records: clock,
      decodeUs: rounded((spent.decodeUs - from.decodeUs) / records),
      foldUs: rounded((spent.foldUs - from.foldUs) / records),
      bytesPerRecord: Math.round((heapBytes() - before) / clock)
    })
    from = { records: clock, ...spent }
  }
  const [last, previous] = [...decades].reverse()
  const ratio = rounded((last?.foldUs ?? 0) / (previous?.foldUs ?? 1))
  const bytes = last?.bytesPerRecord ?? 0
  const rows = [
    {
      what: `fold: a record of the last decade, of ${clock}`,
      measured: `${ratio} times one of the decade before`,
      aim: 'at most 1.5 times: collecting garbage alone grows with the heap',
      isMet: ratio <= 1.5
    },
    { what: 'fold: memory', measured: `${bytes} B of heap a record`, aim: 'at most 1000 B', isMet: bytes <= 1000 }
  ]
  return Promise.resolve({ bench: 'fold', records: clock, decades, ratio, ...digestTime(pool), rows })
}

function fold(pool: Pool, writer: Writer, bytes: Uint8Array, spent: { decodeUs: number; foldUs: number }): void {
  const started = cpuUs()
  const items = decodeBlock(bytes)
  const decoded = cpuUs()
  const { log, member, machine } = writer
  items.forEach((item, index) => {
    if (!('record' in item)) throw new Error('The bench writes what its codec reads.')
    const rejection = applyEntry(pool, { log, member, machine, block: writer.length, index, record: item.record })
    if (rejection) throw new Error(rejection.reason)
  })
  writer.length++
  spent.decodeUs += decoded - started
  spent.foldUs += cpuUs() - decoded
}

function openings(writers: readonly Writer[]): Draft[] {
  const admissions = writers.slice(1).map(({ member, machine }, n): Draft => {
    return { kind: 'member-admitted', member, machine, name: `m${n + 1}`, role: 'member', invite: NONCE }
  })
  return [{ kind: 'pool-founded', ...FOUNDING }, ...admissions]
}

const SWEEP_DRAFTS = Array.from({ length: SWEEPS }, (_, n) => {
  const spec: SweepSpec = {
    name: `sweep ${n}`,
    command: ['python', 'train.py'],
    method: 'random',
    metric: { name: 'loss', goal: 'minimize', summary: 'last' },
    parameters: { learning_rate: { distribution: 'log_uniform_values', min: 1e-5, max: 1e-2 } },
    seed: n,
    runCap: 100_000,
    onDuplicate: 'replicate',
    leaseMs: 180_000
  }
  const draft = { kind: 'sweep-submitted', nonce: NONCE, spec, bundle: BUNDLE } as const
  return { ...draft, sweep: sweepIdOf(draft, FOUNDING.member) } satisfies Draft
})

/** One block of a machine: some attempts from claim to result. */
function attemptsOf(turn: number): Draft[] {
  const perBlock = Math.ceil(BATCH / (REPORTS + 2))
  return Array.from({ length: perBlock }, (_, n) => attemptOf(turn * perBlock + n)).flat()
}

function attemptOf(number: number): Draft[] {
  const sweep = SWEEP_DRAFTS[number % SWEEPS]?.sweep ?? ''
  const about = { sweep, trial: Math.floor(number / SWEEPS), attempt: 1 }
  const value = (step: number) => 1 / (1 + step) + (number % 1000) / 7000
  const parameters = {
    learning_rate: 1e-5 * (1 + (number % 997)),
    batch_size: 32,
    layers: 4,
    dropout: 0.1,
    kind: 'lora'
  }
  const device = { id: `GPU-${keyOf('gpu').slice(0, 36)}`, model: 'NVIDIA GeForce RTX 4090', memoryBytes: 24 * 2 ** 30 }
  const reports = Array.from({ length: REPORTS }, (_, n): Draft => {
    return { kind: 'attempt-reported', ...about, step: 10 * 2 ** n, value: value(10 * 2 ** n) }
  })
  const curve = Array.from({ length: CURVE_POINTS }, (_, n): [number, number] => [n * 20, value(n * 20)])
  return [
    { kind: 'trial-claimed', ...about, device: device.id, parameters },
    ...reports,
    {
      kind: 'attempt-finished',
      ...about,
      class: 'complete',
      parameters,
      value: value(320),
      step: 320,
      metrics: { loss: value(320), accuracy: 0.9 },
      curve,
      seconds: 100.5,
      device
    }
  ]
}

function digestTime(pool: Pool): { digestUs: number } {
  const started = cpuUs()
  poolDigest(pool)
  return { digestUs: rounded((cpuUs() - started) / pool.entries) }
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}

function rounded(value: number): number {
  return Number(value.toFixed(2))
}
