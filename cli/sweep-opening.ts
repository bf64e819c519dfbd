/**
 * A sweep file as the commands take it that need its folder: checked, with its program beside it.
 */
import { basename, dirname, join, resolve } from 'node:path'
import type { SweepSpec } from '#protocol'
import type { Cli } from './cli.js'
import { examineSweepText, readSweepText } from './sweep-file.js'
import { findProgram, readSweepFile, yamlFilesIn } from './sweep-folder.js'
import { describeIssue, type SweepIssue } from './sweep-issues.js'

export interface OpenSweepFile {
  readonly spec: SweepSpec
  readonly warnings: readonly SweepIssue[]
  /** Where the files are that travel with it. */
  readonly folder: string
  /** Names of the sweep files there, this one included: what describes a sweep is no code. */
  readonly sweepFiles: readonly string[]
}

/** Reads a sweep file and tells its warnings. Errors: `SWEEP_INVALID` with every problem, or when files are missing. */
export async function openSweepFile(cli: Cli, file: string): Promise<OpenSweepFile> {
  const path = resolve(file)
  const folder = dirname(path)
  // The whole path, since a file called sweep.yaml is named after its folder.
  const { spec, warnings, source } = readSweepText(await readSweepFile(file), path)
  for (const warning of warnings) cli.say(`warning: ${describeIssue(warning, file, source)}`)
  await findProgram(spec, folder)
  return { spec, warnings, folder, sweepFiles: [basename(path), ...(await otherSweepFiles(path))] }
}

async function otherSweepFiles(path: string): Promise<string[]> {
  const folder = dirname(path)
  const isSweep = async (name: string) => {
    try {
      return examineSweepText(await readSweepFile(join(folder, name)), name).spec !== undefined
    } catch {
      return false // What cannot be read, or is too large, is no sweep file; whether it may travel is asked later.
    }
  }
  const names = (await yamlFilesIn(folder)).filter(name => name !== basename(path))
  const found = await Promise.all(names.map(async name => ((await isSweep(name)) ? [name] : [])))
  return found.flat()
}
