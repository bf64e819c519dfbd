/**
 * The best trials of a sweep: a ranking, the first in full, and how to repeat it.
 */
import type { ControlAnswers, LocalSweepView, TrialView } from '#protocol'
import { copyableParameters, NONE, plural, seconds, shortId, shortNumber, shortValue } from '../terminal/format.js'
import type { Sheet } from '../terminal/sheet.js'
import { type Cell, type Column, pairs, table } from '../terminal/table.js'
import { wrap } from '../terminal/width.js'
import { isOver, noResultText, troubleOf } from './sweep-advice.js'
import { progressText, repeatedText, statePaint, untoldTexts } from './sweep-screen.js'
import { changesOf, changeText } from './trial-facts.js'
import { curveLines, metricLines, titled, valueText } from './trial-screen.js'

/** More parameters than this make no table: the first of them vary most often, and `trial view` has them all. */
const PARAMETER_COLUMNS_MAX = 12
/** Stands before a trial whose program did something else than its parameters say. */
const CHANGED = '!'

/** Returns the ranking and the best trial as one text. Its last line is what a person copies. */
export function drawBest(view: ControlAnswers['best'], sheet: Sheet): string {
  const { sweep, trials } = view
  const { style } = sheet
  const head = `${style.bold(sweep.name)} ${style.dim(shortId(sweep.sweep))}  ${statePaint(sweep.state, style)(sweep.state)}, ${progressText(sweep)}`
  const repeated = repeatedText(sweep)
  const top = repeated === undefined ? [head] : [head, style.warn(repeated)]
  const [best] = trials
  if (!best) return `${top.join('\n')}\n\n${noBestText(sweep)}`
  const { metric } = sweep
  const about = `trial #${best.trial}: ${metric.name} ${valueText(best.value)}, on ${best.machineName ?? NONE} in ${seconds(best.seconds)}`
  const parameters = pairs(
    Object.entries(best.parameters).map(([name, value]) => [name, shortValue(value)]),
    sheet
  )
  const parts = [
    top,
    [
      ...rankingLines(trials, sweep, sheet),
      ...frontLines(view, sheet),
      ...untoldLines(sweep, sheet),
      ...changedLines(trials, sheet)
    ],
    [
      style.good(`${sweep.furtherMetrics ? `Of these the best in ${metric.name}:` : 'Best'} ${about}`),
      ...indented(parameters)
    ],
    titled('Other metrics', indented(metricLines(best, metric.name, sheet)), style),
    curveLines(best, sheet),
    [style.dim('Repeat it with'), copyableParameters(best.parameters)]
  ]
  return parts
    .filter(lines => lines.length > 0)
    .map(lines => lines.join('\n'))
    .join('\n\n')
}

function noBestText(sweep: LocalSweepView): string {
  if (isOver(sweep)) return sentence(noResultText(sweep))
  const trouble = troubleOf(sweep)
  return `No trial has a result yet${trouble === undefined ? '' : `: ${trouble}`}.`
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

type RankedTrial = ControlAnswers['best']['trials'][number]

/** What the front is, where there are several objectives. */
function frontLines({ firstFront, sweep }: ControlAnswers['best'], { columns, style }: Sheet): string[] {
  if (!sweep.furtherMetrics || firstFront === undefined) return []
  const names = [sweep.metric, ...sweep.furtherMetrics].map(({ name }) => name)
  const text = `Front 1: ${plural(firstFront, 'trial')}. No other one is as good in all of ${names.join(', ')} and better in one.`
  return wrap(text, columns).map(line => style.dim(line))
}

/** What the search could not learn from. */
function untoldLines({ untold }: LocalSweepView, { columns, style }: Sheet): string[] {
  return untoldTexts(untold)
    .flatMap(text => wrap(text, columns))
    .map(line => style.warn(line))
}

/**
 * Returns a table of trials, best first, with a column for each objective and for each parameter that differs. With
 * several objectives their fronts stand before them, else their ranks.
 */
export function rankingLines(trials: readonly RankedTrial[], sweep: LocalSweepView, sheet: Sheet): string[] {
  const { furtherMetrics = [] } = sweep
  const names = differing(trials).slice(0, PARAMETER_COLUMNS_MAX)
  const hasFronts = trials.some(({ front }) => front !== undefined)
  const columns: readonly Column[] = [
    { title: hasFronts ? 'front' : '', align: 'right' },
    { title: 'trial', align: 'right' },
    { title: sweep.metric.name, align: 'right' },
    ...furtherMetrics.map(({ name }): Column => ({ title: name, align: 'right', leavesAt: 1 })),
    ...names.map((title, i): Column => ({ title, align: 'right', leavesAt: 2 + i })),
    { title: 'machine', shrinksTo: 8, leavesAt: 3 + names.length },
    { title: 'time', align: 'right', leavesAt: 4 + names.length }
  ]
  const rows = trials.map((trial, i): Cell[] => [
    `${trial.front ?? i + 1}`,
    trialCell(trial, sheet),
    ...[trial.value, ...furtherMetrics.map(({ name }) => trial.metrics[name])].map(
      (value): Cell => (isBest(trial, i) ? { text: valueText(value), paint: sheet.style.good } : valueText(value))
    ),
    ...names.map(name => parameterText(trial, name)),
    trial.machineName ?? NONE,
    seconds(trial.seconds)
  ])
  return table(columns, rows, sheet)
}

function isBest({ front }: RankedTrial, place: number): boolean {
  return front === undefined ? place === 0 : front === 1
}

/** A trial whose program did something else than its parameters say is marked: it is compared with care. */
function trialCell(trial: TrialView, { style }: Sheet): Cell {
  const isChanged = changesOf(trial).length > 0
  return isChanged ? { text: `${CHANGED} #${trial.trial}`, paint: style.warn } : `#${trial.trial}`
}

/** What the mark in the ranking means; nothing while no trial has one. */
function changedLines(trials: readonly TrialView[], { columns, style }: Sheet): string[] {
  const changed = trials.find(trial => changesOf(trial).length > 0)
  if (!changed) return []
  const text = `${CHANGED} ${changeText(changesOf(changed)[0] ?? '')} (trial #${changed.trial})`
  return wrap(text, columns).map(line => style.warn(line))
}

/** The names of parameters of which at least two trials have different values, in the sweep's order. */
function differing(trials: readonly TrialView[]): string[] {
  const names = [...new Set(trials.flatMap(trial => Object.keys(trial.parameters)))]
  if (trials.length < 2) return names
  return names.filter(name => new Set(trials.map(trial => JSON.stringify(trial.parameters[name]))).size > 1)
}

function parameterText({ parameters }: TrialView, name: string): string {
  const value = parameters[name]
  return value === undefined ? NONE : typeof value === 'number' ? shortNumber(value) : shortValue(value)
}

function indented(lines: readonly string[]): string[] {
  return lines.map(line => `  ${line}`)
}
