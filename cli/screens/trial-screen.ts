/**
 * Trials: many in a table, one in full with its curve and the story of its attempts.
 */
import { type AttemptView, type LocalSweepView, positionText, type TrialState, type TrialView } from '#protocol'
import { drawCurve } from '../terminal/curve.js'
import { NONE, seconds, shortNumber, shortParameters, shortValue } from '../terminal/format.js'
import type { Sheet } from '../terminal/sheet.js'
import type { Paint, Style } from '../terminal/style.js'
import { type Cell, type Column, pairs, table } from '../terminal/table.js'
import { changesOf, changeText, peakText, placementLines, usageLines } from './trial-facts.js'

/** A curve wider than this is no easier to read. */
const CURVE_COLUMNS_MAX = 72
const CURVE_ROWS = 10
/** Stands for the parameters of a trial that gets them from whoever claims it. */
const UNPROPOSED = 'proposed when it is claimed'
/** What programs print beside their metrics, and what has a line of its own. */
const STEP_NAMES: ReadonlySet<string> = new Set(['step', 'steps'])

const ATTEMPTS: readonly Column[] = [
  { title: 'attempt', align: 'right' },
  { title: 'machine', shrinksTo: 8 },
  { title: 'device', shrinksTo: 6, leavesAt: 3 },
  { title: 'state', shrinksTo: 8 },
  { title: 'time', align: 'right', leavesAt: 2 },
  { title: 'step', align: 'right', leavesAt: 1 },
  { title: 'value', align: 'right' },
  { title: 'memory', align: 'right', leavesAt: 5 },
  { title: 'message', shrinksTo: 12, leavesAt: 4 }
]

/** Returns a table with a row for each trial. `metric` names the column of values. */
export function drawTrials(trials: readonly TrialView[], metric: string, sheet: Sheet): string {
  if (trials.length === 0) return 'The sweep has no trial.'
  const columns: readonly Column[] = [
    { title: 'trial', align: 'right' },
    { title: 'state', shrinksTo: 8 },
    { title: metric, align: 'right' },
    { title: 'step', align: 'right', leavesAt: 4 },
    { title: 'time', align: 'right', leavesAt: 3 },
    { title: 'machine', shrinksTo: 8, leavesAt: 2 },
    { title: 'parameters', shrinksTo: 16, leavesAt: 1 }
  ]
  const rows = trials.map((trial): Cell[] => [
    `#${trial.trial}`,
    { text: stateText(trial), paint: trialPaint(trial.state, sheet.style) },
    valueText(trial.value),
    stepText(trial),
    seconds(trial.seconds),
    trial.machineName ?? NONE,
    parametersText(trial)
  ])
  return table(columns, rows, sheet).join('\n')
}

/** Returns everything about one trial. */
export function drawTrial(trial: TrialView, sweep: LocalSweepView, sheet: Sheet): string {
  const { style } = sheet
  const rows: [string, Cell][] = [
    ['trial', { text: `#${trial.trial} of ${sweep.name}`, paint: style.bold }],
    ['state', { text: stateText(trial), paint: trialPaint(trial.state, style) }],
    [sweep.metric.name, valueText(trial.value)],
    ['step', stepText(trial)],
    ['time', seconds(trial.seconds)],
    ['machine', trial.machineName ?? NONE]
  ]
  if (trial.message) rows.push(['message', { text: trial.message, paint: style.bad }])
  for (const text of changesOf(trial)) rows.push(['warning', { text: changeText(text), paint: style.warn }])
  if (trial.replicates.length > 0) rows.push(['repeated', trial.replicates.map(shortNumber).join(', ')])
  const parts = [
    pairs(rows, sheet),
    titled(
      'PARAMETERS',
      trial.isUnproposed
        ? [UNPROPOSED]
        : pairs(
            Object.entries(trial.parameters).map(([name, value]) => [name, shortValue(value)]),
            sheet
          ),
      style
    ),
    titled('USAGE', usageLines(trial, sheet), style),
    titled('WHERE IT FITS', placementLines(trial, sheet), style),
    titled('METRICS', metricLines(trial, sweep.metric.name, sheet), style),
    titled(`CURVE OF ${sweep.metric.name}`, curveLines(trial, sheet), style),
    titled('ATTEMPTS', attemptLines(trial, sheet), style),
    titled('LAST OUTPUT', lastOutput(trial), style)
  ]
  return parts
    .filter(lines => lines.length > 0)
    .map(lines => lines.join('\n'))
    .join('\n\n')
}

/** Returns a trial's state; of one that was stopped early, where, and how it stood there: `stopped at 9, 7 of 8`. */
export function stateText({ state, stop }: TrialView): string {
  if (!stop || state !== 'stopped') return state
  const { rung, unit, rank, of } = stop
  return `${state} ${rung === undefined ? 'early' : `at ${placeText(rung, unit)}`}${rank === undefined ? '' : `, ${rank} of ${of ?? NONE}`}`
}

/** Steps and reports are what a list is about anyway. */
function placeText(rung: number, unit: NonNullable<TrialView['stop']>['unit']): string {
  return unit === 'epochs' || unit === 'tokens' ? positionText(shortNumber(rung), unit) : shortNumber(rung)
}

function parametersText({ isUnproposed, parameters }: TrialView): string {
  return isUnproposed ? UNPROPOSED : shortParameters(parameters) || NONE
}

/** Returns a trial's curve as a chart that fits the sheet; nothing while it has none. */
export function curveLines(trial: TrialView, sheet: Sheet, rows = CURVE_ROWS): string[] {
  if (trial.curve.length === 0) return []
  return drawCurve(trial.curve, { columns: Math.min(CURVE_COLUMNS_MAX, sheet.columns), rows })
}

/** Returns the last values of every metric but the objective. */
export function metricLines(trial: TrialView, objective: string, sheet: Sheet): string[] {
  const others = Object.entries(trial.metrics).filter(([name]) => name !== objective && !STEP_NAMES.has(name))
  return pairs(
    others.map(([name, value]) => [name, shortNumber(value)]),
    sheet
  )
}

export function valueText(value: number | undefined): string {
  return value === undefined ? NONE : shortNumber(value)
}

/** Returns `41/80`, or the step alone when nobody told how many there are. */
export function stepText({ step, steps }: { readonly step?: number; readonly steps?: number }): string {
  if (step === undefined) return NONE
  return steps === undefined ? shortNumber(step) : `${shortNumber(step)}/${shortNumber(steps)}`
}

/** Returns lines under a title; none without lines. */
export function titled(title: string, lines: readonly string[], style: Style): string[] {
  return lines.length === 0 ? [] : [style.dim(title), ...lines]
}

/** Returns the painter of a trial's state. */
export function trialPaint(state: TrialState, style: Style): Paint {
  switch (state) {
    case 'waiting':
    case 'reused':
      return style.dim
    case 'running':
      return style.accent
    case 'complete':
      return style.good
    case 'stopped':
    case 'diverged':
    case 'unplaceable':
    case 'infeasible':
      return style.warn
    case 'quarantined':
      return style.bad
  }
}

/** Without the column of memory where no attempt told. */
function attemptLines({ attempts }: TrialView, sheet: Sheet): string[] {
  if (attempts.length === 0) return []
  const isKnown = attempts.some(each => peakText(each) !== NONE)
  const columns = ATTEMPTS.filter(({ title }) => isKnown || title !== 'memory')
  const rows = attempts.map(each => attemptRow(each, isKnown, sheet.style))
  return table(columns, rows, sheet)
}

function attemptRow(attempt: AttemptView, hasMemory: boolean, style: Style): Cell[] {
  return [
    `${attempt.attempt}${attempt.backup ? ' backup' : ''}`,
    attempt.machineName,
    attempt.device,
    { text: attempt.state, paint: attemptPaint(attempt.state, style) },
    seconds(attempt.seconds),
    stepText(attempt),
    valueText(attempt.value),
    ...(hasMemory ? [peakText(attempt)] : []),
    attempt.message ?? ''
  ]
}

function attemptPaint(state: AttemptView['state'], style: Style): Paint {
  switch (state) {
    case 'claimed':
    case 'running':
      return style.accent
    case 'silent':
    case 'yielded':
    case 'released':
    case 'stopped':
    case 'lost':
      return style.dim
    case 'complete':
      return style.good
    case 'diverged':
      return style.warn
    case 'oom':
    case 'error':
    case 'environment':
    case 'timeout':
      return style.bad
  }
}

/** The end of what the last attempt printed, where it failed and told. */
function lastOutput({ attempts }: TrialView): string[] {
  const tail = attempts.at(-1)?.tail?.trimEnd() ?? ''
  return tail === '' ? [] : tail.split('\n').map(line => `  ${line}`)
}
