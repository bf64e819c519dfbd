/**
 * Early stopping: a sweep's rule, applied to what the log says of its trials.
 *
 * Owns the way from records to curves and from a sweep's goal to losses; what a rule decides stands in stopping/. Any
 * machine can compute again what another one decided, from the reports that stand in the log.
 */
import type { Report, Sweep, Trial } from './pool/pool.js'
import { toldPosition } from './position.js'
import type { RecordOf } from './records/record.js'
import { type RankWarning, rankWarning } from './stopping/correlation.js'
import { lossAt } from './stopping/curve.js'
import type { Progress, StoppingContext, StoppingRule, StoppingUnit, Verdict } from './stopping/rule.js'
import { createBrackets, ownRungs, rungsOf } from './stopping/rungs.js'
import { verdictOf } from './stopping/verdict.js'
import type { Stopping, SweepSpec } from './sweep-spec.js'

/** One in so many goes on, unless the sweep says otherwise. */
const ETA = 3
const NONE: readonly number[] = []
/** Full lengths of one sweep whose rungs are remembered. */
const LENGTHS_KEPT = 64

/** Ascending positions, in the unit of the sweep's rule, with the loss: lower is better. */
export type Curve = readonly (readonly [position: number, loss: number])[]

const rungs = new WeakMap<Stopping, Map<number, readonly number[]>>()

/**
 * Returns at which positions an attempt records its value; none without a rule that compares with others.
 *
 * @param fullSteps  A full training in the rule's unit, if somebody told.
 */
export function rungsFor({ stopping }: Pick<SweepSpec, 'stopping'>, fullSteps: number | undefined): readonly number[] {
  if (!stopping) return NONE
  const byLength = rungs.get(stopping) ?? new Map<number, readonly number[]>()
  rungs.set(stopping, byLength)
  const length = stopping.unit === 'reports' ? undefined : fullSteps
  // Programs tell the same length in each report; one that does not costs time, and no room.
  const known = byLength.get(length ?? 0)
  if (known) return known
  if (byLength.size >= LENGTHS_KEPT) byLength.clear()
  const found = rungsOf(ruleOf(stopping, 1), length, stopping.warmUpSteps)
  byLength.set(length ?? 0, found)
  return found
}

/** Returns a full training in the rule's unit, as completed trials had it; nothing before the first. */
export function fullStepsOf(sweep: Sweep): number | undefined {
  const unit = stoppingUnitOf(sweep)
  let longest: number | undefined
  for (const index of sweep.byPhase.done) {
    const { result } = sweep.trials.get(index)?.standing ?? {}
    if (result?.class !== 'complete') continue
    const length = unit === 'steps' ? result.step : toldPosition(unit, result.metrics)
    if (length !== undefined) longest = Math.max(longest ?? 0, length)
  }
  return longest
}

/** Returns what a sweep's rule counts in. */
export function stoppingUnitOf({ submission }: Pick<Sweep, 'submission'>): StoppingUnit {
  return submission?.spec.stopping?.unit ?? 'steps'
}

/**
 * Returns what a sweep's rule says of a trial; nothing when the sweep has none.
 *
 * @param subject  Its curve as far as the asking machine knows it, and the position up to which it was judged already.
 */
export function stoppingVerdict(
  sweep: Sweep,
  subject: { readonly trial: number; readonly curve: Curve; readonly after?: number; readonly fullSteps?: number }
): Verdict | undefined {
  const { stopping } = sweep.submission?.spec ?? {}
  if (!stopping || !sweep.submission) return undefined
  const { trial, curve: reports, after, fullSteps = fullStepsOf(sweep) } = subject
  const others = [...sweep.trials.values()].flatMap(each => progressOf(sweep, each))
  const verdict = verdictOf(ruleOf(stopping, signOf(sweep)), { trial, reports, isComplete: false }, others, {
    ...contextOf(sweep, stopping, fullSteps),
    ...(after === undefined ? {} : { after })
  })
  return { ...verdict, unit: stoppingUnitOf(sweep) }
}

/**
 * Returns what the sweep's rule says of a trial at a rung, computed again from the log; nothing of a rule that compares
 * with no other trial.
 *
 * @param subject  `curve`: its reports up to the first at or after the rung. `before`: the clock of that one; what
 *                 others reported later was known to nobody when the rung was decided.
 */
export function verdictAtRung(
  sweep: Sweep,
  subject: { readonly trial: number; readonly curve: Curve; readonly rung: number; readonly before: number }
): Verdict | undefined {
  const { stopping } = sweep.submission?.spec ?? {}
  if (!stopping) return undefined
  const { trial, curve, rung, before } = subject
  const own = { trial, reports: curve, isComplete: false }
  const others = [...sweep.trials.values()].flatMap(each => progressOf(sweep, each, before))
  const rule = ruleOf(stopping, signOf(sweep))
  switch (rule.rule) {
    case 'asha':
      return verdictOf({ ...rule, rungs: [rung] }, own, others, { sweep: sweep.id })
    case 'hyperband': {
      const bracketOf = createBrackets(rule, contextOf(sweep, stopping, fullStepsOf(sweep)))
      const { bracket } = bracketOf(trial)
      const peers = others.filter(each => bracketOf(each.trial).bracket === bracket)
      const verdict = verdictOf({ rule: 'asha', eta: rule.eta, rungs: [rung] }, own, peers, { sweep: sweep.id })
      return { ...verdict, rule: 'hyperband', bracket }
    }
    case 'median':
      return verdictOf({ ...rule, everySteps: rung }, own, others, { sweep: sweep.id, fullSteps: rung + 1 })
    case 'threshold':
    case 'plateau':
      return undefined
  }
}

/** Returns at which positions a trial is compared with others: of several halvings those of its own. */
export function rungsOfTrial(sweep: Sweep, trial: number, fullSteps = fullStepsOf(sweep)): readonly number[] {
  const { stopping } = sweep.submission?.spec ?? {}
  if (!stopping) return NONE
  const rule = ruleOf(stopping, signOf(sweep))
  if (rule.rule === 'hyperband') return ownRungs(rule, contextOf(sweep, stopping, fullSteps), trial)
  return rungsFor({ stopping }, fullSteps)
}

/** Returns what the log knows of a trial's curve; nothing when nobody reported. */
export function curveOf(sweep: Sweep, trial: Trial): Curve {
  return progressOf(sweep, trial)[0]?.reports ?? []
}

/** Returns positions with losses of one attempt's reports, ascending, and the clock of each. */
export function clockedCurve(
  sweep: Sweep,
  reports: ReadonlyMap<number, Report>
): readonly (readonly [position: number, loss: number, clock: number])[] {
  const sign = signOf(sweep)
  const unit = stoppingUnitOf(sweep)
  const points = [...reports].flatMap(([step, { value, count, position: told, clock }]): [number, number, number][] => {
    const position = { steps: step, reports: count, epochs: told, tokens: told }[unit]
    return position === undefined ? [] : [[position, sign * value, clock]]
  })
  return points.sort((a, b) => a[0] - b[0])
}

/** A rung whose order hardly tells the order in the end. */
export interface MisleadingRung extends RankWarning {
  readonly rung: number
  readonly unit: StoppingUnit
}

/**
 * Returns the first rung of a sweep whose order of the trials that were trained to their end hardly tells their order
 * there; of several halvings it is asked about the trials that it does not rank, since a choice by rank hides what the
 * rung misjudged.
 */
export function misleadingRung(sweep: Sweep): MisleadingRung | undefined {
  const { stopping } = sweep.submission?.spec ?? {}
  if (!stopping) return undefined
  const complete = [...sweep.trials.values()].filter(each => each.standing.result?.class === 'complete')
  const later = complete.flatMap(({ index, standing }) =>
    standing.result?.value === undefined ? [] : [{ trial: index, value: signOf(sweep) * standing.result.value }]
  )
  const curves = complete.flatMap(each => progressOf(sweep, each))
  const isHyperband = stopping.rule === 'hyperband'
  for (const rung of rungsFor({ stopping }, fullStepsOf(sweep))) {
    const entries = curves.flatMap(each => {
      const value = lossAt(each, rung)
      const isRanked = isHyperband && rungsOfTrial(sweep, each.trial).includes(rung)
      return value === undefined || isRanked ? [] : [{ trial: each.trial, value }]
    })
    const warning = rankWarning(entries, later)
    if (warning) return { ...warning, rung, unit: stoppingUnitOf(sweep) }
  }
  return undefined
}

/** Returns a loss as the sweep's metric would be written. */
export function signOf({ submission }: Pick<Sweep, 'submission'>): 1 | -1 {
  return submission?.spec.metric.goal === 'maximize' ? -1 : 1
}

/** Returns a verdict that stops as it stands in a result. */
export function stopOf({ rule, unit, rung, value, threshold, rank, of, bracket }: Verdict): Stop {
  return {
    rule,
    unit,
    ...(rung === undefined ? {} : { rung }),
    ...(isWritable(value) ? { value } : {}),
    ...(isWritable(threshold) ? { threshold } : {}),
    ...(rank === undefined ? {} : { rank }),
    ...(of === undefined ? {} : { of }),
    ...(bracket === undefined ? {} : { bracket })
  }
}

type Stop = NonNullable<RecordOf<'attempt-finished'>['stop']>

function isWritable(value: number | undefined): value is number {
  return value !== undefined && Number.isFinite(value)
}

/** Of several attempts the one that came furthest speaks for the trial. `before`: only what was reported earlier. */
function progressOf(sweep: Sweep, { index, attempts, standing }: Trial, before = Number.POSITIVE_INFINITY): Progress[] {
  let furthest: (readonly [number, number])[] = []
  for (const { reports } of attempts.values()) {
    for (const byStep of reports.values()) {
      const curve = clockedCurve(sweep, byStep).flatMap(([position, loss, clock]): [number, number][] =>
        clock < before ? [[position, loss]] : []
      )
      if ((curve.at(-1)?.[0] ?? 0) > (furthest.at(-1)?.[0] ?? 0)) furthest = curve
    }
  }
  const { result } = standing
  return furthest.length === 0
    ? []
    : [{ trial: index, reports: furthest, isComplete: result?.class === 'complete' && result.clock < before }]
}

function contextOf({ id }: Sweep, { unit, warmUpSteps }: Stopping, fullSteps: number | undefined): StoppingContext {
  return {
    sweep: id,
    ...(fullSteps === undefined || unit === 'reports' ? {} : { fullSteps }),
    ...(warmUpSteps === undefined ? {} : { warmUpSteps })
  }
}

/**
 * A sweep's rule in the terms of stopping/, which minimises. What W&B calls Hyperband is one halving without brackets.
 */
export function ruleOf(stopping: Stopping, sign: 1 | -1): StoppingRule {
  // Reports are counted before a rule sees them: to it they are steps.
  const counted = stopping.unit === 'epochs' ? { unit: stopping.unit } : {}
  switch (stopping.rule) {
    case 'auto':
      return { rule: 'asha', eta: ETA, ...counted }
    case 'asha':
      return { rule: 'asha', eta: stopping.eta, ...lengths(stopping), ...counted }
    case 'hyperband': {
      const { eta, bands, unit } = stopping
      if (bands) return { rule: 'asha', eta, rungs: bands }
      return { rule: unit === 'reports' ? 'asha' : 'hyperband', eta, ...lengths(stopping), ...counted }
    }
    case 'median': {
      const { startUpTrials } = stopping
      return { rule: 'median', ...(startUpTrials === undefined ? {} : { startUpTrials }), ...counted }
    }
    case 'threshold': {
      const [lower, upper] =
        sign === 1 ? [stopping.lower, stopping.upper] : [negative(stopping.upper), negative(stopping.lower)]
      return {
        rule: 'threshold',
        ...(lower === undefined ? {} : { lower }),
        ...(upper === undefined ? {} : { upper })
      }
    }
    case 'plateau': {
      const { patience, minDelta } = stopping
      return { rule: 'plateau', patience, ...(minDelta === undefined ? {} : { minDelta }) }
    }
  }
}

function negative(bound: number | undefined): number | undefined {
  return bound === undefined ? undefined : -bound
}

function lengths({ minSteps, maxSteps }: { minSteps?: number | undefined; maxSteps?: number | undefined }) {
  return { ...(minSteps === undefined ? {} : { minSteps }), ...(maxSteps === undefined ? {} : { maxSteps }) }
}
