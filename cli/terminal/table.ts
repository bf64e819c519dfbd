/**
 * Tables: rows under titles, aligned, and never wider than the terminal.
 *
 * Owns what gives way where there is no room: first the columns that may go, then the ends of long cells, at last the
 * table itself, whose rows become blocks of lines.
 */
import { plain } from './plain.js'
import { type Paint, PLAIN_STYLE, type Style } from './style.js'
import { columnsOf, fit, pad, wrap } from './width.js'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** May be left out: of those with a number the largest goes first. */
  readonly leavesAt?: number
  /** Its cells may be cut to this many columns, its title may not. */
  readonly shrinksTo?: number
}

/** A cell; painted after it has its width. */
export type Cell = string | { readonly text: string; readonly paint: Paint }

export interface TableOptions {
  /** Columns of the terminal; infinite where nothing may be cut. */
  readonly columns: number
  readonly style?: Style
}

const GAP = '  '

/** Returns the table's lines. Cells are made plain; each row has a cell for each column. */
export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[], options: TableOptions): string[] {
  const cells = rows.map(row => row.map(cell => (typeof cell === 'string' ? plain(cell) : plain(cell.text))))
  const natural = columns.map((column, i) =>
    Math.max(columnsOf(column.title), ...cells.map(row => columnsOf(row[i] ?? '')))
  )
  const kept = keptColumns(columns, natural, options.columns)
  const widths = shrunk(columns, natural, kept, options.columns)
  if (widths === undefined) return blocks(columns, rows, cells, options)
  const { bold } = options.style ?? PLAIN_STYLE
  const line = (of: (i: number) => string) => kept.map(of).join(GAP).trimEnd()
  return [
    bold(line(i => pad(columns[i]?.title ?? '', widths[i] ?? 0, columns[i]?.align))),
    ...rows.map((row, r) => line(i => painted(row[i], pad(cells[r]?.[i] ?? '', widths[i] ?? 0, columns[i]?.align))))
  ]
}

/** Returns pairs as lines, values below each other; a long one goes on in the next line, so that it can be copied. */
export function pairs(rows: readonly (readonly [string, Cell])[], options: TableOptions): string[] {
  const { dim } = options.style ?? PLAIN_STYLE
  const width = Math.max(0, ...rows.map(([title]) => columnsOf(title)))
  return rows.flatMap(([title, cell]) => {
    const lines = wrap(plain(typeof cell === 'string' ? cell : cell.text), options.columns - width - GAP.length)
    return lines.map((line, i) => `${dim(pad(i === 0 ? title : '', width))}${GAP}${painted(cell, line)}`.trimEnd())
  })
}

function painted(cell: Cell | undefined, text: string): string {
  return typeof cell === 'object' ? cell.paint(text) : text
}

/** Indexes of the columns that stay. */
function keptColumns(columns: readonly Column[], natural: readonly number[], room: number): number[] {
  const kept = columns.map((_, i) => i)
  const leaving = [...kept]
    .filter(i => columns[i]?.leavesAt !== undefined)
    .sort((a, b) => (columns[b]?.leavesAt ?? 0) - (columns[a]?.leavesAt ?? 0) || b - a)
  for (const i of leaving) {
    if (smallest(columns, natural, kept) <= room) break
    kept.splice(kept.indexOf(i), 1)
  }
  return kept
}

/** The width with every cell cut as far as it may be. */
function smallest(columns: readonly Column[], natural: readonly number[], kept: readonly number[]): number {
  const widths = kept.map(i => Math.min(natural[i] ?? 0, leastOf(columns[i])))
  return sum(widths) + GAP.length * Math.max(0, kept.length - 1)
}

/** A title is read in full: a column is never narrower. */
function leastOf(column: Column | undefined): number {
  if (column?.shrinksTo === undefined) return Number.POSITIVE_INFINITY
  return Math.max(column.shrinksTo, columnsOf(column.title))
}

/** Returns each column's width; nothing when the table does not fit however its cells are cut. */
function shrunk(
  columns: readonly Column[],
  natural: readonly number[],
  kept: readonly number[],
  room: number
): number[] | undefined {
  if (smallest(columns, natural, kept) > room) return undefined
  const widths = [...natural]
  let excess = sum(kept.map(i => widths[i] ?? 0)) + GAP.length * Math.max(0, kept.length - 1) - room
  while (excess > 0) {
    // The widest gives way first, so that two long columns end alike.
    const [widest] = kept
      .filter(i => (widths[i] ?? 0) > leastOf(columns[i]))
      .sort((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0))
    if (widest === undefined) break
    widths[widest] = (widths[widest] ?? 0) - 1
    excess--
  }
  return widths
}

/** Each row as a block of `title  value` lines: what a terminal of 30 columns can still show. */
function blocks(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  cells: readonly (readonly string[])[],
  options: TableOptions
): string[] {
  const titleColumns = Math.max(0, ...columns.map(column => columnsOf(column.title)))
  return rows.flatMap((row, r) => [
    ...(r === 0 ? [] : ['']),
    ...pairs(
      columns.flatMap((column, i): [string, Cell][] => {
        const text = fit(cells[r]?.[i] ?? '', Math.max(1, options.columns - titleColumns - GAP.length))
        const cell = row[i]
        return text === '' ? [] : [[column.title, typeof cell === 'object' ? { text, paint: cell.paint } : text]]
      }),
      options
    )
  ])
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
