/**
 * Bench: how well trials are placed by what the pool has learned of their memory, in the simulator.
 *
 * Five devices of 12 to 48 GB, 400 trials that need 5 to 25 GiB by their parameters, with noise. Beside it the same
 * agents when nobody tells what attempts take (greedy: try, and take a larger device after an OOM), and when the sweep
 * declares its largest need for all trials (static). Useful time is that of attempts whose result counts.
 */
import { createSearch, type Parameters, type Requires, type SweepSpec } from '#protocol'
import { keyOf, submission, sweepSpec } from '../helpers/records.js'
import { createChance } from '../simulation/chance.js'
import { RATES } from '../simulation/rates.js'
import type { MachinePlan, Scenario, Truth } from '../simulation/scenario.js'
import { playScenario } from '../simulation/simulate.js'
import type { Started } from '../simulation/watch.js'
import { type Figures, rounded } from './rig.js'

const GIB = 2 ** 30
const MINUTE_MS = 60_000
const DEVICES_GB = [12, 16, 24, 24, 48] as const
const TRIALS = 400
/** What the largest trial needs, noise included. */
const MOST_BYTES = 27 * GIB
const SEEDS = 8
/** Results until which running out of memory is learning. */
const FIRST_RESULTS = 10
/** What the makespan may be, as a multiple of what no scheduler can go below. */
const MAKESPAN_MAX = 1.05
/** Of a trial's time, what it takes to run out of memory. */
const OOM_SHARE = 0.2

const POLICIES = ['learned', 'greedy', 'static'] as const
type Policy = (typeof POLICIES)[number]

interface Run {
  readonly ooms: number
  readonly oomsLater: number
  /** Times the lower bound. */
  readonly makespan: number
  /** Useful time of all devices over the time that they were there. */
  readonly efficiency: number
}

/** Returns OOMs, makespans and efficiency of each policy, worst and mean over the seeds. */
export async function benchPlacement(): Promise<Figures> {
  const policies = Object.fromEntries(POLICIES.map(policy => [policy, sumOf(runsOf(policy))]))
  const { learned, greedy, static: fixed } = policies
  const others = `greedy: ${greedy?.makespanMax} x, ${greedy?.ooms} OOMs; static: ${fixed?.makespanMax} x`
  const rows = [
    {
      what: `OOMs after the first ${FIRST_RESULTS} results, ${SEEDS} seeds`,
      measured: `${learned?.oomsLater} (greedy ${greedy?.oomsLater})`,
      aim: '0',
      isMet: learned?.oomsLater === 0
    },
    {
      what: 'makespan, times the lower bound, worst seed',
      measured: `${learned?.makespanMax} (${others})`,
      aim: `at most ${MAKESPAN_MAX}`,
      isMet: (learned?.makespanMax ?? Number.POSITIVE_INFINITY) <= MAKESPAN_MAX
    },
    {
      what: 'useful GPU time over available, mean',
      measured: `${learned?.efficiency} (greedy ${greedy?.efficiency}, static ${fixed?.efficiency})`,
      aim: 'above both others',
      isMet: (learned?.efficiency ?? 0) > Math.max(greedy?.efficiency ?? 1, fixed?.efficiency ?? 1)
    }
  ]
  const figures = { bench: 'placement', trials: TRIALS, seeds: SEEDS, policies, rows }
  return figures
}

function sumOf(runs: readonly Run[]) {
  const mean = (of: (run: Run) => number) => runs.reduce((sum, run) => sum + of(run), 0) / runs.length
  return {
    ooms: runs.reduce((sum, { ooms }) => sum + ooms, 0),
    oomsLater: runs.reduce((sum, { oomsLater }) => sum + oomsLater, 0),
    makespanMax: rounded(Math.max(...runs.map(({ makespan }) => makespan)), 3),
    makespanMean: rounded(
      mean(({ makespan }) => makespan),
      3
    ),
    efficiency: rounded(
      mean(({ efficiency }) => efficiency),
      3
    )
  }
}

/** What fits one device alone takes a week of virtual time, and differs little from seed to seed. */
function runsOf(policy: Policy): Run[] {
  return Array.from({ length: policy === 'static' ? 1 : SEEDS }, (_, n) => runOf(n + 1, policy))
}

export function runOf(seed: number, policy: Policy): Run {
  const scenario = scenarioOf(seed, policy)
  const truths = scenario.sweeps[0]?.truths ?? []
  let starts: readonly Started[] = []
  const { violation } = playScenario(scenario, {
    onEnd: all => {
      starts = all
    }
  })
  if (violation) throw new Error(`Seed ${seed}, ${policy}: ${violation.message}`)
  const ended = starts.filter(({ end }) => end !== undefined).sort((a, b) => a.atMs + a.ranMs - (b.atMs + b.ranMs))
  const first = Math.min(...starts.map(({ atMs }) => atMs))
  const makespanMs = Math.max(...ended.map(({ atMs, ranMs }) => atMs + ranMs)) - first
  const usefulMs = ended.reduce((sum, { end, ranMs }) => sum + (end === 'complete' ? ranMs : 0), 0)
  const isOom = ({ end }: Started) => end === 'oom'
  return {
    ooms: ended.filter(isOom).length,
    oomsLater: ended.slice(FIRST_RESULTS).filter(isOom).length,
    makespan: makespanMs / lowerBoundMs(truths),
    efficiency: usefulMs / (makespanMs * DEVICES_GB.length)
  }
}

/** No scheduler is faster: the work that needs more than some memory has only the devices that have more. */
function lowerBoundMs(truths: readonly Truth[]): number {
  const bounds = [0, ...DEVICES_GB].map(gb => {
    const work = truths.filter(({ needBytes }) => needBytes > gb * GIB).reduce((sum, { workMs }) => sum + workMs, 0)
    return work / Math.max(1, DEVICES_GB.filter(each => each > gb).length)
  })
  return Math.max(...bounds, ...truths.map(({ workMs }) => workMs))
}

function scenarioOf(seed: number, policy: Policy): Scenario {
  const chance = createChance(seed, 'placement')
  const spec = specOf(seed, policy)
  const draft = submission(spec, keyOf('ann'))
  const noise = chance.between(0.015, 0.06)
  const machines = DEVICES_GB.map((gb, n) => machineOf(gb, n))
  const search = createSearch(spec)
  const truths = Array.from({ length: TRIALS }, (_, index): Truth => {
    const needBytes = Math.round(
      needOf(search.trialAt(index)?.parameters ?? {}) * (1 + noise * (2 * chance.fraction() - 1))
    )
    const workMs = Math.round(chance.between(10, 40) * MINUTE_MS)
    const seen = policy === 'learned' ? { peakBytes: needBytes } : {}
    return { workMs, needBytes, ...seen, fate: 'complete', value: chance.fraction(), oomMs: OOM_SHARE * workMs }
  })
  return {
    seed,
    profile: 'calm',
    size: 'usual',
    rates: { ...RATES.calm, failing: 0, broken: 0, diverging: 0 },
    keeper: machines.at(-1)?.key ?? '',
    machines,
    sweeps: [{ id: draft.sweep, draft, spec, atMs: MINUTE_MS, checkpointMs: 0, truths }],
    // One device alone works for a week.
    pace: 0.1,
    horizonMs: 10 * MINUTE_MS,
    latencyMaxMs: 50,
    quotaBytesPerDay: 2 ** 40
  }
}

/** What fine-tunes vary: most of it in memory, one of it not. */
function specOf(seed: number, policy: Policy): SweepSpec {
  const requires: Requires | undefined = policy === 'static' ? { memoryBytes: MOST_BYTES } : undefined
  return sweepSpec({
    name: policy,
    method: 'random',
    runCap: TRIALS,
    onDuplicate: 'replicate',
    seed,
    backups: 'off',
    parameters: {
      batch_size: { distribution: 'categorical', values: [1, 2, 4, 8] },
      max_seq_length: { distribution: 'categorical', values: [512, 1024, 2048] },
      lora_rank: { distribution: 'categorical', values: [8, 16, 32, 64] },
      learning_rate: { distribution: 'log_uniform_values', min: 1e-5, max: 1e-3 }
    },
    ...(requires ? { requires } : {})
  })
}

/** A fine-tune's memory: its weights, and then what grows with tokens and with rank. From 5 to 25 GiB. */
function needOf({ batch_size, max_seq_length, lora_rank }: Parameters): number {
  const tokens = (Number(batch_size) * Number(max_seq_length)) / 1024
  return (4.6 + 1.15 * tokens + 0.02 * Number(lora_rank)) * GIB
}

function machineOf(gb: number, n: number): MachinePlan {
  const name = `m${n}`
  const device = { id: 'gpu0', vendor: 'nvidia' as const, model: `card of ${gb} GB`, memoryBytes: gb * GIB }
  return {
    name,
    key: keyOf(n === 0 ? 'a' : name),
    member: keyOf(n === 0 ? 'ann' : `owner of ${name}`),
    devices: [device],
    speed: 1,
    clockMs: 1e6 * (n + 1),
    sickness: 0,
    joinsMs: 0,
    isHostile: false,
    isOlder: false,
    role: n === 0 ? 'owner' : 'member'
  }
}
