/**
 * Stopping rules: which shapes they have, what they look at, and what they say.
 *
 * Owns the words of early stopping and decides nothing. A rule never looks at time: a slow device must not be stopped
 * for being slow. Losses are lower when better; whoever maximises hands in the negative, and bounds the same way.
 */

/**
 * What a rule counts in: steps, epochs or tokens as a program tells them, or its reports of the objective (W&B's
 * `iter`).
 */
export type StoppingUnit = 'steps' | 'epochs' | 'tokens' | 'reports'

/** Lengths of every rule are counted in this; absent: steps. */
interface Counted {
  readonly unit?: StoppingUnit
}

/** Successive halving without waiting: at each rung one in `eta` goes on. */
export interface AshaRule extends Counted {
  readonly rule: 'asha'
  /** More than 1. */
  readonly eta: number
  /** The first rung; absent: a share of the full length, see `rungsOf`. */
  readonly minSteps?: number
  /** The full length; absent: the one that the context knows. */
  readonly maxSteps?: number
  /** The rungs themselves, in place of all three above: ascending, distinct, at least 1. */
  readonly rungs?: readonly number[]
}

/** Several halvings side by side, each with a later first rung, against an early rung that misleads. */
export interface HyperbandRule extends Counted {
  readonly rule: 'hyperband'
  readonly eta: number
  readonly minSteps?: number
  readonly maxSteps?: number
}

/** Stops what is worse than half of the complete trials were at the same step. */
export interface MedianRule extends Counted {
  readonly rule: 'median'
  /** No decision before; absent: 0. */
  readonly warmUpSteps?: number
  /** Complete trials that it takes; absent: 5. */
  readonly startUpTrials?: number
  /** Steps from one decision to the next; absent: a sixteenth of the full length, at least 1. */
  readonly everySteps?: number
}

/** Stops what leaves the bounds, ends included, or the numbers. */
export interface ThresholdRule extends Counted {
  readonly rule: 'threshold'
  readonly lower?: number
  readonly upper?: number
  readonly warmUpSteps?: number
}

/** Stops what has not got better by more than `minDelta` in its last `patience` reports. */
export interface PlateauRule extends Counted {
  readonly rule: 'plateau'
  /** Reports, at least 1. */
  readonly patience: number
  readonly minDelta?: number
  readonly warmUpSteps?: number
}

export type StoppingRule = AshaRule | HyperbandRule | MedianRule | ThresholdRule | PlateauRule

/** How far a trial came. */
export interface Progress {
  readonly trial: number
  /** Ascending steps, one report each. A loss that is not finite is worse than any other. */
  readonly reports: readonly (readonly [step: number, loss: number])[]
  readonly isComplete: boolean
}

/** What a decision needs to know beside the curves: facts of the sweep that all machines share. */
export interface StoppingContext {
  /** The sweep's id: with the trial it chooses a bracket. */
  readonly sweep: string
  /** A full training, in the rule's unit: as programs told it, or the longest complete trial. Absent: unknown. */
  readonly fullSteps?: number
  /** The warm-up of the learning rate, in the rule's unit; losses within it rank nothing. */
  readonly warmUpSteps?: number
  /** Rungs up to here were decided for this subject already, in the rule's unit. Absent: none. */
  readonly after?: number
}

/** A value that was compared. */
export interface Compared {
  readonly trial: number
  readonly value: number
}

/**
 * What a rule says of a trial, with all that it takes to see why and to compute it again.
 *
 * `compared`: it was held against others or against a bound; `early`: no rung was reached, or the warm-up is not over;
 * `few`: too few others to compare with.
 */
export interface Verdict {
  readonly stops: boolean
  readonly rule: StoppingRule['rule']
  readonly basis: 'compared' | 'early' | 'few'
  readonly unit: StoppingUnit
  /** Where it was compared, in `unit`. */
  readonly rung?: number
  readonly value?: number
  /** From 1, the best; equal values have the better rank. */
  readonly rank?: number
  /** How many were ranked, itself among them. */
  readonly of?: number
  /** It goes on with this or less; of `threshold` the bound that it left, or else the upper one. */
  readonly threshold?: number
  /** Of `hyperband`: which halving it belongs to; 0 has the earliest rung. */
  readonly bracket?: number
  /** All that were ranked, the best first, equal values by trial. */
  readonly entries: readonly Compared[]
}
