/**
 * Ports: the interfaces through which the core reaches the world.
 *
 * Every call returns at once. What it starts comes back later as one of the agent's `on…` calls. The real adapters and
 * the simulated ones pass the same contract suites (test/contract).
 */
import type {
  Beat,
  BulkPlace,
  Bundle,
  Device,
  Draft,
  FailureClass,
  Parameters,
  Place,
  Pool,
  SweepSpec
} from '#protocol'

export type { Device }

export interface Probe {
  /** Returns the environment that binds a program to one device, such as `CUDA_VISIBLE_DEVICES`. */
  environment(deviceId: string): Readonly<Record<string, string>>
  close(): Promise<void>
}

/** One attempt to be run. */
export interface AttemptSpec {
  /** Names the attempt on this machine: its folder, its log, its reports. Letters, digits and dashes. */
  readonly id: string
  readonly sweep: string
  readonly trial: number
  readonly attempt: number
  readonly spec: SweepSpec
  readonly parameters: Parameters
  /** Seed for the program: the same for every attempt of a trial. */
  readonly seed: number
  readonly bundleDigest: string
  readonly device: string
  readonly environment: Readonly<Record<string, string>>
  /** True when an earlier start of this very attempt may have left a checkpoint (rule C7). */
  readonly resume: boolean
}

/** A measured value of a running attempt. */
export interface Report {
  readonly step: number
  /** Every finite number that the program printed in this line; a non-finite one stands in `nonFinite`. */
  readonly metrics: Readonly<Record<string, number>>
  readonly nonFinite: readonly string[]
  /** Steps in all, when the program tells. */
  readonly steps?: number
}

/** How a process ended, before anybody judged it. */
export interface Exit {
  readonly class: 'complete' | FailureClass
  /** One sentence on what happened, for people. Absent when all went well. */
  readonly message?: string
  /** The objective's value over the attempt, by the sweep's `summary`. Present for `complete`. */
  readonly value?: number
  /** Step of the last report. */
  readonly step?: number
  /** The last value of every metric. */
  readonly metrics: Readonly<Record<string, number>>
  /** [step, objective] pairs, at most `LIMITS.curvePoints`, first and last included. */
  readonly curve: readonly (readonly [number, number])[]
  readonly seconds: number
  /** The end of the program's output. */
  readonly tail: string
  /** Where the full curve and more of the output were written down, if they could be. */
  readonly bulk?: BulkPlace
}

export type StopReason = 'sweep-stopped' | 'agent-closing' | 'lost-claim' | 'released' | 'time-limit'

export interface Runner {
  /** Starts an attempt. Its reports come as `onReport`, its end as exactly one `onExit`, also when it cannot start. */
  start(attempt: AttemptSpec): void
  /** Asks for an end: SIGTERM, then SIGKILL after `LIMITS.stopGraceMs`. Unknown ids are ignored. */
  stop(id: string, reason: StopReason): void
}

/** Monotonic time for every decision; wall time for display alone. */
export interface Clock {
  /** Monotonic ms. */
  now(): number
  /** Wall clock, ms since 1970. */
  wall(): number
}

export interface Log {
  /** The pool as folded so far. Only the log changes it. */
  pool(): Pool
  /** Writes records, in order. `onLogChanged` follows once they are folded. Never rejects: it retries or reports. */
  append(drafts: readonly Draft[]): void
  /** True when another machine has a block of one of this machine's logs on its disk. */
  isHeldByPeer(place: Pick<Place, 'log' | 'block'>): boolean
}

/** Presence only: the core does not know how the log travels. */
export interface Mesh {
  announce(beat: Beat): void
}

export interface Bundles {
  /** Asks for a bundle to be fetched, checked and unpacked. `onBundle` tells of its end. Asking again is harmless. */
  want(bundle: Bundle): void
}

/** What must survive a crash of this machine. Every call is on disk, fsynced, when it returns. */
export interface Keeper {
  load(): Kept
  saveApproval(digest: string): void
  /** A result, before the attempt counts as finished (rule L8). */
  saveResult(id: string, draft: Draft): void
  dropResult(id: string): void
}

export interface Kept {
  readonly approved: readonly string[]
  readonly results: readonly { readonly id: string; readonly draft: Draft }[]
  /** Ids of attempts that left a checkpoint. */
  readonly checkpoints: readonly string[]
}
