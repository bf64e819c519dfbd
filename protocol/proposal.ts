/**
 * Proposals: the parameters of a trial that a machine is about to claim, under a method that learns.
 *
 * Owns what must not be proposed: a configuration that came before (rule C10), and what the asking device has no room
 * for. Each machine has a stream of chance of its own for each trial, so that two that know the same do not propose the
 * same.
 */
import { experienceOf } from './experience.js'
import { canonicalJson } from './hash.js'
import { fitOf, fitsEver } from './placement/fit.js'
import { demandFor } from './placement/learned.js'
import { devicesIn } from './placement/place.js'
import type { Pool, Sweep } from './pool/pool.js'
import type { Device } from './presence.js'
import { streamOf } from './search/stream.js'
import { parametersOf, searchOf } from './searches.js'
import type { Parameters } from './sweep-spec.js'

/**
 * Returns parameters for a trial that nobody has proposed yet; nothing when no other configuration is left that the
 * device has room for.
 *
 * What is known to fit no device of the pool is proposed when nothing else is left: claimed and given back, it is shown
 * for what it is, and the sweep can end.
 */
export function proposalFor(
  pool: Pool,
  sweep: Sweep,
  asked: { readonly trial: number; readonly machine: string; readonly device: Device }
): Parameters | undefined {
  const { submission } = sweep
  const proposer = submission && searchOf(submission).proposer
  if (!proposer) return undefined
  const { spec } = submission
  const observations = experienceOf(pool, sweep)
  const came = spec.onDuplicate === 'replicate' ? new Set<string>() : configurationsOf(sweep)
  const isNew = (parameters: Parameters) => !came.has(canonicalJson(parameters))
  const demandAt = (parameters: Parameters, device: Pick<Device, 'vendor' | 'model'>) =>
    demandFor(pool, sweep, parameters, device)
  const fits = (parameters: Parameters) =>
    fitOf({ device: asked.device, demand: demandAt(parameters, asked.device), requires: spec.requires }).fits
  const fitsNobody = (parameters: Parameters) =>
    !devicesIn(pool).some(device => fitsEver(device, demandAt(parameters, device), spec.requires))
  for (const isGood of [fits, fitsNobody]) {
    const draw = streamOf(spec.seed, asked.machine, asked.trial)
    const isTaken = (parameters: Parameters) => !isNew(parameters) || !isGood(parameters)
    const proposed = proposer.propose({ observations, draw, isTaken })
    if (proposed) return proposed
  }
  return undefined
}

function configurationsOf(sweep: Sweep): Set<string> {
  return new Set([...sweep.trials.keys()].map(index => canonicalJson(parametersOf(sweep, index))))
}
