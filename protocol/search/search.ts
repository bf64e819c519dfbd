/**
 * Search: which parameters the trial at an index has.
 *
 * Owns the order of trials: first those that the sweep's file names, then the method's, each configuration as often as
 * the sweep has seeds (rules C2 and C10).
 * Invariant: a trial that is addressed is a function of the spec and its index alone; one of a method that learns is
 * what its claim says.
 */
import { drawFrom, idOf } from '../hash.js'
import { LIMITS } from '../limits.js'
import type { Parameters, SweepSpec } from '../sweep-spec.js'
import { axesOf, sizeOf } from './axis.js'
import {
  type Chosen,
  type Configurations,
  drawnConfigurations,
  gridConfigurations,
  namedConfigurations,
  oneAtATimeConfigurations,
  sobolConfigurations
} from './configurations.js'
import { createProposer, type Proposer } from './learning.js'
import { randomAxis } from './space.js'

// What the sweep file's check asks about a grid.
export { combinations, gridAxis, gridReachesMax } from './grid.js'

/** The parameters of one trial. `duplicateOf`: the first trial with the same ones. */
export type ChosenTrial = Chosen

/** The trials of one sweep. */
export interface Search {
  readonly trials: number
  /** Trials of one configuration, which follow each other. */
  readonly seeds: number
  /**
   * Returns the trial at an index; nothing outside 0 to trials - 1, where constraints leave nothing, and where it is
   * proposed when it is claimed.
   */
  trialAt(index: number): ChosenTrial | undefined
  /** True for a trial that has parameters, or will have. */
  has(index: number): boolean
  /** Present for a method that learns. */
  readonly proposer?: Proposer
}

/**
 * Returns the search of a sweep.
 *
 * A grid has its combinations, `random` has `runCap` trials; all end at `runCap` and at `LIMITS.trialsPerSweep`. With
 * `resample` there are never more trials than configurations. What a sweep file would be refused for, a grid over a
 * continuous range or an endless random sweep, has no trials but those that it names. Indexes in increasing order are
 * cheapest; what was chosen once is kept.
 * Errors: none, for any spec that its schema accepts.
 */
export function createSearch(spec: SweepSpec): Search {
  const named = namedConfigurations(spec)
  const method = configurationsOf(spec)
  const proposer = createProposer(spec)
  const { seeds = 1 } = spec
  const endless = named.count + method.count === Number.POSITIVE_INFINITY && spec.runCap === undefined
  const configurations = endless ? named.count : named.count + method.count
  const trials = Math.min(configurations * seeds, spec.runCap ?? LIMITS.trialsPerSweep, LIMITS.trialsPerSweep)
  const isTrial = (index: number) => Number.isSafeInteger(index) && index >= 0 && index < trials

  function trialAt(index: number): ChosenTrial | undefined {
    if (!isTrial(index)) return undefined
    const at = Math.floor(index / seeds)
    if (at < named.count) return named.at(at)
    const chosen = proposer ? undefined : method.at(at - named.count)
    if (chosen?.duplicateOf === undefined) return chosen
    return { ...chosen, duplicateOf: (chosen.duplicateOf + named.count) * seeds + (index % seeds) }
  }

  const isSure = spec.constraints === undefined
  return {
    trials,
    seeds,
    trialAt,
    has: index => isTrial(index) && (proposer !== undefined || isSure || trialAt(index) !== undefined),
    ...(proposer ? { proposer } : {})
  }
}

function configurationsOf(spec: SweepSpec): Configurations {
  switch (spec.method) {
    case 'grid':
      return gridConfigurations(spec)
    case 'sobol':
      return sobolConfigurations(spec)
    case 'one-at-a-time':
      return oneAtATimeConfigurations(spec)
    case 'random':
    case 'tpe':
    case 'gp':
    case 'auto':
      return drawnConfigurations(spec)
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
