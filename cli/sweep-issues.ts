/**
 * Issues of a sweep file: what is wrong where, and how a person is told.
 *
 * Owns the form of the message: `sweep.yaml:3:34 metric.goal: ...`, the line, a caret. All problems are told at once,
 * since whoever mends one at a time reads the file as often as it has problems.
 */
import { PoolError } from '#protocol'
import type { Place } from './yaml-places.js'

/** Issues shown; the rest is counted. A file with more is no sweep file with slips, but another file. */
const ISSUES_SHOWN_MAX = 50
/** Characters of what is wrong: a name in it may be as long as the file. */
const WHAT_CHARS_MAX = 500
/** Columns of the source line that are shown: what fits a terminal beside its indent. */
const LINE_COLUMNS_MAX = 100

/** One problem or warning. */
export interface SweepIssue extends Place {
  /** The key that it is about, such as `metric.goal`; empty for the file as a whole. */
  readonly path: string
  readonly message: string
}

/** Where an issue is: a field, or an entry of one. */
export interface Subject {
  readonly path: readonly string[]
  readonly place: Place
}

/** Collects issues while a file is read; nothing stops at the first one. */
export interface Issues {
  readonly errors: readonly SweepIssue[]
  readonly warnings: readonly SweepIssue[]
  error(subject: Subject, message: string): void
  warn(subject: Subject, message: string): void
}

export function createIssues(): Issues {
  const errors: SweepIssue[] = []
  const warnings: SweepIssue[] = []
  const issueOf = ({ path, place }: Subject, message: string) => ({ ...place, path: path.join('.'), message })
  return {
    errors,
    warnings,
    error: (subject, message) => errors.push(issueOf(subject, message)),
    warn: (subject, message) => warnings.push(issueOf(subject, message))
  }
}

/** Returns issues in the order of the file; those at one place keep the order in which they were found. */
export function inFileOrder(issues: readonly SweepIssue[]): SweepIssue[] {
  return [...issues].sort((a, b) => a.line - b.line || a.column - b.column)
}

/**
 * Returns an issue as people read it: one line that says where and what, the source line, and a caret below it.
 *
 * @param source  The text that was read; lines are cut around the caret where they are long.
 */
export function describeIssue(issue: SweepIssue, fileName: string, source: string): string {
  const where = `${fileName}:${issue.line}:${issue.column}`
  const what = cut(printable(issue.path === '' ? issue.message : `${issue.path}: ${issue.message}`))
  const line = source.split('\n')[issue.line - 1] ?? ''
  const from = Math.max(0, issue.column - LINE_COLUMNS_MAX * 0.75)
  const shown = printable(line.slice(from, from + LINE_COLUMNS_MAX)).trimEnd()
  if (shown === '') return `${where} ${what}`
  return `${where} ${what}\n  ${shown}\n  ${' '.repeat(issue.column - 1 - from)}^`
}

/** Returns the failure that tells all problems of a file. */
export function invalidFile(errors: readonly SweepIssue[], fileName: string, source: string): PoolError {
  const shown = inFileOrder(errors).slice(0, ISSUES_SHOWN_MAX)
  const rest = errors.length - shown.length
  const texts = shown.map(issue => describeIssue(issue, fileName, source))
  if (rest > 0) texts.push(`${fileName}: ${rest} more ${rest === 1 ? 'problem' : 'problems'}`)
  return new PoolError('SWEEP_INVALID', texts.join('\n'), { hint: 'Correct the file and try again.' })
}

/** A file may hold what moves a terminal's cursor; each such character becomes one space, so that columns stay. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, ' ')
}

function cut(text: string): string {
  return text.length > WHAT_CHARS_MAX ? `${text.slice(0, WHAT_CHARS_MAX)}…` : text
}
