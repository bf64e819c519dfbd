/**
 * A sweep file as the commands take it that need its folder: checked, with its program beside it.
 */
import { dirname, resolve } from 'node:path'
import type { SweepSpec } from '#protocol'
import type { Cli } from './cli.js'
import { readSweepText } from './sweep-file.js'
import { findProgram, readSweepFile } from './sweep-folder.js'
import { describeIssue, type SweepIssue } from './sweep-issues.js'

export interface OpenSweepFile {
  readonly spec: SweepSpec
  readonly warnings: readonly SweepIssue[]
  /** Where the files are that travel with it. */
  readonly folder: string
}

/** Reads a sweep file and tells its warnings. Errors: `SWEEP_INVALID` with every problem, or when files are missing. */
export async function openSweepFile(cli: Cli, file: string): Promise<OpenSweepFile> {
  const path = resolve(file)
  const folder = dirname(path)
  // The whole path, since a file called sweep.yaml is named after its folder.
  const { spec, warnings, source } = readSweepText(await readSweepFile(file), path)
  for (const warning of warnings) cli.say(`warning: ${describeIssue(warning, file, source)}`)
  await findProgram(spec, folder)
  return { spec, warnings, folder }
}
