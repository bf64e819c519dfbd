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

/** What a sweep file has some of, and none of them is a list. */
const KEYS: readonly string[] = ['method', 'metric', 'parameters', 'preset', 'program', 'early_terminate']

/** True for a text that means to be a sweep file, whatever is wrong with it. */
export function isSweepFile(text: string): boolean {
  const entries = openYaml(text).root?.entries() ?? []
  return entries.some(({ name, field }) => KEYS.includes(name) && field.kind !== 'list')
}

/** Returns a sweep file as it is read here. Errors: `SWEEP_INVALID`, with every problem and its place. */
export function sweepFromWandb(text: string, path: string): Imported {
  const { spec, warnings, source } = readSweepText(text, path)
  const name = basename(path)
  const told = warnings.flatMap(warning => describeIssue(warning, name, source).split('\n', 1))
  // Without its seed, which otherwise comes from the text, it would have other trials.
  const { parameters = {}, ...rest } = sweepKeysOf(spec)
  return {
    document: { ...rest, seed: spec.seed, parameters },
    notes: [`From ${name}, which would run as it is.`, ...told]
  }
}
