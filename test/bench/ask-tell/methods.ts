/**
 * Methods: the one place where a search method or a stopping rule gets the name by which the benches call it.
 *
 * Owns the names, and the two that need no learning: `random` draws each trial from the space, `none` stops nothing.
 * A method is made anew for each run, so it may keep what it computed.
 */
import {
  type CategoricalDimension,
  isPresent,
  type NumericDimension,
  type Propose
} from '../../../protocol/search/dimension.js'
import type { Parameters, ParameterValue } from '../../../protocol/sweep-spec.js'

/** What is known before the first trial. */
export interface MethodOptions {
  readonly seed: number
  /** How many trials there will be, and how many of them at once; told for planning, not enforced. */
  readonly trials: number
  readonly parallel: number
}

export interface StoppingOptions extends MethodOptions {
  /** How many configurations there are; they are named by their index. */
  readonly configs: number
  /** The epoch after which a trial is complete. */
  readonly maxEpoch: number
  /** About one in `eta` goes on. */
  readonly eta: number
}

/** What there is to do: begin a configuration, go on with what was paused, or wait for a report. */
export type Turn =
  | { readonly id: number; readonly config: number }
  | { readonly id: number; readonly resume: true }
  | { readonly wait: true }

/** A stopping rule at work. */
export interface Stopping {
  ask(): Turn
  /** @param value  Lower is better; NaN: diverged. After `stop` the trial is over, after `pause` it may be resumed. */
  report(id: number, epoch: number, value: number): 'continue' | 'stop' | 'pause'
}

/** Search methods by name: plug in here. */
export const METHODS: Readonly<Record<string, (options: MethodOptions) => Propose>> = {
  auto: () => random,
  random: () => random
}

/** Stopping rules by name: plug in here. The name is the program's argument, as a search method's is. */
export const RULES: Readonly<Record<string, (options: StoppingOptions) => Stopping>> = {
  auto: none,
  none
}

/** Returns what a table has under a name. Errors: there is no such name, with those that there are. */
export function named<T>(table: Readonly<Record<string, T>>, name: string): T {
  const found = Object.hasOwn(table, name) ? table[name] : undefined
  if (found === undefined) throw new Error(`there is no ${name}; known: ${Object.keys(table).join(', ')}`)
  return found
}

/** Draws each dimension by itself and learns nothing. */
function random(...[space, , draw]: globalThis.Parameters<Propose>): Parameters {
  const parameters: Record<string, ParameterValue> = {}
  for (const dimension of space) {
    if (!isPresent(dimension, parameters)) continue
    const u = draw()
    parameters[dimension.name] = dimension.kind === 'numeric' ? numberAt(dimension, u) : choiceAt(dimension, u)
  }
  return parameters
}

function numberAt({ low, high, isLog, step }: NumericDimension, u: number): number {
  // The first and the last step reach as far beyond the ends as the others do around themselves.
  const margin = step === undefined ? 0 : step / 2
  // Half of the first step may lie at 0 or below, where there is no logarithm.
  const least = isLog ? Math.max(low - margin, low / 2) : low - margin
  const [from, to] = isLog ? [Math.log(least), Math.log(high + margin)] : [least, high + margin]
  const drawn = from * (1 - u) + to * u
  const value = isLog ? Math.exp(drawn) : drawn
  const stepped = step === undefined ? value : low + Math.round((value - low) / step) * step
  return Math.min(high, Math.max(low, stepped))
}

function choiceAt({ choices, weights }: CategoricalDimension, u: number): ParameterValue {
  let below = 0
  const at = weights?.findIndex(weight => {
    below += weight
    return u < below
  })
  return choices[at ?? Math.floor(u * choices.length)] ?? choices[choices.length - 1] ?? null
}

/** Begins each configuration once, in their order, and stops only what is trained to its end or has diverged. */
function none({ configs, maxEpoch }: StoppingOptions): Stopping {
  let next = 0
  return {
    ask() {
      if (next >= configs) return { wait: true }
      const config = next++
      return { id: config, config }
    },
    report: (_, epoch, value) => (epoch < maxEpoch && Number.isFinite(value) ? 'continue' : 'stop')
  }
}
