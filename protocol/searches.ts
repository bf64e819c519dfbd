/**
 * Searches: what the trials of a submitted sweep are, and what its owner's approval names.
 *
 * A method that addresses its trials by index needs the submission alone. One that learns proposes a trial when it is
 * claimed, and the claim says what it is (rule C2). What is kept between calls only saves work.
 */
import { claimOrder } from './claims.js'
import { canonicalJson, digestOf } from './hash.js'
import type { Submission, Sweep, Trial } from './pool/pool.js'
import { createSearch, type Search } from './search/search.js'
import type { Parameters } from './sweep-spec.js'

const searches = new WeakMap<Submission['spec'], Search>()
const approvals = new WeakMap<object, string>()
const NONE: Parameters = {}

/** Returns the search of a submitted sweep: the same object each time, since it remembers what it computed. */
export function searchOf(submission: Submission): Search {
  const known = searches.get(submission.spec)
  if (known) return known
  const search = createSearch(submission.spec)
  searches.set(submission.spec, search)
  return search
}

/**
 * Returns a trial's parameters: as the search addresses them by index, whatever anybody claimed, or as it was proposed
 * (rule C2). None for a trial that nobody has proposed yet.
 */
export function parametersOf(sweep: Sweep, index: number): Parameters {
  if (!sweep.submission) return NONE
  const search = searchOf(sweep.submission)
  return search.trialAt(index)?.parameters ?? proposedFor(search, sweep, index) ?? NONE
}

/** True for a trial that gets its parameters from whoever claims it first, and has none yet. */
export function isUnproposed(sweep: Sweep, index: number): boolean {
  if (!sweep.submission) return false
  const search = searchOf(sweep.submission)
  return search.proposer !== undefined && index < search.trials && parametersOf(sweep, index) === NONE
}

/** Its own, or that of another seed of the same configuration. */
function proposedFor(search: Search, sweep: Sweep, index: number): Parameters | undefined {
  const own = proposedIn(search, sweep, sweep.trials.get(index))
  if (own || search.seeds === 1 || !search.has(index)) return own
  const first = index - (index % search.seeds)
  for (let at = first; at < first + search.seeds; at++) {
    const other = proposedIn(search, sweep, sweep.trials.get(at))
    if (other) return other
  }
  return undefined
}

/**
 * A trial is what was trained and counts; else what the first attempt's claim says that holds, by the order of claims
 * (rule C3). What the search could not have proposed says nothing.
 */
function proposedIn({ proposer }: Search, sweep: Sweep, trial: Trial | undefined): Parameters | undefined {
  if (!proposer || !trial) return undefined
  const { result } = trial.standing
  if (result && proposer.admits(result.parameters)) return result.parameters
  const attempts = [...trial.attempts.values()]
  if (attempts.length > 1) attempts.sort((a, b) => a.number - b.number)
  for (const { number: attempt, claims } of attempts) {
    const order = (machine: string) => claimOrder({ sweep: sweep.id, trial: trial.index, attempt, machine })
    const said = [...claims.values()].filter(({ parameters }) => proposer.admits(parameters))
    if (said.length > 1) said.sort((a, b) => (order(a.machine) < order(b.machine) ? -1 : 1))
    if (said[0]) return said[0].parameters
  }
  return undefined
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
