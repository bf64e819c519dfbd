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
  OomKind,
  Parameters,
  Place,
  Pool,
  SweepSpec,
  Usage
} from '#protocol'

export type { Device }

/** A process that uses a device. Absent fields are unknown, never 0. */
export interface DeviceProcess {
  readonly pid: number
  readonly memoryBytes?: number
  /** Its share of the device's time, 0 to 1. */
  readonly utilisation?: number
}

/** One look at a device: what peers may know of it, and what stays on this machine. */
export interface Reading {
  readonly device: Device
  /** Absent where the system does not tell who uses the device. */
  readonly processes?: readonly DeviceProcess[]
  /** A screen hangs on it. */
  readonly hasDisplay?: boolean
}

export interface Probe {
  /** How long to wait between two looks at the devices, in ms: from now on. */
  pace(pollMs: number): void
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
  /** Where the assets are that the sweep requires, by name. Absent: none. */
  readonly assets?: Readonly<Record<string, string>>
  /** True when the program finds a checkpoint: of an earlier start of this very attempt, or one that came here (C7). */
  readonly resume: boolean
  /** Under which name `Bundles` has the checkpoint that came here; absent when there is none. */
  readonly checkpoint?: string
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
  /** For `released`: what the program had saved, where others can fetch it. */
  readonly checkpoint?: Bundle
  /** What it took of its device. */
  readonly usage?: Usage
  /** For `oom`: what ran out, and what the program says that it held then. */
  readonly oom?: { readonly kind: OomKind; readonly heldBytes?: number }
  /** What the program did otherwise than its parameters say. */
  readonly changed?: readonly string[]
}

/**
 * `early`: the sweep's rule compares it with others. `owner`: whoever owns the machine wants the device. `over-memory`:
 * it takes what others there were promised.
 */
export type StopReason =
  | 'sweep-stopped'
  | 'early'
  | 'agent-closing'
  | 'lost-claim'
  | 'released'
  | 'time-limit'
  | 'owner'
  | 'over-memory'

export interface Runner {
  /** Starts an attempt. Its reports come as `onReport`, its end as exactly one `onExit`, also when it cannot start. */
  start(attempt: AttemptSpec): void
  /**
   * Asks for an end: SIGTERM, then SIGKILL after `graceMs`, `LIMITS.stopGraceMs` when absent. Asked again with less, it
   * ends sooner. Unknown ids are ignored.
   */
  stop(id: string, reason: StopReason, graceMs?: number): void
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
  /**
   * Asks for a bundle to be fetched, checked and unpacked. `onBundle` tells of its end. Asking again is harmless.
   *
   * `attempt`: the id of the one attempt that the bundle, a checkpoint, is for; it is told of under that id.
   */
  want(bundle: Bundle, attempt?: string): void
  /** A checkpoint is not waited for any more: nothing is told of it from now on, and what came of it is removed. */
  forget(attempt: string): void
}

export interface Packages {
  /** Asks which of some Python packages this machine finds. `onPackages` tells of each, also when asking fails. */
  look(names: readonly string[]): void
}

/** What must survive a crash of this machine. Every call is on disk, fsynced, when it returns. */
export interface Keeper {
  load(): Kept
  saveApproval(digest: string): void
  /** A result, before the attempt counts as finished (rule L8). */
  saveResult(id: string, draft: Draft): void
  dropResult(id: string): void
  /** All pauses of this machine, instead of those before. */
  savePauses(pauses: readonly KeptPause[]): void
}

/** A pause as it outlives a process. */
export interface KeptPause {
  readonly device?: string
  /** Wall clock, ms since 1970; absent: until it is resumed. */
  readonly untilWallMs?: number
}

export interface Kept {
  readonly approved: readonly string[]
  readonly results: readonly { readonly id: string; readonly draft: Draft }[]
  /** Ids of attempts that left a checkpoint. */
  readonly checkpoints: readonly string[]
  readonly pauses: readonly KeptPause[]
}
