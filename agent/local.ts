/**
 * Local: what only this machine knows.
 *
 * Its devices, the attempts in hand, what its owner approved, whom it hears. The agent notes facts here; the plan reads
 * them. Nothing of it is ever written to the log as such.
 */
import {
  approvalOf,
  type Beat,
  type Device,
  formatBytes,
  isRemoved,
  LIMITS,
  machineOf,
  type Pool,
  type Submission
} from '#protocol'
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
  /** True when it backs up an attempt of another machine (C11). */
  readonly backup?: true
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

/** `isDiskFault`: the disk did not take it, so that it is asked for again once there is room. */
export type BundleState = 'wanted' | 'ready' | { readonly fault: string; readonly isDiskFault?: boolean }

/** What a look at the disk of this machine's home found. Absent fields are unknown. */
export interface DiskNews {
  readonly freeBytes?: number
  /** Why it took no write, whatever is free. */
  readonly fault?: 'ENOSPC' | 'EDQUOT' | 'EROFS'
}

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
  /** Up to where the pool's claims are noted. */
  noted: { readonly pool?: Pool; readonly entries: number }
  /** When this machine first saw a claim of others, by attempt id: silence counts from there at the earliest. */
  readonly claimSeenMs: Map<string, number>
  /** Since when this machine ticks without a gap, and since when it hears somebody without a break (C6). */
  steadySinceMs: number
  connectedSinceMs: number
  /** Attempts with a checkpoint from before a restart (C7). */
  readonly checkpoints: Set<string>
  /** Attempts whose result is written down here, until the log has it for good. */
  readonly results: Set<string>
  /** Why its owner wants no work taken, in words; absent when it may be. */
  paused: string | undefined
  /** The same, but for the disk. It says nothing of how much is free, or each look would be news. */
  diskTrouble: string | undefined
  isClosing: boolean
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
    noted: { entries: 0 },
    claimSeenMs: new Map(),
    steadySinceMs: nowMs,
    connectedSinceMs: nowMs,
    checkpoints: new Set(),
    results: new Set(),
    paused: undefined,
    diskTrouble: undefined,
    isClosing: false
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

/** Returns the machines heard within the last `withinMs` whose members are still in the pool, sorted. */
export function activeMachines(pool: Pool, local: Local, nowMs: number, withinMs?: number): string[] {
  return heardMachines(local, nowMs, withinMs).filter(machine => !isOut(pool, machine))
}

/** True for a machine whose member was removed: it holds nothing any more, and nobody reckons with it. */
export function isOut(pool: Pool, machine: string): boolean {
  const member = machineOf(pool, machine)?.member
  return member !== undefined && isRemoved(pool, member)
}

/** Returns why this machine takes no work, in words for its owner; nothing when it does. Several reasons may hold. */
export function pausedReason(pool: Pool, local: Local): string | undefined {
  const removed = isOut(pool, local.machine) ? 'its member was removed from the pool' : undefined
  const closing = local.isClosing ? 'closing' : undefined
  const reasons = [local.paused, closing, removed, local.diskTrouble].filter(reason => reason !== undefined)
  // Peers refuse a beat with a longer text as a whole.
  return reasons.length === 0 ? undefined : reasons.join('; ').slice(0, LIMITS.nameChars)
}

/** Notes when claims of others were first seen, and forgets those that are over: silence counts from there (C6). */
export function noteClaims(pool: Pool, local: Local, now: number): void {
  // Only new entries change who claims what.
  if (local.noted.pool === pool && local.noted.entries === pool.entries) return
  local.noted = { pool, entries: pool.entries }
  const open = new Set<string>()
  for (const sweep of pool.sweeps.values()) {
    for (const index of sweep.byPhase.claimed) {
      const { held, backup } = sweep.trials.get(index)?.standing ?? {}
      for (const each of [held, backup]) {
        if (!each) continue
        const id = attemptId(sweep.id, index, each.attempt)
        open.add(id)
        if (!local.claimSeenMs.has(id)) local.claimSeenMs.set(id, now)
      }
    }
  }
  for (const id of local.claimSeenMs.keys()) if (!open.has(id)) local.claimSeenMs.delete(id)
}

/** Notes what a look at the disk found. Returns true when that is news: work is to be held, or goes on. */
export function noteDisk(local: Local, news: DiskNews, floorBytes: number): boolean {
  const trouble = diskTroubleOf(news, floorBytes, local.diskTrouble !== undefined)
  if (trouble === local.diskTrouble) return false
  local.diskTrouble = trouble
  if (trouble !== undefined) return true
  // What the disk did not take is asked for anew; the plan does so for each bundle that is not known.
  for (const [digest, state] of [...local.bundles])
    if (typeof state === 'object' && state.isDiskFault) local.bundles.delete(digest)
  return true
}

/** Why the disk lets nothing new begin, in words. Once it did not, more must be free for it to do so again. */
function diskTroubleOf(news: DiskNews, floorBytes: number, wasHeld: boolean): string | undefined {
  if (news.fault === 'EROFS') return 'its disk is read-only'
  if (news.fault === 'EDQUOT') return 'its quota on the disk is used up'
  const enoughBytes = wasHeld ? floorBytes * LIMITS.freeSpaceMargin : floorBytes
  if (news.freeBytes !== undefined && news.freeBytes < enoughBytes)
    return `its disk has less than ${formatBytes(floorBytes)} free`
  // No room for files where there is room for bytes: no inodes, most often.
  return news.fault === 'ENOSPC' ? 'its disk is full' : undefined
}

/** True when this machine's owner lets a sweep's command run here, in that very bundle. */
export function isApproved(local: Local, submission: Pick<Submission, 'spec' | 'bundle'>): boolean {
  return local.approveAll || local.approved.has(approvalOf(submission))
}

/** Returns the charge with an attempt's id, if this machine has it in hand. */
export function chargeOf(local: Local, id: string): Charge | undefined {
  return [...local.charges.values()].find(charge => charge.id === id)
}

/** Names the attempt of a charge as records do. */
export function subject(charge: Charge): { sweep: string; trial: number; attempt: number } {
  return { sweep: charge.sweep, trial: charge.trial, attempt: charge.attempt }
}
