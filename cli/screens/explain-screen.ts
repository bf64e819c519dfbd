/**
 * Why a trial has its parameters, why it ended or goes on, and what else happened to it.
 *
 * Owns the words; what happened is the view's.
 */
import {
  type AttemptView,
  type Decision,
  type ExplainView,
  type LocalSweepView,
  type Origin,
  positionText,
  type Stopping,
  UNIT_NAMES
} from '#protocol'
import { NONE, plural, seconds, shortNumber, shortParameters } from '../terminal/format.js'
import type { Sheet } from '../terminal/sheet.js'
import type { Paint } from '../terminal/style.js'
import { type Cell, type Column, pairs, table } from '../terminal/table.js'
import { isOver } from './sweep-advice.js'
import { stateText, stepText, titled, trialPaint, valueText } from './trial-screen.js'

const TOLD_ABOVE: ReadonlySet<AttemptView['state']> = new Set(['complete', 'stopped', 'diverged', 'running'])
const METHODS = { tpe: 'TPE', gp: 'the Gaussian process' } as const

/** Returns one screen about one trial. */
export function drawExplain(view: ExplainView, sweep: LocalSweepView, sheet: Sheet): string {
  const { style } = sheet
  const { trial } = view
  const rows: [string, Cell][] = [
    ['trial', { text: `#${trial.trial} of ${sweep.name}`, paint: style.bold }],
    ['state', { text: stateText(trial), paint: trialPaint(trial.state, style) }],
    ['parameters', parametersText(view)],
    ['they are', originText(view)],
    ['it', { text: endText(view, sweep), paint: trialPaint(trial.state, style) }]
  ]
  const parts = [
    pairs(rows, sheet),
    titled(ruleTitle(view), decisionLines(view, sheet), style),
    titled(comparedTitle(view), comparedLines(view, sheet), style),
    titled('ATTEMPTS', attemptRows(view, sheet), style)
  ]
  return parts
    .filter(lines => lines.length > 0)
    .map(lines => lines.join('\n'))
    .join('\n\n')
}

function parametersText({ trial, origin }: ExplainView): string {
  if (origin.from === 'nobody-yet') return 'proposed when it is claimed'
  return shortParameters(trial.parameters) || NONE
}

/** Goes on after `they are`. */
function originText({ origin, seed, reuses }: ExplainView): string {
  const again = seed ? `; training ${seed.number} of ${seed.of} of this configuration` : ''
  const same = reuses === undefined ? '' : `; the same as those of trial #${reuses}, whose result stands for this one's`
  return `${fromText(origin)}${again}${same}`
}

function fromText(origin: Origin): string {
  switch (origin.from) {
    case 'file':
      return `named in the sweep's file, number ${origin.place + 1} of ${origin.of} there`
    case 'grid':
      return `combination ${origin.place} of the grid`
    case 'random':
      return `drawn, draw ${origin.place} of the sweep's seed`
    case 'sobol':
      return `point ${origin.place} of the Sobol sequence`
    case 'one-at-a-time':
      return origin.varied.length === 0
        ? 'the baseline of one at a time'
        : `the baseline but for ${origin.varied.join(' and ')}`
    case 'proposal': {
      const { method, machineName, results, isEarly } = origin
      const early = isEarly ? ', too few to learn from, so spread by chance' : ''
      return `proposed by ${METHODS[method]} on ${machineName}, from ${plural(results, 'result')}${early}`
    }
    case 'nobody-yet':
      return 'not chosen yet: the machine that claims it proposes them from what it knows then'
    case 'nothing':
      return "none: the sweep's constraints leave no configuration for it"
  }
}

/** Goes on after `it`. */
function endText(view: ExplainView, sweep: LocalSweepView): string {
  const { trial, metric } = view
  switch (trial.state) {
    case 'complete':
      return `was trained to its end: ${metric.name} ${valueText(trial.value)}`
    case 'stopped':
      return trial.stop
        ? `was stopped early: ${stopReason(view)}`
        : `was stopped: ${trial.message ?? 'its sweep ended'}`
    case 'diverged':
      return `diverged: ${trial.message ?? 'what it measured left the numbers'}`
    case 'running':
      return `trains on ${trial.machineName ?? NONE}, step ${stepText(trial)}: ${goesOnText(view)}`
    case 'quarantined':
      return `failed too often: ${trial.message ?? 'see its attempts'}`
    case 'unplaceable':
      return 'fits no device of the pool'
    case 'reused':
      return 'is not trained again'
    case 'infeasible':
      return 'is never trained'
    case 'waiting':
      return isOver(sweep) ? 'was never trained: its sweep is over' : 'waits for a device'
  }
}

function stopReason({ trial: { stop }, stopping, metric }: ExplainView): string {
  if (!stop) return ''
  const { rule, unit, rung, value, rank, of, threshold } = stop
  const where = rung === undefined ? '' : ` at ${positionText(shortNumber(rung), unit)}`
  const mine = value === undefined ? 'a value that is no number' : shortNumber(value)
  const bound = threshold === undefined ? '' : shortNumber(threshold)
  switch (rule) {
    case 'median':
      return `${mine}${where} was worse than ${bound}, the median of the trials that were trained to their end`
    case 'threshold':
      return `${mine}${where} left the bounds of the sweep${bound === '' ? '' : `, here ${bound}`}`
    case 'plateau':
      return `its ${metric.name} got no better for too long, ${mine}${where}`
    default:
      return `${mine}${where} was number ${rank ?? NONE} of ${of ?? NONE}; ${shareText(stopping)} goes on, here with ${bound} or better`
  }
}

function shareText(stopping: Stopping | undefined): string {
  const eta = stopping && 'eta' in stopping ? stopping.eta : 3
  return `one in ${shortNumber(eta)}`
}

function goesOnText({ stopping, nextRung, decisions }: ExplainView): string {
  if (!stopping) return 'no rule stops a trial of this sweep'
  const last = decisions.at(-1)
  const passed = last?.rank === undefined ? '' : `it was number ${last.rank} of ${last.of} at ${last.rung}; `
  if (nextRung !== undefined) return `${passed}compared next at ${positionText(shortNumber(nextRung), stopping.unit)}`
  if (stopping.rule === 'threshold' || stopping.rule === 'plateau') return 'looked at with each report'
  return `${passed}${decisions.length === 0 ? 'nobody knows yet how long a training is, so where it is compared' : 'past its last comparison'}`
}

function ruleTitle({ stopping, bracket }: ExplainView): string {
  if (!stopping) return ''
  return `WHAT ${stopping.rule} SAID${bracket === undefined ? '' : `, bracket ${bracket}`}`
}

function decisionLines({ decisions, metric, stopping }: ExplainView, sheet: Sheet): string[] {
  const columns: readonly Column[] = [
    { title: UNIT_NAMES[stopping?.unit ?? 'steps'], align: 'right' },
    { title: metric.name, align: 'right' },
    { title: 'rank', align: 'right' },
    { title: metric.goal === 'minimize' ? 'at most' : 'at least', align: 'right' },
    { title: 'so it' }
  ]
  const rows = decisions.map((each): Cell[] => [
    shortNumber(each.rung),
    valueText(each.value),
    each.rank === undefined ? NONE : `${each.rank} of ${each.of ?? NONE}`,
    valueText(each.threshold),
    soText(each, sheet)
  ])
  return rows.length === 0 ? [] : table(columns, rows, sheet)
}

function soText({ stops, isSkipped }: Decision, { style }: Sheet): Cell {
  if (stops) return { text: 'stopped', paint: style.warn }
  return isSkipped ? 'went on: too few to compare' : { text: 'went on', paint: style.good }
}

function comparedTitle({ compared, decisions, stopping }: ExplainView): string {
  const last = decisions.at(-1)
  if (!compared || !last) return ''
  const log = last.of === undefined || last.of === compared.of ? '' : `, ${compared.of} in the log`
  return `COMPARED AT ${positionText(shortNumber(last.rung), stopping?.unit)}${log}`
}

function comparedLines({ compared, metric, trial, reuses }: ExplainView, sheet: Sheet): string[] {
  if (!compared) return []
  const own = reuses ?? trial.trial
  const columns: readonly Column[] = [
    { title: '', align: 'right' },
    { title: 'trial', align: 'right' },
    { title: metric.name, align: 'right' },
    { title: '' }
  ]
  const rows = compared.entries.map((entry): Cell[] => {
    const isOwn = entry.trial === own
    const paint: Paint = isOwn ? sheet.style.accent : text => text
    const texts = [`${entry.rank}`, `#${entry.trial}`, valueText(entry.value), isOwn ? '← this one' : '']
    return texts.map(text => ({ text, paint }))
  })
  const rest = compared.of - compared.entries.length
  return [...table(columns, rows, sheet), ...(rest > 0 ? [`… and ${rest} more`] : [])]
}

/** A line each for what else happened: one attempt alone, whose end is told above, is no news. */
function attemptRows({ trial }: ExplainView, sheet: Sheet): string[] {
  const told = trial.attempts.filter(({ state }) => trial.attempts.length > 1 || !TOLD_ABOVE.has(state))
  return pairs(
    told.map(attempt => [
      `${attempt.attempt}${attempt.backup ? ' backup' : ''}`,
      `${attempt.machineName}${attempt.seconds === undefined ? '' : `, ${seconds(attempt.seconds)}`}: ${attemptText(attempt)}`
    ]),
    sheet
  )
}

function attemptText({ state, reason, message }: AttemptView): string {
  if (state === 'released') return releaseText(reason)
  if (state === 'yielded') return "another machine's claim held"
  if (state === 'silent') return 'its machine is not heard'
  return message ? `${state}. ${message}` : state
}

function releaseText(reason: AttemptView['reason']): string {
  switch (reason) {
    case 'owner':
      return 'given back: its owner wanted the device, or stopped the agent'
    case 'lost-claim':
      return "given back: another machine's claim held"
    case 'restart':
      return 'given back: its agent was started anew'
    case 'unable':
      return 'given back: the machine could not run it'
    case undefined:
      return 'given back'
  }
}
