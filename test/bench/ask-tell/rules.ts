/**
 * Rules: the one place where a stopping rule gets the name by which the benches call it.
 *
 * Owns the names, and how far each configuration of a run came; what is stopped, the rules say. Whoever asks is one
 * owner: who trained what is not told, so anything that is paused may go on anywhere. A rule is made anew for each run.
 */
import { lastStep, lossAt, ranked } from '../../../protocol/stopping/curve.js'
import type { Compared, Progress, StoppingRule } from '../../../protocol/stopping/rule.js'
import { rungsOf } from '../../../protocol/stopping/rungs.js'
import { verdictOf } from '../../../protocol/stopping/verdict.js'
import { promotionOf } from '../promotion.js'

/** What is known before the first trial. */
export interface StoppingOptions {
  readonly seed: number
  /** How many configurations there are; they are named by their index. */
  readonly configs: number
  /** The epoch after which a trial is complete. */
  readonly maxEpoch: number
  /** About one in `eta` goes on; undefined: as the rule likes it best. */
  readonly eta: number | undefined
}

/** What there is to do: begin a configuration, go on with what was paused, or wait for a report. */
export type Turn =
  | { readonly id: number; readonly config: number }
  | { readonly id: number; readonly resume: true }
  | { readonly wait: true }

export type Action = 'continue' | 'stop' | 'pause'

/** A stopping rule at work. */
export interface Stopping {
  ask(): Turn
  /**
   * After `stop` the trial is over, after `pause` it may be resumed.
   *
   * @param value  Lower is better; NaN: diverged. An epoch that is reported again, after a pause, changes nothing.
   * Errors: the trial does not run.
   */
  report(id: number, epoch: number, value: number): Action
}

/** Measured best: of those that stop for good, and of those that pause (`npm run bench -- stopping`). */
const STOPPING_ETA = 3
const PAUSING_ETA = 9

/** Stopping rules by name: plug in here. The name is the program's argument, as a search method's is. */
export const RULES: Readonly<Record<string, (options: StoppingOptions) => Stopping>> = {
  asha: options => ruled({ rule: 'asha', eta: options.eta ?? STOPPING_ETA }, options),
  /** What is asked here can pause and resume. It takes the `eta` that is best, whatever was said. */
  auto: options => pausing({ ...options, eta: undefined }),
  hyperband: options => ruled({ rule: 'hyperband', eta: options.eta ?? STOPPING_ETA }, options),
  median: options => ruled({ rule: 'median' }, options),
  none: options => stoppingOf(options, { judge: () => 'continue' }),
  pause: pausing
}

interface Trial extends Progress {
  readonly reports: (readonly [epoch: number, loss: number])[]
  state: 'running' | 'paused' | 'over'
  isComplete: boolean
}

interface Reported {
  readonly trial: Trial
  readonly trials: readonly Trial[]
  /** The epoch of the report before; 0 without one. */
  readonly after: number
}

interface Policy {
  /** Says what becomes of a trial that is neither complete nor diverged. */
  judge(reported: Reported): Action
  /** Returns a paused trial to go on with. `isLast`: nothing runs, and nothing is left to begin. */
  resumed?(trials: readonly Trial[], isLast: boolean): Trial | undefined
}

/** Begins each configuration once, in their order, after what may be resumed. */
function stoppingOf({ configs, maxEpoch }: StoppingOptions, { judge, resumed }: Policy): Stopping {
  const trials: Trial[] = []
  const begin = (): Turn => {
    const id = trials.length
    trials.push({ trial: id, reports: [], state: 'running', isComplete: false })
    return { id, config: id }
  }
  return {
    ask() {
      const isAllBegun = trials.length >= configs
      const isLast = isAllBegun && trials.every(({ state }) => state !== 'running')
      const trial = resumed?.(trials, isLast)
      if (!trial) return isAllBegun ? { wait: true } : begin()
      trial.state = 'running'
      return { id: trial.trial, resume: true }
    },
    report(id, epoch, value) {
      const trial = trials[id]
      if (trial?.state !== 'running') throw new Error(`trial ${id} does not run`)
      const after = trial.reports.at(-1)?.[0] ?? 0
      if (epoch <= after) return 'continue'
      trial.reports.push([epoch, value])
      trial.isComplete = epoch >= maxEpoch
      const isOver = trial.isComplete || !Number.isFinite(value)
      const action = isOver ? 'stop' : judge({ trial, trials, after })
      trial.state = ({ continue: 'running', stop: 'over', pause: 'paused' } as const)[action]
      return action
    }
  }
}

function ruled(rule: StoppingRule, options: StoppingOptions): Stopping {
  const context = { sweep: `${options.seed}`, fullSteps: options.maxEpoch }
  return stoppingOf(options, {
    judge: ({ trial, trials, after }) =>
      verdictOf(rule, trial, trials, { ...context, after }).stops ? 'stop' : 'continue'
  })
}

/** Pauses at each rung, and promotes what may go on before anything new is begun. */
function pausing({ eta = PAUSING_ETA, ...options }: StoppingOptions): Stopping {
  const rungs = rungsOf({ rule: 'asha', eta }, options.maxEpoch)
  const isPausedAt = (trial: Trial | undefined, rung: number) =>
    trial?.state === 'paused' && rungs.filter(each => each <= lastStep(trial)).length === rung + 1
  return stoppingOf(
    { ...options, eta },
    {
      judge: ({ after, trial }) => (rungs.some(rung => rung > after && rung <= lastStep(trial)) ? 'pause' : 'continue'),
      resumed(trials, isLast) {
        const entries = rungs.map(rung => entriesAt(trials, rung))
        const promotion = promotionOf(entries, eta, (id, rung) => isPausedAt(trials[id], rung))
        if (promotion) return trials[promotion.trial]
        if (!isLast) return undefined
        // No more will come: of few, too, the best of each rung goes on, or none would ever be trained to its end.
        const bests = entries.map(rung =>
          ranked(rung)
            .map(({ trial }) => trials[trial])
            .find(hasNotDiverged)
        )
        return bests.findLast((trial, rung) => isPausedAt(trial, rung))
      }
    }
  )
}

function hasNotDiverged(trial: Trial | undefined): boolean {
  return trial?.state !== 'over' || trial.isComplete
}

function entriesAt(trials: readonly Trial[], rung: number): Compared[] {
  return trials.flatMap(trial => {
    const value = lossAt(trial, rung)
    return value === undefined ? [] : [{ trial: trial.trial, value }]
  })
}
