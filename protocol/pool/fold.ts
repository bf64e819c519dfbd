/**
 * The fold: entries -> pool.
 *
 * Reads entries and nothing else; never throws, never logs. Any order of arrival that respects each log's own order
 * gives the same pool (rule F2), because every record joins a set, and where two records mean the same thing the one
 * with the smaller place wins. An entry costs its own subject only (rule F3).
 */
import { isFresh, standingOf } from '../claims.js'
import { idOf } from '../hash.js'
import { LIMITS } from '../limits.js'
import { poolIdOf } from '../records/codec.js'
import type { Draft, Entry, LogRecord, RecordKind, RecordOf } from '../records/record.js'
import { claimOf, releaseOf, reportOf, resultOf } from './kept.js'
import { cutOf, isAboutMembership, learn, nameOfPlace, rankNeeded, roleRank, rule } from './membership.js'
import {
  type Attempt,
  comparePlaces,
  emptyPool,
  type Machine,
  type MembershipEntry,
  machineOf,
  type Phase,
  type Place,
  type Pool,
  placeOf,
  type Rejection,
  type SeenLog,
  type Sweep,
  type Trial
} from './pool.js'

/**
 * Raise it whenever the same records could give another pool, or the shape of the pool changes: a checkpoint that
 * another version made is thrown away, and everything is folded anew (rule F6).
 */
export const FOLD_VERSION = 5

/** The standing of every trial that nobody has attempted. */
const UNTRIED = standingOf('', { index: 0, attempts: new Map() })
const BEHIND_CUT = 'it lies behind the cut of a removed member'

type Verdict = string | undefined

/**
 * Adds one entry to the pool, and those that waited for what it says.
 *
 * @returns  Why the entry has no effect; nothing when it has one, or when it waits for its writer's admission.
 */
export function applyEntry(pool: Pool, entry: Entry): Rejection | undefined {
  const rejection = foldOrWait(pool, entry)
  for (const admitted of pool.admitted) foldOrWait(pool, admitted)
  pool.admitted.length = 0
  return rejection
}

/**
 * Returns a fresh pool that knows all that this one knows about membership; all entries must be folded into it again.
 *
 * Needed once `mustRefold` is true, which only a late change of membership brings about (rule M15). The clock stays:
 * what this machine writes must come after everything that it ever saw.
 */
export function poolToRefold(pool: Pool): Pool {
  const fresh = emptyPool(pool.id)
  for (const [author, entries] of pool.said.byAuthor) {
    fresh.said.byAuthor.set(author, new Map(entries))
    fresh.entries += entries.size
  }
  fresh.said.removals = pool.said.removals
  fresh.clock = pool.clock
  rule(fresh)
  return fresh
}

function foldOrWait(pool: Pool, entry: Entry): Rejection | undefined {
  const { record } = entry
  if (isAboutMembership(record)) return foldMembership(pool, { ...entry, record })
  const seen = seenLog(pool, entry)
  if (entry.block >= cutOf(pool, entry)) {
    seen.keptOutBlock = Math.min(seen.keptOutBlock, entry.block)
    return reject(pool, entry, BEHIND_CUT)
  }
  pool.clock = Math.max(pool.clock, record.clock)
  const needed = rankNeeded(record)
  if (roleRank(pool, entry.member) < needed) {
    const waiting = pool.waiting.get(entry.member)
    if (waiting) waiting.push(entry)
    else pool.waiting.set(entry.member, [entry])
    return undefined
  }
  const reason = foldRecord(pool, entry, record)
  if (record.kind !== 'writer-opened') {
    seen.foldedBlock = Math.max(seen.foldedBlock, entry.block)
    seen.foldedRank = Math.max(seen.foldedRank, needed)
  }
  if (reason !== undefined) return reject(pool, entry, reason)
  pool.entries++
  return undefined
}

function seenLog(pool: Pool, { log, member }: Entry): SeenLog {
  const known = pool.logs.get(log)
  if (known) return known
  const seen: SeenLog = { member, foldedBlock: -1, foldedRank: 0, keptOutBlock: Number.POSITIVE_INFINITY }
  pool.logs.set(log, seen)
  return seen
}

/** Takes in what is said about membership, whether it counts yet or not, and folds what waited for it. */
function foldMembership(pool: Pool, entry: MembershipEntry): Rejection | undefined {
  const { record, member } = entry
  if (record.kind === 'pool-founded') {
    if (poolIdOf(record) !== pool.id) return reject(pool, entry, 'it founds another pool')
    if (record.member !== member) return reject(pool, entry, 'only its founder founds the pool')
  }
  const isKnown = pool.said.byAuthor.get(member)?.has(nameOfPlace(entry)) === true
  const changed = learn(pool, entry)
  if (changed === 'all') reviewEverything(pool)
  else for (const grown of changed) release(pool, grown)
  // A founding proves itself.
  if (entry.block >= cutOf(pool, entry) && record.kind !== 'pool-founded') return reject(pool, entry, BEHIND_CUT)
  pool.clock = Math.max(pool.clock, record.clock)
  if (!isKnown) pool.entries++
  return undefined
}

/** Everybody's rights may have changed: what was folded is kept where it still holds, and given up where not. */
function reviewEverything(pool: Pool): void {
  for (const [log, { member, foldedBlock, foldedRank, keptOutBlock }] of pool.logs) {
    const cut = cutOf(pool, { member, log })
    const countsNoMore = foldedBlock >= cut || (foldedBlock >= 0 && roleRank(pool, member) < foldedRank)
    if (countsNoMore || keptOutBlock < cut) pool.mustRefold = true
  }
  for (const machine of [...pool.machines.values(), ...pool.formerMachines.values()]) keepMachine(pool, machine)
  for (const member of [...pool.waiting.keys()]) if (roleRank(pool, member) > 0) release(pool, member)
}

/** What waited is folded next, in its order; what still lacks a higher role waits again. */
function release(pool: Pool, member: string): void {
  const waiting = pool.waiting.get(member) ?? []
  pool.waiting.delete(member)
  for (const entry of waiting) pool.admitted.push(entry)
}

/** Returns what an entry's record gives to the pool's state; the whole of rule F1 in one switch. */
function foldRecord(pool: Pool, entry: Entry, record: Exclude<LogRecord, MembershipEntry['record']>): Verdict {
  switch (record.kind) {
    case 'writer-opened':
      return undefined // The store has checked the attestation; whose log it is stands in every entry.
    case 'machine-announced':
      return foldAnnouncement(pool, entry, record)
    case 'sweep-submitted':
      return foldSubmission(pool, entry, record)
    case 'sweep-stopped':
      return foldEnd(pool, entry, record, 'stop') ? undefined : 'the sweep is stopped already'
    case 'sweep-expired':
      return foldEnd(pool, entry, record, 'expiry') ? undefined : 'the sweep has expired already'
    case 'trial-claimed':
      return foldAttempt(pool, record, ({ claims }) => keepFirst(claims, entry.machine, claimOf(pool, entry, record)))
    case 'trial-released':
      return foldAttempt(pool, record, ({ releases }) =>
        keepFirst(releases, entry.machine, releaseOf(pool, entry, record))
      )
    case 'attempt-reported':
      // A report changes no trial's standing: rungs and curves are computed from it when they are asked for.
      return foldAttempt(pool, record, attempt => {
        const reports = attempt.reports.get(entry.machine) ?? new Map()
        attempt.reports.set(entry.machine, reports)
        return keepFirst(reports, record.step, reportOf(pool, entry, record))
      })
    case 'attempt-finished':
      if ((record.class === 'complete') !== (record.value !== undefined))
        return 'a complete result has a value, and no other'
      return foldAttempt(pool, record, ({ claims, results }) =>
        keepFirst(results, entry.machine, resultOf(pool, entry, record, claims.get(entry.machine)?.parameters))
      )
  }
}

function foldAnnouncement(pool: Pool, entry: Entry, record: RecordOf<'machine-announced'>): Verdict {
  const place = placeOf(entry)
  const known = machineOf(pool, entry.machine)
  if (known && comparePlaces(known, place) >= 0) return undefined // A newer announcement is known already.
  const { name, version, platform, devices } = record
  keepMachine(pool, {
    ...place,
    key: entry.machine,
    member: entry.member,
    name,
    version,
    platform,
    devices
  })
  return undefined
}

/** Former members' machines stand apart, so that nobody can forget to leave them out (rule M14). */
function keepMachine({ machines, formerMachines, removed }: Pool, machine: Machine): void {
  const [home, other] = removed.has(machine.member) ? [formerMachines, machines] : [machines, formerMachines]
  home.set(machine.key, machine)
  other.delete(machine.key)
}

/** A sweep is named by the hash of what it is, so that nobody can submit another one under its name. */
export function sweepIdOf(
  record: Pick<RecordOf<'sweep-submitted'>, 'spec' | 'bundle' | 'nonce'>,
  member: string
): string {
  return idOf('sweep', { spec: record.spec, bundle: record.bundle, nonce: record.nonce, member })
}

function foldSubmission(pool: Pool, entry: Entry, record: RecordOf<'sweep-submitted'>): Verdict {
  if (sweepIdOf(record, entry.member) !== record.sweep) return 'the sweep does not have the name that it should have'
  const sweep = sweepIn(pool, record.sweep)
  const place = placeOf(entry)
  if (sweep.submission && comparePlaces(sweep.submission, place) <= 0) return 'the sweep is known already'
  sweep.submission = {
    ...place,
    member: entry.member,
    machine: entry.machine,
    spec: record.spec,
    bundle: record.bundle
  }
  return undefined
}

/** Returns false when somebody said so before. */
function foldEnd(
  pool: Pool,
  entry: Entry,
  record: RecordOf<'sweep-stopped' | 'sweep-expired'>,
  end: 'stop' | 'expiry'
): boolean {
  const sweep = sweepIn(pool, record.sweep)
  const place = placeOf(entry)
  const known = sweep[end]
  if (known && comparePlaces(known, place) <= 0) return false
  sweep[end] = { ...place, member: entry.member }
  return true
}

/** Finds the record's attempt, lets `change` add to it, and brings the trial's standing up to date. */
function foldAttempt(
  pool: Pool,
  record: { kind: RecordKind; sweep: string; trial: number; attempt: number },
  change: (attempt: Attempt) => Verdict
): Verdict {
  const sweep = sweepIn(pool, record.sweep)
  const trial = sweep.trials.get(record.trial) ?? { index: record.trial, attempts: new Map(), standing: UNTRIED }
  const attempt = trial.attempts.get(record.attempt) ?? emptyAttempt(record.attempt)
  const reason = change(attempt)
  if (reason !== undefined) return reason
  trial.attempts.set(record.attempt, attempt)
  sweep.trials.set(record.trial, trial)
  if (record.kind !== 'attempt-reported') updateStanding(sweep, trial)
  return undefined
}

function updateStanding(sweep: Sweep, trial: Trial): void {
  const before = trial.standing.phase
  countEnvironment(sweep, trial, -1)
  trial.standing = standingOf(sweep.id, trial)
  countEnvironment(sweep, trial, 1)
  const { phase } = trial.standing
  if (phase !== before) sweep.byPhase[before].delete(trial.index)
  if (!isFresh(trial.standing)) sweep.byPhase[phase].add(trial.index)
}

/** Counted here, so that who asks at each step does not walk through every trial that ever was. */
function countEnvironment({ environmentFailures }: Sweep, { standing }: Trial, change: 1 | -1): void {
  for (const { class: kind, machine } of standing.failures) {
    if (kind !== 'environment') continue
    const count = (environmentFailures.get(machine) ?? 0) + change
    if (count > 0) environmentFailures.set(machine, count)
    else environmentFailures.delete(machine)
  }
}

/** Of two records with the same meaning by the same machine the one with the smaller place counts (rule F2). */
function keepFirst<K, V extends Place>(kept: Map<K, V>, key: K, value: V): Verdict {
  const known = kept.get(key)
  if (known && comparePlaces(known, value) <= 0) return 'the machine said so already'
  kept.set(key, value)
  return undefined
}

function sweepIn(pool: Pool, id: string): Sweep {
  const known = pool.sweeps.get(id)
  if (known) return known
  const byPhase: Record<Phase, Set<number>> = {
    open: new Set(),
    claimed: new Set(),
    done: new Set(),
    quarantined: new Set()
  }
  const sweep: Sweep = { id, trials: new Map(), byPhase, environmentFailures: new Map() }
  pool.sweeps.set(id, sweep)
  return sweep
}

function emptyAttempt(number: number): Attempt {
  return { number, claims: new Map(), releases: new Map(), results: new Map(), reports: new Map() }
}

function reject(pool: Pool, entry: Entry, reason: string): Rejection {
  const rejection = { reason, kind: entry.record.kind, machine: entry.machine, log: entry.log, block: entry.block }
  pool.rejections.count++
  pool.rejections.latest.push(rejection)
  if (pool.rejections.latest.length > LIMITS.rejectionsKept) pool.rejections.latest.shift()
  return rejection
}

/**
 * Returns drafts as records, stamped by Lamport's rule: each clock is 1 + the largest seen (rule L2).
 *
 * The clock stays at its limit once a liar has driven it there; order then rests on log and position alone.
 */
export function stamped(drafts: readonly Draft[], pool: Pick<Pool, 'clock'>, atMs: number): LogRecord[] {
  return drafts.map((draft, index) => ({
    ...draft,
    clock: Math.min(LIMITS.clockMax, pool.clock + 1 + index),
    at: atMs
  }))
}
