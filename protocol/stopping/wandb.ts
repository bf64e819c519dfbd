/**
 * W&B's `early_terminate` as a rule of ours.
 *
 * Owns the bands, as W&B computes them. Three things differ on purpose: W&B lets one trial more go on at each band;
 * looks again at each poll, so that it stops trials long after a band; and without `strict` holds a trial's best value
 * against the others' values at the band.
 */
import type { AshaRule } from './rule.js'

/** W&B's default. */
const ETA = 3

/** The block as its schema has it: `min_iter`, or `max_iter` with `s`. */
export interface WandbEarlyTerminate {
  readonly type: 'hyperband'
  readonly min_iter?: number
  readonly max_iter?: number
  readonly s?: number
  readonly eta?: number
  readonly strict?: boolean
}

/**
 * Returns the rule of a block; undefined when it has neither of the two forms, which W&B refuses.
 *
 * Bands count logged values of the metric, so the unit is `reports`. Despite its name this is one halving, without
 * brackets. `strict` changes nothing here.
 * Source: wandb/sweeps, hyperband_stopping.py.
 */
export function ruleOfWandb(block: WandbEarlyTerminate): AshaRule | undefined {
  const { min_iter: minSteps, max_iter: longest, s = 0, eta = ETA } = block
  if (longest !== undefined && s >= 1) return { rule: 'asha', unit: 'reports', eta, rungs: bandsDown(longest, s, eta) }
  return minSteps === undefined ? undefined : { rule: 'asha', unit: 'reports', eta, minSteps }
}

function bandsDown(longest: number, s: number, eta: number): number[] {
  const bands = new Set<number>()
  for (let n = 0, band = longest / eta; n < s && band >= 1; n++, band /= eta) bands.add(Math.floor(band))
  return [...bands].reverse()
}
