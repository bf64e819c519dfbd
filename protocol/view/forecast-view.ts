/**
 * The forecast of a sweep that is not submitted: how long, how many hours of devices, how many kWh, what fits whom.
 *
 * Owns what is taken into account, and says what is not. Lengths and power come from what the pool has seen, and from
 * whoever asks.
 */
import { ruleOf } from '../early-stopping.js'
import {
  devicesFound,
  type FitGroup,
  type FoundDevice,
  fitGroups,
  placesFitting,
  supposedSweep,
  trialsOf
} from '../forecast/fitting.js'
import {
  extentOf,
  type Length,
  lengthOn,
  middleOf,
  type Trainings,
  trainingsLike,
  trainingsTold,
  wattsOf
} from '../forecast/known.js'
import { type Limit, type Play, play, type Scenario } from '../forecast/play.js'
import type { Pool, Submission } from '../pool/pool.js'
import type { Device } from '../presence.js'
import type { Draw } from '../search/dimension.js'
import { createSearch } from '../search/search.js'
import { streamOf } from '../search/stream.js'
import { percentileOf } from '../stopping/curve.js'
import type { SweepSpec } from '../sweep-spec.js'
import { sweepStateOf } from '../sweeps.js'
import type { Live } from './live.js'

/** Courses that are played: enough for a range, of large sweeps fewer. */
const [PLAYS_MIN, PLAYS_MAX, PLAYED_TRIALS] = [5, 40, 4000]
/** Where no length in steps is known or needed, rungs are at these parts of it. */
const STEPS = 10_000

/** The middle of all courses that were played, and within what eight in ten of them are. */
export interface Range {
  readonly low: number
  readonly middle: number
  readonly high: number
}

export interface ForecastDevice {
  readonly machineName: string
  readonly model: string
  readonly memoryBytes: number
  /** Why it is not counted, as a clause; absent when it is. */
  readonly leftOut?: string
  /** Trials that fit it, of those that were looked at. */
  readonly fits: number
  /** Of a training of middle length that is not stopped, in seconds. */
  readonly length?: Pick<Length, 'basis' | 'from'> & { readonly seconds: number }
  readonly power?: { readonly watts: number; readonly basis: 'seen' | 'limit' | 'told' }
  /** The middle of what it trains. */
  readonly trials?: number
  readonly hours?: number
}

/** What the pool needs, if all its machines that are here do nothing else. */
export interface Need {
  readonly hours: Range
  /** Of devices, all together. */
  readonly gpuHours: Range
  /** Of the devices whose power is known. */
  readonly kwh?: Range
  readonly trained: Range
  readonly stoppedEarly: Range
  /** What ends it before all its trials are trained, in some courses at least. */
  readonly endedBy?: Limit
}

export interface ForecastView {
  readonly name: string
  readonly method: SweepSpec['method']
  readonly trials: number
  /** Trials that were looked at; they stand for all. */
  readonly looked: number
  /** True when parameters were drawn at random, in place of what the search will propose. */
  readonly isDrawn: boolean
  /** Trainings like these that the pool has seen: how many, in which sweeps, and the seconds of one in the middle. */
  readonly seen?: {
    readonly likeness: NonNullable<Trainings['likeness']>
    readonly trainings: number
    readonly sweeps: readonly string[]
    readonly seconds: number
  }
  /** True when whoever asks told how long a training takes. */
  readonly isTold: boolean
  readonly stopping?: { readonly rule: string /** Why it is not counted. */; readonly leftOut?: string }
  /** A value at which it ends before its time, which is not counted. */
  readonly target?: number
  /** The limit of an attempt in seconds, where trainings are expected to take longer. */
  readonly tooShortSeconds?: number
  /** What machines must have of which each knows for itself: packages and assets. */
  readonly requires: readonly string[]
  /** Absent where no length is known. */
  readonly need?: Need
  readonly devices: readonly ForecastDevice[]
  readonly groups: readonly FitGroup[]
  /** Sweeps that run already, and come first. */
  readonly before: readonly string[]
}

/** What only whoever asks knows. */
export interface Told {
  /** Seconds of one full training on the first device of this machine. */
  readonly trialSeconds?: number | undefined
  /** What a device draws of which nobody knows it. */
  readonly watts?: number | undefined
  /** Why this machine would take no trial of it. */
  readonly unmet?: string | undefined
}

interface Considered extends FoundDevice {
  readonly length: Length | undefined
  readonly power: ForecastDevice['power']
  readonly fits: readonly number[]
}

/** Returns the forecast of a sweep. Random draws come from its name: the same pool and file give the same. */
export function forecastView(
  pool: Pool,
  live: Live,
  next: Pick<Submission, 'spec' | 'bundle'>,
  told: Told = {}
): ForecastView {
  const { spec } = next
  const isDrawn = createSearch(spec).proposer !== undefined
  const sweep = supposedSweep(next, isDrawn)
  const { trials, looked } = trialsOf(sweep)
  const extents = looked.map(({ parameters }) => extentOf(parameters))
  const extent = middleOf(extents) ?? 1
  const seen = trainingsLike(pool, next)
  const trainings = told.trialSeconds === undefined ? seen : toldBy(live, { seconds: told.trialSeconds, extent }, seen)
  const devices = devicesFound(pool, live, told.unmet).map((each): Considered => {
    const length = trainings && lengthOn(pool, trainings, each.device.model)
    const power = powerOf(pool, each.device, told.watts)
    return { ...each, length, power, fits: placesFitting(pool, sweep, each, looked) }
  })
  const stopping = stoppingOf(spec, { sweep: sweep.id, trainings, extent })
  const plays = trainings
    ? playsOf(streamOf(sweep.id, 'forecast'), {
        devices: devices.map(({ length, fits }) => ({ seconds: length?.seconds ?? [], fits })),
        extents,
        isProposed: isDrawn,
        ...(stopping?.played ? { stopping: stopping.played } : {}),
        ...(spec.budget ? { budgetSeconds: spec.budget.gpuSeconds } : {}),
        ...(spec.wallTimeMs === undefined ? {} : { wallSeconds: spec.wallTimeMs / 1000 })
      })
    : []
  const courses = plays.map(each => courseOf(each, spec, trials / Math.max(1, looked.length)))
  const limitSeconds = (spec.timeLimitMs ?? Number.POSITIVE_INFINITY) / 1000
  const views = devices.map((each, at) => deviceView(each, { courses, at, extent }))
  return {
    name: spec.name,
    method: spec.method,
    trials,
    looked: looked.length,
    isDrawn,
    ...(seen?.likeness ? { seen: seenView(seen, seen.likeness, extent) } : {}),
    isTold: told.trialSeconds !== undefined,
    ...(stopping ? { stopping: stopping.view } : {}),
    ...(spec.metric.target === undefined ? {} : { target: spec.metric.target }),
    ...(views.some(({ length }) => length && length.seconds > limitSeconds) ? { tooShortSeconds: limitSeconds } : {}),
    requires: [...(spec.requires?.packages ?? []), ...(spec.requires?.assets ?? [])],
    ...(courses.length === 0 ? {} : { need: needOf(courses, devices) }),
    devices: views,
    groups: fitGroups(pool, sweep, looked, devices),
    before: [...pool.sweeps.values()].flatMap(each =>
      each.submission && sweepStateOf(pool, each) === 'running' ? [each.submission.spec.name] : []
    )
  }
}

function toldBy(live: Live, told: { seconds: number; extent: number }, seen: Trainings | undefined): Trainings {
  const [first] = live.machines.get(live.machine)?.beat.devices ?? []
  return trainingsTold({ model: first?.model ?? '', ...told }, seen)
}

function seenView({ byModel, sweeps }: Trainings, likeness: NonNullable<Trainings['likeness']>, extent: number) {
  const all = [...byModel.values()].flat()
  return { likeness, trainings: all.length, sweeps, seconds: extent * (middleOf(all) ?? 0) }
}

function powerOf(pool: Pool, { model, powerLimitW }: Device, told: number | undefined): ForecastDevice['power'] {
  const seen = wattsOf(pool, model)
  if (seen !== undefined) return { watts: seen, basis: 'seen' }
  if (told !== undefined) return { watts: told, basis: 'told' }
  return powerLimitW === undefined ? undefined : { watts: powerLimitW, basis: 'limit' }
}

interface Stopped {
  readonly view: NonNullable<ForecastView['stopping']>
  readonly played?: NonNullable<Scenario['stopping']>
}

/** A rule that ranks stops as many whatever the losses are; one that looks at the losses cannot be played. */
function stoppingOf(
  { stopping }: SweepSpec,
  { sweep, trainings, extent }: { sweep: string; trainings: Trainings | undefined; extent: number }
): Stopped | undefined {
  if (!stopping) return undefined
  const leftOut = (why: string) => ({ view: { rule: stopping.rule, leftOut: why } })
  const rule = ruleOf(stopping, 1)
  if (rule.rule === 'threshold' || rule.rule === 'plateau')
    return leftOut('whom it stops depends on losses that nobody knows yet')
  const { warmUpSteps, unit = 'steps' } = stopping
  const perExtent = { reports: trainings?.reports, steps: trainings?.steps, epochs: undefined, tokens: undefined }[unit]
  const most = 'maxSteps' in rule ? rule.maxSteps : undefined
  const isCounted = [warmUpSteps, 'minSteps' in rule && rule.minSteps, 'rungs' in rule && rule.rungs].some(Boolean)
  const fullSteps = perExtent === undefined ? (most ?? (isCounted ? undefined : STEPS)) : extent * perExtent
  if (fullSteps === undefined || (unit === 'reports' && perExtent === undefined))
    return leftOut(`nobody knows how many ${unit} a training has`)
  const whole = unit === 'epochs' ? fullSteps : Math.round(fullSteps)
  const context = { sweep, fullSteps: whole, ...(warmUpSteps === undefined ? {} : { warmUpSteps }) }
  return { view: { rule: stopping.rule }, played: { rule, context } }
}

function playsOf(draw: Draw, scenario: Scenario): Play[] {
  const plays = Math.floor(PLAYED_TRIALS / Math.max(1, scenario.extents.length))
  return Array.from({ length: Math.min(PLAYS_MAX, Math.max(PLAYS_MIN, plays)) }, () => play(scenario, draw))
}

/** A course, for how many times as much it stands, and what ends all that. */
interface Course {
  readonly play: Play
  readonly scale: number
  readonly endedBy?: Limit
}

function courseOf(played: Play, { budget, wallTimeMs = Number.POSITIVE_INFINITY }: SweepSpec, whole: number): Course {
  // One that ended among the trials that were looked at stands for itself.
  if (played.endedBy) return { play: played, scale: 1, endedBy: played.endedBy }
  const spent = played.devices.reduce((sum, { seconds }) => sum + seconds, 0)
  const byBudget = (budget?.gpuSeconds ?? Number.POSITIVE_INFINITY) / Math.max(1, spent)
  const byTime = wallTimeMs / 1000 / Math.max(1, played.seconds)
  const scale = Math.min(whole, byBudget, byTime)
  return { play: played, scale, ...(scale < whole ? { endedBy: byBudget < byTime ? 'budget' : 'wall time' } : {}) }
}

function needOf(courses: readonly Course[], devices: readonly Considered[]): Need {
  const range = (of: (each: Play) => number) => rangeOf(courses.map(({ play: each, scale }) => scale * of(each)))
  const summed = (each: Play, of: (device: Considered | undefined) => number) =>
    each.devices.reduce((sum, { seconds }, at) => sum + seconds * of(devices[at]), 0)
  const endedBy = courses.find(each => each.endedBy)?.endedBy
  return {
    hours: range(({ seconds }) => seconds / 3600),
    gpuHours: range(each => summed(each, () => 1 / 3600)),
    ...(devices.some(({ power, fits }) => power && fits.length > 0)
      ? { kwh: range(each => summed(each, device => (device?.power?.watts ?? 0) / 3.6e6)) }
      : {}),
    trained: range(({ trained }) => trained),
    stoppedEarly: range(({ stoppedEarly }) => stoppedEarly),
    ...(endedBy ? { endedBy } : {})
  }
}

function rangeOf(values: readonly number[]): Range {
  const ascending = [...values].sort((a, b) => a - b)
  const at = (share: number) => percentileOf(ascending, share) ?? 0
  return { low: at(0.1), middle: at(0.5), high: at(0.9) }
}

function deviceView(
  { machineName, device, leftOut, length, power, fits }: Considered,
  { courses, at, extent }: { readonly courses: readonly Course[]; readonly at: number; readonly extent: number }
): ForecastDevice {
  const middle = (of: (each: { trials: number; seconds: number }) => number) =>
    rangeOf(courses.map(({ play: each, scale }) => scale * of(each.devices[at] ?? { trials: 0, seconds: 0 }))).middle
  return {
    machineName,
    model: device.model,
    memoryBytes: device.memoryBytes,
    ...(leftOut === undefined ? {} : { leftOut }),
    fits: fits.length,
    ...(length ? { length: lengthView(length, extent) } : {}),
    ...(power ? { power } : {}),
    ...(courses.length === 0 ? {} : { trials: middle(each => each.trials), hours: middle(each => each.seconds / 3600) })
  }
}

function lengthView({ seconds, basis, from }: Length, extent: number): NonNullable<ForecastDevice['length']> {
  return { seconds: extent * (middleOf(seconds) ?? 0), basis, ...(from === undefined ? {} : { from }) }
}
