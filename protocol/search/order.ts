/**
 * The order of trials: which of two that ended is taken to be the better one.
 *
 * Owns what becomes of trainings of different lengths: losses at different steps cannot be compared, but a rule of
 * early stopping has compared them already.
 */
import type { Observation } from './dimension.js'

const STATES: readonly Observation['state'][] = ['complete', 'stopped', 'diverged']

/** True for a trial that has a place in the order: it has a loss, or diverged. */
export function isOrdered(trial: Observation): boolean {
  return trial.state === 'diverged' || hasLoss(trial)
}

/** True for a trial that has a loss to learn from. */
export function hasLoss({ state, loss }: Observation): boolean {
  return (state === 'complete' || state === 'stopped') && Number.isFinite(loss)
}

/**
 * Negative when the first is the better one, 0 when they are alike: complete ones by their loss, then stopped ones,
 * those that got farther first, then by their loss; at last those that diverged.
 */
export function compareTrials(a: Observation, b: Observation): number {
  if (a.state !== b.state) return STATES.indexOf(a.state) - STATES.indexOf(b.state)
  if (a.state === 'diverged') return 0
  const bySteps = a.state === 'stopped' ? (b.step ?? 0) - (a.step ?? 0) : 0
  return bySteps || (a.loss ?? 0) - (b.loss ?? 0)
}
