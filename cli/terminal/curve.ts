/**
 * Curves: a loss over steps, drawn with characters.
 *
 * Owns the scale: logarithmic where a linear one would flatten the part that matters. Pure strings, no colours.
 */
import { shortNumber } from './format.js'
import { columnsOf, pad } from './width.js'

/** [step, value] pairs; not finite ones are left out. */
export type Points = readonly (readonly [number, number])[]

/** A curve spans at least this factor before its scale is worth a thought. */
const LOG_SPAN = 4
/** Where the middle value would lie below this height, a linear scale shows a cliff and a flat line. */
const LOG_MEDIAN = 0.15
const LEVELS = '▁▂▃▄▅▆▇█'
const EIGHTHS = ' ▏▎▍▌▋▊▉█'
/** Bits of a Braille character's dots by row and column. Source: Unicode, block U+2800. */
const DOTS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80]
] as const
const BRAILLE = 0x2800

/**
 * Returns a chart's lines: the curve with its largest and smallest value at the left, its steps and its scale below.
 *
 * @param size  In characters, labels included; at least 24 by 4 is drawn.
 */
export function drawCurve(points: Points, size: { readonly columns: number; readonly rows: number }): string[] {
  const known = finite(points)
  if (known.length === 0) return ['no reports yet']
  const values = known.map(([, value]) => value)
  const scale = scaleOf(values)
  const labels = labelsOf(values, scale, Math.max(3, size.rows - 2))
  const labelColumns = Math.max(...labels.map(columnsOf))
  const plotColumns = Math.max(12, size.columns - labelColumns - 2)
  const canvas = plotted(known, scale, { columns: plotColumns, rows: labels.length })
  const lines = canvas.map((line, i) => {
    const label = labels[i] ?? ''
    return `${pad(label, labelColumns, 'right')} ${label === '' ? '│' : '┤'}${line}`.trimEnd()
  })
  const indent = ' '.repeat(labelColumns + 1)
  return [...lines, `${indent}└${'─'.repeat(plotColumns)}`, `${indent} ${stepAxis(known, scale, plotColumns)}`]
}

/** Returns the last values of a curve as one line of blocks, at most `columns` long. */
export function sparkline(points: Points, columns: number): string {
  const known = finite(points)
  if (known.length === 0 || columns < 1) return ''
  const scale = scaleOf(known.map(([, value]) => value))
  const length = Math.min(columns, known.length)
  return Array.from({ length }, (_, i) => {
    // The last report of each stretch: a mean would hide the spike that one looks for.
    const [, value] = known[Math.ceil(((i + 1) * known.length) / length) - 1] ?? [0, 0]
    return LEVELS[Math.min(LEVELS.length - 1, Math.floor(scale.at(value) * LEVELS.length))]
  }).join('')
}

/** Returns a bar of exactly `columns` characters, filled by a share from 0 to 1. */
export function bar(share: number, columns: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0)) * columns * 8)
  const whole = Math.floor(eighths / 8)
  const rest = eighths % 8 === 0 ? '' : EIGHTHS[eighths % 8]
  return pad('█'.repeat(whole) + rest, columns).replaceAll(' ', '░')
}

interface Scale {
  readonly isLogarithmic: boolean
  /** Where a value stands, from 0 to 1. */
  at(value: number): number
  /** The value at a height from 0 to 1. */
  valueAt(height: number): number
}

function scaleOf(values: readonly number[]): Scale {
  const low = values.reduce((a, b) => Math.min(a, b))
  const high = values.reduce((a, b) => Math.max(a, b))
  const median = [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? low
  const isLogarithmic = low > 0 && high / low >= LOG_SPAN && (median - low) / (high - low) < LOG_MEDIAN
  const [to, from] = isLogarithmic ? [Math.log, Math.exp] : [same, same]
  const span = to(high) - to(low)
  return {
    isLogarithmic,
    // One value alone stands in the middle: it is neither high nor low.
    at: value => (span === 0 ? 0.5 : (to(value) - to(low)) / span),
    valueAt: height => from(to(low) + height * span)
  }
}

function same(value: number): number {
  return value
}

/** One label a row, most of them empty: top, middle and bottom. */
function labelsOf(values: readonly number[], scale: Scale, rows: number): string[] {
  const labels = Array.from({ length: rows }, () => '')
  const isFlat = values.every(value => value === values[0])
  const middle = Math.floor((rows - 1) / 2)
  labels[middle] = shortNumber(scale.valueAt(isFlat ? 0 : 1 - middle / (rows - 1)))
  if (isFlat) return labels
  labels[0] = shortNumber(scale.valueAt(1))
  labels[rows - 1] = shortNumber(scale.valueAt(0))
  return labels
}

/** The first and the last step, as far apart as the plot; where there is no room, what matters least is left out. */
function stepAxis(points: Points, scale: Scale, columns: number): string {
  const first = `step ${shortNumber(points[0]?.[0] ?? 0)}`
  const last = `step ${shortNumber(points.at(-1)?.[0] ?? 0)}`
  if (points.length === 1) return first
  const ends = scale.isLogarithmic ? [`log scale, ${last}`, last] : [last]
  const end = ends.find(text => first.length + 2 + text.length <= columns)
  return end === undefined ? pad(last, columns, 'right') : first + pad(end, columns - first.length, 'right')
}

/** Returns the rows of a Braille canvas with the points joined by lines. */
function plotted(points: Points, scale: Scale, size: { readonly columns: number; readonly rows: number }): string[] {
  const cells = Array.from({ length: size.rows }, () => new Uint8Array(size.columns))
  const [width, height] = [size.columns * 2, size.rows * 4]
  const [from, to] = [points[0]?.[0] ?? 0, points.at(-1)?.[0] ?? 0]
  const dots = points.map(([step, value]): [number, number] => [
    to === from ? Math.floor(width / 2) : Math.round(((step - from) / (to - from)) * (width - 1)),
    Math.round((1 - scale.at(value)) * (height - 1))
  ])
  dots.forEach((dot, i) => {
    for (const [x, y] of lineBetween(dots[i - 1] ?? dot, dot)) {
      const row = cells[Math.floor(y / 4)]
      const bit = DOTS[y % 4]?.[x % 2]
      if (row !== undefined && bit !== undefined) row[Math.floor(x / 2)] = (row[Math.floor(x / 2)] ?? 0) | bit
    }
  })
  return cells.map(row => [...row].map(bits => (bits === 0 ? ' ' : String.fromCharCode(BRAILLE + bits))).join(''))
}

/** Every dot from one to another, both included. */
function lineBetween([x0, y0]: readonly [number, number], [x1, y1]: readonly [number, number]): [number, number][] {
  const steps = Math.max(1, Math.abs(x1 - x0), Math.abs(y1 - y0))
  return Array.from({ length: steps + 1 }, (_, i) => [
    Math.round(x0 + ((x1 - x0) * i) / steps),
    Math.round(y0 + ((y1 - y0) * i) / steps)
  ])
}

function finite(points: Points): (readonly [number, number])[] {
  return points.filter(([step, value]) => Number.isFinite(step) && Number.isFinite(value)).sort((a, b) => a[0] - b[0])
}
