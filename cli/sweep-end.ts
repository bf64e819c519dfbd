/**
 * The end of a sweep: how many trials, how much of devices and of time.
 *
 * Owns the rule that every sweep has an end: W&B's go on until somebody stops them, on friends' machines none should.
 */
import { combinations, distinctConfigurations, LIMITS, type SweepSpec } from '#protocol'
import { optional, readNumber } from './sweep-fields.js'
import type { Issues } from './sweep-issues.js'
import type { Field } from './yaml-places.js'

/** Trials of a sweep that names no end: enough to search a dozen parameters, few enough to be given by friends. */
const DEFAULT_RUN_CAP = 100
const HOUR_S = 3600

type Fields = ReadonlyMap<string, Field>
type Parts = 'method' | 'parameters' | 'runCap' | 'onDuplicate' | 'budget' | 'wallTimeMs'
/** What could be read of a sweep's size. */
type Draft = { readonly [Key in Parts]?: SweepSpec[Key] | undefined }

/** Returns what a sweep may use; nothing where nothing is said of it. */
export function readBudget(fields: Fields, issues: Issues): SweepSpec['budget'] {
  const hours = optional(fields, 'gpu_hours', each => readNumber(each, issues))
  const field = fields.get('gpu_hours')
  if (field && hours !== undefined && !(hours * HOUR_S >= 1 && hours <= LIMITS.rangeMax / HOUR_S)) {
    issues.error(field, `expected hours, such as 12 or 0.5, got ${field.token}.`)
    return undefined
  }
  return hours === undefined ? undefined : { gpuSeconds: hours * HOUR_S }
}

/** Returns the trials at most; says where a sweep without an end gets one, and where a finite one ends earlier. */
export function checkedRunCap(draft: Draft, fields: Fields, issues: Issues): number | undefined {
  const { method, parameters, runCap } = draft
  const [methodField, cap] = [fields.get('method'), fields.get('run_cap')]
  if (methodField === undefined || method === undefined || parameters === undefined) return runCap
  const subject = { path: ['run_cap'], place: cap?.place ?? methodField.place }
  if (method === 'grid') {
    const size = combinations({ parameters })
    if (cap === undefined && size > LIMITS.trialsPerSweep) {
      const count = Number.isFinite(size) ? `${size.toLocaleString('en')} choices` : 'endless choices'
      issues.error(subject, `missing. The parameters have ${count}, so say how many trials to run: add "run_cap: 24".`)
    }
    return runCap
  }
  const size = distinctConfigurations({ parameters })
  if (cap === undefined) {
    const most = draft.onDuplicate === 'replicate' ? LIMITS.trialsPerSweep : LIMITS.trialsWithHistory
    if (draft.budget !== undefined || draft.wallTimeMs !== undefined) return Math.min(size, most)
    if (size <= most) {
      issues.warn(subject, `missing. The sweep ends when it has tried all ${size} choices.`)
      return size
    }
    const instead = `The sweep ends after ${DEFAULT_RUN_CAP} trials, where W&B's goes on until it is stopped`
    issues.warn(subject, `missing. ${instead}. Add "run_cap: ${DEFAULT_RUN_CAP}", or another number.`)
    return DEFAULT_RUN_CAP
  }
  if (runCap !== undefined && runCap > size && draft.onDuplicate === 'resample') {
    issues.warn(subject, `the parameters have ${size} choices only. The sweep ends when it has tried them all.`)
  }
  return runCap
}
