/**
 * The report: what a chaos run found, as a table for people and as JSON for programs.
 */
import type { FaultReport } from './campaign.js'

/** Returns the table: a line for each fault, then what broke. */
export function table(reports: readonly FaultReport[]): string {
  const rows = [
    ['fault', 'rounds', 'passed', 'p50 s', 'p90 s', 'results', 'min', 'note'],
    ...reports.map(report => [
      report.says,
      String(report.rounds),
      String(report.passed),
      secondsAt(report.healedMs, 0.5),
      secondsAt(report.healedMs, 0.9),
      String(report.results),
      (report.seconds / 60).toFixed(1),
      note(report)
    ])
  ]
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0))) ?? []
  const lines = rows.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  )
  const broken = reports.flatMap(({ fault, violations }) =>
    violations.map(({ round, message, keptIn }) => `${fault} ${round}: ${message}\n  homes and logs: ${keptIn}`)
  )
  return [...lines, ...broken].join('\n')
}

/** Returns the reports with their percentiles, for programs. */
export function plain(reports: readonly FaultReport[]): object[] {
  return reports.map(report => ({
    ...report,
    healedMs: { p50: percentile(report.healedMs, 0.5), p90: percentile(report.healedMs, 0.9) }
  }))
}

/** True when every round that was played passed. A fault that this machine cannot play breaks nothing. */
export function isWhole(reports: readonly FaultReport[]): boolean {
  return reports.every(report => report.violations.length === 0)
}

function note({ skipped, lines }: FaultReport): string {
  if (skipped !== undefined) return `skipped: ${skipped}`
  return Object.entries(lines)
    .map(([line, count]) => `${count} x ${line.slice(0, 80)}`)
    .join('; ')
}

function secondsAt(values: readonly number[], share: number): string {
  const value = percentile(values, share)
  return value === undefined ? '-' : (value / 1000).toFixed(1)
}

function percentile(values: readonly number[], share: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
}
