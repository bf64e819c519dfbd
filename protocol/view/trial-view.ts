/**
 * Trials as people see them: parameters, the value that counts, and the story of each attempt.
 */
import { holderOf } from '../claims.js'
import { signOf } from '../early-stopping.js'
import { isUnplaceable } from '../placement/place.js'
import { type Attempt, machineOf, type Pool, type Result, type Sweep } from '../pool/pool.js'
import type { ReleaseReason, Usage } from '../records/record.js'
import { isUnproposed, parametersOf, searchOf } from '../searches.js'
import type { Parameters } from '../sweep-spec.js'
import type { Live } from './live.js'
import type { PlacementView } from './placement-view.js'

/**
 * `waiting`: nobody has it. `reused`: another trial had the same parameters. `unplaceable`: fits no known device.
 * `infeasible`: the sweep's constraints leave it no configuration.
 */
export type TrialState =
  | 'waiting'
  | 'running'
  | 'complete'
  | 'stopped'
  | 'diverged'
  | 'quarantined'
  | 'unplaceable'
  | 'infeasible'
  | 'reused'

export interface AttemptView {
  readonly attempt: number
  readonly machine: string
  readonly machineName: string
  readonly device: string
  /** Present when it backs up a slow attempt of another machine (rule C11). */
  readonly backup?: true
  /** `claimed` and `running`: under way. `silent`: its machine is not heard. `yielded`: another claim held. */
  readonly state:
    | 'claimed'
    | 'running'
    | 'silent'
    | 'yielded'
    | 'released'
    | 'complete'
    | 'oom'
    | 'diverged'
    | 'error'
    | 'environment'
    | 'timeout'
    | 'stopped'
    | 'lost'
  /** Why its machine gave it back; of `released`. */
  readonly reason?: ReleaseReason
  readonly seconds?: number
  readonly step?: number
  readonly steps?: number
  readonly value?: number
  readonly message?: string
  readonly tail?: string
  /** What it took of its device. */
  readonly usage?: Usage
  /** What its program did otherwise than the parameters say. */
  readonly changed?: readonly string[]
}

export interface TrialView {
  readonly sweep: string
  readonly trial: number
  readonly state: TrialState
  /** None where they are proposed when the trial is claimed, see `isUnproposed`, and of an infeasible one. */
  readonly parameters: Parameters
  readonly isUnproposed?: true
  /** Where the sweep's rule of early stopping ended it, as the record tells; values as the metric is written. */
  readonly stop?: NonNullable<Result['stop']>
  /** The objective that counts; while the trial runs, its latest report. */
  readonly value?: number
  readonly step?: number
  readonly steps?: number
  readonly metrics: Readonly<Record<string, number>>
  /** [step, objective]: as the result kept it, else the reports so far. */
  readonly curve: readonly (readonly [number, number])[]
  readonly seconds?: number
  /** Who runs it, or whose result counts. */
  readonly machineName?: string
  readonly message?: string
  /** Values of other complete attempts of this trial. */
  readonly replicates: readonly number[]
  readonly attempts: readonly AttemptView[]
  /** What each device says to it; only while it may still be tried, and where one trial was asked for. */
  readonly placement?: readonly PlacementView[]
  /** Why the curve has fewer points than its machine kept; only where all were asked for. */
  readonly missing?: string
}

/** Returns one trial, whether or not anybody touched it yet. `index` must be one of the sweep's. */
export function trialView(pool: Pool, sweep: Sweep, index: number, live: Live): TrialView {
  const trial = sweep.trials.get(index)
  const standing = trial?.standing
  const result = standing?.result
  const attempts = [...(trial?.attempts.values() ?? [])]
    .sort((a, b) => a.number - b.number)
    .flatMap(attempt => attemptViews(pool, sweep, index, attempt, live))
  const current = attempts.find(
    each =>
      each.attempt === standing?.held?.attempt &&
      (each.state === 'running' || each.state === 'claimed' || each.state === 'silent')
  )
  const reused = sweep.submission && searchOf(sweep.submission).trialAt(index)?.duplicateOf
  const from = reused === undefined ? undefined : sweep.trials.get(reused)?.standing.result
  const shown = result ?? from
  const message = result?.message ?? standing?.failures.at(-1)?.message
  const owner = result?.machine ?? standing?.held?.holder
  return {
    sweep: sweep.id,
    trial: index,
    state: stateOf(pool, sweep, index, reused !== undefined),
    parameters: parametersOf(sweep, index),
    ...optional('isUnproposed', isUnproposed(sweep, index) || undefined),
    ...optional('stop', shown?.stop && written(shown.stop, signOf(sweep))),
    ...optional('value', shown ? shown.value : current?.value),
    ...optional('step', shown ? shown.step : current?.step),
    ...optional('steps', shown ? undefined : current?.steps),
    metrics: shown?.metrics ?? {},
    curve: shown?.curve ?? curveSoFar(trial?.attempts.get(standing?.held?.attempt ?? 0), standing?.held?.holder),
    ...optional('seconds', shown ? shown.seconds : current?.seconds),
    ...optional('machineName', owner === undefined ? undefined : machineName(pool, live, owner)),
    ...optional('message', message),
    replicates: (standing?.replicates ?? []).flatMap(each => (each.value === undefined ? [] : [each.value])),
    attempts
  }
}

/** A rule compares losses; people know the metric. */
function written(stop: NonNullable<Result['stop']>, sign: 1 | -1): NonNullable<Result['stop']> {
  const { value, threshold } = stop
  return {
    ...stop,
    ...optional('value', value === undefined ? undefined : asMetric(value, sign)),
    ...optional('threshold', threshold === undefined ? undefined : asMetric(threshold, sign))
  }
}

/** Returns a loss as its metric is written; never a negative zero. */
export function asMetric(loss: number, sign: 1 | -1): number {
  return sign * loss || 0
}

function stateOf(pool: Pool, sweep: Sweep, index: number, isReused: boolean): TrialState {
  const trial = sweep.trials.get(index)
  if (isReused) return 'reused'
  if (sweep.submission && !searchOf(sweep.submission).has(index)) return 'infeasible'
  if (!trial) return isUnplaceable(pool, sweep, index) ? 'unplaceable' : 'waiting'
  switch (trial.standing.phase) {
    case 'open':
      return isUnplaceable(pool, sweep, index) ? 'unplaceable' : 'waiting'
    case 'claimed':
      return 'running'
    case 'quarantined':
      return 'quarantined'
    case 'done':
      return trial.standing.result?.class === 'diverged'
        ? 'diverged'
        : trial.standing.result?.class === 'stopped'
          ? 'stopped'
          : 'complete'
  }
}

/** One view for each machine that claimed or finished the attempt: usually one. */
function attemptViews(pool: Pool, sweep: Sweep, index: number, attempt: Attempt, live: Live): AttemptView[] {
  const machines = [...new Set([...attempt.claims.keys(), ...attempt.results.keys()])].sort()
  const holder = holderOf(sweep.id, index, attempt)
  return machines.map(machine => {
    const claim = attempt.claims.get(machine)
    const result = attempt.results.get(machine)
    const base = {
      attempt: attempt.number,
      machine,
      machineName: machineName(pool, live, machine),
      device: result?.device.id ?? claim?.device ?? '',
      ...optional('backup', claim?.backup)
    }
    if (result) {
      const { class: state, seconds } = result
      return {
        ...base,
        state,
        seconds,
        ...optional('step', result.step),
        ...optional('value', result.value),
        ...optional('message', result.message),
        ...optional('tail', result.tail),
        ...optional('usage', result.usage),
        ...optional('changed', result.changed)
      }
    }
    const release = attempt.releases.get(machine)
    if (release) {
      const { reason, seconds } = release
      return { ...base, state: 'released' as const, reason, ...optional('seconds', seconds) }
    }
    if (machine !== holder) return { ...base, state: 'yielded' as const }
    const running = live.machines
      .get(machine)
      ?.beat.running.find(each => each.sweep === sweep.id && each.trial === index && each.attempt === attempt.number)
    if (!running) return { ...base, state: live.machines.has(machine) ? ('claimed' as const) : ('silent' as const) }
    const { seconds } = running
    return {
      ...base,
      state: 'running' as const,
      seconds,
      ...optional('step', running.step),
      ...optional('steps', running.steps),
      ...optional('value', running.value)
    }
  })
}

function curveSoFar(attempt: Attempt | undefined, holder: string | undefined): [number, number][] {
  const reports = holder === undefined ? undefined : attempt?.reports.get(holder)
  return [...(reports ?? [])]
    .map(([step, report]): [number, number] => [step, report.value])
    .sort((a, b) => a[0] - b[0])
}

function machineName(pool: Pool, live: Live, machine: string): string {
  return live.machines.get(machine)?.beat.name ?? machineOf(pool, machine)?.name ?? machine.slice(0, 8)
}

/** A field that is there only when it has a value. */
function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V })
}
