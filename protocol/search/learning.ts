/**
 * Learning methods: each trial is proposed by the machine that claims it, from what it knows of the others.
 *
 * Owns which method proposes when, and that no configuration comes twice. What they compute stands in the claim and is
 * never recomputed. Trials that the sweep's file names come first and have an index like those of any other method.
 */
import type { Parameters, SweepSpec } from '../sweep-spec.js'
import { axesOf, combinationOf, sizeOf } from './axis.js'
import { satisfies } from './constraint.js'
import type { Draw, Observation, Propose, Space } from './dimension.js'
import { dimensionsOf, isInSpace, withConstants } from './dimensions.js'
import { createGaussianProcess, STARTUP_TRIALS as GP_START_UP_TRIALS } from './gp/propose.js'
import { scalarised } from './scalarised.js'
import { randomAxis } from './space.js'
import { proposeTpe, START_UP_TRIALS as TPE_START_UP_TRIALS } from './tpe.js'

/** What is asked for a proposal. */
export interface Asked {
  /** What became of the trials, the oldest first, those that run included. */
  readonly observations: readonly Observation[]
  readonly draw: Draw
  /** True for what must not be proposed: it came before, or the device that asks could not train it. */
  readonly isTaken: (parameters: Parameters) => boolean
}

export interface Proposer {
  readonly space: Space
  /** True for parameters that could have been proposed. */
  admits(parameters: Parameters): boolean
  /** Proposes the parameters of a trial, constants included; nothing when all that there is, is taken. */
  propose(asked: Asked): Parameters | undefined
}

/** So many combinations are looked through for a free one. */
const FREE_MAX = 100_000
/** With more observations than this, a Gaussian process costs too much for an agent that has other things to do. */
const GP_OBSERVATIONS_MAX = 300

/** The methods that learn from results. */
export const LEARNING_METHODS = ['tpe', 'gp', 'auto'] as const
export type LearningMethod = (typeof LEARNING_METHODS)[number]

/** Results that each method waits for; until then it draws. */
export const LEARNS_FROM = { tpe: TPE_START_UP_TRIALS, gp: GP_START_UP_TRIALS } as const

/** Returns which of the two methods proposes after so many observations, those that run included. */
export function proposingMethod(method: LearningMethod, observations: number): 'tpe' | 'gp' {
  if (method === 'auto') return observations <= GP_OBSERVATIONS_MAX ? 'gp' : 'tpe'
  return method
}

/**
 * Returns a method. `auto` is the Gaussian process as long as its cost allows: of trials that home machines can pay for
 * it makes most (`npm run bench -- search`), and TPE after that.
 */
export function proposeBy(method: LearningMethod, isTaken: Asked['isTaken']): Propose {
  const [gp, tpe] = [createGaussianProcess({ isTaken }), proposeTpe({ isTaken })]
  return (space, observations, draw) => {
    const proposeNext = proposingMethod(method, observations.length) === 'gp' ? gp : tpe
    return proposeNext(space, observations, draw)
  }
}

/** Returns what proposes the trials of a sweep; nothing when its method addresses them by index. */
export function createProposer(spec: SweepSpec): Proposer | undefined {
  const method = LEARNING_METHODS.find(each => each === spec.method)
  if (method === undefined) return undefined
  const space = dimensionsOf(spec)
  const nextFree = freeOf(spec)
  /** Asked for each trial again and again. */
  const admitted = new WeakMap<Parameters, boolean>()
  return {
    space,
    admits(parameters) {
      const isAdmitted =
        admitted.get(parameters) ?? (isInSpace({ spec, space }, parameters) && satisfies(spec, parameters))
      admitted.set(parameters, isAdmitted)
      return isAdmitted
    },
    propose({ observations, draw, isTaken }) {
      const isRefused = (parameters: Parameters) => !satisfies(spec, parameters) || isTaken(parameters)
      const propose = proposeBy(method, values => isRefused(withConstants(spec, values)))
      const proposed = withConstants(spec, propose(space, scalarised(observations, draw), draw))
      return isRefused(proposed) ? nextFree(isRefused) : proposed
    }
  }
}

/** Returns a function that finds the first combination that is free, where combinations can be counted. */
function freeOf(spec: SweepSpec): (isRefused: Asked['isTaken']) => Parameters | undefined {
  const axes = axesOf(spec, randomAxis)
  const size = axes === undefined ? 0 : Math.min(FREE_MAX, sizeOf(axes))
  return isRefused => {
    for (let index = 0; axes && index < size; index++) {
      const parameters = combinationOf(axes, index)
      if (parameters && !isRefused(parameters)) return parameters
    }
    return undefined
  }
}
