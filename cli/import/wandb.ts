/**
 * A sweep file of W&B as one of ours: what it leaves out is written out, and what is not run here is told.
 *
 * Such a file runs here as it is; this shows what is made of it, and is a file to go on with.
 */
import { basename } from 'node:path'
import { readSweepText } from '../sweep-file.js'
import { describeIssue } from '../sweep-issues.js'
import { sweepKeysOf } from '../sweep-write.js'
import { openYaml } from '../yaml-places.js'
import type { Imported } from './optuna.js'

/** True for a text that means to be a sweep file, whatever is wrong with it. */
export function isSweepFile(text: string): boolean {
  const names =
    openYaml(text)
      .root?.entries()
      .map(({ name }) => name) ?? []
  return names.includes('method') && names.includes('parameters')
}

/** Returns a sweep file as it is read here. Errors: `SWEEP_INVALID`, with every problem and its place. */
export function sweepFromWandb(text: string, path: string): Imported {
  const { spec, warnings, source } = readSweepText(text, path)
  const name = basename(path)
  const told = warnings.flatMap(warning => describeIssue(warning, name, source).split('\n', 1))
  return { document: sweepKeysOf(spec), notes: [`From ${name}, which would run as it is.`, ...told] }
}
