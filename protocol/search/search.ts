/**
 * Search: which parameters the trial at an index has.
 *
 * Owns the order of trials and what becomes of a configuration that came before (rules C2 and C10).
 * Invariant: a trial is a function of the spec and its index alone, so machines that never met agree on it.
 */
import { canonicalJson, drawFrom, idOf } from '../hash.js'
import { invariant } from '../invariant.js'
import { LIMITS } from '../limits.js'
import type { Parameters, SweepSpec } from '../sweep-spec.js'
import { type Axes, axesOf, combinationOf, sizeOf } from './axis.js'
import { gridAxes } from './grid.js'
import { parametersAt, randomAxis } from './space.js'

// What the sweep file's check asks about a grid.
export { combinations, gridAxis, gridReachesMax } from './grid.js'

/**
 * Draws before a free configuration is taken in order instead. With half of a space used up all of them miss once in
 * 256 times; the order takes over only where little is left to choose from.
 */
const DRAWS_MAX = 8

/** The parameters of one trial. */
export interface ChosenTrial {
  readonly parameters: Parameters
  /** The first trial with the same parameters, whose result stands for this one's (`reuse`, rule C10). */
  readonly duplicateOf?: number
}

/** The trials of one sweep. */
export interface Search {
  readonly trials: number
  /** Returns the trial at an index; undefined outside 0 to trials - 1. */
  trialAt(index: number): ChosenTrial | undefined
}

/**
 * Returns the search of a sweep.
 *
 * A grid has its combinations, `random` has `runCap` trials; both end at `runCap` and at `LIMITS.trialsPerSweep`. With
 * `resample` there are never more trials than configurations. What a sweep file would be refused for, a grid over a
 * continuous range or an endless random sweep, has no trials. Indexes in increasing order are cheapest; what was
 * chosen once is kept.
 * Errors: none, for any spec that its schema accepts.
 */
export function createSearch(spec: SweepSpec): Search {
  switch (spec.method) {
    case 'grid':
      return createGrid(spec)
    case 'random':
    case 'sobol':
    case 'one-at-a-time':
    case 'tpe':
    case 'gp':
    case 'auto':
      return createRandom(spec)
  }
}

/** Returns how many configurations random draws can give: `Infinity` with a continuous range. */
export function distinctConfigurations(spec: Pick<SweepSpec, 'parameters'>): number {
  const axes = axesOf(spec, randomAxis)
  return axes === undefined ? Number.POSITIVE_INFINITY : sizeOf(axes)
}

/** Returns the name of a configuration: equal parameters have equal names, in whatever order they are held. */
export function configurationId(parameters: Parameters): string {
  return idOf('configuration', parameters)
}

/** Returns the seed that the program gets: an unsigned 32-bit integer, the same for every attempt of a trial. */
export function programSeed(spec: Pick<SweepSpec, 'seed'>, index: number): number {
  return Math.floor(drawFrom(spec.seed, index, 'program') * 2 ** 32)
}

/** Nothing is kept and nothing repeats here: the values of an axis are distinct. */
function createGrid(spec: SweepSpec): Search {
  const axes = gridAxes(spec)
  const trials = axes === undefined ? 0 : capped(spec, sizeOf(axes))
  return {
    trials,
    trialAt(index) {
      const parameters = axes === undefined || index >= trials ? undefined : combinationOf(axes, index)
      return parameters === undefined ? undefined : { parameters }
    }
  }
}

function createRandom(spec: SweepSpec): Search {
  const axes = axesOf(spec, randomAxis)
  const trials = randomTrials(spec, axes)
  const draw = (index: number, redraw: number) => parametersAt(spec, name => drawFrom(spec.seed, index, redraw, name))
  // A continuous range repeats itself once in about 2^53 draws: not worth computing every trial below one for.
  const canRepeat = axes !== undefined && spec.onDuplicate !== 'replicate'
  const chosenAt = canRepeat ? inOrder(chooser(spec, axes, draw)) : kept(index => ({ parameters: draw(index, 0) }))
  return {
    trials,
    trialAt: index => (Number.isSafeInteger(index) && index >= 0 && index < trials ? chosenAt(index) : undefined)
  }
}

/** Computes each index once. */
function kept(choose: (index: number) => ChosenTrial): (index: number) => ChosenTrial {
  const chosen = new Map<number, ChosenTrial>()
  return index => {
    const trial = chosen.get(index) ?? choose(index)
    chosen.set(index, trial)
    return trial
  }
}

/** Computes the indexes in order, each once: a trial depends on those below it, whatever is asked for first. */
function inOrder(choose: (index: number) => ChosenTrial): (index: number) => ChosenTrial | undefined {
  const chosen: ChosenTrial[] = []
  return index => {
    while (chosen.length <= index) chosen.push(choose(chosen.length))
    return chosen[index]
  }
}

type Draw = (index: number, redraw: number) => Parameters

/** Returns the function that chooses the next trial; it must be called for 0, 1, 2 and so on. */
function chooser(spec: SweepSpec, axes: Axes, draw: Draw): (index: number) => ChosenTrial {
  const first = new Map<string, number>()
  const nextFree = freeConfigurations(axes, first)
  return index => {
    const drawn = draw(index, 0)
    const earlier = first.get(textOf(drawn))
    if (earlier !== undefined && spec.onDuplicate === 'reuse') return { parameters: drawn, duplicateOf: earlier }
    const parameters = earlier === undefined ? drawn : (redrawn(index, draw, first) ?? nextFree())
    first.set(textOf(parameters), index)
    return { parameters }
  }
}

/** Equal texts are equal configurations, as equal ids are, at a tenth of the time. */
function textOf(parameters: Parameters): string {
  return canonicalJson(parameters)
}

type Taken = ReadonlyMap<string, number>

function redrawn(index: number, draw: Draw, taken: Taken): Parameters | undefined {
  for (let redraw = 1; redraw < DRAWS_MAX; redraw++) {
    const parameters = draw(index, redraw)
    if (!taken.has(textOf(parameters))) return parameters
  }
  return undefined
}

/** Returns a function that finds the first combination not taken. Taken ones stay taken, so it never looks back. */
function freeConfigurations(axes: Axes, taken: Taken): () => Parameters {
  let position = 0
  return () => {
    for (;;) {
      const parameters = combinationOf(axes, position)
      invariant(parameters !== undefined, 'a sweep that resamples has no more trials than configurations')
      if (!taken.has(textOf(parameters))) return parameters
      position++
    }
  }
}

function randomTrials(spec: SweepSpec, axes: Axes | undefined): number {
  if (axes === undefined) return spec.runCap ?? 0
  const distinct = sizeOf(axes)
  if (spec.onDuplicate === 'resample') return capped(spec, distinct)
  return spec.runCap ?? capped(spec, distinct)
}

function capped(spec: SweepSpec, size: number): number {
  return Math.min(size, spec.runCap ?? LIMITS.trialsPerSweep)
}
