/**
 * Occurrence: which dimensions of a space are always there together.
 *
 * Owns the split of a space into such sets, and the reading of observations for one of them. Draws nothing.
 * Invariant: each dimension is in one set; the set that a condition names comes before those that depend on it.
 */
import { canonicalJson } from '../hash.js'
import { coordinateReader } from './coordinate.js'
import { type Condition, type Dimension, isPresent, type Observation, type Space } from './dimension.js'

/** Dimensions with one condition; at least one. */
export interface OccurrenceSet {
  readonly when?: Condition
  readonly dimensions: readonly Dimension[]
}

/**
 * Returns the sets of dimensions that are always there together.
 *
 * Optuna (`group=True`) finds them by looking at the trials; here the conditions say it from the start.
 */
export function occurrenceSets(space: Space): OccurrenceSet[] {
  const sets = new Map<string, { when?: Condition; dimensions: Dimension[] }>()
  for (const dimension of space) {
    const { when } = dimension
    const key = when ? canonicalJson([when.parameter, when.values.map(canonicalJson).sort()]) : ''
    const set = sets.get(key) ?? { ...(when && { when }), dimensions: [] }
    set.dimensions.push(dimension)
    sets.set(key, set)
  }
  return [...sets.values()]
}

/**
 * Observations of one set beyond this are thinned. A density costs a pass over all of them, and the hundredth trial of
 * a region says little that the first ten did not; an ask of 10,000 trials costs little more than one of 1,500.
 */
const OBSERVATIONS_MAX = 1500

/**
 * Returns the coordinates of the observations that have the whole of a set: for each dimension one list, in the order
 * of the observations. Of very many it takes a part, evenly, the newest first.
 */
export function columnsOf({ when, dimensions }: OccurrenceSet, observations: readonly Observation[]): Float64Array[] {
  const readers = dimensions.map(coordinateReader)
  const present = when ? observations.filter(({ parameters }) => isPresent({ when }, parameters)) : observations
  const chosen = thinned(present)
  const columns = dimensions.map(() => new Float64Array(chosen.length))
  let count = 0
  for (const { parameters } of chosen) {
    let isWhole = true
    for (const [d, column] of columns.entries()) {
      const coordinate = readers[d]?.(parameters[dimensions[d]?.name ?? ''])
      isWhole &&= coordinate !== undefined
      column[count] = coordinate ?? 0
    }
    // What is not whole is overwritten by the next.
    if (isWhole) count++
  }
  return columns.map(column => column.subarray(0, count))
}

function thinned<T>(items: readonly T[]): readonly T[] {
  if (items.length <= OBSERVATIONS_MAX) return items
  const each = items.length / OBSERVATIONS_MAX
  const newestFirst = Array.from({ length: OBSERVATIONS_MAX }, (_, i) => items.at(-1 - Math.floor(i * each)))
  return newestFirst.reverse() as T[]
}
