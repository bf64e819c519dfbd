/**
 * History: what an attempt has reported, as much of it as its result needs.
 *
 * Owns the objective's curve, its best and last value, and the last value of each metric. Pure: no clock, no I/O.
 * Invariant: the curve is sorted by step, each step once, and never longer than `LIMITS.curvePointsRunning`.
 */
import { LIMITS, type SweepSpec } from '#protocol'
import type { Report } from '../ports.js'

type Metric = SweepSpec['metric']
export type Point = readonly [step: number, value: number]

/** Names kept of one attempt: a program that invents a name at each step must not fill the memory. */
const METRIC_NAMES_MAX = 256

/** Reports of a broken objective in a row after which no good one is to be expected. */
const BROKEN_REPORTS_MAX = 2

export interface History {
  readonly metric: Metric
  readonly kept: readonly string[]
  /** The last value of each metric whose last value is finite. */
  readonly latest: Map<string, number>
  /** Every name that was printed, also of metrics that were never finite. */
  readonly names: Set<string>
  curve: Point[]
  best?: Point
  last?: Point
  /** Step of the last report. */
  step?: number
  /** The last steps, one after the other, at which the objective was not a usable number. */
  brokenSteps: number[]
  /** True once this run of the program printed the objective. */
  isReported: boolean
}

/** @param kept  Further metrics that are never left out, however many there are. */
export function createHistory(metric: Metric, kept: readonly string[] = []): History {
  return { metric, kept, latest: new Map(), names: new Set(), curve: [], brokenSteps: [], isReported: false }
}

/** Adds a report to the history. */
export function note(history: History, report: Report): void {
  const { name } = history.metric
  history.step = report.step
  for (const [key, value] of Object.entries(report.metrics)) if (admit(history, key)) history.latest.set(key, value)
  for (const key of report.nonFinite) if (admit(history, key)) history.latest.delete(key)
  const value = report.metrics[name]
  if (isBroken(report, name)) noteBroken(history, report.step)
  else if (value !== undefined) noteValue(history, [report.step, value])
}

/** True when the objective is lost for good, so that going on would only cost electricity. */
export function isDiverged(history: History): boolean {
  return history.brokenSteps.length >= BROKEN_REPORTS_MAX
}

/**
 * Returns at most `max` points of a curve: the first, the last, the best, and others evenly spread.
 *
 * @param curve  Sorted by step. @param max  At least 3.
 */
export function thin(curve: readonly Point[], max: number, goal: Metric['goal']): readonly Point[] {
  if (curve.length <= max) return curve
  const best = indexOfBest(curve, goal)
  const chosen = Array.from({ length: max }, (_, i) => Math.round((i * (curve.length - 1)) / (max - 1)))
  // The best takes the place of its nearest neighbour, but never that of an end.
  const place = Math.round((best * (max - 1)) / (curve.length - 1))
  if (best !== 0 && best !== curve.length - 1) chosen[Math.min(Math.max(place, 1), max - 2)] = best
  return chosen.map(index => curve[index]).filter(point => point !== undefined)
}

function admit(history: History, name: string): boolean {
  const { names, metric, kept } = history
  const isKnown = names.has(name) || names.size < METRIC_NAMES_MAX || name === metric.name || kept.includes(name)
  if (isKnown) history.names.add(name)
  return isKnown
}

/** A loss of exactly 0 beside a gradient that is no number is how Hugging Face shows a NaN that it has masked. */
function isBroken(report: Report, name: string): boolean {
  if (report.nonFinite.includes(name)) return true
  return report.metrics[name] === 0 && report.nonFinite.includes('grad_norm')
}

function noteBroken(history: History, step: number): void {
  history.isReported = true
  // The same step may be told twice: once on the screen, once in the metrics file.
  if (!history.brokenSteps.includes(step) && !isDiverged(history)) history.brokenSteps.push(step)
}

function noteValue(history: History, point: Point): void {
  history.isReported = true
  history.brokenSteps = []
  history.last = point
  if (history.best === undefined || isBetter(point, history.best, history.metric.goal)) history.best = point
  insert(history.curve, point)
  if (history.curve.length >= LIMITS.curvePointsRunning) {
    history.curve = [...thin(history.curve, LIMITS.curvePointsRunning / 2, history.metric.goal)]
  }
}

/** Steps come in order but for a metrics file read late and a program that went back to a checkpoint. */
function insert(curve: Point[], point: Point): void {
  let at = curve.length
  while (at > 0 && (curve[at - 1]?.[0] ?? 0) >= point[0]) at--
  curve.splice(at, curve[at]?.[0] === point[0] ? 1 : 0, point)
}

function isBetter(a: Point, b: Point, goal: Metric['goal']): boolean {
  return goal === 'minimize' ? a[1] < b[1] : a[1] > b[1]
}

function indexOfBest(curve: readonly Point[], goal: Metric['goal']): number {
  return curve.reduce((best, point, i) => (isBetter(point, curve[best] ?? point, goal) ? i : best), 0)
}
