/**
 * Grid densities: one dimension as a few dozen places, and the density of what was counted in them.
 *
 * Owns the places and their smoothing; knows no loss. What is computed with `log` and `exp` is shown, or
 * recorded by the claimer, never recomputed for agreement.
 * Invariant: a density adds up to 1 over the places.
 */
import type { Parameters } from '../sweep-spec.js'
import { coordinateReader } from './coordinate.js'
import { type Dimension, isPresent, type NumericDimension } from './dimension.js'
import { centralMass } from './truncated-normal.js'

/** Places of a range without steps. */
const PLACES_MAX = 50
/** The least width of a kernel, in places: then nine tenths of it lie in its own place. */
const WIDTH_MIN = 0.5 / 1.64

export interface Grid {
  readonly size: number
  /** Returns the place of a trial; undefined where the dimension is not present or has no value. */
  placeOf(parameters: Parameters): number | undefined
}

/** Returns the places of a dimension: its choices, its steps where these are few, or 50 along its natural scale. */
export function gridOf(dimension: Dimension): Grid {
  const read = coordinateReader(dimension)
  const size = dimension.kind === 'categorical' ? dimension.choices.length : placesOf(dimension)
  const place = dimension.kind === 'categorical' ? (choice: number) => choice : placeIn(dimension, size)
  return {
    size,
    placeOf(parameters) {
      const coordinate = isPresent(dimension, parameters) ? read(parameters[dimension.name]) : undefined
      return coordinate === undefined ? undefined : place(coordinate)
    }
  }
}

function placesOf({ low, high, step, isLog }: NumericDimension): number {
  if (step === undefined) return PLACES_MAX
  const steps = Math.round((high - low) / step)
  return Math.min(PLACES_MAX, isLog ? Math.ceil(Math.log2(steps + 1)) + 1 : steps + 1)
}

function placeIn({ low, high, isLog }: NumericDimension, size: number): (value: number) => number {
  const natural = isLog ? Math.log : (value: number) => value
  const start = natural(low)
  const distance = (natural(high) - start) / (size - 1)
  // What lies in the middle between two places belongs to the lower one.
  return value => Math.min(size - 1, Math.max(0, Math.ceil((natural(value) - start) / distance - 0.5)))
}

/**
 * Returns the density of what was counted in each place.
 *
 * @param counts  How many trials there are in each place; at least one in all.
 * Source: Watanabe et al., arXiv:2304.10255; optuna/importance/_ped_anova/scott_parzen_estimator.py.
 */
export function gridDensity({ kind }: Pick<Dimension, 'kind'>, counts: Float64Array): Float64Array {
  return kind === 'categorical' ? choiceDensity(counts) : smoothDensity(counts)
}

/** A kernel for each choice that was seen, weighing as often as it was, and the prior, which weighs one trial. */
function choiceDensity(counts: Float64Array): Float64Array {
  const kernels = counts.filter(count => count > 0).length + 1
  const total = counts.reduce((sum, count) => sum + count, 0)
  const smoothing = 1 / kernels
  const rowSum = 1 + smoothing * counts.length
  const shared = (total * smoothing) / rowSum + 1 / counts.length
  return counts.map(count => (count / rowSum + shared) / (total + 1))
}

/** A normal for each place, truncated to the grid and summed up within each place; and the prior over all of it. */
function smoothDensity(counts: Float64Array): Float64Array {
  const size = counts.length
  const total = counts.reduce((sum, count) => sum + count, 0)
  const width = kernelWidth(counts, total)
  const density = new Float64Array(size)
  // All kernels but the prior's are of one width, and edges lie half a place off their centers: few different masses.
  const masses = Float64Array.from(density, (_, steps) => centralMass(0, (steps + 0.5) / width))
  const massTo = (distance: number) => (distance > 0 ? (masses[distance - 0.5] ?? 0) : -(masses[-distance - 0.5] ?? 0))
  for (let center = 0; center < size; center++) {
    const count = counts[center] ?? 0
    if (count > 0) addKernel(density, { center, weight: count / (total + 1), massTo })
  }
  const priorMassTo = (distance: number) =>
    distance > 0 ? centralMass(0, distance / size) : -centralMass(distance / size, 0)
  addKernel(density, { center: (size - 1) / 2, weight: 1 / (total + 1), massTo: priorMassTo })
  return density
}

interface Kernel {
  readonly center: number
  readonly weight: number
  /** The mass from the center to a distance from it; negative to the left. */
  readonly massTo: (distance: number) => number
}

function addKernel(density: Float64Array, { center, weight, massTo }: Kernel): void {
  const size = density.length
  const start = massTo(-0.5 - center)
  const mass = massTo(size - 0.5 - center) - start
  let reached = start
  for (let place = 0; place < size; place++) {
    const next = massTo(place + 0.5 - center)
    density[place] = (density[place] ?? 0) + (weight * (next - reached)) / mass
    reached = next
  }
}

/** Scott's rule, by the standard deviation or by the middle half, whichever is narrower; of what was counted. */
function kernelWidth(counts: Float64Array, total: number): number {
  const seen = [...counts.entries()].filter(([, count]) => count > 0)
  const mean = seen.reduce((sum, [place, count]) => sum + place * count, 0) / total
  const squares = seen.reduce((sum, [place, count]) => sum + (place - mean) ** 2 * count, 0)
  const deviation = Math.sqrt(squares / Math.max(1, total - 1))
  const [first, third] = [quarter(seen, Math.floor(total / 4)), quarter(seen, Math.floor((total * 3) / 4) + 1)]
  return Math.max(WIDTH_MIN, 1.059 * Math.min((third - first) / 1.34, deviation) * total ** -0.2)
}

/** Returns the place at which so many have been counted, or the last one. */
function quarter(seen: readonly (readonly [place: number, count: number])[], wanted: number): number {
  let reached = 0
  for (const [place, count] of seen) {
    reached += count
    if (reached >= wanted) return place
  }
  return seen.at(-1)?.[0] ?? 0
}
