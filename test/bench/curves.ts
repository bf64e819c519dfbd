/**
 * Curves of real trainings, and the training of them by several machines with an early stopping rule.
 *
 * Owns the replay: which machine trains which configuration when, and what each one knows of the others. It decides
 * with the rules of the protocol and with nothing else.
 */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { Progress, StoppingRule } from '../../protocol/stopping/rule.js'
import { rungsOf } from '../../protocol/stopping/rungs.js'
import { verdictOf } from '../../protocol/stopping/verdict.js'
import { createChance } from '../simulation/chance.js'
import { promotionOf } from './promotion.js'

/** One configuration: its loss after each epoch, and how long an epoch takes. */
export interface Curve {
  readonly losses: readonly number[]
  readonly epochTime: number
}

/** What machines do: train to the end, stop by a rule, or pause at each rung and promote what they ran themselves. */
export type Policy =
  | { readonly kind: 'full' }
  | { readonly kind: 'stop'; readonly rule: StoppingRule }
  | { readonly kind: 'pause'; readonly eta: number }

export interface Replay {
  readonly curves: readonly Curve[]
  readonly policy: Policy
  readonly machines: number
  readonly seed: number
  /** When to end; absent: when all are trained. */
  readonly endTime?: number
  /** How late machines hear of each other. */
  readonly lag?: number
  /** Until then the first half of the machines hears nothing of the second. */
  readonly healTime?: number
  /** Told of each epoch; true ends the replay. */
  readonly onEpoch: (loss: number, time: number) => boolean
}

interface Trial {
  readonly trial: number
  readonly curve: Curve
  readonly machine: number
  /** When each epoch ended. */
  readonly times: number[]
  isRunning: boolean
  /** As it was asked for last: of most trials nothing changes any more. */
  progress: Progress
}

/** Reads 500 configurations of 27 epochs; the loss is the validation loss, an epoch takes one unit of time. */
export function digitsCurves(): Curve[] {
  const losses: number[][] = []
  for (const line of linesOf('digits-curves')) {
    const fields = line.split(',')
    const config = Number(fields[0])
    losses[config] ??= []
    losses[config].push(Number(fields[11]))
  }
  return losses.map(each => ({ losses: each, epochTime: 1 }))
}

/** Reads 1,200 configurations of 52 epochs; the loss is minus the accuracy in percent, times are seconds. */
export function lcbenchCurves(): Curve[] {
  return linesOf('lcbench-167168').map(line => {
    const [, , , , , , , , seconds = 0, ...accuracies] = line.split(',').map(Number)
    return { losses: accuracies.map(accuracy => -accuracy), epochTime: seconds / accuracies.length }
  })
}

/** Trains the curves in an order drawn from the seed. Returns how many were begun, and trained to the end. */
export function replay(options: Replay): { begun: number; complete: number } {
  const { curves, policy, machines, endTime = Number.POSITIVE_INFINITY } = options
  const full = curves[0]?.losses.length ?? 0
  const chance = createChance(options.seed, 'curves')
  const waiting = curves.map(curve => ({ curve, at: chance.fraction() })).sort((a, b) => b.at - a.at)
  const trials: Trial[] = []
  const running: { trial: Trial; machine: number; time: number }[] = []
  const rungs = rungsUnder(policy, full)
  let complete = 0
  const train = (trial: Trial, machine: number, time: number) => {
    trial.isRunning = true
    running.push({ trial, machine, time: time + trial.curve.epochTime })
  }
  const begin = (machine: number, time: number) => {
    const promoted = policy.kind === 'pause' ? promotedBy(machine, time) : undefined
    const curve = promoted ? undefined : waiting.pop()?.curve
    const index = trials.length
    const progress = { trial: index, reports: [], isComplete: false }
    const fresh = curve && { trial: index, curve, machine, times: [], isRunning: true, progress }
    if (fresh) trials.push(fresh)
    const trial = promoted ?? fresh
    if (trial) train(trial, machine, time)
  }
  const promotedBy = (machine: number, time: number) => {
    if (policy.kind !== 'pause') return undefined
    const viewer = { machine, time, isApart: time < (options.healTime ?? 0) }
    const known = trials.map(trial => ({ trial, epochs: epochsKnown(trial, viewer, options) }))
    const entries = rungs.map(rung =>
      known
        .filter(({ epochs }) => epochs >= rung)
        .map(({ trial }) => ({ trial: trial.trial, value: trial.curve.losses[rung - 1] ?? 0 }))
    )
    const promotion = promotionOf(entries, policy.eta, (index, rung) => {
      const trial = trials[index]
      return trial?.machine === machine && !trial.isRunning && trial.times.length === rungs[rung]
    })
    return promotion && trials[promotion.trial]
  }
  for (let machine = 0; machine < machines; machine++) begin(machine, 0)
  while (running.length > 0) {
    const next = running.reduce((first, each) => (each.time < first.time ? each : first))
    running.splice(running.indexOf(next), 1)
    const { trial, machine, time } = next
    if (time > endTime) break
    trial.times.push(time)
    const epochs = trial.times.length
    if (options.onEpoch(trial.curve.losses[epochs - 1] ?? 0, time)) break
    if (epochs === full) complete++
    const isDue = rungs.includes(epochs)
    const stops =
      policy.kind === 'pause' ? isDue : policy.kind === 'stop' && isDue && stopsNow(policy.rule, trials, next, options)
    trial.isRunning = epochs < full && !stops
    if (trial.isRunning) train(trial, machine, time)
    else begin(machine, time)
  }
  return { begun: trials.length, complete }
}

function rungsUnder(policy: Policy, full: number): readonly number[] {
  switch (policy.kind) {
    case 'full':
      return []
    case 'stop':
      return rungsOf(policy.rule, full)
    case 'pause':
      return rungsOf({ rule: 'asha', eta: policy.eta }, full)
  }
}

/** Who looks, and when; `isApart`: not yet at the other half of the machines. */
interface Viewer {
  readonly machine: number
  readonly time: number
  readonly isApart: boolean
}

function stopsNow(
  rule: StoppingRule,
  trials: readonly Trial[],
  { trial, machine, time }: { trial: Trial; machine: number; time: number },
  options: Replay
): boolean {
  const full = trial.curve.losses.length
  const viewer = { machine, time, isApart: time < (options.healTime ?? 0) }
  const others = trials.map(each => progressOf(each, epochsKnown(each, viewer, options)))
  const after = trial.times.length - 1
  const subject = progressOf(trial, trial.times.length)
  return verdictOf(rule, subject, others, { sweep: `${options.seed}`, fullSteps: full, after }).stops
}

function progressOf(of: Trial, epochs: number): Progress {
  if (of.progress.reports.length !== epochs) {
    const reports = of.curve.losses.slice(0, epochs).map((loss, n) => [n + 1, loss] as const)
    of.progress = { trial: of.trial, reports, isComplete: epochs === of.curve.losses.length }
  }
  return of.progress
}

function epochsKnown({ machine: other, times }: Trial, viewer: Viewer, { machines, lag }: Replay): number {
  const { machine, time, isApart } = viewer
  if (other === machine) return times.length
  if (isApart && other < machines / 2 !== machine < machines / 2) return 0
  return lag === undefined ? times.length : times.findLastIndex(at => at + lag <= time) + 1
}

function linesOf(name: string): string[] {
  const bytes = gunzipSync(readFileSync(new URL(`./data/${name}.csv.gz`, import.meta.url)))
  return bytes.toString('utf8').trim().split('\n').slice(1)
}
