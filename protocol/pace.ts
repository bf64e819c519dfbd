/**
 * Pace: how long a sweep's trials take.
 *
 * Owns the estimate by which rule C11 judges whether a backup is worth it. Computed from complete results alone. What
 * is kept between calls only saves work: it can be thrown away at any time.
 */
import type { Pool, Sweep } from './pool/pool.js'

interface Pace {
  /** The pool's entries when it was computed: a later one may change it. */
  readonly entries: number
  /** Median seconds by model of device, and of all. */
  readonly byModel: ReadonlyMap<string, number>
  readonly all: number | undefined
}

const paces = new WeakMap<Sweep, Pace>()

/**
 * Returns the seconds that a training of this sweep is likely to take on a model of device: the median of its complete
 * trials on that model, else of all of them. Nothing while none is complete.
 */
export function expectedSeconds(pool: Pool, sweep: Sweep, model: string): number | undefined {
  const known = paces.get(sweep)
  const pace = known?.entries === pool.entries ? known : paceOf(pool, sweep)
  paces.set(sweep, pace)
  return pace.byModel.get(model) ?? pace.all
}

function paceOf(pool: Pool, sweep: Sweep): Pace {
  const byModel = new Map<string, number[]>()
  const all: number[] = []
  for (const index of sweep.byPhase.done) {
    const result = sweep.trials.get(index)?.standing.result
    if (result?.class !== 'complete') continue
    all.push(result.seconds)
    const same = byModel.get(result.device.model)
    if (same) same.push(result.seconds)
    else byModel.set(result.device.model, [result.seconds])
  }
  const medians = [...byModel].flatMap(([model, seconds]) => {
    const median = medianOf(seconds)
    return median === undefined ? [] : [[model, median] as const]
  })
  return { entries: pool.entries, byModel: new Map(medians), all: medianOf(all) }
}

/** Of an even number the upper one of the middle two: a backup is rather not started than in vain. */
function medianOf(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
}
