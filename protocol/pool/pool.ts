/**
 * The pool: what all records together mean.
 *
 * Owns the state's types. Only the fold writes them; everybody else reads. Every collection is a set that only grows,
 * keyed so that the order of arrival cannot matter (rule F2); what spans records is computed from it, never stored.
 */
import type {
  BulkPlace,
  Entry,
  KnownDevice,
  OomKind,
  RecordOf,
  ReleaseReason,
  ResultClass,
  Role,
  Usage
} from '../records/record.js'
import type { Parameters, SweepSpec } from '../sweep-spec.js'
import type { Vendor } from '../vendors.js'

/** Where a record stands and when it was written: what decides between two records of the same meaning (rule F2). */
export interface Place {
  readonly clock: number
  readonly log: string
  readonly block: number
  readonly index: number
  readonly at: number
}

export interface Member extends Place {
  readonly key: string
  readonly name: string
  readonly role: Role
  /** The machine with which the member came. */
  readonly machine: string
  readonly invite: string
}

export interface Founding extends Place {
  readonly name: string
  readonly member: string
  readonly memberName: string
  readonly machine: string
}

/** Why somebody is a member no more. The place is that of the first record that decides it. */
export interface Removal extends Place {
  /** Who removed: the member itself when it left. */
  readonly by: string
  readonly reason?: string
  /** Log -> how many of its blocks count. A log that is not named counts for nothing. */
  readonly cuts: ReadonlyMap<string, number>
  /** What it was as a member; absent for a key that nobody ever admitted. */
  readonly former?: Member
}

/** A record about membership, in its place. */
export interface MembershipEntry extends Entry {
  readonly record: RecordOf<'pool-founded' | 'member-admitted' | 'member-removed'>
}

/** Who may write what: computed from all that was ever said about it, never from anything else (rules M1 to M15). */
export interface Membership {
  founding?: Founding
  readonly members: Map<string, Member>
  /** Those who may never come back, by member: what they wrote before their logs were cut still counts. */
  readonly removed: Map<string, Removal>
  /** All records about membership, by author and place: those that do not count today may count tomorrow. */
  readonly said: { readonly byAuthor: Map<string, Map<string, MembershipEntry>>; removals: number }
}

export interface Machine extends Place {
  readonly key: string
  readonly member: string
  readonly name: string
  readonly version: string
  readonly platform: string
  readonly devices: readonly KnownDevice[]
}

export interface Bundle {
  readonly digest: string
  readonly drive: string
  readonly bytes: number
  readonly files: number
}

export interface Claim extends Place {
  readonly machine: string
  readonly device: string
  readonly parameters: Parameters
  /** A second training of a trial that is under way elsewhere (rule C11). */
  readonly backup?: true
}

export interface Release extends Place {
  readonly machine: string
  readonly reason: ReleaseReason
  /** How long it had trained before it was given back; absent when it never did. */
  readonly seconds?: number
  /** What its program had saved by then. */
  readonly checkpoint?: Bundle
}

export interface Result extends Place {
  readonly attempt: number
  readonly machine: string
  readonly class: ResultClass
  readonly parameters: Parameters
  readonly value?: number
  readonly step?: number
  readonly metrics: Readonly<Record<string, number>>
  readonly curve: readonly (readonly [number, number])[]
  readonly seconds: number
  readonly device: {
    readonly id: string
    readonly model: string
    readonly memoryBytes: number
    readonly vendor?: Vendor
  }
  /** What it took of its device. */
  readonly usage?: Usage
  /** What ran out, for `oom`, and how much was too little. */
  readonly oom?: { readonly kind: OomKind; readonly bytes: number }
  /** What the program did otherwise than its parameters say. */
  readonly changed?: readonly string[]
  /** Why the sweep's rule stopped it. */
  readonly stop?: NonNullable<RecordOf<'attempt-finished'>['stop']>
  readonly message?: string
  readonly tail?: string
  /** Where the full curve and the end of the output can be fetched. */
  readonly bulk?: BulkPlace
}

/** The objective's value at a step, and which of the attempt's reports it was, if its author told. */
export interface Report extends Place {
  readonly value: number
  readonly count?: number
  readonly position?: number
}

/** One attempt: keyed by machine, since two machines may have claimed it without knowing of each other. */
export interface Attempt {
  readonly number: number
  readonly claims: Map<string, Claim>
  readonly releases: Map<string, Release>
  readonly results: Map<string, Result>
  /** Reports by machine, then by step. */
  readonly reports: Map<string, Map<number, Report>>
}

/**
 * Where a trial stands: `open` can be claimed, `claimed` is somebody's, `done` has a result that counts,
 * `quarantined` failed too often (rule C9).
 */
export type Phase = 'open' | 'claimed' | 'done' | 'quarantined'

/** An attempt that is under way, and the machine whose claim on it holds (rule C3). */
export interface Held {
  readonly attempt: number
  readonly holder: string
}

/** What a trial's records come to. Computed from them alone, each time that one arrives (rule F3). */
export interface Standing {
  readonly phase: Phase
  /** The largest attempt known; 0 when nobody ever claimed the trial. */
  readonly attempt: number
  /** While the trial is claimed: the attempt that is under way, and the machine whose claim on it holds (rule C3). */
  readonly held?: Held
  /** While somebody else trains the trial too, as its backup (rule C11): that attempt. */
  readonly backup?: Held
  /** The result that counts (rule C8), once the trial is done. */
  readonly result?: Result
  /** Results that would count too: they tell how noisy the objective is. */
  readonly replicates: readonly Result[]
  /** Results that ended in nothing, oldest first. */
  readonly failures: readonly Result[]
  /** The largest memory that was too little for the trial; 0 when it never ran out of memory. */
  readonly tooSmallBytes: number
}

export interface Trial {
  readonly index: number
  readonly attempts: Map<number, Attempt>
  standing: Standing
}

export interface Submission extends Place {
  readonly member: string
  readonly machine: string
  readonly spec: SweepSpec
  readonly bundle: Bundle
}

export interface Sweep {
  readonly id: string
  /** Absent while records about the sweep arrived before the sweep itself. */
  submission?: Submission
  stop?: Place & { readonly member: string }
  /** Somebody's clock said that its wall time is over; means nothing of a sweep that has none. */
  expiry?: Place & { readonly member: string }
  readonly trials: Map<number, Trial>
  /** The same trials by phase, so that planning costs what is unfinished, not what is old. */
  readonly byPhase: Readonly<Record<Phase, Set<number>>>
  /** Results of class `environment` by machine, counted as they come: who has too many leaves the sweep (rule C9). */
  readonly environmentFailures: Map<string, number>
}

/** Why a record has no effect. Its author alone is told; everybody counts it. */
export interface Rejection {
  readonly reason: string
  readonly kind: string
  readonly machine: string
  readonly log: string
  readonly block: number
}

/** What was made of a log: whether that still holds when its member's rights change. */
export interface SeenLog {
  readonly member: string
  /** The last block with an entry that was folded, and the highest rank that one needed; -1 and 0 before that. */
  foldedBlock: number
  foldedRank: number
  /** The first block with an entry that a cut kept out; `Infinity` when there is none. */
  keptOutBlock: number
}

export interface Pool extends Membership {
  readonly id: string
  /** Machines of members. */
  readonly machines: Map<string, Machine>
  /** Machines of former members: they have a name still, and nothing to say. */
  readonly formerMachines: Map<string, Machine>
  readonly sweeps: Map<string, Sweep>
  /** The largest Lamport clock seen. */
  clock: number
  /** Entries that had an effect. */
  entries: number
  readonly rejections: { count: number; readonly latest: Rejection[] }
  /** Entries of writers who are no members yet, by member: they count from the moment that the member does. */
  readonly waiting: Map<string, Entry[]>
  /** Those of them whose turn has come; empty whenever the fold is at rest. */
  readonly admitted: Entry[]
  readonly logs: Map<string, SeenLog>
  /** True once entries were folded that count no more, or kept out that do: see `poolToRefold`. */
  mustRefold: boolean
}

/** Returns a pool in which nothing has happened. `id` is the digest of its founding. */
export function emptyPool(id: string): Pool {
  return {
    id,
    members: new Map(),
    removed: new Map(),
    said: { byAuthor: new Map(), removals: 0 },
    machines: new Map(),
    formerMachines: new Map(),
    sweeps: new Map(),
    clock: 0,
    entries: 0,
    rejections: { count: 0, latest: [] },
    waiting: new Map(),
    admitted: [],
    logs: new Map(),
    mustRefold: false
  }
}

/** Returns a machine that the pool knows, a former member's too. */
export function machineOf(pool: Pick<Pool, 'machines' | 'formerMachines'>, key: string): Machine | undefined {
  return pool.machines.get(key) ?? pool.formerMachines.get(key)
}

/** Returns the place of an entry's record. */
export function placeOf(entry: Entry): Place {
  return { clock: entry.record.clock, log: entry.log, block: entry.block, index: entry.index, at: entry.record.at }
}

/** Orders two places: by clock, then log, then position (rule F2). */
export function comparePlaces(a: Place, b: Place): number {
  return a.clock - b.clock || (a.log < b.log ? -1 : a.log > b.log ? 1 : a.block - b.block || a.index - b.index)
}
