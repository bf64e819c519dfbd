/**
 * What a sweep has taught, on one screen.
 *
 * Owns the words, and what is too little to say. The next sweep's file is the command's.
 */
import { type BadTrials, type Importance, type InsightView, positionText, type RangeInsight } from '#protocol'
import { bar } from '../terminal/curve.js'
import { plural, shortNumber, shortParameters } from '../terminal/format.js'
import type { Sheet } from '../terminal/sheet.js'
import { type Cell, type Column, pairs, table } from '../terminal/table.js'
import { wrap } from '../terminal/width.js'
import { statePaint } from './sweep-screen.js'
import { titled, valueText } from './trial-screen.js'

const BAR_COLUMNS = 20
/** Parameters that are shown; the others decide next to nothing. */
const SHOWN_MAX = 12

/** Returns the screen: the best so far, what mattered, where to look next, and where not. */
export function drawInsight(view: InsightView, sheet: Sheet): string {
  const { style } = sheet
  const parts = [
    pairs(headRows(view, sheet), sheet),
    titled('WHAT MATTERED', importanceLines(view, sheet), style),
    titled(`WHERE THE BEST ${view.bestTrials} LIE`, rangeLines(view, sheet), style),
    titled('WHERE TRIALS FAILED', badLines(view, sheet), style),
    titled('EARLY STOPPING', warningLines(view, sheet), style)
  ]
  return parts
    .filter(lines => lines.length > 0)
    .map(lines => lines.join('\n'))
    .join('\n\n')
}

function headRows({ name, state, trials, metric, best }: InsightView, { style }: Sheet): [string, Cell][] {
  const early = trials.stoppedEarly > 0 ? `, ${trials.stoppedEarly} stopped early` : ''
  const [first] = best
  return [
    ['sweep', { text: name, paint: style.bold }],
    ['state', { text: state, paint: statePaint(state, style) }],
    ['trials', `${trials.complete} of ${trials.total} trained to their end${early}`],
    first
      ? [
          'best',
          {
            text: `${metric.name} ${valueText(first.value)}, trial #${first.trial}: ${shortParameters(first.parameters)}`,
            paint: style.good
          }
        ]
      : ['best', 'no trial has a result yet']
  ]
}

function importanceLines({ importance, trials, needed }: InsightView, sheet: Sheet): string[] {
  if (!importance) {
    const missing = Math.max(1, needed - trials.told)
    const text = `Too early to tell: ${plural(missing, 'more ended trial')} of ${needed} ${missing === 1 ? 'is' : 'are'} needed.`
    return wrap(text, sheet.columns)
  }
  if (importance.every(({ share }) => share === 0)) return ['No parameter sets the best trials apart.']
  const columns: readonly Column[] = [
    { title: 'parameter', shrinksTo: 9 },
    { title: 'share', align: 'right' },
    { title: '', leavesAt: 1 },
    { title: '5-95 %', align: 'right', leavesAt: 2 }
  ]
  const rows = importance.slice(0, SHOWN_MAX).map((each): Cell[] => importanceRow(each, sheet))
  const rest = importance.length - rows.length
  return [...table(columns, rows, sheet), ...(rest > 0 ? [`… and ${rest} more`] : [])]
}

function importanceRow({ name, share, low, high }: Importance, { style }: Sheet): Cell[] {
  return [
    name,
    percent(share),
    { text: bar(share, BAR_COLUMNS), paint: style.accent },
    `${percent(low)} to ${percent(high)}`
  ]
}

function rangeLines({ ranges }: InsightView, sheet: Sheet): string[] {
  const columns: readonly Column[] = [
    { title: 'parameter', shrinksTo: 9 },
    { title: 'the best' },
    { title: 'of', leavesAt: 1 },
    { title: 'try next' }
  ]
  const rows = ranges.map(({ name, bestLow, bestHigh, low, high, next }): Cell[] => [
    name,
    rangeText(bestLow, bestHigh),
    rangeText(low, high),
    next ? { text: rangeText(next.low, next.high), paint: sheet.style.good } : 'the same range'
  ])
  const edges = ranges.flatMap(range => wrap(edgeText(range), sheet.columns))
  return rows.length === 0 ? [] : [...table(columns, rows, sheet), ...edges.filter(line => line !== '')]
}

function edgeText({ name, edge, low, high }: RangeInsight): string {
  if (edge === undefined) return ''
  const [end, beyond] = edge === 'low' ? [low, 'below'] : [high, 'above']
  return `${name}: the best lie at its end ${shortNumber(end)}; what is ${beyond} may be better still.`
}

function badLines({ diverged, outOfMemory }: InsightView, sheet: Sheet): string[] {
  const texts = [...badTexts(diverged, 'diverged'), ...badTexts(outOfMemory, 'ran out of memory')]
  return texts.flatMap(text => wrap(text, sheet.columns)).map(line => sheet.style.warn(line))
}

function badTexts({ trials, of, ends }: BadTrials, did: string): string[] {
  if (trials === 0) return []
  const where = ends.map(end => {
    const than = end.side === 'above' ? 'or more' : 'or less'
    return `all ${end.trials} with ${end.name} of ${shortNumber(end.bound)} ${than}`
  })
  const tail = where.length === 0 ? '' : `: ${where.join('; ')}`
  return [`${trials} of ${plural(of, 'trial')} ${did} (${percent(trials / of)})${tail}.`]
}

function warningLines({ warning, metric }: InsightView, sheet: Sheet): string[] {
  if (!warning) return []
  const { rung, unit, correlation, trials } = warning
  const at = positionText(shortNumber(rung), unit)
  const text =
    `The order by ${metric.name} at ${at} hardly tells the order in the end: rank correlation ` +
    `${shortNumber(correlation)} over ${plural(trials, 'trial')}. Good trials may have been stopped: set a larger min_steps.`
  return wrap(text, sheet.columns).map(line => sheet.style.warn(line))
}

function rangeText(low: number, high: number): string {
  return low === high ? shortNumber(low) : `${shortNumber(low)} to ${shortNumber(high)}`
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`
}
