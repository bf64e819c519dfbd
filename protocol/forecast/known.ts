/**
 * Known: what the results of a pool tell about the next sweep, before it begins.
 *
 * Owns which sweeps are taken to be like it, what makes a training long, and how one on a model of device is judged by
 * another. Computed from the pool alone.
 */
import { LIMITS } from '../limits.js'
import type { Pool, Result, Submission, Sweep } from '../pool/pool.js'
import { approvalOf } from '../searches.js'
import { percentileOf } from '../stopping/curve.js'
import type { Parameters } from '../sweep-spec.js'

/** How a sweep is like the next one: it runs the same files, or the same command with the same parameters. */
export type Likeness = 'same program' | 'same command'

/**
 * On what a length rests. `told`: by whoever asks. `seen`: on trainings on this model. `scaled`: on those on another,
 * and on how the two compared in other sweeps. `assumed`: on those on another.
 */
export type LengthBasis = 'told' | 'seen' | 'scaled' | 'assumed'

/** How long full trainings take on a model of device. */
export interface Length {
  /** Seconds for each unit of extent, ascending, at least one. */
  readonly seconds: readonly number[]
  readonly basis: LengthBasis
  /** The model that was seen in place of this one. */
  readonly from?: string
}

/** Full trainings like those of the next sweep. Everything is for each unit of extent. */
export interface Trainings {
  /** Absent where their length was told. */
  readonly likeness?: Likeness
  /** Names of the sweeps that they were in. */
  readonly sweeps: readonly string[]
  /** Seconds, ascending, by model of device. */
  readonly byModel: ReadonlyMap<string, readonly number[]>
  /** Steps, if a program told. */
  readonly steps?: number
  /** Reports of the objective, if all of them were kept. */
  readonly reports?: number
}

/** Parameters of which a training takes twice as long when they are twice as large. */
const EXTENTS =
  /^(?:.*[./])?(?:num_|n_|max_|total_|train_)*(?:train_)?(?:epochs?|steps|iters|iterations|n_iter|timesteps)$/i

/** Returns how far a trial trains: the product of what its parameters say of epochs or steps, 1 where none does. */
export function extentOf(parameters: Parameters): number {
  return Object.entries(parameters).reduce((extent, [name, value]) => {
    return typeof value === 'number' && value > 0 && EXTENTS.test(name) ? extent * value : extent
  }, 1)
}

/** Returns the full trainings of sweeps like one that is to come; nothing when there is none. */
export function trainingsLike(pool: Pool, next: Pick<Submission, 'spec' | 'bundle'>): Trainings | undefined {
  const sweeps = [...pool.sweeps.values()]
  const approval = approvalOf(next)
  const byProgram = sweeps.filter(({ submission }) => submission && approvalOf(submission) === approval)
  const byCommand = sweeps.filter(({ submission }) => submission && isSameCommand(submission.spec, next.spec))
  return trainingsOf(byProgram, 'same program') ?? trainingsOf(byCommand, 'same command')
}

/** Returns a length that was told, of one training on a model of device, as if it had been seen once. */
export function trainingsTold(
  { model, seconds, extent }: { readonly model: string; readonly seconds: number; readonly extent: number },
  seen: Trainings | undefined
): Trainings {
  const { likeness: _, ...known } = seen ?? { sweeps: [] }
  return { ...known, byModel: new Map([[model, [seconds / extent]]]) }
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

/** Most programs are called train.py: only one with the same parameters is taken to be the same. */
function isSameCommand(a: Submission['spec'], b: Submission['spec']): boolean {
  const named = ({ command, program, metric, parameters }: Submission['spec']) =>
    JSON.stringify([command, program, metric.name, Object.keys(parameters).sort()])
  return named(a) === named(b)
}

function trainingsOf(sweeps: readonly Sweep[], likeness: Likeness): Trainings | undefined {
  const byModel = new Map<string, number[]>()
  const names = new Set<string>()
  let [steps, reports] = [0, 0]
  for (const sweep of sweeps) {
    for (const { device, parameters, seconds, step = 0, curve } of fullTrainings(sweep)) {
      const extent = extentOf(parameters)
      const same = byModel.get(device.model)
      if (same) same.push(seconds / extent)
      else byModel.set(device.model, [seconds / extent])
      steps = Math.max(steps, step / extent)
      // Of a longer curve only so many points are kept.
      if (curve.length < LIMITS.curvePoints) reports = Math.max(reports, curve.length / extent)
      names.add(sweep.submission?.spec.name ?? '')
    }
  }
  if (byModel.size === 0) return undefined
  for (const seconds of byModel.values()) seconds.sort((a, b) => a - b)
  return {
    likeness,
    sweeps: [...names].sort(),
    byModel,
    ...(steps > 0 ? { steps } : {}),
    ...(reports > 0 ? { reports } : {})
  }
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
  return middleOf(same.map(({ seconds, parameters }) => seconds / extentOf(parameters)))
}

/** Returns the value in the middle; nothing of none. */
export function middleOf(values: readonly number[]): number | undefined {
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
