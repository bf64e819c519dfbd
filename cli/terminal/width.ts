/**
 * Width: how many columns a text takes on a terminal, and how to make it take a given number.
 *
 * Owns the estimate of a character's width. Knows no escape codes: texts are padded and cut first, painted after.
 */

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
const NOT_ASCII = /[^ -~]/
const WIDE =
  /\p{Emoji_Presentation}|\ufe0f|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]/u
const ZERO = /^[\p{Mark}\p{Format}]+$/u

/** Returns the columns that one line takes. Source: the wide and fullwidth blocks of Unicode UAX #11, nearly. */
export function columnsOf(text: string): number {
  if (!NOT_ASCII.test(text)) return text.length
  let columns = 0
  for (const { segment } of segmenter.segment(text)) columns += graphemeColumns(segment)
  return columns
}

/** Returns a line that takes at most `columns` columns; an ellipsis stands for what was cut. */
export function fit(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text
  if (columns < 1) return ''
  let kept = ''
  let used = 0
  for (const { segment } of segmenter.segment(text)) {
    used += graphemeColumns(segment)
    if (used > columns - 1) break
    kept += segment
  }
  return `${kept.trimEnd()}…`
}

/** Returns a line that takes exactly `columns` columns, cut or padded. */
export function pad(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const fitting = fit(text, columns)
  const gap = ' '.repeat(Math.max(0, columns - columnsOf(fitting)))
  return align === 'left' ? fitting + gap : gap + fitting
}

/** Returns the lines of a text broken at spaces; a longer word stands alone and is not cut. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && columnsOf(last) + 1 + columnsOf(word) <= columns)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

function graphemeColumns(grapheme: string): number {
  if (!NOT_ASCII.test(grapheme)) return grapheme.length
  if (ZERO.test(grapheme)) return 0
  return WIDE.test(grapheme) ? 2 : 1
}
