/**
 * W&B: what its library finds in a program's environment, so that a script written for its agent runs here.
 *
 * Owns the names and the form of W&B's files. Nothing leaves the machine: the library writes beside the attempt.
 * Source: W&B's documentation, "Environment variables"; wandb/wandb_agent.py.
 */
import type { Configuration, Json } from '#protocol'
import type { AttemptSpec } from '../ports.js'

/** Where W&B's library finds a trial's parameters, and where it writes; absolute paths. */
export interface WandbPaths {
  readonly wandbParameters: string
  readonly wandbFolder: string
}

/** Returns the variables that make W&B's library take the trial's parameters and stay offline. */
export function wandbVariables(paths: WandbPaths, attempt: Pick<AttemptSpec, 'id' | 'sweep'>): Record<string, string> {
  return {
    WANDB_MODE: 'offline',
    // Reports of its own errors would be sent in spite of it.
    WANDB_ERROR_REPORTING: 'false',
    WANDB_DIR: paths.wandbFolder,
    // Else it is named by its path in whatever repository the home lies in, and refused beyond 128 characters.
    WANDB_PROJECT: 'hypersweep',
    WANDB_SWEEP_ID: attempt.sweep,
    WANDB_RUN_ID: attempt.id,
    WANDB_SWEEP_PARAM_PATH: paths.wandbParameters
  }
}

/** Returns the text of the file that `WANDB_SWEEP_PARAM_PATH` names: YAML as Python reads it. */
export function wandbText(configuration: Configuration): string {
  const entries = Object.entries(configuration).map(([name, value]) => `${text(name)}:\n  value: ${yaml(value)}\n`)
  return `wandb_version: 1\n\n${entries.join('\n')}`
}

/** JSON is YAML, but for numbers: Python's reader takes `1e-7` for a text and `1.0e-7` for a number. */
function yaml(value: Json): string {
  if (typeof value === 'string') return text(value)
  if (typeof value === 'number') return String(value).replace(/^(-?\d+)e/, '$1.0e')
  if (value === null || typeof value === 'boolean') return String(value)
  if (isList(value)) return `[${value.map(yaml).join(', ')}]`
  const entries = Object.entries(value).map(([name, each]) => `${text(name)}: ${yaml(each)}`)
  return `{${entries.join(', ')}}`
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

/** Python's reader refuses characters that are not printable unless they are escaped. */
function text(value: string): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  )
}
