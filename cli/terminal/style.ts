/**
 * Style: colours and weights, or their absence.
 *
 * Owns the decision whether a stream gets colours. A painter takes text that already has its width and adds no column.
 */
import { styleText } from 'node:util'

export type Paint = (text: string) => string

export interface Style {
  readonly bold: Paint
  readonly dim: Paint
  readonly good: Paint
  readonly warn: Paint
  readonly bad: Paint
  readonly accent: Paint
}

const asIs: Paint = text => text

/** No colours: for files, pipes and tests. */
export const PLAIN_STYLE: Style = { bold: asIs, dim: asIs, good: asIs, warn: asIs, bad: asIs, accent: asIs }

/** The terminal's own sixteen colours, so that its owner's theme holds. */
export const COLOUR_STYLE: Style = {
  bold: painted('bold'),
  dim: painted('dim'),
  good: painted('green'),
  warn: painted('yellow'),
  bad: painted('red'),
  accent: painted('cyan')
}

/**
 * Says whether a stream gets colours.
 *
 * Source: no-color.org (`NO_COLOR` of any value but empty), force-color.org.
 */
export function hasColours(
  stream: { readonly isTTY?: boolean | undefined },
  environment: Readonly<Record<string, string | undefined>>
): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = environment
  if (NO_COLOR || FORCE_COLOR === '0') return false
  if (FORCE_COLOR !== undefined) return true
  return stream.isTTY === true && TERM !== 'dumb'
}

function painted(format: 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan'): Paint {
  // Whether there are colours was decided already; left to itself Node would look at its own standard output.
  return text => (text === '' ? '' : styleText(format, text, { validateStream: false }))
}
