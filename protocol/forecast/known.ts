/**
 * Known: what the results of a pool tell about the next sweep, before it begins.
 *
 * Owns which sweeps are taken to be like it, and how a training on one model of device is judged by another.
 * Computed from the pool alone.
 */
import type { Pool, Result, Submission, Sweep } from '../pool/pool.js'
import { approvalOf } from '../searches.js'
import { percentileOf } from '../stopping/curve.js'

/** How a sweep is like the next one: it runs the same files, or the same command for the same objective. */
export type Likeness = 'same program' | 'same command'

/**
 * On what a length rests. `told`: by whoever asks. `seen`: on trainings on this model. `scaled`: on those on another,
 * and on how the two compared in other sweeps. `assumed`: on those on another.
 */
export type LengthBasis = 'told' | 'seen' | 'scaled' | 'assumed'

/** How long full trainings take on a model of device. */
export interface Length {
  /** Seconds, ascending, at least one. */
  readonly seconds: readonly number[]
  readonly basis: LengthBasis
  /** The model that was seen in place of this one. */
  readonly from?: string
}

/** Trainings like those of the next sweep. */
export interface Trainings {
  /** Absent where their length was told. */
  readonly likeness?: Likeness
  /** Seconds of full trainings, ascending, by model of device. */
  readonly byModel: ReadonlyMap<string, readonly number[]>
  /** Steps of a full training, if a program told. */
  readonly steps?: number
}

/** A length that whoever asks knows, on a model of device. */
export interface ToldLength {
  readonly model: string
  readonly seconds: number
}

/** Returns the full trainings of sweeps like one that is to come; nothing when there is none. */
export function trainingsLike(pool: Pool, next: Pick<Submission, 'spec' | 'bundle'>): Trainings | undefined {
  const sweeps = [...pool.sweeps.values()]
  const approval = approvalOf(next)
  const byProgram = sweeps.filter(({ submission }) => submission && approvalOf(submission) === approval)
  const byCommand = sweeps.filter(({ submission }) => submission && isSameCommand(submission.spec, next.spec))
  return trainingsOf(byProgram, 'same program') ?? trainingsOf(byCommand, 'same command')
}

/** Returns a length that was told as if it had been seen once. */
export function trainingsTold({ model, seconds }: ToldLength, known: Trainings | undefined): Trainings {
  const { steps } = known ?? {}
  return { byModel: new Map([[model, [seconds]]]), ...(steps === undefined ? {} : { steps }) }
}

/** Returns how long a training takes on a model of device. */
export function lengthOn(pool: Pool, { byModel, likeness }: Trainings, model: string): Length | undefined {
  const own = byModel.get(model)
  if (own) return { seconds: own, basis: likeness === undefined ? 'told' : 'seen' }
  const [from, most] = [...byModel].sort(([a, x], [b, y]) => y.length - x.length || (a < b ? -1 : 1))[0] ?? []
  if (from === undefined || most === undefined) return undefined
  const ratio = ratioOf(pool, from, model)
  if (ratio === undefined) return { seconds: most, basis: 'assumed', from }
  return { seconds: most.map(each => each * ratio), basis: 'scaled', from }
}

/** Returns what a model of device draws while it trains, in watts, as results tell; nothing when none does. */
export function wattsOf(pool: Pool, model: string): number | undefined {
  let [wattHours, seconds] = [0, 0]
  for (const sweep of pool.sweeps.values()) {
    for (const result of resultsOf(sweep)) {
      if (result.device.model !== model || result.usage?.wattHours === undefined) continue
      wattHours += result.usage.wattHours
      seconds += result.seconds
    }
  }
  return seconds > 0 ? (3600 * wattHours) / seconds : undefined
}

function isSameCommand(a: Submission['spec'], b: Submission['spec']): boolean {
  return a.command.join('\n') === b.command.join('\n') && a.program === b.program && a.metric.name === b.metric.name
}

function trainingsOf(sweeps: readonly Sweep[], likeness: Likeness): Trainings | undefined {
  const byModel = new Map<string, number[]>()
  let steps = 0
  for (const result of sweeps.flatMap(fullTrainings)) {
    const same = byModel.get(result.device.model)
    if (same) same.push(result.seconds)
    else byModel.set(result.device.model, [result.seconds])
    steps = Math.max(steps, result.step ?? 0)
  }
  if (byModel.size === 0) return undefined
  for (const seconds of byModel.values()) seconds.sort((a, b) => a - b)
  return { likeness, byModel, ...(steps > 0 ? { steps } : {}) }
}

/** How many times as long a model takes as another: the middle of the sweeps in which both trained. */
function ratioOf(pool: Pool, from: string, to: string): number | undefined {
  const ratios = [...pool.sweeps.values()].flatMap(sweep => {
    const [slow, fast] = [middleOn(sweep, to), middleOn(sweep, from)]
    return slow === undefined || fast === undefined || fast === 0 ? [] : [slow / fast]
  })
  return middleOf(ratios)
}

function middleOn(sweep: Sweep, model: string): number | undefined {
  const same = fullTrainings(sweep).filter(({ device }) => device.model === model)
  return middleOf(same.map(({ seconds }) => seconds))
}

function middleOf(values: readonly number[]): number | undefined {
  const ascending = [...values].sort((a, b) => a - b)
  return percentileOf(ascending, 0.5)
}

function fullTrainings(sweep: Sweep): Result[] {
  return resultsOf(sweep).filter(result => result.class === 'complete')
}

function resultsOf(sweep: Sweep): Result[] {
  return [...sweep.trials.values()].flatMap(({ standing: { result, replicates, failures } }) => [
    ...(result ? [result] : []),
    ...replicates,
    ...failures
  ])
}
