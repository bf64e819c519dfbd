/**
 * What `verify` found: a line for each check, what to do about those that are wrong, and what all takes on the disk.
 */
import { formatBytes, type VerifyCheck, type VerifyView } from '#protocol'
import { plural } from '../terminal/format.js'
import type { Sheet } from '../terminal/sheet.js'
import type { Paint, Style } from '../terminal/style.js'
import { checkLines } from './doctor-screen.js'

/** Returns the checks in their order, then the whole in one sentence. */
export function drawVerify(view: VerifyView, sheet: Sheet): string {
  const { style } = sheet
  const lines = checkLines(
    view.checks.map(check => ({ ...check, paint: verdictPaint(check.verdict, style) })),
    sheet
  )
  const sizes = Object.entries(view.bytes).map(([part, size]) => `${part} ${formatBytes(size)}`)
  const digest = view.digest === undefined ? [] : [style.dim(`digest ${view.digest}`)]
  return [
    ...lines,
    '',
    style.dim(`${plural(view.logs, 'log')}, ${plural(view.records, 'record')}; ${sizes.join(', ')}`),
    ...digest,
    conclusion(view.checks, style)
  ].join('\n')
}

function conclusion(checks: readonly VerifyCheck[], style: Style): string {
  const wrong = checks.filter(check => check.verdict === 'wrong').length
  if (wrong > 0) return style.bad(wrong === 1 ? '1 thing is wrong.' : `${wrong} things are wrong.`)
  const found = checks.filter(check => check.verdict === 'found').length
  return style.good(found === 0 ? 'All is sound.' : `All is sound; ${found} to know about.`)
}

function verdictPaint(verdict: VerifyCheck['verdict'], style: Style): Paint {
  switch (verdict) {
    case 'ok':
      return style.good
    case 'found':
      return style.warn
    case 'wrong':
      return style.bad
  }
}
