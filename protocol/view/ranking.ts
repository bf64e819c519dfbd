/**
 * The ranking of a sweep's trials: by its metric, or by all its objectives.
 *
 * Computed from the pool, never stored in it; what is kept between calls only saves work.
 */
import { signOf } from '../early-stopping.js'
import { furtherLosses } from '../experience.js'
import { frontsOf } from '../pareto.js'
import type { Pool, Sweep } from '../pool/pool.js'
import type { Live } from './live.js'
import { type TrialView, trialView } from './trial-view.js'

/** A trial with a value, and of several objectives its front: 1 when no trial beats it in all. */
export interface Ranked {
  readonly trial: number
  readonly front?: number
}

const rankings = new WeakMap<Sweep, { readonly entries: number; readonly ranked: readonly Ranked[] }>()

/**
 * Returns the trials with a value, the best first; equal ones in the order of their index.
 *
 * With several objectives by front, and within one by the metric. A trial that did not tell an objective has the worst
 * value there is.
 */
export function rankingOf(pool: Pool, sweep: Sweep): readonly Ranked[] {
  const known = rankings.get(sweep)
  if (known?.entries === pool.entries) return known.ranked
  const ranked = rank(sweep)
  rankings.set(sweep, { entries: pool.entries, ranked })
  return ranked
}

/** Returns the indexes of the first of them. */
export function rankedTrials(pool: Pool, sweep: Sweep, limit: number): number[] {
  return rankingOf(pool, sweep)
    .slice(0, limit)
    .map(({ trial }) => trial)
}

/** The best trials, and with several objectives how many no other one beats. */
export interface BestView {
  readonly trials: readonly (TrialView & Pick<Ranked, 'front'>)[]
  readonly firstFront?: number
}

/** Returns the first trials of the ranking as people see them. */
export function bestView(pool: Pool, sweep: Sweep, live: Live, limit: number): BestView {
  const ranked = rankingOf(pool, sweep)
  const trials = ranked
    .slice(0, limit)
    .map(({ trial, ...front }) => ({ ...trialView(pool, sweep, trial, live), ...front }))
  const firstFront = ranked.filter(({ front }) => front === 1).length
  return { trials, ...(firstFront === 0 ? {} : { firstFront }) }
}

function rank(sweep: Sweep): Ranked[] {
  const { furtherMetrics = [] } = sweep.submission?.spec ?? {}
  const valued = [...sweep.byPhase.done].flatMap(trial => {
    const result = sweep.trials.get(trial)?.standing.result
    if (result?.value === undefined) return []
    const further = furtherLosses(result, furtherMetrics).map(loss => loss ?? Number.POSITIVE_INFINITY)
    return [{ trial, losses: [signOf(sweep) * result.value, ...further] }]
  })
  const byMetric = (a: (typeof valued)[number], b: (typeof valued)[number]) =>
    (a.losses[0] ?? 0) - (b.losses[0] ?? 0) || a.trial - b.trial
  if (furtherMetrics.length === 0) return valued.sort(byMetric).map(({ trial }) => ({ trial }))
  const fronts = frontsOf(valued.map(({ losses }) => losses))
  return valued
    .map((each, at) => ({ ...each, front: 1 + (fronts[at] ?? 0) }))
    .sort((a, b) => a.front - b.front || byMetric(a, b))
    .map(({ trial, front }) => ({ trial, front }))
}
