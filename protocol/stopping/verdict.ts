/**
 * Verdicts: whether a trial goes on or stops early, and why.
 *
 * Pure: no clock, no chance, only + - x /, and comparisons. Invariant: machines that see the same reports decide alike,
 * and whoever holds a verdict's entries can compute it again. A machine that sees fewer reports decides on those: what
 * is stopped stays stopped, so nobody waits for anybody.
 */
import { bestAt, countedIn, lastStep, lossAt, lowest, percentileOf, ranked } from './curve.js'
import type {
  Compared,
  MedianRule,
  PlateauRule,
  Progress,
  StoppingContext,
  StoppingRule,
  ThresholdRule,
  Verdict
} from './rule.js'
import { createBrackets, rungsOf } from './rungs.js'

/** As Optuna's MedianPruner. */
const START_UP_TRIALS = 5

/**
 * Returns what a rule says of a trial after its last report.
 *
 * A rung is decided once, when the subject reaches it, with all entries known then; of several that one report passed
 * the last is decided. Hand in as `context.after` the step up to which rungs were decided.
 *
 * @param subject  The trial that reported.
 * @param others   Any other trials of the sweep, in any order, running and ended.
 * Errors:         none. A subject whose loss is not finite stops, under every rule that has anything to decide.
 */
export function verdictOf(
  rule: StoppingRule,
  subject: Progress,
  others: readonly Progress[],
  context: StoppingContext
): Verdict {
  const unit = rule.unit ?? 'steps'
  const own = countedIn(subject, unit)
  const rivals = others.filter(({ trial }) => trial !== subject.trial).map(each => countedIn(each, unit))
  return { stops: false, rule: rule.rule, unit, entries: [], ...judged(rule, own, rivals, context) }
}

/** What is said of a trial beside what every verdict has. */
type Said = Pick<Verdict, 'basis'> & Partial<Verdict>

const EARLY: Said = { basis: 'early' }

function judged(rule: StoppingRule, own: Progress, rivals: readonly Progress[], context: StoppingContext): Said {
  const { fullSteps, warmUpSteps } = context
  switch (rule.rule) {
    case 'asha':
      return halved(own, rivals, rule.eta, dueRung(rungsOf(rule, fullSteps, warmUpSteps), own, context))
    case 'hyperband': {
      const bracketOf = createBrackets(rule, context)
      const { bracket, rungs } = bracketOf(own.trial)
      const rung = dueRung(rungs, own, context)
      if (rung === undefined) return { bracket, ...EARLY }
      const peers = rivals.filter(({ trial }) => bracketOf(trial).bracket === bracket)
      return { bracket, ...halved(own, peers, rule.eta, rung) }
    }
    case 'median':
      return halfway(rule, own, rivals, dueRung(rungsOf(rule, fullSteps, warmUpSteps), own, context))
    case 'threshold':
      return bounded(rule, own, warmUpSteps)
    case 'plateau':
      return flattened(rule, own, warmUpSteps)
  }
}

/** The last rung that the subject reached and that nobody decided yet. */
function dueRung(rungs: readonly number[], own: Progress, { after = 0 }: StoppingContext): number | undefined {
  return rungs.findLast(rung => rung > after && rung <= lastStep(own))
}

/**
 * Goes on when among the best one in `eta`, itself included; until there are `eta`, only the best so far goes on.
 *
 * Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, made to stop instead of to
 * pause as in Optuna, pruners/_successive_halving.py.
 */
function halved(own: Progress, rivals: readonly Progress[], eta: number, rung: number | undefined): Said {
  const value = rung === undefined ? undefined : lossAt(own, rung)
  if (rung === undefined || value === undefined) return EARLY
  const entries = ranked([{ trial: own.trial, value }, ...entriesAt(rivals, rung)])
  const goOn = Math.max(1, Math.floor(entries.length / eta))
  const threshold = entries[goOn - 1]?.value ?? value
  return { basis: 'compared', rung, threshold, stops: isWorse(value, threshold), ...rankOf(value, entries) }
}

/**
 * Stops when its best loss until the rung is worse than the median loss of complete trials at the rung.
 *
 * Source: Optuna, MedianPruner (Vizier's rule, Golovin et al., KDD 2017, takes the median of running averages
 * instead), with the last value at or before the rung where Optuna only sees values at that very step.
 */
function halfway(rule: MedianRule, own: Progress, rivals: readonly Progress[], rung: number | undefined): Said {
  const value = rung === undefined ? undefined : bestAt(own, rung)
  if (rung === undefined || value === undefined) return EARLY
  const complete = rivals.filter(({ isComplete }) => isComplete)
  const others = ranked(entriesAt(complete, rung).filter(entry => Number.isFinite(entry.value)))
  const threshold = percentileOf(
    others.map(entry => entry.value),
    0.5
  )
  const entries = ranked([{ trial: own.trial, value }, ...others])
  const said = { rung, ...rankOf(value, entries) }
  if (threshold === undefined || others.length < (rule.startUpTrials ?? START_UP_TRIALS))
    return { basis: 'few', ...said }
  return { basis: 'compared', threshold, stops: isWorse(value, threshold), ...said }
}

/** Source: Optuna, ThresholdPruner. */
function bounded(rule: ThresholdRule, own: Progress, warmUpSteps: number | undefined): Said {
  const rung = lastStep(own)
  const value = lossAt(own, rung)
  if (value === undefined || isWarmingUp(rung, rule, warmUpSteps)) return EARLY
  const { lower = Number.NEGATIVE_INFINITY, upper = Number.POSITIVE_INFINITY } = rule
  const threshold = value < lower ? lower : upper
  return { basis: 'compared', rung, value, threshold, stops: value < lower || isWorse(value, upper) }
}

/**
 * Stops when none of the last `patience` reports was lower, by more than `minDelta`, than the best one before them.
 *
 * Source: the idea of Keras's EarlyStopping and of Optuna's PatientPruner.
 */
function flattened(rule: PlateauRule, own: Progress, warmUpSteps: number | undefined): Said {
  const reports = own.reports.filter(([step]) => !isWarmingUp(step, rule, warmUpSteps))
  const since = reports.length - Math.max(1, rule.patience)
  if (since < 1) return EARLY
  const threshold = lowest(reports.slice(0, since)) - (rule.minDelta ?? 0)
  const value = lowest(reports.slice(since))
  return { basis: 'compared', rung: lastStep(own), value, threshold, stops: !(value < threshold) }
}

function isWarmingUp(step: number, rule: { readonly warmUpSteps?: number }, warmUpSteps = 0): boolean {
  return step < Math.max(warmUpSteps, rule.warmUpSteps ?? 0)
}

/** What left the numbers is worse than any bound, even than none. */
function isWorse(value: number, threshold: number): boolean {
  return value > threshold || !Number.isFinite(value)
}

function entriesAt(trials: readonly Progress[], rung: number): Compared[] {
  return trials.flatMap(each => {
    const value = lossAt(each, rung)
    return value === undefined ? [] : [{ trial: each.trial, value }]
  })
}

function rankOf(value: number, entries: readonly Compared[]): Pick<Verdict, 'value' | 'rank' | 'of' | 'entries'> {
  const rank = 1 + entries.filter(entry => entry.value < value).length
  return { value, rank, of: entries.length, entries }
}
