/**
 * Play: a sweep that has not begun, trained once in virtual time.
 *
 * Owns what is assumed of it: each device trains one trial after the other; a trial has one place in the order of all
 * from its first report to its last, so that a rule of early stopping judges it as it would in the end; nothing fails.
 * Pure: chance is handed in, and the same chance plays the same.
 */
import type { Draw } from '../search/dimension.js'
import { percentileOf } from '../stopping/curve.js'
import type { Progress, StoppingContext, StoppingRule } from '../stopping/rule.js'
import { ownRungs } from '../stopping/rungs.js'
import { verdictOf } from '../stopping/verdict.js'

/** A device, and what it may train. */
export interface PlayedDevice {
  /** Seconds of full trainings on it, for each unit of extent: ascending, at least one. Each takes about one. */
  readonly seconds: readonly number[]
  /** Places of the trials that it takes, the first one first; of a search that proposes, any of them or none. */
  readonly fits: readonly number[]
}

/** What is played. */
export interface Scenario {
  readonly devices: readonly PlayedDevice[]
  /** Of each trial its extent: how far it trains. */
  readonly extents: readonly number[]
  /** True where whoever claims a trial proposes one that fits its device. */
  readonly isProposed: boolean
  /** With `fullSteps`: steps of a full training. Absent: every trial trains to its end. */
  readonly stopping?: {
    readonly rule: StoppingRule
    readonly context: StoppingContext & { readonly fullSteps: number }
  }
  /** When devices trained for so long in all, nothing new begins. */
  readonly budgetSeconds?: number
  /** When so much time has passed, nothing new begins. */
  readonly wallSeconds?: number
}

/** What ends a sweep before all its trials are taken. */
export type Limit = 'budget' | 'wall time'

/** What came of it. */
export interface Play {
  /** Absent when all trials were taken that fit somewhere. */
  readonly endedBy?: Limit
  /** From the first start to the last end. */
  readonly seconds: number
  readonly trained: number
  readonly stoppedEarly: number
  /** For each device. */
  readonly devices: readonly { readonly trials: number; readonly seconds: number }[]
}

interface Attempt {
  readonly trial: number
  readonly device: number
  readonly beginsAt: number
  readonly seconds: number
  readonly loss: number
  /** Rungs still to come, ascending. */
  rungs: readonly number[]
  progress: Progress
}

/** Returns one course of a sweep. Costs each rung a look at all who came there. */
export function play(scenario: Scenario, draw: Draw): Play {
  const { devices, stopping } = scenario
  const done = devices.map(() => ({ trials: 0, seconds: 0 }))
  const taken = new Set<number>()
  const reached = new Map<number, Map<number, Progress>>()
  const next = devices.map(() => 0)
  let running: Attempt[] = []
  let [now, spent, stoppedEarly] = [0, 0, 0]

  function limitReached(): Limit | undefined {
    if (spent >= (scenario.budgetSeconds ?? Number.POSITIVE_INFINITY)) return 'budget'
    return now >= (scenario.wallSeconds ?? Number.POSITIVE_INFINITY) ? 'wall time' : undefined
  }

  /** Of addressed trials the first that fits and that nobody has; a proposal fits whoever makes it. */
  function pick(device: number): number | undefined {
    const { fits = [] } = devices[device] ?? {}
    if (fits.length === 0 || taken.size >= scenario.extents.length || limitReached()) return undefined
    if (scenario.isProposed) return taken.size
    while (taken.has(fits[next[device] ?? 0] ?? -1)) next[device] = (next[device] ?? 0) + 1
    return fits[next[device] ?? 0]
  }

  function begin(device: number): void {
    const trial = pick(device)
    if (trial === undefined) return
    taken.add(trial)
    // Between the lengths that were seen, not only these: a few say little of the longest.
    const perExtent = percentileOf(devices[device]?.seconds ?? [], draw()) ?? 0
    const seconds = perExtent * (scenario.extents[trial] ?? 1)
    const rungs = stopping ? ownRungs(stopping.rule, stopping.context, trial) : []
    const progress = { trial, reports: [], isComplete: false }
    running.push({ trial, device, beginsAt: now, seconds, loss: draw(), rungs, progress })
  }

  /** True when the rule ends it. */
  function isStoppedAt(attempt: Attempt, rung: number): boolean {
    if (!stopping) return false
    const others = reached.get(rung) ?? new Map<number, Progress>()
    reached.set(rung, others)
    const after = attempt.progress.reports.at(-1)?.[0] ?? 0
    attempt.progress = { ...attempt.progress, reports: [...attempt.progress.reports, [rung, attempt.loss]] }
    others.set(attempt.trial, attempt.progress)
    return verdictOf(stopping.rule, attempt.progress, [...others.values()], { ...stopping.context, after }).stops
  }

  function end(attempt: Attempt): void {
    const { trial, device, beginsAt } = attempt
    running = running.filter(each => each !== attempt)
    const seconds = now - beginsAt
    spent += seconds
    const own = done[device]
    if (own) done[device] = { trials: own.trials + 1, seconds: own.seconds + seconds }
    if (attempt.rungs.length === 0) {
      for (const [rung] of attempt.progress.reports) {
        reached.get(rung)?.set(trial, { ...attempt.progress, isComplete: true })
      }
    }
    begin(device)
  }

  for (const device of devices.keys()) begin(device)
  while (running.length > 0) {
    const attempt = running.reduce((first, each) => (dueAt(each, scenario) < dueAt(first, scenario) ? each : first))
    now = dueAt(attempt, scenario)
    const [rung, ...rest] = attempt.rungs
    if (rung === undefined) {
      end(attempt)
    } else if (isStoppedAt(attempt, rung)) {
      stoppedEarly++
      end(attempt)
    } else {
      attempt.rungs = rest
    }
  }
  const endedBy = taken.size < scenario.extents.length ? limitReached() : undefined
  return {
    ...(endedBy ? { endedBy } : {}),
    seconds: now,
    trained: taken.size,
    stoppedEarly,
    devices: done
  }
}

/** When an attempt comes to its next rung, else to its end. */
function dueAt({ beginsAt, seconds, rungs }: Attempt, { stopping }: Scenario): number {
  const [rung] = rungs
  if (rung === undefined || !stopping) return beginsAt + seconds
  return beginsAt + (seconds * rung) / stopping.context.fullSteps
}
