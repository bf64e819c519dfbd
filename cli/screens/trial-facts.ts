/**
 * Facts about a trial's attempts: what they took of their devices, what they changed, and where the trial fits.
 *
 * Owns how they are worded. What does not fit a table's cell is a line here, which nothing cuts.
 */
import { type AttemptView, formatBytes, type TrialView, type Usage } from '#protocol'
import { NONE, shortNumber } from '../terminal/format.js'
import type { Sheet } from '../terminal/sheet.js'
import { type Cell, pairs } from '../terminal/table.js'

/** States of an attempt whose result may count. */
const ENDED: ReadonlySet<AttemptView['state']> = new Set(['complete', 'diverged', 'stopped'])
/** Who says how much memory it was at most. */
const SOURCES: Readonly<Record<NonNullable<Usage['peakSource']>, string>> = {
  process: 'held by its own processes',
  device: 'of the whole device, since nobody tells whose it was',
  program: 'as the program itself said'
}

/** Returns what the program of the attempt that counts did otherwise than the parameters say. */
export function changesOf(trial: TrialView): readonly string[] {
  return countedAttempt(trial)?.changed ?? []
}

export function changeText(change: string): string {
  return `the program did something else than its parameters say: ${change}`
}

/** Returns what the attempt that counts took of its device; a running one has no usage yet. */
export function usageLines(trial: TrialView, sheet: Sheet): string[] {
  const { peakBytes, peakSource, wattHours, utilisation } = countedAttempt(trial)?.usage ?? {}
  const source = peakSource === undefined ? '' : `, ${SOURCES[peakSource]}`
  const rows: [string, Cell][] = []
  if (peakBytes !== undefined) rows.push(['memory', `${formatBytes(peakBytes)} at most${source}`])
  if (wattHours !== undefined) rows.push(['energy', `${shortNumber(wattHours)} Wh`])
  if (utilisation !== undefined) rows.push(['busy', `${Math.round(utilisation * 100)} % of the time`])
  return pairs(rows, sheet)
}

/** Returns the most memory that an attempt held. */
export function peakText({ usage }: AttemptView): string {
  return usage?.peakBytes === undefined ? NONE : formatBytes(usage.peakBytes)
}

/** Returns for each device that is known whether the trial fits, and why. */
export function placementLines({ placement = [] }: TrialView, sheet: Sheet): string[] {
  const { good, warn } = sheet.style
  const rows = placement.map(({ machineName, device, fits, text }): [string, Cell] => [
    `${machineName}, ${device}`,
    fits ? { text: `yes: ${text}`, paint: good } : { text: `no: ${text}`, paint: warn }
  ])
  return pairs(rows, sheet)
}

/** The attempt whose result counts: replicates are other machines'. */
function countedAttempt({ attempts, machineName }: TrialView): AttemptView | undefined {
  return attempts.findLast(each => ENDED.has(each.state) && each.machineName === machineName)
}
