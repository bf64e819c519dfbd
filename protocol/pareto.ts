/**
 * Pareto: which trials no other one beats, where a sweep has several objectives.
 *
 * Owns the order by fronts and nothing else: which objectives there are is the sweep's.
 * Invariant: one that is at least as good in all objectives, and better in one, is in an earlier front.
 */

/** The losses of a trial, one for each objective, lower is better; infinite where it has none. */
export type Losses = readonly number[]

/**
 * Returns each trial's front: 0 for those that none beats, 1 for those that only front 0 beats, and so on.
 *
 * Equal losses are in one front. Costs the square of the number of trials at worst, in a front that has them all.
 * Source: Zhang et al., "An Efficient Approach to Nondominated Sorting for Evolutionary Multiobjective Optimization",
 * IEEE TEVC 19 (2015), ENS-BS.
 */
export function frontsOf(trials: readonly Losses[]): number[] {
  const order = trials.map((_, at) => at).sort((a, b) => compare(trials[a] ?? [], trials[b] ?? []) || a - b)
  const fronts: Losses[][] = []
  const found = trials.map(() => 0)
  for (const at of order) {
    const own = trials[at] ?? []
    // Whoever is beaten in a front is beaten in all before it.
    let [low, high] = [0, fronts.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (fronts[middle]?.some(other => beats(other, own))) low = middle + 1
      else high = middle
    }
    const front = fronts[low]
    if (front) front.push(own)
    else fronts.push([own])
    found[at] = low
  }
  return found
}

/** True when a trial is at least as good as another one in all objectives, and better in one. */
export function beats(a: Losses, b: Losses): boolean {
  return a.every((loss, at) => loss <= (b[at] ?? loss)) && a.some((loss, at) => loss < (b[at] ?? loss))
}

/** By the first objective in which they differ: who beats another one comes before it. */
function compare(a: Losses, b: Losses): number {
  const at = a.findIndex((loss, objective) => loss !== b[objective])
  return at < 0 ? 0 : (a[at] ?? 0) < (b[at] ?? 0) ? -1 : 1
}
