/**
 * Early: which reports of a running attempt the log gets, and whether the sweep's rule ends it before its time.
 *
 * Owns what a machine remembers of its attempts' curves. What a rule says is the protocol's. A rung is decided once,
 * when the attempt reaches it, with what is known of the others then; nobody waits for anybody.
 */
import {
  type Draft,
  fullStepsOf,
  positionText,
  rungsFor,
  type Sweep,
  signOf,
  stoppingUnitOf,
  stoppingVerdict,
  toldPosition,
  type Verdict
} from '#protocol'
import { type Charge, type Curve, subject } from './local.js'
import type { Report } from './ports.js'

/** Reports of one attempt that are remembered: the latest of them, and the best one before. */
const REMEMBERED = 20_000

const lengths = new WeakMap<Sweep, { readonly done: number; readonly fullSteps: number | undefined }>()

/** What a report changes. */
export interface Noted {
  readonly charge: Charge
  readonly drafts: readonly Draft[]
}

/**
 * Notes a report. The log gets the first one, one each time that the step has doubled, and those on both sides of a
 * rung: a few records a trial.
 *
 * Twice nothing is nothing: a program that tells step 0 a thousand times has not doubled it.
 */
export function noteReport(sweep: Sweep, charge: Charge, report: Report): Noted {
  const { spec } = sweep.submission ?? {}
  const value = spec && report.metrics[spec.metric.name]
  const isLater = charge.loggedStep === undefined || report.step > charge.loggedStep
  const unit = stoppingUnitOf(sweep)
  // A program may tell where it is in lines of their own.
  const told = toldPosition(unit, report.metrics) ?? charge.told
  const known = { ...charge, latest: report, ...(told === undefined ? {} : { told }) }
  if (!spec || value === undefined || !isLater) return { charge: known, drafts: [] }
  const count = (charge.reports ?? 0) + 1
  const position = { steps: report.step, reports: count, epochs: told, tokens: told }[unit] ?? 0
  const rungs = spec.stopping ? rungsFor(spec, toldLength(sweep, report) ?? lengthOf(sweep)) : []
  const reached = rungs.findLast(rung => rung > (charge.reached ?? 0) && rung <= position)
  const isDoubled = charge.loggedStep === undefined || report.step >= 2 * charge.loggedStep
  const now = { step: report.step, value, count, ...(told === undefined ? {} : { position: told }) }
  // A rung between two reports is decided by the one before it.
  const { previous } = charge
  const isBetween = reached !== undefined && position > reached && previous && previous.step > (charge.loggedStep ?? -1)
  const logged = [...(isBetween ? [previous] : []), ...(isDoubled || reached !== undefined ? [now] : [])]
  if (spec.stopping) remember(charge, [position, signOf(sweep) * value])
  return {
    charge: {
      ...known,
      reports: count,
      previous: now,
      position,
      ...(reached === undefined ? {} : { reached }),
      ...(logged.length > 0 ? { loggedStep: report.step } : {})
    },
    drafts: logged.map(each => ({ kind: 'attempt-reported', ...subject(charge), ...each }))
  }
}

/** True when a rule has something to say that it has not said yet. */
export function isDue(sweep: Sweep, { position = 0, reached = 0, judged = 0 }: Charge): boolean {
  const rule = sweep.submission?.spec.stopping?.rule
  switch (rule) {
    case undefined:
      return false
    case 'threshold':
    case 'plateau':
      return position > judged
    case 'asha':
    case 'hyperband':
    case 'median':
    case 'auto':
      return reached > judged
  }
}

/** Returns what the sweep's rule says of an attempt that is due. */
export function verdictFor(sweep: Sweep, charge: Charge): Verdict | undefined {
  const { trial, curve = [], judged, latest } = charge
  const fullSteps = latest && toldLength(sweep, latest)
  return stoppingVerdict(sweep, {
    trial,
    curve,
    ...(judged === undefined ? {} : { after: judged }),
    ...(fullSteps === undefined ? {} : { fullSteps })
  })
}

/** Programs tell their full length in steps alone. */
function toldLength(sweep: Sweep, { steps }: Report): number | undefined {
  return stoppingUnitOf(sweep) === 'steps' ? steps : undefined
}

/** Says in one sentence why an attempt was stopped. */
export function textOf({ rule, unit, rung, rank, of }: Verdict): string {
  const where = rung === undefined ? '' : ` at ${positionText(rung, unit)}`
  switch (rule) {
    case 'asha':
    case 'hyperband':
      return `The sweep's rule stopped it${where}: it was number ${rank} of ${of} there.`
    case 'median':
      return `The sweep's rule stopped it${where}: it was worse than half of the complete trials there.`
    case 'threshold':
      return `The sweep's rule stopped it${where}: its value left the bounds that the sweep sets.`
    case 'plateau':
      return `The sweep's rule stopped it${where}: it got no better for too long.`
  }
}

/** Looked for anew only when another trial has ended: it costs a look at all of them, and this is asked each report. */
function lengthOf(sweep: Sweep): number | undefined {
  const done = sweep.byPhase.done.size
  const known = lengths.get(sweep)
  if (known?.done === done) return known.fullSteps
  const fullSteps = fullStepsOf(sweep)
  lengths.set(sweep, { done, fullSteps })
  return fullSteps
}

/** The list grows in place: a program may report a thousand times a second. */
function remember({ curve }: Charge, point: Curve[number]): void {
  if (!curve) return
  curve.push(point)
  if (curve.length <= REMEMBERED) return
  const old = curve.splice(0, REMEMBERED / 2)
  curve.unshift(old.reduce((best, each) => (each[1] < best[1] ? each : best)))
}
