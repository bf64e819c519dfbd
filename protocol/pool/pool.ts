/**
 * The pool: what all records together mean.
 *
 * Owns the state's types. Only the fold writes them; everybody else reads. Every collection is a set that only grows,
 * keyed so that the order of arrival cannot matter (rule F2); what spans records is computed from it, never stored.
 */
import type { Entry, KnownDevice, ReleaseReason, ResultClass, Role } from '../records/record.js'
import type { Parameters, SweepSpec } from '../sweep-spec.js'

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
}

export interface Release extends Place {
  readonly machine: string
  readonly reason: ReleaseReason
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
  readonly device: { readonly id: string; readonly model: string; readonly memoryBytes: number }
  readonly message?: string
  readonly tail?: string
}

/** One attempt: keyed by machine, since two machines may have claimed it without knowing of each other. */
export interface Attempt {
  readonly number: number
  readonly claims: Map<string, Claim>
  readonly releases: Map<string, Release>
  readonly results: Map<string, Result>
  /** Reports by machine, then by step: the objective's value and its record's place. */
  readonly reports: Map<string, Map<number, Place & { readonly value: number }>>
}

/**
 * Where a trial stands: `open` can be claimed, `claimed` is somebody's, `done` has a result that counts,
 * `quarantined` failed too often (rule C9).
 */
export type Phase = 'open' | 'claimed' | 'done' | 'quarantined'

/** What a trial's records come to. Computed from them alone, each time that one arrives (rule F3). */
export interface Standing {
  readonly phase: Phase
  /** The largest attempt known; 0 when nobody ever claimed the trial. */
  readonly attempt: number
  /** While the trial is claimed: the attempt that is under way, and the machine whose claim on it holds (rule C3). */
  readonly held?: { readonly attempt: number; readonly holder: string }
  /** The result that counts (rule C8), once the trial is done. */
  readonly result?: Result
  /** Results that would count too: they tell how noisy the objective is. */
  readonly replicates: readonly Result[]
  /** Results that ended in nothing, oldest first. */
  readonly failures: readonly Result[]
  /** The largest memory in which the trial did not fit; 0 when it never ran out of memory. */
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
  readonly trials: Map<number, Trial>
  /** The same trials by phase, so that planning costs what is unfinished, not what is old. */
  readonly byPhase: Readonly<Record<Phase, Set<number>>>
}

/** Why a record has no effect. Its author alone is told; everybody counts it. */
export interface Rejection {
  readonly reason: string
  readonly kind: string
  readonly machine: string
  readonly log: string
  readonly block: number
}

export interface Pool {
  readonly id: string
  founding?: Place & { readonly name: string; readonly member: string; readonly machine: string }
  readonly members: Map<string, Member>
  readonly machines: Map<string, Machine>
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
}

/** Returns a pool in which nothing has happened. `id` is the digest of its founding. */
export function emptyPool(id: string): Pool {
  return {
    id,
    members: new Map(),
    machines: new Map(),
    sweeps: new Map(),
    clock: 0,
    entries: 0,
    rejections: { count: 0, latest: [] },
    waiting: new Map(),
    admitted: []
  }
}

/** Orders two places: by clock, then log, then position (rule F2). */
export function comparePlaces(a: Place, b: Place): number {
  return a.clock - b.clock || (a.log < b.log ? -1 : a.log > b.log ? 1 : a.block - b.block || a.index - b.index)
}
