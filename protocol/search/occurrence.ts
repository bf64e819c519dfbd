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
 * Returns the coordinates of the observations that have the whole of a set: for each dimension one list, in the order
 * of the observations.
 */
export function columnsOf({ when, dimensions }: OccurrenceSet, observations: readonly Observation[]): Float64Array[] {
  const readers = dimensions.map(coordinateReader)
  const columns = dimensions.map(() => new Float64Array(observations.length))
  let count = 0
  for (const { parameters } of observations) {
    if (when && !isPresent({ when }, parameters)) continue
    const isWhole = dimensions.every(({ name }, d) => {
      const coordinate = readers[d]?.(parameters[name])
      const column = columns[d]
      if (coordinate === undefined || column === undefined) return false
      column[count] = coordinate
      return true
    })
    if (isWhole) count++
  }
  return columns.map(column => column.subarray(0, count))
}
