/**
 * Full trials: the whole curve and more of the output, fetched for whoever looks at one trial.
 *
 * Owns which attempt is looked at, and the words for what cannot be had. Lists and live screens never come here: what
 * is fetched costs another machine its network.
 */
import type { Bulk, BulkPlace, BulkSubject, Pool, Result, Sweep, TrialView } from '#protocol'
import { searchOf } from '#protocol'

/** What is needed to fetch: this machine's bulk log, and whom it hears. */
export interface BulkSource {
  readonly bulk: {
    read(wanted: { place: BulkPlace; about: BulkSubject; member: string }): Promise<Bulk | undefined>
  }
  readonly mesh: { connected(): readonly string[] }
  readonly agent: { readonly local: { readonly machine: string } }
}

/** The bulk block of a result, or why it cannot be had. */
export type Fetched =
  | { readonly bulk: Bulk; readonly machineName: string }
  | { readonly missing: string; readonly hint: string; readonly machineName: string }

/**
 * Returns a trial with every point of its curve that its machine kept.
 *
 * Where they cannot be had it stays as the log has it, and `missing` says why.
 */
export async function fullTrial(source: BulkSource, pool: Pool, sweep: Sweep, view: TrialView): Promise<TrialView> {
  const shown = shownResult(sweep, view.trial)
  const fetched = shown && (await fetchBulk(source, { pool, sweep, ...shown }))
  if (!fetched) return view
  if ('bulk' in fetched) return { ...view, curve: fetched.bulk.curve }
  return { ...view, missing: fetched.missing }
}

/** Returns the output of the last attempt that told where its bulk block is; nothing when none did. */
export async function fetchLastOutput(
  source: BulkSource,
  pool: Pool,
  sweep: Sweep,
  trial: number
): Promise<Fetched | undefined> {
  const results = [...(sweep.trials.get(trial)?.attempts.values() ?? [])]
    .sort((a, b) => a.number - b.number)
    .flatMap(attempt => [...attempt.results.values()].sort((a, b) => (a.machine < b.machine ? -1 : 1)))
  const last = results.filter(result => result.bulk !== undefined).at(-1)
  return last && (await fetchBulk(source, { pool, sweep, trial, result: last }))
}

/** The result whose curve a trial shows: its own, that of the trial with the same parameters, or its last failure. */
function shownResult(sweep: Sweep, index: number): { trial: number; result: Result } | undefined {
  const standing = sweep.trials.get(index)?.standing
  if (standing?.result) return { trial: index, result: standing.result }
  const reused = sweep.submission && searchOf(sweep.submission).trialAt(index)?.duplicateOf
  const from = reused === undefined ? undefined : sweep.trials.get(reused)?.standing.result
  if (reused !== undefined && from) return { trial: reused, result: from }
  const failure = standing?.held ? undefined : standing?.failures.at(-1)
  return failure && { trial: index, result: failure }
}

async function fetchBulk(
  source: BulkSource,
  { pool, sweep, trial, result }: { pool: Pool; sweep: Sweep; trial: number; result: Result }
): Promise<Fetched | undefined> {
  const { bulk: place, machine, attempt } = result
  if (place === undefined) return undefined
  const known = pool.machines.get(machine)
  const machineName = known?.name ?? machine.slice(0, 8)
  const about = { sweep: sweep.id, trial, attempt }
  // A machine that was never announced counts against its own key: some bound there must be.
  const bulk = await source.bulk.read({ place, about, member: known?.member ?? machine })
  return bulk ? { bulk, machineName } : { ...explained(source, { machine, machineName, attempt }), machineName }
}

function explained(
  source: BulkSource,
  { machine, machineName, attempt }: { machine: string; machineName: string; attempt: number }
): { missing: string; hint: string } {
  const what = `The full curve and output of attempt ${attempt}`
  if (machine === source.agent.local.machine) {
    return { missing: `${what} are gone from this machine.`, hint: 'A power cut may have taken them.' }
  }
  if (source.mesh.connected().includes(machine)) {
    return { missing: `${what} did not arrive from ${machineName} in time.`, hint: 'Try again in a moment.' }
  }
  return {
    missing: `${what} are on ${machineName}, which is off or out of reach; nobody else who is on has looked at them yet.`,
    hint: `Try again when ${machineName} is on.`
  }
}
