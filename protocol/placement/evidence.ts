/**
 * Evidence: what finished trials tell about memory, ready to be compared with a trial that is to run.
 *
 * Owns how two trials compare: which one asks for more, by which factor, and along which parameter. Parameters
 * without an effect on memory are left out, and equal trials are one row, so that a comparison costs what differs,
 * not what is old. The order of the observations reaches no result: rows hold extremes and counts.
 */
import type { MemoryEffect, Parameters, ParameterValue } from '../sweep-spec.js'
import { effectOf } from './effects.js'

/** One finished trial, as far as its memory goes. */
export interface Observation {
  readonly parameters: Parameters
  /** Whether it found the memory that it needed. */
  readonly outcome: 'ok' | 'oom'
  /** `ok`: what it took at its peak. `oom`: what was too little for it. */
  readonly bytes: number
  /** The model of its device. */
  readonly model: string
  /** All memory of its device; absent: not known. */
  readonly deviceBytes?: number
}

export type Effects = Readonly<Record<string, MemoryEffect>>

/** What a trial asks of memory by one parameter: a size where more takes more, else the value as a text. */
export type Ask = number | string

/** All observations that ask for the same. */
export interface Row {
  readonly asks: readonly Ask[]
  /** The largest peak by model of device; empty when all ran out of memory. */
  readonly peaks: Map<string, number>
  /** The smallest and the largest peak of all. */
  leastBytes: number
  mostBytes: number
  fitted: number
  /** The memory of the smallest device on which one found enough. */
  leastDeviceBytes: number
  /** All memory on which one ran out. */
  readonly ooms: Set<number>
  /** The largest of it that nothing refutes; 0 when there is none. */
  oomBytes: number
  ranOut: number
}

export interface Evidence {
  /** The parameters that matter, in order: what each place of a row's asks is about. */
  readonly names: readonly string[]
  readonly effects: Effects
  readonly rows: readonly Row[]
  /**
   * By place: rows that differ in that place alone, and how steeply memory rises up to each. Filled when asked for.
   */
  readonly lines: Map<number, Map<Row, Line>>
}

interface Line {
  readonly rows: Row[]
  readonly rises: Map<Row, number>
}

/** How a trial compares with an observed one. */
export interface Comparison {
  /**
   * By what the observed peak must be multiplied to cover the trial; 1 when it covers it, infinite when nothing does.
   */
  readonly factor: number
  /** The observed trial asks nowhere for more than the trial. */
  readonly isAtMost: boolean
  /** The place in which the trial asks for more, when there is exactly one. */
  readonly place?: number
}

/** Of two points of a line the lower one asks for at most this share: closer ones tell noise, not a slope. */
const LINE_SHARE = 0.75
const MISSING = ''
const NO_EFFECTS: Effects = {}

interface Known {
  readonly length: number
  readonly evidence: Evidence
}
/** Saves work only: the same list of observations is asked about for each trial that could be next. */
const cache = new WeakMap<readonly Observation[], WeakMap<Effects, Known>>()

/**
 * Returns what observations tell. The same object for the same list, until that has grown.
 *
 * @param effects  What the sweep declares; all other parameters are judged by their names.
 */
export function evidenceOf(observations: readonly Observation[], effects: Effects = NO_EFFECTS): Evidence {
  const byEffects = cache.get(observations) ?? new WeakMap<Effects, Known>()
  cache.set(observations, byEffects)
  const known = byEffects.get(effects)
  if (known?.length === observations.length) return known.evidence
  const evidence = gather(observations, effects)
  byEffects.set(effects, { length: observations.length, evidence })
  return evidence
}

/** Returns what a trial asks for, place by place; nothing when it has a parameter that no observation knows. */
export function asksOf({ names, effects }: Evidence, parameters: Parameters): readonly Ask[] | undefined {
  const known = new Set(names)
  const isStrange = (name: string) => !known.has(name) && effectIn(effects, name) !== 'none'
  if (Object.keys(parameters).some(isStrange)) return undefined
  return names.map(name => askOf(effectIn(effects, name), valueIn(parameters, name)))
}

/** Returns how a trial compares with an observed one; nothing when one has a value that cannot be compared. */
export function compareAsks(trial: readonly Ask[], observed: readonly Ask[]): Comparison | undefined {
  let factor = 1
  let isAtMost = true
  let larger = 0
  let place = 0
  for (let at = 0; at < trial.length; at++) {
    const a = trial[at]
    const b = observed[at]
    if (a === b) continue
    if (typeof a !== 'number' || typeof b !== 'number') return undefined
    if (a < b) isAtMost = false
    else {
      larger++
      place = at
      // Memory is affine in a size with a constant of at least 0: so it grows at most in proportion. Not from 0 on.
      factor *= b > 0 ? a / b : Number.POSITIVE_INFINITY
    }
  }
  return larger === 1 ? { factor, isAtMost, place } : { factor, isAtMost }
}

/**
 * Returns how steeply memory rises up to a row in one place, in bytes per unit of that size: the steepest line
 * through it and a row that asks for clearly less there and for the same elsewhere. Negative when there is none that
 * rises.
 */
export function steepestRise(evidence: Evidence, row: Row, place: number): number {
  const lines = evidence.lines.get(place) ?? linesAlong(evidence, place)
  evidence.lines.set(place, lines)
  const line = lines.get(row)
  if (!line) return -1
  const rise = line.rises.get(row) ?? riseTo(row, line.rows, place)
  line.rises.set(row, rise)
  return rise
}

function gather(observations: readonly Observation[], effects: Effects): Evidence {
  const effectByName = new Map<string, MemoryEffect>()
  for (const { parameters } of observations)
    for (const name of Object.keys(parameters))
      if (!effectByName.has(name)) effectByName.set(name, effectIn(effects, name))
  const relevant = [...effectByName].filter(([, effect]) => effect !== 'none')
  relevant.sort(([a], [b]) => (a < b ? -1 : 1))
  const rows = new Map<string, Row>()
  for (const observation of observations) {
    const asks = relevant.map(([name, effect]) => askOf(effect, valueIn(observation.parameters, name)))
    addTo(rowIn(rows, asks), observation)
  }
  const all = [...rows.values()]
  for (const row of all) row.oomBytes = tooLittle(row, all)
  return { names: relevant.map(([name]) => name), effects, rows: all, lines: new Map() }
}

/**
 * Returns the largest memory that was too little for a row's trials, as far as nothing refutes it: what was enough for
 * a trial that asks for at least as much was not too little. Then something else took that memory: a game of which
 * nobody told, or whoever said so lied.
 */
function tooLittle({ asks, ooms }: Row, rows: readonly Row[]): number {
  if (ooms.size === 0) return 0
  const enough = rows.filter(row => row.fitted > 0 && compareAsks(asks, row.asks)?.factor === 1)
  const enoughBytes = enough.reduce((least, row) => Math.min(least, row.mostBytes), Number.POSITIVE_INFINITY)
  return [...ooms].reduce((most, bytes) => (bytes < enoughBytes ? Math.max(most, bytes) : most), 0)
}

function rowIn(rows: Map<string, Row>, asks: readonly Ask[]): Row {
  const key = JSON.stringify(asks)
  const known = rows.get(key)
  if (known) return known
  const least = Number.POSITIVE_INFINITY
  const row: Row = {
    asks,
    peaks: new Map(),
    leastBytes: least,
    mostBytes: 0,
    fitted: 0,
    leastDeviceBytes: least,
    ooms: new Set(),
    oomBytes: 0,
    ranOut: 0
  }
  rows.set(key, row)
  return row
}

function addTo(row: Row, { outcome, bytes, model, deviceBytes }: Observation): void {
  if (outcome === 'oom') {
    row.ranOut++
    row.ooms.add(bytes)
    return
  }
  row.fitted++
  row.leastDeviceBytes = Math.min(row.leastDeviceBytes, deviceBytes ?? Number.POSITIVE_INFINITY)
  row.leastBytes = Math.min(row.leastBytes, bytes)
  row.mostBytes = Math.max(row.mostBytes, bytes)
  row.peaks.set(model, Math.max(row.peaks.get(model) ?? 0, bytes))
}

function linesAlong({ rows }: Evidence, place: number): Map<Row, Line> {
  const byRest = new Map<string, Line>()
  const lines = new Map<Row, Line>()
  for (const row of rows) {
    const size = row.asks[place]
    if (row.fitted === 0 || typeof size !== 'number' || size <= 0) continue
    const rest = JSON.stringify(row.asks.toSpliced(place, 1))
    const line: Line = byRest.get(rest) ?? { rows: [], rises: new Map() }
    byRest.set(rest, line)
    line.rows.push(row)
    lines.set(row, line)
  }
  return lines
}

function riseTo(row: Row, line: readonly Row[], place: number): number {
  const size = sizeAt(row, place)
  let steepest = -1
  for (const lower of line) {
    const lowerSize = sizeAt(lower, place)
    if (lowerSize > LINE_SHARE * size) continue
    steepest = Math.max(steepest, (row.mostBytes - lower.leastBytes) / (size - lowerSize))
  }
  return steepest
}

/** Only rows with a size in that place stand on a line. */
function sizeAt({ asks }: Row, place: number): number {
  return Number(asks[place])
}

/** A parameter may be called `toString`: what a record inherits is no value of it. */
function valueIn(parameters: Parameters, name: string): ParameterValue | undefined {
  return Object.hasOwn(parameters, name) ? parameters[name] : undefined
}

function effectIn(effects: Effects, name: string): MemoryEffect {
  return effectOf(name, Object.hasOwn(effects, name) ? effects[name] : undefined)
}

function askOf(effect: MemoryEffect, value: ParameterValue | undefined): Ask {
  if (value === undefined) return MISSING
  const size = effect === 'same' ? undefined : sizeOf(effect, value)
  if (size !== undefined && Number.isFinite(size)) return size
  // The mark keeps the text `1` apart from the number.
  return typeof value === 'string' ? `=${value}` : String(value)
}

function sizeOf(effect: MemoryEffect, value: ParameterValue): number | undefined {
  if (typeof value !== 'number' && typeof value !== 'boolean') return undefined
  const amount = Number(value)
  switch (effect) {
    case 'up':
      return amount
    case 'up2':
      // Below 0 a square would fall where the amount rises.
      return amount > 0 ? amount * amount : amount
    case 'down':
      return amount > 0 ? 1 / amount : undefined
    case 'none':
    case 'same':
      return undefined
  }
}
