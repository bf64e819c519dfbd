/**
 * Configurations: those that a method addresses by index.
 *
 * Owns what becomes of a configuration that came before (rule C10), and that none breaks a constraint.
 * Invariant: a configuration is a function of the spec and its index alone, so machines that never met agree on it.
 */
import { canonicalJson, drawFrom } from '../hash.js'
import { LIMITS } from '../limits.js'
import type { Parameters, SweepSpec } from '../sweep-spec.js'
import { type Axes, axesOf, combinationOf, sizeOf } from './axis.js'
import { presentOf } from './condition.js'
import { satisfies } from './constraint.js'
import { gridAxes } from './grid.js'
import { createOneAtATime } from './one-at-a-time.js'
import { sobolDraws } from './sobol.js'
import { parametersAt, randomAxis } from './space.js'

/**
 * Draws before a free configuration is taken in order instead. With half of a space used up all of them miss once in
 * 256 times; the order takes over only where little is left to choose from.
 */
const DRAWS_MAX = 8
/** Draws that may break a constraint, one after the other. Where all of them do, next to nothing is allowed. */
const ALLOWED_DRAWS_MAX = 1000
/** Combinations that are looked through for one that is allowed or free. */
const LOOKED_THROUGH_MAX = 1_000_000

/** One configuration. */
export interface Chosen {
  readonly parameters: Parameters
  /** The first index with the same parameters, whose result stands for this one's (`reuse`, rule C10). */
  readonly duplicateOf?: number
}

export interface Configurations {
  /** `Infinity` where they cannot be counted. */
  readonly count: number
  /** Returns nothing outside 0 to count - 1, and where constraints leave nothing. */
  at(index: number): Chosen | undefined
}

/** Returns the number from 0 to 1 with which a method draws a parameter. */
export type Draws = (index: number, redraw: number, name: string) => number

/** Returns the configurations that a file names, in its order. */
export function namedConfigurations({ trials = [] }: Pick<SweepSpec, 'trials'>): Configurations {
  return {
    count: trials.length,
    at(index) {
      const parameters = trials[index]
      return parameters && { parameters }
    }
  }
}

/** Returns every combination of a grid once, but for those that a constraint forbids and those that came before. */
export function gridConfigurations(spec: SweepSpec): Configurations {
  const axes = gridAxes(spec)
  if (axes === undefined) return { count: 0, at: () => undefined }
  return productOf(spec, index => combinationOf(axes, index), Math.min(sizeOf(axes), LIMITS.trialsPerSweep))
}

/**
 * Returns those of a finite list that are allowed.
 *
 * @param listed  Nothing is kept, and nothing repeats here, where no constraint and no named trial forbids anything.
 */
export function productOf(
  spec: SweepSpec,
  listed: (index: number) => Parameters | undefined,
  size: number
): Configurations {
  const at = (index: number): Chosen | undefined => {
    const parameters = listed(index)
    return parameters && { parameters }
  }
  if (!spec.constraints && !spec.trials) return { count: size, at }
  const named = new Set((spec.trials ?? []).map(canonicalJson))
  const allowed: number[] = []
  for (let index = 0; index < size && allowed.length < LIMITS.trialsPerSweep; index++) {
    const parameters = listed(index)
    if (parameters && satisfies(spec, parameters) && !named.has(canonicalJson(parameters))) allowed.push(index)
  }
  return { count: allowed.length, at: index => at(allowed[index] ?? -1) }
}

/** Returns a baseline and what differs from it in one parameter. */
export function oneAtATimeConfigurations(spec: SweepSpec): Configurations {
  const { trials, trialAt } = createOneAtATime(spec)
  const distinct = new Map<string, Parameters>()
  for (let index = 0; index < trials; index++) {
    // What varies a parameter that is not there is the baseline again.
    const parameters = presentOf(spec, trialAt(index) ?? {})
    const text = canonicalJson(parameters)
    if (!distinct.has(text)) distinct.set(text, parameters)
  }
  const listed = [...distinct.values()]
  return productOf(spec, index => listed[index], listed.length)
}

/** Returns the points of a shifted Sobol sequence, in its order. */
export function sobolConfigurations(spec: SweepSpec): Configurations {
  const first = sobolDraws(spec)
  // Whoever draws again takes chance: the sequence has one point for each index.
  return drawnConfigurations(spec, (index, redraw, name) =>
    redraw === 0 ? first(index, name) : drawFrom(spec.seed, index, redraw, name)
  )
}

/** Returns configurations that are drawn, each by itself; `draws`: what each of them is drawn with. */
export function drawnConfigurations(
  spec: SweepSpec,
  draws: Draws = (index, redraw, name) => drawFrom(spec.seed, index, redraw, name)
): Configurations {
  const axes = axesOf(spec, randomAxis)
  const draw = allowedDraw(spec, draws)
  // A continuous range repeats itself once in about 2^53 draws: not worth computing every trial below one for.
  if (axes === undefined || spec.onDuplicate === 'replicate') {
    const count = axes === undefined ? Number.POSITIVE_INFINITY : endlessly(spec, axes)
    return { count, at: kept(index => draw(index, 0)) }
  }
  return { count: endlessly(spec, axes), at: inOrder(chooser(spec, axes, draw)) }
}

/** There are never more trials than configurations with `resample`; else the sweep's cap decides. */
function endlessly(spec: SweepSpec, axes: Axes): number {
  const size = allowedOf(spec, axes)
  if (spec.onDuplicate !== 'resample') return spec.runCap === undefined ? size : Number.POSITIVE_INFINITY
  return Math.max(0, size - (spec.trials?.length ?? 0))
}

/** How many combinations break no constraint; of too many to look through all of them. */
function allowedOf(spec: SweepSpec, axes: Axes): number {
  const size = sizeOf(axes)
  if (!spec.constraints || size > LIMITS.trialsPerSweep) return size
  let allowed = 0
  for (let index = 0; index < size; index++) if (satisfies(spec, combinationOf(axes, index) ?? {})) allowed++
  return allowed
}

type Draw = (index: number, redraw: number) => Chosen | undefined

/** Draws again until no constraint is broken. */
function allowedDraw(spec: SweepSpec, draws: Draws): Draw {
  const drawn = (index: number, redraw: number) => parametersAt(spec, name => draws(index, redraw, name))
  if (!spec.constraints) return (index, redraw) => ({ parameters: drawn(index, redraw) })
  return (index, redraw) => {
    for (let again = 0; again < ALLOWED_DRAWS_MAX; again++) {
      const parameters = drawn(index, redraw + again * DRAWS_MAX)
      if (satisfies(spec, parameters)) return { parameters }
    }
    return undefined
  }
}

/** Computes each index once. */
function kept(choose: (index: number) => Chosen | undefined): Configurations['at'] {
  const chosen = new Map<number, Chosen | undefined>()
  return index => {
    if (!chosen.has(index)) chosen.set(index, choose(index))
    return chosen.get(index)
  }
}

/** Computes the indexes in order, each once: a trial depends on those below it, whatever is asked for first. */
function inOrder(choose: (index: number) => Chosen | undefined): Configurations['at'] {
  const chosen: (Chosen | undefined)[] = []
  return index => {
    while (chosen.length <= index) chosen.push(choose(chosen.length))
    return chosen[index]
  }
}

/** Returns the function that chooses the next trial; it must be called for 0, 1, 2 and so on. */
function chooser(spec: SweepSpec, axes: Axes, draw: Draw): (index: number) => Chosen | undefined {
  const named = spec.trials ?? []
  /** Where a configuration stands: those that the file names come before 0. */
  const first = new Map(named.map((parameters, at) => [textOf(parameters), at - named.length]))
  const nextFree = freeConfigurations(spec, axes, first)
  return index => {
    const drawn = draw(index, 0)
    if (!drawn) return undefined
    const earlier = first.get(textOf(drawn.parameters))
    if (earlier !== undefined && spec.onDuplicate === 'reuse') return { ...drawn, duplicateOf: earlier }
    const chosen = earlier === undefined ? drawn : (redrawn(index, draw, first) ?? nextFree())
    if (chosen) first.set(textOf(chosen.parameters), index)
    return chosen
  }
}

/** Equal texts are equal configurations, as equal ids are, at a tenth of the time. */
function textOf(parameters: Parameters): string {
  return canonicalJson(parameters)
}

type Taken = ReadonlyMap<string, number>

function redrawn(index: number, draw: Draw, taken: Taken): Chosen | undefined {
  for (let redraw = 1; redraw < DRAWS_MAX; redraw++) {
    const chosen = draw(index, redraw)
    if (chosen && !taken.has(textOf(chosen.parameters))) return chosen
  }
  return undefined
}

/** Returns a function that finds the first combination not taken. Taken ones stay taken, so it never looks back. */
function freeConfigurations(spec: SweepSpec, axes: Axes, taken: Taken): () => Chosen | undefined {
  let position = 0
  return () => {
    for (const end = position + LOOKED_THROUGH_MAX; position < end; position++) {
      const parameters = combinationOf(axes, position)
      if (!parameters) return undefined
      if (!taken.has(textOf(parameters)) && satisfies(spec, parameters)) return { parameters }
    }
    return undefined
  }
}
