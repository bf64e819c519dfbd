/**
 * Replay: what, beside the seed, decides what happens in a schedule, and what worker processes say to each other.
 *
 * Owns shapes alone.
 */
import type { ScenarioOptions } from './scenario.js'
import type { Verdict } from './simulate.js'

export interface Replay extends ScenarioOptions {
  /** A deliberate bug that is in the code, for the verdict's text. */
  readonly bug?: string
}

/** To a worker: play the schedule of a seed. */
export interface Task {
  readonly seed: number
  readonly options: ScenarioOptions
}

/** From a worker. */
export type Answer = { readonly ready: true } | { readonly verdict: Verdict }
