/**
 * Demand: how much memory a trial is likely to need.
 *
 * Owns the prediction from what the pool observed. Every machine predicts the same from the same observations, in
 * whatever order they came: a prediction is a minimum of upper bounds, raised to a maximum of lower ones. It never
 * falls when a parameter asks for more, and is never below what the same trial or a smaller one took.
 */
import type { Parameters } from '../sweep-spec.js'
import {
  asksOf,
  type Comparison,
  compareAsks,
  type Effects,
  type Evidence,
  evidenceOf,
  type Observation,
  type Row,
  steepestRise
} from './evidence.js'

export type { Observation } from './evidence.js'

/**
 * On what a demand rests. `observed`: a trial that asks for as much ran. `scaled`: a smaller one ran. `raised`: the
 * same or a smaller one ran out of memory. `unknown`: on nothing; its bytes are then a lower bound, mostly 0.
 */
export type Basis = 'declared' | 'observed' | 'scaled' | 'raised' | 'formula' | 'unknown'

/** What a trial needs of a device's memory. */
export interface Demand {
  readonly bytes: number
  readonly basis: Basis
  /** How many observations it rests on. */
  readonly observations: number
  /** A device of so much memory was enough for a trial that asked for at least as much, whatever it seemed to take. */
  readonly provenBytes?: number
}

export interface PredictOptions {
  /** What the sweep declares of its parameters; all others are judged by their names. */
  readonly effects?: Effects | undefined
  /** What the sweep declares to need: taken as it is, unless that much was too little already. */
  readonly declaredBytes?: number | undefined
  /** A first guess, for as long as nothing comparable was observed. */
  readonly formulaBytes?: number | undefined
  /** The model of device on which the trial is to run. */
  readonly model?: string | undefined
}

const MiB = 2 ** 20

/** The same trial does not take the same memory each time. */
const OBSERVED_FACTOR = 1.03
/** The further a scaled trial is from the observed one, the less its parameters' names can be trusted. */
const SCALED_FACTORS = [
  { ratio: 1, factor: OBSERVED_FACTOR },
  { ratio: 2, factor: 1.08 },
  { ratio: 8, factor: 1.15 }
] as const
const SCALED_FAR_FACTOR = 1.3
/** A line through two points is exact for an affine cost, but both points tremble. */
const LINE_FACTOR = 1.1
/** Another model of device: another size of the driver's context, other kernels. */
const OTHER_MODEL_BYTES = 512 * MiB
/** What ran out of memory needs more than there was; how much more nobody saw. */
const RAISED_FACTOR = 1.15
const RAISED_BYTES = 256 * MiB

const MARGIN_MIN_BYTES = 384 * MiB
const MARGIN_OBSERVED = 0.02
const MARGIN_GUESSED = 0.05

interface Bounds {
  /** The smallest upper bound from a trial that asked for at least as much. */
  observedBytes: number
  /** The smallest upper bound from trials that asked for less. */
  scaledBytes: number
  /** The largest peak of a trial that asked for at most as much. */
  usedBytes: number
  /** The largest memory that was too little for a trial that asked for at most as much. */
  oomBytes: number
  /** The smallest device that was enough for a trial that asked for at least as much. */
  provenBytes: number
  observations: number
}

/**
 * Returns what a trial needs of memory, in whole bytes.
 *
 * Deterministic, independent of the order of the observations, monotone in parameters that take more memory as long
 * as something comparable was observed. Source: the project's study of published peaks, after which a minimum over
 * dominating, scaled and linearly extended observations never fell below the LLaMA-2-7B series.
 *
 * @param observations  Finished trials of the same program. The list is read once and remembered: do not change it.
 */
export function predict(
  parameters: Parameters,
  observations: readonly Observation[],
  options: PredictOptions = {}
): Demand {
  const bounds = boundsOf(parameters, evidenceOf(observations, options.effects), options.model)
  const { bytes, basis } = guess(bounds, options)
  const raisedBytes = bounds.oomBytes > 0 ? bounds.oomBytes * RAISED_FACTOR + RAISED_BYTES : 0
  const isRaised = bytes < raisedBytes
  return {
    bytes: Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(Math.max(bytes, raisedBytes))),
    basis: isRaised ? 'raised' : basis,
    observations: bounds.observations,
    ...(bounds.provenBytes === Number.POSITIVE_INFINITY ? {} : { provenBytes: bounds.provenBytes })
  }
}

/**
 * Returns what must be free besides a demand, in whole bytes: predictions are no measurements.
 *
 * Nothing besides a declared one: who declares says what a device must have.
 */
export function marginBytes({ bytes, basis }: Pick<Demand, 'bytes' | 'basis'>): number {
  if (basis === 'declared') return 0
  return Math.max(MARGIN_MIN_BYTES, Math.ceil(bytes * (basis === 'observed' ? MARGIN_OBSERVED : MARGIN_GUESSED)))
}

/** Returns what a device must have for a demand, in whole bytes: 0 when nothing is known of it. */
export function neededBytes(demand: Pick<Demand, 'bytes' | 'basis'>): number {
  return demand.bytes === 0 ? 0 : demand.bytes + marginBytes(demand)
}

function boundsOf(parameters: Parameters, evidence: Evidence, model: string | undefined): Bounds {
  const none = Number.POSITIVE_INFINITY
  const bounds = {
    observedBytes: none,
    scaledBytes: none,
    usedBytes: 0,
    oomBytes: 0,
    provenBytes: none,
    observations: 0
  }
  const asks = asksOf(evidence, parameters)
  if (!asks) return bounds
  for (const row of evidence.rows) {
    const comparison = compareAsks(asks, row.asks)
    if (comparison) addRow(bounds, row, comparison, model)
    if (comparison?.place === undefined || row.fitted === 0) continue
    // No line leads below the peak that it starts from: most rows need no line.
    if (row.leastBytes * LINE_FACTOR >= bounds.scaledBytes) continue
    const bytes = extended(evidence, row, { place: comparison.place, size: Number(asks[comparison.place]), model })
    bounds.scaledBytes = Math.min(bounds.scaledBytes, bytes)
  }
  return bounds
}

function addRow(bounds: Bounds, row: Row, { factor, isAtMost }: Comparison, model: string | undefined): void {
  if (isAtMost) {
    bounds.usedBytes = Math.max(bounds.usedBytes, row.mostBytes)
    bounds.oomBytes = Math.max(bounds.oomBytes, row.oomBytes)
    bounds.observations += row.ranOut
  }
  if (isAtMost || factor !== Number.POSITIVE_INFINITY) bounds.observations += row.fitted
  if (row.fitted === 0 || factor === Number.POSITIVE_INFINITY) return
  const bytes = cheapest(row, model, peak => peak * factor * cautionFor(factor))
  if (factor === 1) bounds.provenBytes = Math.min(bounds.provenBytes, row.leastDeviceBytes)
  if (factor === 1) bounds.observedBytes = Math.min(bounds.observedBytes, bytes)
  else bounds.scaledBytes = Math.min(bounds.scaledBytes, bytes)
}

function cautionFor(ratio: number): number {
  return SCALED_FACTORS.find(each => ratio <= each.ratio)?.factor ?? SCALED_FAR_FACTOR
}

/** The bound by the straight line through a row and a smaller one; infinite where no line rises. */
function extended(
  evidence: Evidence,
  row: Row,
  { place, size, model }: { place: number; size: number; model: string | undefined }
): number {
  const rise = steepestRise(evidence, row, place)
  if (rise < 0) return Number.POSITIVE_INFINITY
  const more = rise * (size - Number(row.asks[place]))
  return cheapest(row, model, peak => (peak + more) * LINE_FACTOR)
}

/** The smallest bound over the models of device on which a row's trials ran. */
function cheapest({ peaks }: Row, model: string | undefined, boundOf: (peak: number) => number): number {
  let smallest = Number.POSITIVE_INFINITY
  for (const [observed, peak] of peaks) {
    const isOther = model !== undefined && observed !== model
    smallest = Math.min(smallest, boundOf(peak) + (isOther ? OTHER_MODEL_BYTES : 0))
  }
  return smallest
}

/** A minimum over bounds that tremble is biased to the low side; what the same or a smaller trial took is not. */
function guess(
  { observedBytes, scaledBytes, usedBytes }: Bounds,
  { declaredBytes, formulaBytes }: PredictOptions
): { bytes: number; basis: Basis } {
  if (declaredBytes !== undefined) return { bytes: declaredBytes, basis: 'declared' }
  const best = Math.min(observedBytes, scaledBytes)
  const leastBytes = usedBytes * OBSERVED_FACTOR
  if (best !== Number.POSITIVE_INFINITY) {
    const isObserved = observedBytes <= scaledBytes || best <= leastBytes
    return { bytes: Math.max(best, leastBytes), basis: isObserved ? 'observed' : 'scaled' }
  }
  if (formulaBytes !== undefined) return { bytes: Math.max(formulaBytes, leastBytes), basis: 'formula' }
  return { bytes: leastBytes, basis: 'unknown' }
}
