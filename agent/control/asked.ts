/**
 * Asked: the sweep or trial that a request names, as this machine sees it.
 *
 * Owns how a sweep may be named, and what is told where it is not found.
 */
import {
  type LocalSweepView,
  type Pool,
  PoolError,
  type Sweep,
  searchOf,
  sweepsInOrder,
  sweepsView,
  sweepView,
  type TrialView,
  trialView
} from '#protocol'
import { isApproved } from '../local.js'
import { unmet } from '../requirements.js'
import { liveOf, type Surroundings, type Work } from './work.js'

/**
 * Finds a sweep by its id, the start of it, or its name; of several with one name the newest.
 *
 * Errors: `NOT_FOUND`, with the names that there are.
 */
export function sweepNamed(pool: Pool, text: string): Sweep {
  const known = sweepsInOrder(pool)
    .filter(sweep => sweep.submission)
    .reverse()
  const found = known.find(sweep => sweep.id === text) ?? known.find(sweep => sweep.submission?.spec.name === text)
  if (found) return found
  const starting = known.filter(sweep => text.length >= 4 && sweep.id.startsWith(text))
  if (starting.length === 1 && starting[0]) return starting[0]
  const names = [...new Set(known.map(sweep => sweep.submission?.spec.name))].slice(0, 10).join(', ')
  const hint =
    known.length === 0
      ? 'Submit one: `hypersweep submit sweep.yaml`.'
      : `Known sweeps: ${names}. \`hypersweep sweep list\` shows them all.`
  throw new PoolError(
    'NOT_FOUND',
    `${starting.length > 1 ? 'More than one sweep begins' : 'No sweep is named or begins'} with ${JSON.stringify(text)}.`,
    { hint }
  )
}

/** Returns all sweeps with what this machine's owner said of them. */
export function localSweeps(host: Surroundings, work: Work): LocalSweepView[] {
  const pool = work.log.pool()
  return sweepsView(pool, liveOf(host, work)).map(view => withApproval(work, view))
}

/** Returns one such sweep. Errors: `NOT_FOUND`. */
export function localSweep(host: Surroundings, work: Work, text: string): LocalSweepView {
  const pool = work.log.pool()
  const view = sweepView(pool, sweepNamed(pool, text), liveOf(host, work))
  return withApproval(work, view ?? notArrived())
}

/** Errors: `NOT_FOUND`, always. */
export function notArrived(): never {
  throw new PoolError('NOT_FOUND', 'The sweep has not arrived yet.', { hint: 'Try again in a moment.' })
}

function withApproval(work: Work, view: NonNullable<ReturnType<typeof sweepView>>): LocalSweepView {
  const { local } = work.agent
  const submission = work.log.pool().sweeps.get(view.sweep)?.submission
  const state = local.bundles.get(view.bundle.digest)
  const bundleState = typeof state === 'object' ? state.fault : state
  const isHere = submission && isApproved(local, submission)
  const missing = isHere && view.state === 'running' ? unmet(local, submission.spec) : undefined
  return {
    ...view,
    approval: isHere ? 'approved' : 'waiting',
    ...(bundleState === undefined ? {} : { bundleState }),
    ...(missing === undefined ? {} : { unmet: missing })
  }
}

/** Returns a trial and its sweep. Errors: `NOT_FOUND` for a sweep, or a trial, that there is not. */
export function oneTrial(
  host: Surroundings,
  work: Work,
  request: { sweep: string; trial: number }
): { sweep: Sweep; view: TrialView } {
  const pool = work.log.pool()
  const sweep = sweepNamed(pool, request.sweep)
  const total = sweep.submission ? searchOf(sweep.submission).trials : 0
  if (request.trial >= total) {
    throw new PoolError('NOT_FOUND', `The sweep ${sweep.submission?.spec.name ?? ''} has no trial ${request.trial}.`, {
      hint: `Its trials are 0 to ${total - 1}.`
    })
  }
  return { sweep, view: trialView(pool, sweep, request.trial, liveOf(host, work)) }
}
