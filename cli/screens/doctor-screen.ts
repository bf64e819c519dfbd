/**
 * What the doctor found: a line for each check, and what to do about those that are not well.
 */
import type { DoctorCheck } from '#protocol'
import type { Sheet } from '../terminal/sheet.js'
import type { Paint, Style } from '../terminal/style.js'
import { columnsOf, pad, wrap } from '../terminal/width.js'

const VERDICT_COLUMNS = 7

/** Returns the checks in their order, then the whole in one sentence. */
export function drawDoctor(checks: readonly DoctorCheck[], sheet: Sheet): string {
  const lines = checkLines(
    checks.map(check => ({ ...check, paint: verdictPaint(check.verdict, sheet.style) })),
    sheet
  )
  return [...lines, '', conclusion(checks, sheet.style)].join('\n')
}

/** One check as it is drawn: `paint` for its verdict. */
export interface DrawnCheck {
  readonly name: string
  readonly verdict: string
  readonly detail: string
  readonly hint?: string
  readonly paint: Paint
}

/** Returns lines for checks, each with its verdict as a word: colour alone tells some people nothing. */
export function checkLines(checks: readonly DrawnCheck[], sheet: Sheet): string[] {
  const nameColumns = Math.max(0, ...checks.map(check => columnsOf(check.name)))
  const indent = VERDICT_COLUMNS + nameColumns + 4
  const room = Math.max(20, sheet.columns - indent)
  return checks.flatMap(({ name, verdict, detail, hint, paint }) => {
    const head = `${paint(pad(verdict, VERDICT_COLUMNS))}  ${pad(name, nameColumns)}  `
    const [first = '', ...rest] = wrap(detail, room)
    const hints = hint === undefined ? [] : wrap(hint, room).map(line => sheet.style.accent(line))
    return [head + first, ...[...rest, ...hints].map(line => ' '.repeat(indent) + line)]
  })
}

function conclusion(checks: readonly DoctorCheck[], style: Style): string {
  const problems = checks.filter(check => check.verdict === 'problem').length
  const warnings = checks.filter(check => check.verdict === 'warning').length
  if (problems > 0) return style.bad(problems === 1 ? '1 problem to mend.' : `${problems} problems to mend.`)
  if (warnings > 0) return style.warn(`It works, with ${warnings === 1 ? '1 warning' : `${warnings} warnings`}.`)
  return style.good('All is well.')
}

function verdictPaint(verdict: DoctorCheck['verdict'], style: Style): Paint {
  switch (verdict) {
    case 'ok':
      return style.good
    case 'warning':
      return style.warn
    case 'problem':
      return style.bad
  }
}
