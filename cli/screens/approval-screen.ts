/**
 * An approval: everything that a machine's owner should see before a friend's program may run.
 *
 * Invariant: nothing that is approved is cut. The digest, the command and each path shown stand in full.
 */
import { type ControlAnswers, formatBytes, type LocalSweepView } from '#protocol'
import { commandText, plural } from '../terminal/format.js'
import type { Sheet } from '../terminal/sheet.js'
import { pairs } from '../terminal/table.js'
import { pad } from '../terminal/width.js'

/** Files that are named; a person reads no longer list before an answer. */
const FILES_SHOWN_MAX = 20

/** Returns what would run here after an approval: whose it is, the command, and the digest of the files. */
export function drawApproval(sweep: LocalSweepView, sheet: Sheet): string {
  const { bundle } = sweep
  return pairs(
    [
      ['sweep', { text: sweep.name, paint: sheet.style.bold }],
      ['author', { text: sweep.submittedBy, paint: sheet.style.bold }],
      ['command', { text: commandText(sweep.command), paint: sheet.style.bold }],
      ['program', sweep.program],
      ['files', `${plural(bundle.files, 'file')}, ${formatBytes(bundle.bytes)}`],
      ['digest', bundle.digest],
      ['trials', `${sweep.trials.total} in all, shared with the other machines`]
    ],
    sheet
  ).join('\n')
}

/** Returns a line for each of the first files: its size, its path, and whether it may be executed. */
export function drawFiles(files: ControlAnswers['files']): string {
  const shown = files.slice(0, FILES_SHOWN_MAX)
  const sizes = shown.map(file => formatBytes(file.bytes))
  const width = Math.max(0, ...sizes.map(size => size.length))
  const rest = files.length - shown.length
  return [
    ...shown.map(
      (file, i) => `  ${pad(sizes[i] ?? '', width, 'right')}  ${file.path}${file.executable ? '  (executable)' : ''}`
    ),
    ...(rest > 0 ? [`  and ${rest} more`] : [])
  ].join('\n')
}
