/**
 * Local: what only this machine knows.
 *
 * Its devices, the attempts in hand, what its owner approved, whom it hears. The agent notes facts here; the plan reads
 * them. Nothing of it is ever written to the log as such.
 */
import { approvalOf, type Beat, type Device, LIMITS, type Submission } from '#protocol'
import type { Report, StopReason } from './ports.js'

/** `claiming`: the claim is made and must settle (C3). `running`: a process works. `stopping`: it was told to end. */
export type ChargePhase = 'claiming' | 'running' | 'stopping'

/** An attempt in the charge of this machine: what one of its devices is busy with. */
export interface Charge {
  readonly id: string
  readonly device: string
  readonly sweep: string
  readonly trial: number
  readonly attempt: number
  readonly phase: ChargePhase
  /** When the phase began, monotonic ms. */
  readonly sinceMs: number
  /** True when the attempt goes on from a checkpoint after a restart (C7). */
  readonly resume: boolean
  readonly latest?: Report
  /** Why it was told to end; present while it is stopping. */
  readonly stopReason?: StopReason
  /** The step of the last report that went to the log. */
  readonly loggedStep?: number
}

/** Another machine, as heard. */
export interface Peer {
  readonly beat: Beat
  /** When this machine last heard it itself, monotonic ms. */
  readonly heardMs: number
  readonly roundTripMs: number
}

export type BundleState = 'wanted' | 'ready' | { readonly fault: string }

export interface Local {
  readonly machine: string
  name: string
  devices: readonly Device[]
  /** By device id. */
  readonly charges: Map<string, Charge>
  /** What this machine's owner lets run here: names of bundles with their commands, by `approvalOf`. */
  readonly approved: Set<string>
  approveAll: boolean
  readonly bundles: Map<string, BundleState>
  readonly peers: Map<string, Peer>
  /** When a machine was last heard of through others or through its log, monotonic ms. */
  readonly heardOfMs: Map<string, number>
  /** When this machine first saw a claim of others, by attempt id: silence counts from there at the earliest. */
  readonly claimSeenMs: Map<string, number>
  /** Since when this machine ticks without a gap, and since when it hears somebody without a break (C6). */
  steadySinceMs: number
  connectedSinceMs: number
  /** Attempts with a checkpoint from before a restart (C7). */
  readonly checkpoints: Set<string>
  /** Attempts whose result is written down here, until the log has it for good. */
  readonly results: Set<string>
  /** Why no work is taken, in words; absent when it is. */
  paused: string | undefined
}

/** Returns what a machine knows that has just started. */
export function emptyLocal(machine: string, name: string, nowMs: number): Local {
  return {
    machine,
    name,
    devices: [],
    charges: new Map(),
    approved: new Set(),
    approveAll: false,
    bundles: new Map(),
    peers: new Map(),
    heardOfMs: new Map(),
    claimSeenMs: new Map(),
    steadySinceMs: nowMs,
    connectedSinceMs: nowMs,
    checkpoints: new Set(),
    results: new Set(),
    paused: undefined
  }
}

/** Names an attempt on this machine: its charge, its folder, its reports. */
export function attemptId(sweep: string, trial: number, attempt: number): string {
  return `${sweep}-${trial}-${attempt}`
}

/** Returns the machines that this one heard within the last `withinMs`, sorted. */
export function heardMachines(local: Local, nowMs: number, withinMs: number = LIMITS.presenceAwayMs): string[] {
  return [...local.peers]
    .filter(([, peer]) => nowMs - peer.heardMs <= withinMs)
    .map(([machine]) => machine)
    .sort()
}

/** True when this machine's owner lets a sweep's command run here, in that very bundle. */
export function isApproved(local: Local, submission: Pick<Submission, 'spec' | 'bundle'>): boolean {
  return local.approveAll || local.approved.has(approvalOf(submission))
}

/** Names the attempt of a charge as records do. */
export function subject(charge: Charge): { sweep: string; trial: number; attempt: number } {
  return { sweep: charge.sweep, trial: charge.trial, attempt: charge.attempt }
}
