/**
 * Dimensions: the parameters that a search varies, as the methods that learn from results see them.
 *
 * Owns these shapes and who is present. Constants are none of them: a sweep adds those to what a method proposes.
 */
import type { Parameters, ParameterValue } from '../sweep-spec.js'

/** A dimension is there only where another one has one of these values. */
export interface Condition {
  readonly parameter: string
  readonly values: readonly ParameterValue[]
}

export interface NumericDimension {
  readonly kind: 'numeric'
  readonly name: string
  /** Both ends are values that the dimension takes; low < high. */
  readonly low: number
  readonly high: number
  /** Its natural scale is the logarithm; then low > 0. */
  readonly isLog: boolean
  /** Values are low + k x step, k an integer; absent: all between. An integer's step is 1. */
  readonly step?: number
  readonly when?: Condition
}

export interface CategoricalDimension {
  readonly kind: 'categorical'
  readonly name: string
  /** Distinct, at least one. */
  readonly choices: readonly ParameterValue[]
  /** What each choice is drawn with before anything is known, in their order; they add up to 1. Absent: alike. */
  readonly weights?: readonly number[]
  readonly when?: Condition
}

export type Dimension = NumericDimension | CategoricalDimension

/**
 * The dimensions of a sweep, in the one order that every machine has: by name, but each after the one that its
 * condition names.
 */
export type Space = readonly Dimension[]

/** What became of a trial, as far as a search learns from it. */
export interface Observation {
  /** Values of the dimensions that were present; what else there is in it, is ignored. */
  readonly parameters: Parameters
  /**
   * `complete`: trained to its end. `stopped`: cut short by a rule. `diverged`: what it measured left the numbers.
   * `running`: claimed, and not ended. `infeasible`: it did not fit anywhere, or breaks a constraint.
   */
  readonly state: 'complete' | 'stopped' | 'diverged' | 'running' | 'infeasible'
  /** The objective, finite, lower is better: of `complete` always, of `stopped` its last. */
  readonly loss?: number
  /** Where a sweep has several objectives: the losses of the others, in their order; undefined: it told none. */
  readonly further?: readonly (number | undefined)[]
  /** Of `stopped`: the step of `loss`. */
  readonly step?: number
}

/** Chance, handed in: each call returns a fresh number, at least 0, less than 1. */
export type Draw = () => number

/**
 * Proposes the next trial.
 *
 * @param observations  In the order of the trials, the oldest first.
 * @returns  One value for each dimension that is present.
 */
export type Propose = (space: Space, observations: readonly Observation[], draw: Draw) => Parameters

/** True where a dimension is there beside the other values. */
export function isPresent({ when }: { readonly when?: Condition | undefined }, parameters: Parameters): boolean {
  if (!when) return true
  return Object.hasOwn(parameters, when.parameter) && when.values.includes(parameters[when.parameter] ?? null)
}
