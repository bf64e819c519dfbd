/**
 * The live screen: the pool and one sweep, as one frame of the terminal's size.
 *
 * Pure: the same overview and size give the same frame. What does not fit in height is cut from the longest lists,
 * never from the header.
 */
import type { AttemptView, LocalSweepView, MachineView, OverviewView, TrialView } from '#protocol'
import { bar, sparkline } from '../terminal/curve.js'
import { plural, seconds, shortId } from '../terminal/format.js'
import type { Sheet } from '../terminal/sheet.js'
import { type Cell, type Column, table } from '../terminal/table.js'
import { columnsOf, fit, wrap } from '../terminal/width.js'
import { rankingLines } from './best-screen.js'
import { devicesText, nameCell, pausedText, stateCell } from './machine-screen.js'
import { troubleOf } from './sweep-advice.js'
import { drawSweeps, progressText, repeatedText, searchText, shareDone, statePaint } from './sweep-screen.js'
import { curveLines, stepText, titled, valueText } from './trial-screen.js'

const BAR_COLUMNS = 10
/** An attempt before the current one was given up, and its machine may be silent for ever. */
const UNDER_WAY: ReadonlySet<AttemptView['state']> = new Set(['claimed', 'running', 'silent'])
const SPARK_COLUMNS = 16
/** A chart lower than this shows nothing that the sparkline does not. */
const CHART_ROWS_MIN = 6
const CHART_ROWS_MAX = 12
/** A title row, one row, and the count of the rest. */
const LIST_ROWS_MIN = 3
const RANKING_ROWS_MIN = 6
/** With less than this for the sections, blank lines between them are a waste. */
const TIGHT_ROWS = 20

/** Returns a frame of at most `rows` lines, none wider than the sheet. `keys`: empty when none is listened to. */
export function drawWatch(view: OverviewView, sheet: Sheet, rows: number, keys = 'q quits'): string {
  const head = headerLines(view, sheet)
  const foot = keys === '' ? [] : ['', sheet.style.dim(keys)]
  const room = Math.max(0, rows - head.length - foot.length - 1)
  return [...head, ...bodyLines(view, sheet, room), ...foot].slice(0, rows).join('\n')
}

/** Returns how far a sweep is in one line, for a log file: nothing of it changes while nothing happens. */
export function summaryLine({ focus, machines }: OverviewView): string {
  const here = `${machines.filter(machine => machine.isHere).length} of ${plural(machines.length, 'machine')} here`
  if (!focus) return `no sweep runs, ${here}`
  const { sweep } = focus
  const best =
    sweep.best?.value === undefined
      ? ''
      : `, best ${sweep.metric.name} ${valueText(sweep.best.value)} (trial #${sweep.best.trial})`
  return `${sweep.name}: ${sweep.state}, ${progressText(sweep)}${best}, ${here}`
}

/**
 * Returns how long a sweep may still take, in seconds: the mean time of its trials so far, over the attempts under way.
 *
 * Nothing while no trial has ended or none runs.
 */
export function secondsLeft(
  { trials, secondsTrained }: LocalSweepView,
  running: readonly TrialView[]
): number | undefined {
  const ended = trials.done + trials.failed + trials.stopped
  if (ended === 0 || trials.running === 0) return undefined
  const mean = secondsTrained / ended
  const spent = running.reduce((sum, trial) => sum + Math.min(mean, trial.seconds ?? 0), 0)
  return Math.max(0, (mean * (trials.waiting + trials.running) - spent) / trials.running)
}

function headerLines({ status, machines, focus }: OverviewView, { columns, style }: Sheet): string[] {
  const here = machines.filter(machine => machine.isHere).length
  const facts = [
    status.pool?.name ?? 'no pool',
    plural(status.pool?.members.length ?? 0, 'member'),
    `${here} of ${plural(machines.length, 'machine')} here`,
    status.isOnline ? 'online' : 'offline',
    ...(status.paused === undefined ? [] : [pausedText(status.paused)])
  ]
  const pool = wrap(`hypersweep  ${facts.join(' · ')}`, columns).map(line => style.bold(fit(line, columns)))
  if (!focus) return pool
  const { sweep, running } = focus
  const left = secondsLeft(sweep, running)
  const title = fit(`${sweep.name} ${shortId(sweep.sweep)}  ${sweep.state}  ${searchText(sweep)}`, columns)
  const ending = `${progressText(sweep)}${left === undefined ? '' : `, about ${seconds(Math.ceil(left))} left`}`
  const barColumns = Math.max(BAR_COLUMNS, Math.min(columns - columnsOf(ending) - 1, columns / 2))
  const meter = style.accent(bar(shareDone(sweep), Math.floor(barColumns)))
  const isWide = columnsOf(ending) + 1 + Math.floor(barColumns) <= columns
  const warnings = [sweep.approval === 'waiting' ? undefined : troubleOf(sweep), repeatedText(sweep)]
  return [
    ...pool,
    '',
    statePaint(sweep.state, style)(title),
    ...(isWide
      ? [`${meter} ${ending}`]
      : [style.accent(bar(shareDone(sweep), columns)), ...wrap(ending, columns).map(line => fit(line, columns))]),
    ...(sweep.approval === 'waiting' && sweep.state === 'running'
      ? [style.warn(fit(`This machine does not run it: hypersweep approve ${shortId(sweep.sweep)}`, columns))]
      : []),
    ...warnings
      .flatMap(text => (text === undefined ? [] : wrap(text, columns)))
      .map(line => style.warn(fit(line, columns)))
  ]
}

function bodyLines(view: OverviewView, sheet: Sheet, room: number): string[] {
  const { focus } = view
  const section = sectionsFor(room, sheet)
  // Machines and running trials get a third each at most, so that one long list cannot push the others out.
  const third = Math.max(LIST_ROWS_MIN, Math.floor(room / 3) - section.overhead)
  const machines = section.of('MACHINES', cut(machineLines(view.machines, focus?.sweep, sheet), third))
  if (!focus) return [...machines, ...section.of('SWEEPS', cut(drawSweeps(view.sweeps, sheet).split('\n'), third))]
  const running = section.of('RUNNING', cut(runningLines(focus.running, focus.sweep, sheet), third))
  const ranking = focus.best.length === 0 ? [] : rankingLines(focus.best, focus.sweep, sheet)
  const left = room - machines.length - running.length - section.overhead
  // The ranking may give up its lower half for the chart, no more.
  const chartRows = Math.min(CHART_ROWS_MAX, left - section.overhead - Math.min(RANKING_ROWS_MIN, ranking.length))
  const chart = chartRows < CHART_ROWS_MIN ? [] : section.of(...chartOf(focus, sheet, chartRows))
  const best = section.of('BEST', cut(ranking, Math.max(LIST_ROWS_MIN, left - chart.length)))
  return [...machines, ...running, ...best, ...chart]
}

/** Returns how sections are set: with a blank line above each where there is room for it. */
function sectionsFor(room: number, { style }: Sheet) {
  const gap = room < TIGHT_ROWS ? [] : ['']
  return {
    /** Lines that a section takes beside its own. */
    overhead: gap.length + 1,
    of: (title: string, lines: readonly string[]): string[] =>
      lines.length === 0 ? [] : [...gap, ...titled(title, lines, style)]
  }
}

/** The first lines; the last of them counts the rest. */
function cut(lines: readonly string[], most: number): string[] {
  if (lines.length <= most) return [...lines]
  const kept = lines.slice(0, Math.max(1, most - 1))
  return [...kept, `… and ${lines.length - kept.length} more`]
}

function machineLines(machines: readonly MachineView[], sweep: LocalSweepView | undefined, sheet: Sheet): string[] {
  const columns: readonly Column[] = [
    { title: 'machine', shrinksTo: 10 },
    { title: 'state', shrinksTo: 8 },
    { title: 'trials', shrinksTo: 4, leavesAt: 1 },
    { title: 'devices', shrinksTo: 10, leavesAt: 2 },
    { title: 'busy', align: 'right', leavesAt: 3 }
  ]
  const rows = machines.map((machine): Cell[] => [
    nameCell(machine, sheet),
    stateCell(machine, sheet),
    machine.running
      .map(each => (each.sweep === sweep?.sweep ? `#${each.trial}` : `#${each.trial} of ${shortId(each.sweep)}`))
      .join(' '),
    devicesText(machine.devices),
    busyText(machine)
  ])
  return table(columns, rows, sheet)
}

function busyText({ devices }: MachineView): string {
  const loads = devices.flatMap(device =>
    'utilisation' in device && device.utilisation !== undefined ? [device.utilisation] : []
  )
  return loads.map(load => `${Math.round(load * 100)} %`).join(' ')
}

function runningLines(running: readonly TrialView[], sweep: LocalSweepView, sheet: Sheet): string[] {
  if (running.length === 0) return []
  const columns: readonly Column[] = [
    { title: 'trial', align: 'right' },
    { title: 'machine', shrinksTo: 8, leavesAt: 2 },
    { title: 'progress', leavesAt: 3 },
    { title: 'step', align: 'right', leavesAt: 5 },
    { title: sweep.metric.name, align: 'right' },
    { title: 'curve', leavesAt: 1 },
    { title: 'time', align: 'right', leavesAt: 4 }
  ]
  const rows = running.map((trial): Cell[] => [
    `#${trial.trial}`,
    trial.machineName ?? '',
    progressCell(trial, sheet),
    stepText(trial),
    valueText(trial.value),
    sparkline(trial.curve, SPARK_COLUMNS),
    seconds(trial.seconds)
  ])
  return table(columns, rows, sheet)
}

/** A trial whose machine is not heard, or has not begun, has no progress to show: then the cell tells that. */
function progressCell(trial: TrialView, { style }: Sheet): Cell {
  const current = trial.attempts.findLast(({ state, backup }) => UNDER_WAY.has(state) && !backup)
  if (current === undefined || current.state === 'running') return { text: progressBar(trial), paint: style.accent }
  return { text: current.state, paint: current.state === 'silent' ? style.warn : style.dim }
}

function progressBar({ step, steps }: TrialView): string {
  return step === undefined || steps === undefined ? '' : bar(step / Math.max(1, steps), BAR_COLUMNS)
}

/** The curve of the best trial; of one that runs while there is none. */
function chartOf(
  { best, running, sweep }: NonNullable<OverviewView['focus']>,
  sheet: Sheet,
  rows: number
): [title: string, lines: string[]] {
  const trial = best[0] ?? running.find(each => each.curve.length > 1)
  if (!trial || trial.curve.length < 2) return ['', []]
  return [`CURVE OF ${sweep.metric.name}, trial #${trial.trial}`, curveLines(trial, sheet, rows)]
}
