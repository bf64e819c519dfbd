/**
 * The ranking of a sweep's trials: by its metric, or by all its objectives.
 *
 * Computed from the pool, never stored in it; what is kept between calls only saves work.
 */
import { signOf } from '../early-stopping.js'
import { furtherLosses } from '../experience.js'
import { frontsOf, type Losses } from '../pareto.js'
import type { Pool, Sweep } from '../pool/pool.js'
import type { Live } from './live.js'
import { type TrialView, trialView } from './trial-view.js'

/** Any member may fill a sweep with results none of which beats another: to sort these costs their number's square. */
const CONTENDERS_MAX = 4000

/** A trial with a value, and of several objectives its front: 1 when no trial beats it. */
export interface Ranked {
  readonly trial: number
  readonly front?: number
}

const rankings = new WeakMap<Sweep, { readonly entries: number; readonly ranked: readonly Ranked[] }>()

/**
 * Returns the trials with a value, the best first; equal ones in the order of their index.
 *
 * With several objectives by front, and within one by the metric. A trial that did not tell an objective has the worst
 * value there is. Of more than 4,000 trials only the best in each objective have fronts, the others come after them.
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

interface Valued {
  readonly trial: number
  /** The metric's loss first. */
  readonly losses: Losses
}

function rank(sweep: Sweep): Ranked[] {
  const { furtherMetrics = [] } = sweep.submission?.spec ?? {}
  const valued = [...sweep.byPhase.done].flatMap((trial): Valued[] => {
    const result = sweep.trials.get(trial)?.standing.result
    if (result?.value === undefined) return []
    const further = furtherLosses(result, furtherMetrics).map(loss => loss ?? Number.POSITIVE_INFINITY)
    return [{ trial, losses: [signOf(sweep) * result.value, ...further] }]
  })
  valued.sort(by(0))
  if (furtherMetrics.length === 0) return valued.map(({ trial }) => ({ trial }))
  const contenders = contendersOf(valued, 1 + furtherMetrics.length)
  const fronts = frontsOf(contenders.map(({ losses }) => losses))
  const ranked = contenders
    .map((each, at) => ({ ...each, front: 1 + (fronts[at] ?? 0) }))
    .sort((a, b) => a.front - b.front || by(0)(a, b))
    .map(({ trial, front }) => ({ trial, front }))
  const among = new Set(contenders)
  return [...ranked, ...valued.filter(each => !among.has(each)).map(({ trial }) => ({ trial }))]
}

/** Those that are sorted into fronts: all, or of a huge sweep the best in each objective. */
function contendersOf(valued: readonly Valued[], objectives: number): readonly Valued[] {
  if (valued.length <= CONTENDERS_MAX) return valued
  const each = Math.floor(CONTENDERS_MAX / objectives)
  const best = Array.from({ length: objectives }, (_, objective) => [...valued].sort(by(objective)).slice(0, each))
  return [...new Set(best.flat())]
}

function by(objective: number): (a: Valued, b: Valued) => number {
  return ({ losses: a, trial }, { losses: b, trial: other }) => {
    const [loss = 0, than = 0] = [a[objective], b[objective]]
    // Two infinite ones have no difference.
    return loss === than ? trial - other : loss < than ? -1 : 1
  }
}
