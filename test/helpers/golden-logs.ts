/**
 * What the golden logs of this release hold: every kind of record with every field, and what a log may hold besides.
 *
 * Owns the texts, not what they mean. A kind or a field that is added to the protocol is added here too.
 */
import {
  type Draft,
  type Entry,
  encodeBlock,
  LIMITS,
  type Parameter,
  RELEASE_REASONS,
  RESULT_CLASSES,
  type SweepSpec
} from '#protocol'
import type { GoldenLog } from './golden.js'
import { randomMembership } from './random-membership.js'
import { randomLogs } from './random-pool.js'
import {
  admission,
  announcement,
  BUNDLE,
  createWriter,
  FOUNDING,
  keyOf,
  POOL,
  removal,
  resultOf,
  submission,
  sweepSpec,
  type Writer
} from './records.js'

const LION = { parameter: 'optimizer', values: ['lion', 7] }
const PARAMETERS: Readonly<Record<string, Parameter>> = {
  batch_size: { distribution: 'int_uniform', min: 8, max: 64 },
  data: { distribution: 'constant', value: 'wiki' },
  decay: { distribution: 'q_uniform', min: 0, max: 1, q: 0.1 },
  dropout: { distribution: 'uniform', min: 0, max: 0.5 },
  optimizer: { distribution: 'categorical', values: ['adam', 'lion', null, true, 7] },
  rate: { distribution: 'log_uniform_values', min: 1e-5, max: 1e-2 },
  warmup: { distribution: 'q_log_uniform_values', min: 10, max: 1000, q: 10 },
  'weights.activation': {
    distribution: 'categorical_w_probabilities',
    values: ['relu', 'gelu'],
    probabilities: [1, 3]
  },
  'weights.beta': { distribution: 'beta', a: 2, b: 5 },
  'weights.gain': { distribution: 'log_normal', mu: 0, sigma: 0.5 },
  'weights.keep': { distribution: 'q_beta', a: 5, b: 1, q: 0.05 },
  'weights.layers': { distribution: 'categorical', values: ['[64,64]', '[128]'], encoding: 'json' },
  'weights.mean': { distribution: 'normal', mu: 0, sigma: 1 },
  'weights.momentum': { distribution: 'q_normal', mu: 1, sigma: 1, q: 0.5, when: LION },
  'weights.width': { distribution: 'q_log_normal', mu: 5, sigma: 1, q: 8 }
}

/** A sweep with every field that a spec can have. */
const FULL_SPEC = {
  ...sweepSpec({
    name: 'full',
    description: 'Every field.',
    program: 'train.py',
    method: 'random',
    metric: { name: 'eval/loss', goal: 'maximize', summary: 'best', target: 0.99 },
    furtherMetrics: [{ name: 'tokens/s', goal: 'maximize' }],
    parameters: PARAMETERS,
    nested: ['weights'],
    stopping: { rule: 'hyperband', eta: 3, bands: [3, 9], strict: false, unit: 'reports', warmUpSteps: 2 },
    constraints: ['batch_size * decay <= 32 or optimizer in ["adam", null]'],
    trials: [{ batch_size: 8, data: 'wiki' }],
    seeds: 2,
    budget: { gpuSeconds: 36_000 },
    runCap: 20,
    onDuplicate: 'reuse',
    timeLimitMs: 60_000,
    wallTimeMs: 3_600_000,
    backups: 'off',
    requires: {
      memoryBytes: 14e9,
      vendors: ['nvidia', 'amd'],
      capability: '8.0',
      bf16: true,
      diskBytes: 20e9,
      packages: ['torch'],
      assets: ['llama-3-8b'],
      memoryEffects: { [Object.keys(PARAMETERS)[0] ?? '']: 'up2' },
      model: { parameters: 8.03e9, hidden: 4096, layers: 32, vocabulary: 128_256, heads: 32, fineTuning: 'qlora' }
    }
  })
} satisfies SweepSpec

/** Returns the logs of each set by its name. The random ones hold what nobody thought of. */
export function goldenLogs(): Readonly<Record<string, readonly GoldenLog[]>> {
  return {
    everything: everything(),
    'random-membership': randomMembership(2, 60)
      .filter(each => each.length > 0)
      .map(logOf),
    'random-pool': randomLogs(3, 120).map(logOf)
  }
}

function everything(): GoldenLog[] {
  const ann = createWriter('ann', 'a')
  const bo = createWriter('bo', 'b')
  const gone = createWriter('dee', 'd')
  for (const writer of [ann, bo, gone]) open(writer)
  ann.write({ kind: 'pool-founded', ...FOUNDING })
  for (const [name, role] of [
    ['bo', 'owner'],
    ['dee', 'member'],
    ['eve', 'viewer']
  ] as const)
    ann.write(admission(name, name.slice(0, 1), role))
  const [device] = announcement('desk').devices
  ann.write({ ...announcement('desk'), devices: device ? [{ ...device, capability: '8.9' }] : [] })
  const full = ann.write(submission(FULL_SPEC)).record as Draft & { sweep: string }
  const grid = ann.write(submission()).record as Draft & { sweep: string }
  for (const draft of attempts(grid.sweep)) bo.write(draft)
  gone.write(claim(grid.sweep, 3))
  gone.write(claim(grid.sweep, 2))
  ann.write(removal('dee', { d1: 2 }, 'moved away'))
  ann.write({ kind: 'sweep-stopped', sweep: full.sweep })
  ann.write({ kind: 'sweep-expired', sweep: full.sweep })
  const holes = ['[{"kind":"trial-claimed","clock":1,"at":1}]', 'no JSON at all', '[7]']
  const newer = '[{"at":1,"clock":99,"kind":"trial-blessed","by":"a newer release"}]'
  const grown = `[{"added":{"by":"a newer release"},"at":1,"clock":99,"kind":"sweep-stopped","sweep":"${grid.sweep}"}]`
  return [ann, bo, gone].map(({ entries }) => {
    const log = logOf(entries)
    return entries === bo.entries ? { ...log, blocks: [...log.blocks, ...holes, newer, grown] } : log
  })
}

/** Every class of result and every reason to give an attempt back, with every field. */
function attempts(sweep: string): Draft[] {
  const bulk = { log: keyOf('bulk of b'), block: 7 }
  const results = RESULT_CLASSES.map((result, n): Draft => {
    const about = { sweep, trial: 0, attempt: 1 + n }
    const curve: [number, number][] = [
      [1, 2.5],
      [10, 0.5]
    ]
    const usage = { peakBytes: 7.5e9, peakSource: 'process' as const, wattHours: 1.5, utilisation: 0.97 }
    const oom = { kind: 'contention' as const, bytes: 6e9 }
    const compared = { rung: 10, value: 0.5, threshold: 0.4, rank: 3, of: 4, bracket: 0 }
    const stop = { rule: 'hyperband', unit: 'steps' as const, ...compared }
    const took = { usage, oom, stop, changed: ['the batch size was 4, not 8'] }
    const told = { step: 10, metrics: { loss: 0.5 }, curve, message: 'It ended.', tail: 'last words', bulk, ...took }
    return resultOf(about, result, { ...told, parameters: { x: 0, kind: 'lora', warm: true, seed: null } })
  })
  const releases = RELEASE_REASONS.map((reason, n): Draft => {
    const told = n === 0 ? { seconds: 12.5, checkpoint: { ...BUNDLE, digest: keyOf('checkpoint') } } : {}
    return { kind: 'trial-released', sweep, trial: 1, attempt: 1 + n, reason, ...told }
  })
  return [
    claim(sweep, 0),
    { kind: 'attempt-reported', sweep, trial: 0, attempt: 1, step: 1, value: 2.5, count: 1, position: 0.5 },
    ...results,
    ...releases,
    { ...claim(sweep, 2), backup: true }
  ]
}

function claim(sweep: string, trial: number) {
  return { kind: 'trial-claimed', sweep, trial, attempt: 1, device: 'gpu0', parameters: { x: trial } } satisfies Draft
}

function open({ write, member, machine, log }: Writer): void {
  const signature = keyOf('signature').repeat(2)
  const signatures = { memberSignature: signature, machineSignature: signature }
  write({ kind: 'writer-opened', pool: POOL, member, machine, incarnation: 1, log, ...signatures })
}

/** One block for each that the entries name, as the codec writes it. */
function logOf(entries: readonly Entry[]): GoldenLog {
  const [first] = entries
  if (!first) throw new Error('A log has entries.')
  const { log, member, machine } = first
  const length = 1 + Math.max(...entries.map(({ block }) => block))
  const blocks = Array.from({ length }, (_, block) => {
    const records = entries.filter(each => each.block === block).map(({ record }) => record)
    return new TextDecoder().decode(encodeBlock(records.slice(0, LIMITS.recordsPerBlock)))
  })
  return { log, member, machine, blocks }
}
