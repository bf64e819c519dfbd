/**
 * The forecast of a sweep that is not submitted: how long, how many GPU-hours and kWh, and which trials fit whom.
 *
 * Owns what is taken into account and what is not. The fit of a trial is judged by the function that machines claim by;
 * lengths and power come from what the pool has seen, and from whoever asks.
 */
import { ruleOf } from '../early-stopping.js'
import { type Length, lengthOn, type Trainings, trainingsLike, trainingsTold, wattsOf } from '../forecast/known.js'
import { type Play, play, type Scenario } from '../forecast/play.js'
import { idOf } from '../hash.js'
import { neededBytes } from '../placement/demand.js'
import { demandOf } from '../placement/learned.js'
import { fitOfTrial } from '../placement/place.js'
import type { Pool, Submission, Sweep } from '../pool/pool.js'
import type { Device } from '../presence.js'
import type { Draw } from '../search/dimension.js'
import { createSearch } from '../search/search.js'
import { streamOf } from '../search/stream.js'
import { searchOf } from '../searches.js'
import { percentileOf } from '../stopping/curve.js'
import type { Parameters, SweepSpec } from '../sweep-spec.js'
import { sweepStateOf } from '../sweeps.js'
import type { Live } from './live.js'
import { machinesView } from './machine-view.js'

/** Trials that are looked at one by one: of a larger sweep so many stand for all. It takes the agent half a second. */
const TRIALS_MAX = 400
/** Courses that are played: enough for a range, of large sweeps fewer. */
const [PLAYS_MIN, PLAYS_MAX, PLAYED_TRIALS] = [5, 40, 4000]
/** Where no length in steps is known or needed, rungs are at these parts of it. */
const STEPS = 10_000
/** Trials that fit nowhere, by name. */
const NAMED_MAX = 5

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
  /** Trials that fit it. */
  readonly fits: number
  /** Of a training that is not stopped, in seconds. */
  readonly length?: Pick<Length, 'basis' | 'from'> & { readonly seconds: number }
  readonly power?: { readonly watts: number; readonly basis: 'seen' | 'limit' | 'told' }
  /** The middle of what it trains. */
  readonly trials?: number
  readonly hours?: number
}

/** Trials that fit the same devices. */
export interface FitGroup {
  readonly trials: number
  /** Numbers of the first of them. */
  readonly first: readonly number[]
  /** What the least and the most demanding of them need, where anything is known. */
  readonly bytes?: { readonly low: number; readonly high: number }
  /** Places in the view's `devices`; empty: no device. */
  readonly devices: readonly number[]
}

/** What the pool needs, if all its machines that are here do nothing else. */
export interface Need {
  readonly hours: Range
  readonly gpuHours: Range
  /** Of the devices whose power is known. */
  readonly kwh?: Range
  readonly trained: Range
  readonly stoppedEarly: Range
}

export interface ForecastView {
  readonly name: string
  readonly method: SweepSpec['method']
  readonly trials: number
  /** Trials that were looked at; they stand for all. */
  readonly looked: number
  /** True when parameters were drawn at random, in place of what the search will propose. */
  readonly isDrawn: boolean
  /** Whence the length of a training is known; absent when it is not. */
  readonly basis?: 'told' | NonNullable<Trainings['likeness']>
  /** Full trainings that were seen. */
  readonly trainings: number
  readonly stopping?: { readonly rule: string /** Why it is not counted. */; readonly leftOut?: string }
  /** Absent where no length is known. */
  readonly need?: Need
  readonly devices: readonly ForecastDevice[]
  readonly groups: readonly FitGroup[]
  /** The first trials that fit no device, with what they need at least. */
  readonly nowhere: readonly { readonly trial: number; readonly parameters: Parameters; readonly text: string }[]
  /** Sweeps that run already, and come first. */
  readonly before: readonly string[]
}

/** What only whoever asks knows. */
export interface Told {
  /** Seconds of a training on the first device of this machine. */
  readonly trialSeconds?: number | undefined
  /** What a device draws of which nobody knows it. */
  readonly watts?: number | undefined
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
  const trainings = trainingsFor(pool, live, next, told)
  const devices = devicesOf(pool, live).map((each): Considered => {
    const length = trainings && lengthOn(pool, trainings, each.device.model)
    const power = powerOf(pool, each.device, told.watts)
    return { ...each, length, power, fits: fittingOf(pool, sweep, each, looked) }
  })
  const stopping = stoppingOf(spec, sweep.id, trainings)
  const scale = trials / Math.max(1, looked.length)
  const plays = trainings
    ? playsOf(streamOf(sweep.id, 'forecast'), {
        devices: devices.map(({ length, fits }) => ({ seconds: length?.seconds ?? [], fits })),
        trials: looked.length,
        isProposed: isDrawn,
        ...(stopping?.played ? { stopping: stopping.played } : {}),
        ...(spec.budget ? { budgetSeconds: spec.budget.gpuSeconds / scale } : {})
      })
    : []
  const groups = groupsOf(pool, sweep, looked, devices)
  return {
    name: spec.name,
    method: spec.method,
    trials,
    looked: looked.length,
    isDrawn,
    ...(trainings ? { basis: trainings.likeness ?? 'told' } : {}),
    trainings: [...(trainings?.byModel.values() ?? [])].reduce((sum, each) => sum + each.length, 0),
    ...(stopping ? { stopping: stopping.view } : {}),
    ...(plays.length === 0 ? {} : { need: needOf(plays, devices, scale) }),
    devices: devices.map((each, at) =>
      deviceView(
        each,
        plays.map(({ devices }) => devices[at]),
        scale
      )
    ),
    groups,
    nowhere: nowhereOf(pool, sweep, groups, devices),
    before: [...pool.sweeps.values()].flatMap(each =>
      each.submission && sweepStateOf(pool, each) === 'running' ? [each.submission.spec.name] : []
    )
  }
}

/** A device of the pool, as if it were idle and empty. */
interface Found {
  readonly machineName: string
  readonly device: Device
  readonly leftOut?: string
}

interface Considered extends Found {
  readonly length: Length | undefined
  readonly power: ForecastDevice['power']
  /** The largest first, as machines take them. */
  readonly fits: readonly number[]
}

type Supposed = Sweep & { readonly submission: Submission }

/** The sweep as if it were submitted; what would be proposed is drawn from the same parameters. */
function supposedSweep({ spec, bundle }: Pick<Submission, 'spec' | 'bundle'>, isDrawn: boolean): Supposed {
  const id = idOf('forecast', spec)
  const place = { clock: 0, log: '', block: 0, index: 0, at: 0 }
  return {
    id,
    submission: { ...place, member: '', machine: '', bundle, spec: isDrawn ? { ...spec, method: 'random' } : spec },
    trials: new Map(),
    byPhase: { open: new Set(), claimed: new Set(), done: new Set(), quarantined: new Set() },
    environmentFailures: new Map()
  }
}

/** How many trials are trained, and which of them are looked at. */
function trialsOf({ submission }: Supposed): { readonly trials: number; readonly looked: readonly number[] } {
  const search = searchOf(submission)
  const isTrained = (index: number) => {
    const chosen = search.trialAt(index)
    return chosen !== undefined && (submission.spec.onDuplicate !== 'reuse' || chosen.duplicateOf === undefined)
  }
  const looked: number[] = []
  for (let index = 0; index < search.trials; index++) {
    if (!isTrained(index)) continue
    if (looked.length === TRIALS_MAX) return { trials: search.trials, looked }
    looked.push(index)
  }
  return { trials: looked.length, looked }
}

function trainingsFor(
  pool: Pool,
  live: Live,
  next: Pick<Submission, 'spec' | 'bundle'>,
  { trialSeconds }: Told
): Trainings | undefined {
  const seen = trainingsLike(pool, next)
  if (trialSeconds === undefined) return seen
  const [first] = live.machines.get(live.machine)?.beat.devices ?? []
  return trainingsTold({ model: first?.model ?? '', seconds: trialSeconds }, seen)
}

function devicesOf(pool: Pool, live: Live): Found[] {
  return machinesView(pool, live).flatMap(({ name: machineName, isHere, paused, devices }) =>
    devices.map(({ freeBytes: _, foreignBytes: _bytes, foreignUtilisation: _busy, fault, hold, ...device }: Device) => {
      const leftOut = isHere ? (paused ?? fault ?? hold) : 'its machine is away'
      return { machineName, device, ...(leftOut === undefined ? {} : { leftOut }) }
    })
  )
}

function fittingOf(pool: Pool, sweep: Sweep, { device, leftOut }: Found, looked: readonly number[]): number[] {
  if (leftOut !== undefined) return []
  const needOf = new Map(looked.map(index => [index, demandOf(pool, sweep, index, device).bytes]))
  const fits = looked.filter(index => fitOfTrial(pool, sweep, index, device).fits)
  return fits.sort((a, b) => (needOf.get(b) ?? 0) - (needOf.get(a) ?? 0) || a - b)
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
function stoppingOf({ stopping }: SweepSpec, sweep: string, trainings: Trainings | undefined): Stopped | undefined {
  if (!stopping) return undefined
  const leftOut = (why: string) => ({ view: { rule: stopping.rule, leftOut: why } })
  const rule = ruleOf(stopping, 1)
  if (rule.rule === 'threshold' || rule.rule === 'plateau') return leftOut('it depends on the losses')
  if (stopping.unit === 'reports') return leftOut('nobody knows how many reports a training has')
  const { warmUpSteps } = stopping
  const most = 'maxSteps' in rule ? rule.maxSteps : undefined
  const isInSteps = [warmUpSteps, 'minSteps' in rule && rule.minSteps, 'rungs' in rule && rule.rungs].some(Boolean)
  const fullSteps = trainings?.steps ?? most ?? (isInSteps ? undefined : STEPS)
  if (fullSteps === undefined) return leftOut('nobody knows how many steps a training has')
  const context = { sweep, fullSteps, ...(warmUpSteps === undefined ? {} : { warmUpSteps }) }
  return { view: { rule: stopping.rule }, played: { rule, context } }
}

function playsOf(draw: Draw, scenario: Scenario): Play[] {
  const plays = Math.floor(PLAYED_TRIALS / Math.max(1, scenario.trials))
  return Array.from({ length: Math.min(PLAYS_MAX, Math.max(PLAYS_MIN, plays)) }, () => play(scenario, draw))
}

function needOf(plays: readonly Play[], devices: readonly Considered[], scale: number): Need {
  const range = (of: (each: Play) => number) => rangeOf(plays.map(each => scale * of(each)))
  const summed = (each: Play, of: (device: Considered | undefined) => number) =>
    each.devices.reduce((sum, { seconds }, at) => sum + seconds * of(devices[at]), 0)
  return {
    hours: range(({ seconds }) => seconds / 3600),
    gpuHours: range(each => summed(each, () => 1 / 3600)),
    ...(devices.some(({ power, fits }) => power && fits.length > 0)
      ? { kwh: range(each => summed(each, device => (device?.power?.watts ?? 0) / 3.6e6)) }
      : {}),
    trained: range(({ trained }) => trained),
    stoppedEarly: range(({ stoppedEarly }) => stoppedEarly)
  }
}

function rangeOf(values: readonly number[]): Range {
  const ascending = [...values].sort((a, b) => a - b)
  const at = (share: number) => percentileOf(ascending, share) ?? 0
  return { low: at(0.1), middle: at(0.5), high: at(0.9) }
}

function deviceView(
  { machineName, device, leftOut, length, power, fits }: Considered,
  played: readonly (Play['devices'][number] | undefined)[],
  scale: number
): ForecastDevice {
  const middle = (of: (each: Play['devices'][number]) => number) =>
    scale * rangeOf(played.flatMap(each => (each ? [of(each)] : []))).middle
  return {
    machineName,
    model: device.model,
    memoryBytes: device.memoryBytes,
    ...(leftOut === undefined ? {} : { leftOut }),
    fits: fits.length,
    ...(length ? { length: lengthView(length) } : {}),
    ...(power ? { power } : {}),
    ...(played.length === 0 ? {} : { trials: middle(each => each.trials), hours: middle(each => each.seconds / 3600) })
  }
}

function lengthView({ seconds, basis, from }: Length): NonNullable<ForecastDevice['length']> {
  return { seconds: rangeOf(seconds).middle, basis, ...(from === undefined ? {} : { from }) }
}

function groupsOf(pool: Pool, sweep: Sweep, looked: readonly number[], devices: readonly Considered[]): FitGroup[] {
  const fits = devices.map(each => new Set(each.fits))
  const groups = new Map<string, { readonly places: number[]; readonly trials: number[] }>()
  for (const index of looked) {
    const places = fits.flatMap((each, at) => (each.has(index) ? [at] : []))
    const group = groups.get(places.join()) ?? { places, trials: [] }
    groups.set(places.join(), group)
    group.trials.push(index)
  }
  return [...groups.values()]
    .map(({ places, trials }): FitGroup => {
      const device = devices[places[0] ?? 0]?.device
      const needs = device ? trials.flatMap(index => needIn(pool, sweep, index, device)) : []
      return {
        trials: trials.length,
        first: trials.slice(0, NAMED_MAX),
        ...(needs.length === 0 ? {} : { bytes: { low: Math.min(...needs), high: Math.max(...needs) } }),
        devices: places
      }
    })
    .sort((a, b) => b.devices.length - a.devices.length || (a.first[0] ?? 0) - (b.first[0] ?? 0))
}

function needIn(pool: Pool, sweep: Sweep, index: number, device: Device): number[] {
  const demand = demandOf(pool, sweep, index, device)
  return demand.basis === 'unknown' && demand.bytes === 0 ? [] : [neededBytes(demand)]
}

/** Why a trial fits nowhere, in the words of the device that comes closest: the one with most memory. */
function nowhereOf(
  pool: Pool,
  sweep: Supposed,
  groups: readonly FitGroup[],
  devices: readonly Considered[]
): ForecastView['nowhere'] {
  const counted = devices.filter(({ leftOut }) => leftOut === undefined)
  const largest = counted.sort((a, b) => b.device.memoryBytes - a.device.memoryBytes)[0]?.device
  const trials = groups.find(each => each.devices.length === 0)?.first ?? []
  return trials.map(trial => {
    const fit = largest && fitOfTrial(pool, sweep, trial, largest)
    const text = fit && !fit.fits ? fit.text : 'no device of the pool takes work now'
    return { trial, parameters: searchOf(sweep.submission).trialAt(trial)?.parameters ?? {}, text }
  })
}
