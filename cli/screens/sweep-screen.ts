/**
 * Sweeps: all of them in a table, and one of them in full.
 */
import { formatBytes, formatDuration, type LocalSweepView, type SweepState, type SweepView } from '#protocol'
import { bar } from '../terminal/curve.js'
import { ago, commandText, NONE, plural, seconds, shortId, shortNumber } from '../terminal/format.js'
import type { Sheet } from '../terminal/sheet.js'
import type { Paint, Style } from '../terminal/style.js'
import { type Cell, type Column, pairs, table } from '../terminal/table.js'
import { isFruitless, isOver, runsNowhere, troubleOf } from './sweep-advice.js'

const LIST: readonly Column[] = [
  { title: 'sweep', leavesAt: 4 },
  { title: 'name', shrinksTo: 8 },
  { title: 'state', shrinksTo: 7 },
  { title: 'done', align: 'right' },
  { title: 'best', align: 'right', leavesAt: 1 },
  { title: 'metric', shrinksTo: 8, leavesAt: 3 },
  { title: 'by', shrinksTo: 6, leavesAt: 2 },
  { title: 'submitted', leavesAt: 5 }
]
/** Clocks of friends' machines differ by less. */
const CLOCKS_APART_MS = 60_000
const BAR_COLUMNS = 24

/** Returns a table with a row for each sweep. */
export function drawSweeps(sweeps: readonly LocalSweepView[], sheet: Sheet): string {
  if (sweeps.length === 0) return 'The pool has no sweep yet.'
  const rows = sweeps.map((sweep): Cell[] => [
    shortId(sweep.sweep),
    { text: sweep.name, paint: sheet.style.bold },
    stateCell(sweep, sheet),
    `${sweep.trials.done}/${sweep.trials.total}`,
    bestValue(sweep),
    sweep.metric.name,
    sweep.submittedBy,
    ago(sweep.submittedAt, sheet.now)
  ])
  return table(LIST, rows, sheet).join('\n')
}

/** Returns everything about one sweep but its trials. */
export function drawSweep(sweep: LocalSweepView, sheet: Sheet): string {
  const { bundle, best, lastFailure } = sweep
  const rows: [string, Cell][] = [
    ['sweep', { text: `${sweep.name} (${sweep.sweep})`, paint: sheet.style.bold }],
    ['state', stateCell(sweep, sheet)],
    ['trials', progressText(sweep)],
    ['', bar(shareDone(sweep), BAR_COLUMNS)],
    ['search', searchText(sweep)],
    ...endRows(sweep, sheet),
    ['program', sweep.program],
    ['command', commandText(sweep.command)],
    ['files', `${plural(bundle.files, 'file')}, ${formatBytes(bundle.bytes)}, digest ${shortId(bundle.digest)}`],
    ['submitted', `by ${sweep.submittedBy}, ${ago(sweep.submittedAt, sheet.now)}`],
    ['here', approvalCell(sweep, sheet)],
    ['runs on', sweep.runners.join(', ') || (isOver(sweep) ? 'no machine any more' : 'no machine that is here now')],
    ['trained', `${seconds(sweep.secondsTrained)} in all`]
  ]
  const repeated = repeatedText(sweep)
  if (repeated !== undefined) rows.push(['', { text: repeated, paint: sheet.style.warn }])
  if (best?.value !== undefined) {
    rows.push([
      'best',
      {
        text: `${bestName(sweep)}${shortNumber(best.value)}, trial #${best.trial} on ${best.machineName ?? NONE}`,
        paint: sheet.style.good
      }
    ])
  }
  for (const text of untoldTexts(sweep.untold)) rows.push(['missing', { text, paint: sheet.style.warn }])
  const nowhere = nowhereText(sweep)
  if (nowhere !== undefined) rows.push(['fit nowhere', { text: nowhere, paint: sheet.style.warn }])
  const trouble = troubleOf(sweep)
  if (trouble !== undefined) rows.push(['trouble', { text: trouble, paint: sheet.style.warn }])
  if (lastFailure) {
    const { trial, machine, class: kind, message } = lastFailure
    rows.push(['last failure', { text: `trial #${trial} on ${machine}: ${kind}. ${message}`, paint: sheet.style.bad }])
  }
  return pairs(rows, sheet).join('\n')
}

/** With several objectives the one that is meant: no trial is the best in all. */
function bestName({ furtherMetrics, metric }: LocalSweepView): string {
  return furtherMetrics ? `of front 1 in ${metric.name}: ` : ''
}

/** What ends trials and the sweep before their time. */
function endRows(sweep: LocalSweepView, { now, style }: Sheet): [string, Cell][] {
  const { stopping, stoppedEarly, trials, target, budget, wallTime, submittedAt, untoldUnit } = sweep
  const rows: [string, Cell][] = []
  if (stopping) rows.push(['stopping', `${stopping.rule}: ${stoppedEarly} of ${trials.total} stopped early`])
  if (untoldUnit) rows.push(['', { text: `It stops nothing: no trial told its ${untoldUnit}.`, paint: style.warn }])
  if (target) rows.push(['target', `${shortNumber(target.value)}, ${target.isReached ? 'reached' : 'not reached yet'}`])
  if (budget) {
    const share = Math.round((100 * budget.spentSeconds) / budget.gpuSeconds)
    rows.push(['budget', `${seconds(budget.spentSeconds)} of ${seconds(budget.gpuSeconds)} of devices, ${share} %`])
  }
  if (wallTime) {
    const left = leftText(sweep, wallTime, submittedAt + wallTime.ms - now)
    rows.push(['wall time', `${formatDuration(wallTime.ms)} from when it was submitted${left}`])
  }
  return rows
}

/** A machine with a wrong clock ends a sweep too early: whose it was is the first that one wants to know. */
function leftText(sweep: SweepView, { saidBy }: NonNullable<SweepView['wallTime']>, leftMs: number): string {
  const left = seconds(leftMs / 1000)
  if (saidBy !== undefined && leftMs > CLOCKS_APART_MS) return `, over ${left} early by the clock of ${saidBy}`
  if (saidBy !== undefined || leftMs <= 0) return ', over'
  return isOver(sweep) ? '' : `, ${left} left`
}

/** Names the trials that fit no device, and what tells more. */
function nowhereText({ sweep, unplaceable }: LocalSweepView): string | undefined {
  const [first] = unplaceable
  if (first === undefined) return undefined
  const trials = unplaceable.map(index => `#${index}`).join(', ')
  return `${trials}: no device of the pool is enough; \`hypersweep trial view ${shortId(sweep)} ${first}\` tells why`
}

/** Returns how far a sweep is: `14 of 24 done, 3 running, 6 waiting, 1 failed`. */
export function progressText(sweep: SweepView): string {
  const { trials, stoppedEarly, diverged } = sweep
  const { total, done, running, waiting, failed } = trials
  const stopped = trials.stopped - stoppedEarly
  return [
    `${done} of ${total} done`,
    ...(running > 0 ? [`${running} running`] : []),
    ...(waiting > 0 ? [`${waiting} ${isOver(sweep) ? 'never begun' : 'waiting'}`] : []),
    ...(stoppedEarly > 0 ? [`${stoppedEarly} stopped early`] : []),
    ...(stopped > 0 ? [`${stopped} stopped`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(diverged > 0 ? [`${diverged} diverged`] : [])
  ].join(', ')
}

/** Returns the share of trials that need no more work, from 0 to 1. */
export function shareDone({ trials }: SweepView): number {
  return trials.total === 0 ? 1 : (trials.done + trials.stopped + trials.failed) / trials.total
}

export function searchText({ method, metric, furtherMetrics = [] }: SweepView): string {
  return `${method}, ${[metric, ...furtherMetrics].map(({ goal, name }) => `${goal} ${name}`).join(', ')}`
}

/** Says of each objective that trials never told that it is missing. */
export function untoldTexts(untold: SweepView['untold']): string[] {
  return untold.map(
    ({ name, trials }) =>
      `${plural(trials, 'completed trial')} never printed "${name}", and ${trials === 1 ? 'counts' : 'count'} as the worst in it.`
  )
}

/** Returns the painter of a sweep's state. */
export function statePaint(state: SweepState, style: Style): Paint {
  switch (state) {
    case 'arriving':
      return style.dim
    case 'running':
      return style.accent
    case 'done':
      return style.good
    case 'stopped':
      return style.warn
    case 'failed':
      return style.bad
  }
}

function stateCell(sweep: LocalSweepView, { style }: Sheet): Cell {
  if (sweep.state === 'running' && sweep.approval === 'waiting') return { text: 'needs approval', paint: style.warn }
  if (runsNowhere(sweep)) return { text: 'runs nowhere', paint: style.warn }
  // A sweep of which nobody has anything must not look like one that went well.
  if (sweep.state === 'done' && isFruitless(sweep)) return { text: 'done, no result', paint: style.bad }
  return { text: sweep.state, paint: statePaint(sweep.state, style) }
}

function approvalCell({ approval, bundleState, unmet, sweep }: LocalSweepView, { style }: Sheet): Cell {
  const files = bundleState === undefined ? '' : `, files ${bundleState}`
  if (approval === 'approved' && unmet !== undefined)
    return { text: `approved${files}; takes no trials of it: ${unmet}`, paint: style.warn }
  if (approval === 'approved') return `approved${files}`
  return { text: `waits for you: hypersweep approve ${shortId(sweep)}`, paint: style.warn }
}

/** Returns what was trained beside what counts, in one line; nothing where nothing was. */
export function repeatedText({ repeated }: SweepView): string | undefined {
  if (repeated.attempts === 0) return undefined
  const trainings = plural(repeated.attempts, 'training')
  return `${trainings} done twice, by machines that were apart or as backups: ${seconds(repeated.seconds)}`
}

function bestValue({ best }: SweepView): string {
  return best?.value === undefined ? NONE : shortNumber(best.value)
}
