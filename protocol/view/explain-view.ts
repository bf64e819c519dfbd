/**
 * Why a trial is what it is: where its parameters come from, and what the sweep's rule said of it at each rung.
 *
 * Owns no rule: what was decided is computed again from the reports in the log, by the functions that decided it. What
 * a result tells of its own end stands before what is computed, since its machine may have known less.
 */
import { claimOrder } from '../claims.js'
import { clockedCurve, rungsOfTrial, signOf, stoppingUnitOf, verdictAtRung } from '../early-stopping.js'
import { sameParameters } from '../parameter.js'
import type { Claim, Pool, Report, Sweep, Trial } from '../pool/pool.js'
import { LEARNING_METHODS, LEARNS_FROM, proposingMethod } from '../search/learning.js'
import { parametersOf, searchOf } from '../searches.js'
import type { Verdict } from '../stopping/rule.js'
import type { Parameters, Stopping } from '../sweep-spec.js'
import type { Live } from './live.js'
import { nameOf } from './sweep-view.js'
import { asMetric, type TrialView, trialView } from './trial-view.js'

/** Entries of a rung that are shown: what fits on a screen beside the rest. */
const ENTRIES_SHOWN = 15

/** Where a trial's parameters come from. `place` counts configurations from 0. */
export type Origin =
  | { readonly from: 'file'; readonly place: number; readonly of: number }
  | { readonly from: 'grid' | 'random' | 'sobol'; readonly place: number }
  /** `varied`: what differs from the baseline; nothing of the baseline itself. */
  | { readonly from: 'one-at-a-time'; readonly varied: readonly string[] }
  /**
   * `results`: those that had a place in the log before the claim had, so at most those that its machine knew.
   * `isEarly`: they were too few to learn from, so that it was drawn.
   */
  | {
      readonly from: 'proposal'
      readonly method: 'tpe' | 'gp'
      readonly machineName: string
      readonly results: number
      readonly isEarly: boolean
    }
  | { readonly from: 'nobody-yet' }
  | { readonly from: 'nothing' }

/** A value that was compared at a rung, as the metric is written. */
export interface RungEntry {
  /** From 1, the best. */
  readonly rank: number
  readonly trial: number
  readonly value: number
}

/** What the rule said of the trial at one rung. Values as the metric is written. */
export interface Decision {
  readonly rung: number
  readonly value?: number
  readonly rank?: number
  readonly of?: number
  readonly threshold?: number
  readonly stops: boolean
  /** Too few others were there to compare with. */
  readonly isSkipped: boolean
}

export interface ExplainView {
  readonly trial: TrialView
  readonly metric: { readonly name: string; readonly goal: 'minimize' | 'maximize' }
  readonly origin: Origin
  /** Which training of its configuration it is, where the sweep has several. */
  readonly seed?: { readonly number: number; readonly of: number }
  /** The trial with the same parameters whose result stands for this one's. */
  readonly reuses?: number
  /** The sweep's rule; absent: every trial runs to its end. */
  readonly stopping?: Stopping
  /** Of several halvings the one that it belongs to. */
  readonly bracket?: number
  /** At each rung that it has passed, the first one first. */
  readonly decisions: readonly Decision[]
  /** What was compared at the last of them: the best, and itself. `of`: how many the log tells of. */
  readonly compared?: { readonly of: number; readonly entries: readonly RungEntry[] }
  /** Where a trial that runs is compared next. */
  readonly nextRung?: number
}

/** Returns why a trial has its parameters, and why it ended or goes on. `index` must be one of the sweep's. */
export function explainView(pool: Pool, sweep: Sweep, index: number, live: Live): ExplainView {
  const view = trialView(pool, sweep, index, live)
  const { spec } = sweep.submission ?? {}
  const search = sweep.submission && searchOf(sweep.submission)
  const reuses = search?.trialAt(index)?.duplicateOf
  const trial = sweep.trials.get(reuses ?? index)
  const { decisions, last, nextRung } = decided(sweep, trial, view)
  const sign = signOf(sweep)
  const bracket = view.stop?.bracket ?? last?.bracket
  return {
    trial: view,
    metric: { name: spec?.metric.name ?? '', goal: spec?.metric.goal ?? 'minimize' },
    origin: originOf(pool, sweep, index),
    ...(search && search.seeds > 1 ? { seed: { number: 1 + (index % search.seeds), of: search.seeds } } : {}),
    ...(reuses === undefined ? {} : { reuses }),
    ...(spec?.stopping ? { stopping: spec.stopping } : {}),
    ...(bracket === undefined ? {} : { bracket }),
    decisions,
    ...(last && last.entries.length > 0 && trial
      ? { compared: { of: last.entries.length, entries: shownEntries(last, trial.index, sign) } }
      : {}),
    ...(nextRung === undefined ? {} : { nextRung })
  }
}

/** Where the parameters of a trial come from. */
function originOf(pool: Pool, sweep: Sweep, index: number): Origin {
  const { submission } = sweep
  const search = submission && searchOf(submission)
  if (!submission || !search?.has(index)) return { from: 'nothing' }
  const { method, trials: named = [] } = submission.spec
  const place = Math.floor(index / search.seeds)
  if (place < named.length) return { from: 'file', place, of: named.length }
  switch (method) {
    case 'grid':
    case 'random':
    case 'sobol':
      return { from: method, place: place - named.length }
    case 'one-at-a-time': {
      const baseline = search.trialAt(named.length * search.seeds)?.parameters ?? {}
      return { from: method, varied: differing(parametersOf(sweep, index), baseline) }
    }
    case 'tpe':
    case 'gp':
    case 'auto':
      return proposalOf(pool, sweep, index)
  }
}

function differing(parameters: Parameters, baseline: Parameters): string[] {
  const names = [...new Set([...Object.keys(parameters), ...Object.keys(baseline)])]
  return names.filter(name => parameters[name] !== baseline[name]).sort()
}

function proposalOf(pool: Pool, sweep: Sweep, index: number): Origin {
  const claim = proposingClaim(sweep, index)
  const method = LEARNING_METHODS.find(each => each === sweep.submission?.spec.method)
  if (!claim || !method) return { from: 'nobody-yet' }
  const trials = [...sweep.trials.values()].filter(each => each.index !== index)
  const known = trials.filter(({ attempts }) =>
    [...attempts.values()].some(({ claims }) => [...claims.values()].some(each => each.clock < claim.clock))
  )
  const results = known.filter(({ standing: { result } }) => result !== undefined && result.clock < claim.clock)
  const proposing = proposingMethod(method, known.length)
  return {
    from: 'proposal',
    method: proposing,
    machineName: nameOf(pool, claim.machine),
    results: results.length,
    isEarly: results.length < LEARNS_FROM[proposing]
  }
}

/** The claim that says what the trial's parameters are: its own, or that of another seed of its configuration. */
function proposingClaim(sweep: Sweep, index: number): Claim | undefined {
  const seeds = sweep.submission ? searchOf(sweep.submission).seeds : 1
  const parameters = parametersOf(sweep, index)
  const first = index - (index % seeds)
  const order = [index, ...Array.from({ length: seeds }, (_, n) => first + n)]
  for (const at of order) {
    const attempts = [...(sweep.trials.get(at)?.attempts.values() ?? [])].sort((a, b) => a.number - b.number)
    for (const { number: attempt, claims } of attempts) {
      const key = ({ machine }: Claim) => claimOrder({ sweep: sweep.id, trial: at, attempt, machine })
      const said = [...claims.values()].filter(each => sameParameters(each.parameters, parameters))
      const [claim] = said.sort((a, b) => (key(a) < key(b) ? -1 : 1))
      if (claim) return claim
    }
  }
  return undefined
}

interface Decided {
  readonly decisions: readonly Decision[]
  readonly last?: Verdict
  readonly nextRung?: number
}

function decided(sweep: Sweep, trial: Trial | undefined, view: TrialView): Decided {
  const reports = trial && reportsOf(trial)
  const curve = reports ? clockedCurve(sweep, reports) : []
  const isBySteps = stoppingUnitOf(sweep) === 'steps'
  const rungs = rungsOfTrial(sweep, view.trial, isBySteps ? view.steps : undefined)
  const reached = curve.at(-1)?.[0] ?? 0
  const isRunning = view.state === 'running'
  const nextRung = isRunning
    ? rungs.find(rung => rung > Math.max(reached, isBySteps ? (view.step ?? 0) : 0))
    : undefined
  const next = nextRung === undefined ? {} : { nextRung }
  if (!trial) return { decisions: [], ...next }
  const { stop } = view
  const passed = passedRungs([...rungs, ...(stop?.rung === undefined ? [] : [stop.rung])], curve)
  const verdicts = passed.flatMap(({ rung, before }) => {
    const until = curve.filter(([, , clock]) => clock <= before).map(([step, loss]): [number, number] => [step, loss])
    const verdict = verdictAtRung(sweep, { trial: trial.index, curve: until, rung, before })
    return verdict && verdict.basis !== 'early' ? [verdict] : []
  })
  const last = verdicts.at(-1)
  // The log may tell of more than its machine knew: what went on, went on.
  const decisions = verdicts.map(verdict =>
    decisionOf({ ...verdict, stops: verdict.stops && verdict === last && isRunning }, signOf(sweep))
  )
  if (!stop) return { decisions, ...(last ? { last } : {}), ...next }
  // What its machine saw when it decided is what counts, however much the log tells now.
  const { rung = reached, value, rank, of, threshold } = stop
  const said = given({ value, rank, of, threshold })
  const own: Decision = { rung, ...said, stops: true, isSkipped: false }
  return { decisions: [...decisions.filter(each => each.rung < rung), own], ...(last?.rung === rung ? { last } : {}) }
}

/** The reports of the attempt that counts, else of the one that came furthest. */
function reportsOf({ attempts, standing }: Trial): ReadonlyMap<number, Report> | undefined {
  const { result } = standing
  const own = result && attempts.get(result.attempt)?.reports.get(result.machine)
  if (own && own.size > 0) return own
  const all = [...attempts.values()].flatMap(({ reports }) => [...reports.values()])
  const furthest = (reports: ReadonlyMap<number, Report>) => [...reports.keys()].reduce((a, b) => Math.max(a, b), 0)
  return all.sort((a, b) => furthest(b) - furthest(a))[0]
}

/** The rungs that were reached, and the clock of the report that reached each: of several that one passed, the last. */
function passedRungs(
  rungs: readonly number[],
  curve: ReturnType<typeof clockedCurve>
): { readonly rung: number; readonly before: number }[] {
  const byReport = new Map<number, number>()
  for (const rung of [...rungs].sort((a, b) => a - b)) {
    const report = curve.find(([position]) => position >= rung)
    if (report) byReport.set(report[2], rung)
  }
  return [...byReport].map(([before, rung]) => ({ rung, before }))
}

function decisionOf({ rung = 0, value, rank, of, threshold, stops, basis }: Verdict, sign: 1 | -1): Decision {
  const written = (loss: number | undefined) => (loss === undefined ? undefined : asMetric(loss, sign))
  return {
    rung,
    ...given({ value: written(value), rank, of, threshold: written(threshold) }),
    stops,
    isSkipped: basis === 'few'
  }
}

/** Without the fields that have no value. */
function given(fields: Readonly<Record<'value' | 'rank' | 'of' | 'threshold', number | undefined>>) {
  const known = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(known) as Partial<Record<keyof typeof fields, number>>
}

/** The best, and the trial's own wherever it stands. */
function shownEntries({ entries }: Verdict, trial: number, sign: 1 | -1): RungEntry[] {
  const own = entries.findIndex(each => each.trial === trial)
  const shown =
    own < ENTRIES_SHOWN
      ? entries.slice(0, ENTRIES_SHOWN)
      : [...entries.slice(0, ENTRIES_SHOWN - 1), ...entries.slice(own, own + 1)]
  return shown.map(entry => ({
    rank: 1 + entries.findIndex(other => other.value === entry.value),
    trial: entry.trial,
    value: asMetric(entry.value, sign)
  }))
}
