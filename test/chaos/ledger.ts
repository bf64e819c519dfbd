/**
 * The ledger: which results were acknowledged, and by whom.
 *
 * A result is acknowledged from the moment that its machine wrote it to the spool, or showed it in its log. What stands
 * here once must be in every pool after each fault. Owns no agent and asks none.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AttemptView, TrialView } from '#protocol'

/** Where a home keeps results on their way to the log: there until the log has them for good. */
const SPOOLS = [join('keeper', 'results'), 'results']
/** States of an attempt that has a result. */
const ENDED: ReadonlySet<AttemptView['state']> = new Set([
  'complete',
  'oom',
  'diverged',
  'error',
  'environment',
  'timeout',
  'stopped'
])

export interface Acknowledged {
  readonly sweep: string
  readonly trial: number
  readonly attempt: number
  readonly machine: string
  readonly state: string
  readonly value: number | undefined
  /** Where it was seen first, for whoever looks for a lost one. */
  readonly seen: string
}

export interface Ledger {
  /** Notes what an agent shows. */
  noteTrials(seen: string, trials: readonly TrialView[]): void
  /** Notes what lies in the spool of a home. `machine`: the key of its machine. */
  noteSpool(seen: string, home: string, machine: string): void
  /** Results of a sweep that these trials lack, or show otherwise. `machine`: of this one alone. */
  missing(sweep: string, trials: readonly TrialView[], machine?: string): Acknowledged[]
  sweeps(): readonly string[]
  count(): number
}

/** Returns an empty ledger. */
export function createLedger(): Ledger {
  const sweeps = new Map<string, Map<string, Acknowledged>>()

  function note(entry: Acknowledged): void {
    const known = sweeps.get(entry.sweep) ?? new Map<string, Acknowledged>()
    sweeps.set(entry.sweep, known)
    const name = `${entry.trial}-${entry.attempt}-${entry.machine}`
    if (!known.has(name)) known.set(name, entry)
  }

  return {
    noteTrials(seen, trials) {
      for (const { sweep, trial, attempts } of trials)
        for (const { attempt, machine, state, value } of attempts)
          if (ENDED.has(state)) note({ sweep, trial, attempt, machine, state, value, seen: `the log of ${seen}` })
    },
    noteSpool(seen, home, machine) {
      for (const result of readSpool(home)) note({ ...result, machine, seen: `the spool of ${seen}` })
    },
    missing(sweep, trials, machine) {
      const entries = [...(sweeps.get(sweep)?.values() ?? [])]
      return entries.filter(each => (machine ?? each.machine) === each.machine && !isShown(each, trials))
    },
    sweeps: () => [...sweeps.keys()],
    count: () => [...sweeps.values()].reduce((sum, each) => sum + each.size, 0)
  }
}

function isShown(entry: Acknowledged, trials: readonly TrialView[]): boolean {
  const attempts = trials[entry.trial]?.attempts ?? []
  return attempts.some(
    each =>
      each.attempt === entry.attempt &&
      each.machine === entry.machine &&
      each.state === entry.state &&
      each.value === entry.value
  )
}

/** A release in the spool is no result: nothing is lost with it. */
function readSpool(home: string): Omit<Acknowledged, 'machine' | 'seen'>[] {
  return SPOOLS.flatMap(folder => filesIn(join(home, folder))).flatMap(path => {
    const { draft } = JSON.parse(readFileSync(path, 'utf8')) as { draft: Record<string, unknown> }
    if (draft['kind'] !== 'attempt-finished') return []
    return [
      {
        sweep: String(draft['sweep']),
        trial: Number(draft['trial']),
        attempt: Number(draft['attempt']),
        state: String(draft['class']),
        value: draft['value'] as number | undefined
      }
    ]
  })
}

/** Only whole files: one that is still being written has another ending. */
function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter(name => name.endsWith('.json'))
      .map(name => join(folder, name))
  } catch {
    return [] // This home keeps them elsewhere, or has none yet.
  }
}
