/**
 * The fold: entries -> pool.
 *
 * Reads entries and nothing else; never throws, never logs. Any order of arrival that respects each log's own order
 * gives the same pool (rule F2), because every record joins a set, and where two records mean the same thing the one
 * with the smaller place wins. An entry costs its own subject only (rule F3).
 */
import { isFresh, standingOf } from '../claims.js'
import { canonicalJson, digestOf, idOf } from '../hash.js'
import { LIMITS } from '../limits.js'
import { poolIdOf } from '../records/codec.js'
import type { Draft, Entry, LogRecord, RecordKind, RecordOf, Role } from '../records/record.js'
import {
  type Attempt,
  comparePlaces,
  type Phase,
  type Place,
  type Pool,
  type Rejection,
  type Sweep,
  type Trial
} from './pool.js'

type Verdict = string | undefined

const ROLE_RANK: Readonly<Record<Role, number>> = { viewer: 1, member: 2, owner: 3 }

/**
 * Adds one entry to the pool, and those that waited for what it says.
 *
 * @returns  Why the entry has no effect; nothing when it has one, or when it waits for its writer's admission.
 */
export function applyEntry(pool: Pool, entry: Entry): Rejection | undefined {
  const rejection = foldOrWait(pool, entry)
  // A loop, not a recursion: a chain of admissions is as long as a liar likes. It grows while it is walked.
  for (const admitted of pool.admitted) foldOrWait(pool, admitted)
  pool.admitted.length = 0
  return rejection
}

function foldOrWait(pool: Pool, entry: Entry): Rejection | undefined {
  pool.clock = Math.max(pool.clock, entry.record.clock)
  if (!mayWrite(pool, entry)) {
    const waiting = pool.waiting.get(entry.member)
    if (waiting) waiting.push(entry)
    else pool.waiting.set(entry.member, [entry])
    return undefined
  }
  const reason = foldRecord(pool, entry)
  if (reason !== undefined) return reject(pool, entry, reason)
  pool.entries++
  return undefined
}

/** Returns what an entry's record gives to the pool's state; the whole of rule F1 in one switch. */
function foldRecord(pool: Pool, entry: Entry): Verdict {
  const record = entry.record
  switch (record.kind) {
    case 'writer-opened':
      return undefined // The store has checked the attestation; whose log it is stands in every entry.
    case 'pool-founded':
      return foldFounding(pool, entry, record)
    case 'member-admitted':
      return foldAdmission(pool, entry, record)
    case 'machine-announced':
      return foldAnnouncement(pool, entry, record)
    case 'sweep-submitted':
      return foldSubmission(pool, entry, record)
    case 'sweep-stopped':
      return foldStop(pool, entry, record)
    case 'trial-claimed':
      return foldAttempt(pool, record, attempt => {
        const { device, parameters } = record
        return keepFirst(attempt.claims, entry.machine, {
          ...placeOf(entry),
          machine: entry.machine,
          device,
          parameters
        })
      })
    case 'trial-released':
      return foldAttempt(pool, record, attempt =>
        keepFirst(attempt.releases, entry.machine, { ...placeOf(entry), machine: entry.machine, reason: record.reason })
      )
    case 'attempt-reported':
      // A report changes no trial's standing: rungs and curves are computed from it when they are asked for.
      return foldAttempt(pool, record, attempt => {
        const reports = attempt.reports.get(entry.machine) ?? new Map()
        attempt.reports.set(entry.machine, reports)
        return keepFirst(reports, record.step, { ...placeOf(entry), value: record.value })
      })
    case 'attempt-finished':
      return foldResult(pool, entry, record)
  }
}

/** Who may write what: pool-founded proves itself; everything else needs a role (docs/protocol.md, rule M2). */
function mayWrite(pool: Pool, entry: Entry): boolean {
  const kind = entry.record.kind
  if (kind === 'pool-founded') return true
  const role = pool.members.get(entry.member)?.role
  if (!role) return false
  return ROLE_RANK[role] >= Math.max(...neededFor(entry.record).map(needed => ROLE_RANK[needed]))
}

function neededFor(record: LogRecord): readonly Role[] {
  if (record.kind === 'writer-opened' || record.kind === 'machine-announced') return ['viewer']
  // Nobody grants more than they have. Such a record waits rather than fails: its author may yet be found an owner.
  return record.kind === 'member-admitted' ? ['member', record.role] : ['member']
}

function foldFounding(pool: Pool, entry: Entry, record: RecordOf<'pool-founded'>): Verdict {
  if (poolIdOf(record) !== pool.id) return 'it founds another pool'
  const place = placeOf(entry)
  if (pool.founding && comparePlaces(pool.founding, place) <= 0) return 'the pool is founded already'
  const { name, member, machine, memberName } = record
  pool.founding = { ...place, name, member, machine }
  admit(pool, { ...place, key: member, name: memberName, role: 'owner', machine, invite: '' })
  return undefined
}

function foldAdmission(pool: Pool, entry: Entry, record: RecordOf<'member-admitted'>): Verdict {
  const { member, name, role, machine, invite } = record
  admit(pool, { ...placeOf(entry), key: member, name, role, machine, invite })
  return undefined
}

/** Membership only grows: the first admission names the member, the highest role counts. What waited is folded next. */
function admit(
  pool: Pool,
  granted: Place & { key: string; name: string; role: Role; machine: string; invite: string }
): void {
  const known = pool.members.get(granted.key)
  const first = known && comparePlaces(known, granted) <= 0 ? known : granted
  const role = known && ROLE_RANK[known.role] > ROLE_RANK[granted.role] ? known.role : granted.role
  pool.members.set(granted.key, { ...first, role })
  if (known && known.role === role) return
  const waiting = pool.waiting.get(granted.key) ?? []
  pool.waiting.delete(granted.key)
  for (const entry of waiting) pool.admitted.push(entry)
}

function foldAnnouncement(pool: Pool, entry: Entry, record: RecordOf<'machine-announced'>): Verdict {
  const place = placeOf(entry)
  const known = pool.machines.get(entry.machine)
  if (known && comparePlaces(known, place) >= 0) return undefined // A newer announcement is known already.
  const { name, version, platform, devices } = record
  pool.machines.set(entry.machine, {
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

function foldStop(pool: Pool, entry: Entry, record: RecordOf<'sweep-stopped'>): Verdict {
  const sweep = sweepIn(pool, record.sweep)
  const place = placeOf(entry)
  if (sweep.stop && comparePlaces(sweep.stop, place) <= 0) return 'the sweep is stopped already'
  sweep.stop = { ...place, member: entry.member }
  return undefined
}

function foldResult(pool: Pool, entry: Entry, record: RecordOf<'attempt-finished'>): Verdict {
  if ((record.class === 'complete') !== (record.value !== undefined))
    return 'a complete result has a value, and no other'
  const { kind, clock, at, sweep, trial, attempt: number, ...result } = record
  return foldAttempt(pool, record, attempt =>
    keepFirst(attempt.results, entry.machine, {
      ...placeOf(entry),
      ...defined(result),
      attempt: number,
      machine: entry.machine
    })
  )
}

/** Finds the record's attempt, lets `change` add to it, and brings the trial's standing up to date. */
function foldAttempt(
  pool: Pool,
  record: { kind: RecordKind; sweep: string; trial: number; attempt: number },
  change: (attempt: Attempt) => Verdict
): Verdict {
  const sweep = sweepIn(pool, record.sweep)
  const trial = sweep.trials.get(record.trial) ?? {
    index: record.trial,
    attempts: new Map(),
    standing: standingOf(sweep.id, { index: record.trial, attempts: new Map() })
  }
  const attempt = trial.attempts.get(record.attempt) ?? emptyAttempt(record.attempt)
  const reason = change(attempt)
  if (reason !== undefined) return reason
  trial.attempts.set(record.attempt, attempt)
  sweep.trials.set(record.trial, trial)
  if (record.kind !== 'attempt-reported') updateStanding(sweep, trial)
  return undefined
}

function updateStanding(sweep: Sweep, trial: Trial): void {
  sweep.byPhase[trial.standing.phase].delete(trial.index)
  trial.standing = standingOf(sweep.id, trial)
  if (!isFresh(trial.standing)) sweep.byPhase[trial.standing.phase].add(trial.index)
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
  const sweep: Sweep = { id, trials: new Map(), byPhase }
  pool.sweeps.set(id, sweep)
  return sweep
}

function emptyAttempt(number: number): Attempt {
  return { number, claims: new Map(), releases: new Map(), results: new Map(), reports: new Map() }
}

function placeOf(entry: Entry): Place {
  return { clock: entry.record.clock, log: entry.log, block: entry.block, index: entry.index, at: entry.record.at }
}

function reject(pool: Pool, entry: Entry, reason: string): Rejection {
  const rejection = { reason, kind: entry.record.kind, machine: entry.machine, log: entry.log, block: entry.block }
  pool.rejections.count++
  pool.rejections.latest.push(rejection)
  if (pool.rejections.latest.length > LIMITS.rejectionsKept) pool.rejections.latest.shift()
  return rejection
}

/** Leaves absent fields out, so that the value fits types that tell absent from undefined. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}

/**
 * Returns the digest of what the pool means: equal at two machines exactly when they agree.
 *
 * Counts of rejections and what waits are left out: they tell of this machine, not of the pool.
 * Cost: the whole pool; asked for by people and tests, never by the core.
 */
export function poolHash(pool: Pool): string {
  const sweeps = [...pool.sweeps.values()].map(({ id, submission, stop, trials }) => ({
    id,
    submission,
    stop,
    trials: [...trials.values()]
      .sort((a, b) => a.index - b.index)
      .map(trial => ({ index: trial.index, attempts: plain(trial.attempts) }))
  }))
  const { id, founding, members, machines } = pool
  return digestOf(
    canonicalJson({
      id,
      founding,
      members: plain(members),
      machines: plain(machines),
      sweeps: sweeps.sort((a, b) => (a.id < b.id ? -1 : 1))
    })
  )
}

/** Maps as objects, at every depth: canonical JSON sorts their keys. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [String(key), plain(item)]))
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
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
