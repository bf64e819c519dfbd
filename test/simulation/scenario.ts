/**
 * Scenarios: who is in a simulated pool, what it is to train, and what will truly come of each trial.
 *
 * Owns what is drawn before anything happens. Invariant: a seed and a profile give the same scenario every time.
 */
import { type Device, type Draft, idOf, type Role, type SweepSpec, sweepIdOf } from '#protocol'
import { BUNDLE, keyOf, sweepSpec } from '../helpers/records.js'
import type { Chance } from './chance.js'
import { createChance } from './chance.js'
import { PROFILES, type Profile, RATES, type Rates } from './rates.js'

const GIB = 2 ** 30
const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
/** Devices that friends have: memory in GiB, and how fast they train. */
const MODELS = [
  ['RTX 2060', 6, 1],
  ['RTX 3070', 8, 1.4],
  ['RTX 3060', 12, 1.2],
  ['RTX 4080', 16, 2],
  ['RTX 4090', 24, 2.5],
  ['RTX 5090', 32, 3],
  ['A6000', 48, 2.2]
] as const

export interface MachinePlan {
  readonly name: string
  readonly key: string
  readonly member: string
  readonly devices: readonly Device[]
  readonly speed: number
  /** Where this machine's monotonic clock begins, in ms: nobody's clock means anything to another. */
  readonly clockMs: number
  /** What its environment breaks, this share of the starts. */
  readonly sickness: number
  /** When it joins; 0 for those that are there from the beginning. */
  readonly joinsMs: number
  readonly isHostile: boolean
  /** Its agent is one version older: it knows no removals and no backups. */
  readonly isOlder: boolean
  readonly role: Role
  /** When an owner removes its member; nothing when nobody does. */
  readonly removedMs?: number
}

/** What becomes of a trial wherever it has room. */
export interface Truth {
  /** Training on a device of speed 1, in ms. */
  readonly workMs: number
  readonly needBytes: number
  /** How long it runs before it is out of memory; seconds when absent. */
  readonly oomMs?: number
  /** What is seen of that while it runs; nothing where nobody can tell. */
  readonly peakBytes?: number
  readonly fate: 'complete' | 'diverged' | 'error'
  readonly value: number
}

export interface SweepPlan {
  readonly id: string
  readonly draft: Draft
  readonly spec: SweepSpec
  readonly atMs: number
  /** Ms between two checkpoints; 0 when the program makes none. */
  readonly checkpointMs: number
  readonly truths: readonly Truth[]
}

export interface Scenario {
  readonly seed: number
  readonly profile: Profile
  readonly size: Size
  readonly rates: Rates
  /** The machine that always comes back, whatever happens to the others. */
  readonly keeper: string
  readonly machines: readonly MachinePlan[]
  readonly sweeps: readonly SweepPlan[]
  /** How many times shorter than usual all is. */
  readonly pace: number
  /** Until when faults begin, in ms. */
  readonly horizonMs: number
  readonly latencyMaxMs: number
  /** What a member's logs may grow by in a day, in bytes: little, so that a liar reaches it. */
  readonly quotaBytesPerDay: number
}

/**
 * How large a pool is. In small ones all is shorter, trials, leases and faults alike, and faults come as much closer:
 * they show most of what can go wrong, and hundreds of them fit into a minute. Huge ones are as short, for there every
 * hour is dear.
 */
export const SIZES = ['small', 'usual', 'large', 'huge'] as const
export type Size = (typeof SIZES)[number]

interface Measure {
  /** Of a thousand schedules so many have this size. */
  readonly share: number
  readonly machines: readonly [number, number]
  /** How many times shorter than usual all is. */
  readonly pace: number
  readonly sweeps: number
  readonly trialsMax: number
}

const MEASURES: Readonly<Record<Size, Measure>> = {
  small: { share: 960, machines: [3, 5], pace: 4, sweeps: 2, trialsMax: 20 },
  usual: { share: 30, machines: [3, 12], pace: 1, sweeps: 2, trialsMax: 60 },
  large: { share: 9, machines: [13, 40], pace: 2, sweeps: 3, trialsMax: 60 },
  huge: { share: 1, machines: [41, 200], pace: 4, sweeps: 2, trialsMax: 200 }
}
/** A member's logs may grow by so much in a day, and by 16 times as much at once. */
const QUOTA_BYTES = 16 * 1024

export interface ScenarioOptions {
  readonly profile?: Profile
  readonly size?: Size
  /** How many machines there are; drawn when absent. */
  readonly machines?: number
  /** Every sweep has a method that learns, and stops early what does badly. */
  readonly learns?: boolean
}

/** Draws a scenario. */
export function drawScenario(seed: number, options: ScenarioOptions = {}): Scenario {
  const chance = createChance(seed, 'scenario')
  // Drawn even where it is given: naming what was drawn anyway changes nothing.
  const [drawnProfile, drawnSize] = [chance.pick(PROFILES), drawSize(chance)]
  const profile = options.profile ?? drawnProfile
  const rates = RATES[profile]
  const size = options.size ?? drawnSize
  const measure = MEASURES[size]
  const { pace } = measure
  const [low, high] = measure.machines
  const drawnCount = low + chance.integer(high - low + 1)
  const count = options.machines ?? drawnCount
  const machines = Array.from({ length: count }, (_, n) => machinePlan(chance, n, rates))
  const founder = machines[0]?.member ?? ''
  const sweeps = Array.from({ length: 1 + chance.integer(measure.sweeps) }, (_, n) => {
    const trials = Math.round(chance.spread(10, measure.trialsMax))
    return sweepPlan(chance, { seed, n, founder, rates, pace, trials, learns: options.learns === true })
  })
  const devices = machines.flatMap(({ devices, speed }) => devices.map(() => speed))
  const work = sweeps.flatMap(sweep => sweep.truths.map(truth => truth.workMs))
  const shareMs = sum(work) / Math.max(1, sum(devices))
  const horizonMs = Math.round((shareMs + (10 * MINUTE_MS) / pace) * chance.between(0.5, 1.2))
  const keeper = keeperOf(machines)
  return {
    seed,
    profile,
    size,
    rates,
    pace,
    machines: machines.map(machine => ({ ...machine, ...lifeOf(machine, { chance, rates, horizonMs, keeper }) })),
    keeper: keeper?.key ?? '',
    sweeps,
    horizonMs,
    latencyMaxMs: Math.round(chance.spread(5, 250)),
    quotaBytesPerDay: QUOTA_BYTES
  }
}

function drawSize(chance: Chance): Size {
  let left = chance.integer(sum(SIZES.map(size => MEASURES[size].share)))
  for (const size of SIZES) {
    if (left < MEASURES[size].share) return size
    left -= MEASURES[size].share
  }
  return 'small'
}

/** One honest machine with the most memory stays, or no trial would have to end. */
function keeperOf(machines: readonly MachinePlan[]): MachinePlan | undefined {
  const memory = ({ devices }: MachinePlan) => Math.max(...devices.map(device => device.memoryBytes))
  const sound = machines.filter(({ isHostile, isOlder, sickness }) => !isHostile && !isOlder && sickness === 0)
  return sound.sort((a, b) => memory(b) - memory(a))[0]
}

/** When a machine comes, and when its member is removed. */
function lifeOf(
  machine: MachinePlan,
  { chance, rates, horizonMs, keeper }: { chance: Chance; rates: Rates; horizonMs: number; keeper: unknown }
): Pick<MachinePlan, 'joinsMs' | 'removedMs'> {
  const isFounder = machine.name === 'm0'
  const isLate = chance.happens(rates.lateJoiner)
  const isRemoved = chance.happens(machine.isHostile ? rates.hostileRemoved : rates.removed)
  const [joinsMs, removedMs] = [chance.between(1, horizonMs), chance.between(10 * SECOND_MS, horizonMs)].map(Math.round)
  return {
    joinsMs: isLate && !isFounder ? (joinsMs ?? 0) : 0,
    ...(isRemoved && !isFounder && machine !== keeper && removedMs !== undefined ? { removedMs } : {})
  }
}

function machinePlan(chance: Chance, n: number, rates: Rates): MachinePlan {
  const name = `m${n}`
  const isHostile = n > 1 && chance.happens(rates.hostile)
  const [model, gib, speed] = chance.pick(MODELS)
  const device = { vendor: 'nvidia' as const, model, memoryBytes: gib * GIB }
  const devices = Array.from({ length: chance.pick([1, 1, 1, 2]) }, (_, gpu) => ({ id: `gpu${gpu}`, ...device }))
  return {
    name,
    // The founding names the founder's machine and member.
    key: keyOf(n === 0 ? 'a' : name),
    member: keyOf(n === 0 ? 'ann' : `owner of ${name}`),
    devices,
    speed,
    clockMs: Math.round(chance.between(1e5, 1e9)),
    sickness: n > 0 && chance.happens(rates.sick) ? chance.pick([0.2, 1]) : 0,
    joinsMs: 0,
    isHostile,
    isOlder: n > 0 && !isHostile && chance.happens(rates.older),
    role: n === 0 || (!isHostile && chance.happens(rates.owners)) ? 'owner' : 'member'
  }
}

function sweepPlan(
  chance: Chance,
  about: { seed: number; n: number; founder: string; rates: Rates; pace: number; trials: number; learns: boolean }
): SweepPlan {
  const { trials } = about
  const drawn = specOf(chance, about)
  const spec = about.learns ? { ...drawn, ...learning(trials) } : drawn
  const digest = keyOf(`bundle ${about.n}`)
  const nonce = idOf('nonce', { seed: about.seed, n: about.n })
  const content = { nonce, spec, bundle: { ...BUNDLE, digest } }
  const id = sweepIdOf(content, about.founder)
  return {
    id,
    draft: { kind: 'sweep-submitted', sweep: id, ...content },
    spec,
    atMs:
      Math.round(chance.spread(about.rates.isHasty ? SECOND_MS : MINUTE_MS, 2 * MINUTE_MS)) + about.n * 10 * MINUTE_MS,
    checkpointMs: chance.happens(0.6) ? Math.round(chance.spread(30 * SECOND_MS, 5 * MINUTE_MS)) : 0,
    truths: Array.from({ length: trials }, () => truthOf(chance, about.rates, about.pace))
  }
}

function specOf(chance: Chance, { n, trials, pace }: { n: number; trials: number; pace: number }): SweepSpec {
  const isGrid = chance.happens(0.6)
  const x = isGrid
    ? { distribution: 'int_uniform' as const, min: 0, max: trials - 1 }
    : { distribution: 'categorical' as const, values: Array.from({ length: Math.ceil(trials * 0.7) }, (_, i) => i) }
  return sweepSpec({
    name: `sweep ${n}`,
    parameters: { x },
    ...(isGrid
      ? { method: 'grid' as const }
      : { method: 'random' as const, runCap: trials, onDuplicate: chance.pick(['resample', 'reuse', 'replicate']) }),
    seed: chance.integer(2 ** 31),
    // A beat goes out four times a lease: short ones are dear to play.
    leaseMs: Math.round(
      chance.happens(0.1) ? 20 * SECOND_MS : chance.between(45 * SECOND_MS, Math.max(60, 180 / pace) * SECOND_MS)
    ),
    ...(chance.happens(0.2) ? { timeLimitMs: 30 * MINUTE_MS } : {})
  })
}

/** What trials are is proposed by their claimers; some end before their time. */
function learning(trials: number): Partial<SweepSpec> {
  return {
    method: 'tpe',
    parameters: {
      x: { distribution: 'uniform', min: 0, max: 1 },
      y: { distribution: 'categorical', values: [1, 2, 3] }
    },
    runCap: trials,
    onDuplicate: 'resample',
    stopping: { rule: 'asha', eta: 3, minSteps: 2 }
  }
}

function truthOf(chance: Chance, rates: Rates, pace: number): Truth {
  const fate = chance.happens(rates.broken) ? 'error' : chance.happens(rates.diverging) ? 'diverged' : 'complete'
  const workMs = Math.round(chance.spread(MINUTE_MS, (40 * MINUTE_MS) / pace))
  // Most fit everywhere; a few only on the largest devices, and now and then one fits nowhere.
  const needBytes = Math.round((chance.happens(0.8) ? chance.between(1, 6) : chance.between(6, 50)) * GIB)
  return { workMs, needBytes, peakBytes: needBytes, fate, value: chance.fraction() }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
