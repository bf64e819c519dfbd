/**
 * Searches: what the trials of a submitted sweep are, and what its owner's approval names.
 *
 * Computed from the submission alone. What is kept between calls only saves work: it can be thrown away at any time.
 */
import { canonicalJson, digestOf } from './hash.js'
import type { Submission, Sweep } from './pool/pool.js'
import { createSearch, type Search } from './search/search.js'
import type { Parameters } from './sweep-spec.js'

const searches = new WeakMap<Submission['spec'], Search>()
const approvals = new WeakMap<object, string>()

/** Returns the search of a submitted sweep: the same object each time, since it remembers what it computed. */
export function searchOf(submission: Submission): Search {
  const known = searches.get(submission.spec)
  if (known) return known
  const search = createSearch(submission.spec)
  searches.set(submission.spec, search)
  return search
}

/** Returns a trial's parameters: as the search addresses them by index, whatever anybody claimed (rule C2). */
export function parametersOf(sweep: Sweep, index: number): Parameters {
  return (sweep.submission && searchOf(sweep.submission).trialAt(index)?.parameters) ?? {}
}

/**
 * Returns the name of what an owner approves: the bundle and the command that runs in it, not one without the other.
 *
 * With the digest alone whoever is in the pool could have another command run in files that were approved.
 */
export function approvalOf(submission: Pick<Submission, 'spec' | 'bundle'>): string {
  const known = approvals.get(submission)
  if (known !== undefined) return known
  const { spec, bundle } = submission
  const named = { bundle: bundle.digest, command: spec.command, program: spec.program ?? null }
  const approval = digestOf(canonicalJson(named))
  approvals.set(submission, approval)
  return approval
}
