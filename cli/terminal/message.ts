/**
 * Messages: sentences for standard error, and help, broken between words where a terminal is narrower than they are.
 *
 * Owns where a message may break: never inside a word, nor inside a command in backticks, which a person copies.
 * Invariant: without its line ends a text is the same before and after; a pipe gets it as it is.
 */
import { columnsOf } from './width.js'

/** What a terminal has that does not tell its width. */
const COLUMNS = 80
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours take no column.
const PAINT = /\u001b\[[\d;]*m/g
/** What is kept together: a command in backticks with what touches it, or a word. */
const PIECE = /(?:`[^`\n]*`|[^\s`]|`)+/g

/** A line of help: something indented, a gap, and what is told about it, which has no gap. */
const BESIDE = /^( +\S.* {2,})(\S.*)$/
/** Longer lines are hard to read, on whatever terminal. */
const HELP_COLUMNS_MAX = 118
/** With less room than this beside it, a text is easier to read where the terminal breaks it. */
const BESIDE_COLUMNS_MIN = 20

/** Returns the columns of a stream; infinite for a pipe or a file, where nothing is broken. */
export function streamColumns(stream: { readonly isTTY?: boolean; readonly columns?: number }): number {
  return stream.isTTY === true ? stream.columns || COLUMNS : Number.POSITIVE_INFINITY
}

/**
 * Returns a message with its lines broken to `columns`.
 *
 * A line that begins with a space is left as it is: it is a source line, a caret below one, or a command to copy. So is
 * one that fits.
 */
export function wrapMessage(text: string, columns: number): string {
  return text
    .split('\n')
    .flatMap(line => (line.startsWith(' ') || shownColumns(line) <= columns ? [line] : brokenLine(line, columns)))
    .join('\n')
}

/**
 * Returns help with its lines broken to `room` columns: what is told about a command goes on below its own start.
 */
export function wrapHelp(text: string, room: number): string {
  const columns = Math.min(room, HELP_COLUMNS_MAX)
  return text
    .split('\n')
    .flatMap(line => (shownColumns(line) <= columns ? [line] : brokenHelp(line, columns)))
    .join('\n')
}

function brokenHelp(line: string, columns: number): string[] {
  const [, head = '', rest = ''] = line.match(BESIDE) ?? []
  const indent = shownColumns(head)
  if (head !== '' && columns - indent >= BESIDE_COLUMNS_MIN) {
    return brokenLine(rest, columns - indent).map((part, i) => `${i === 0 ? head : ' '.repeat(indent)}${part}`)
  }
  return line.startsWith(' ') ? [line] : brokenLine(line, columns)
}

function brokenLine(line: string, columns: number): string[] {
  const lines: string[] = []
  for (const piece of line.match(PIECE) ?? []) {
    const last = lines.at(-1)
    if (last !== undefined && shownColumns(last) + 1 + shownColumns(piece) <= columns) {
      lines[lines.length - 1] = `${last} ${piece}`
    } else lines.push(piece)
  }
  return lines
}

function shownColumns(text: string): number {
  return columnsOf(text.replace(PAINT, ''))
}
