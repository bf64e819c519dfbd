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
  type Submission,
  type Verdict
} from '#protocol'
import { type DeskNews, machineHold, OWNER_DEFAULTS, type OwnerRules, type Pause, type Watched } from './owner.js'
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
  /** The memory that it was promised of its device; absent where nobody knows what it needs. */
  readonly promisedBytes?: number
  /** Why it was told to end; present while it is stopping. */
  readonly stopReason?: StopReason
  /** The step of the last report that went to the log. */
  readonly loggedStep?: number
  /** Reports of the objective so far, and the last of them. */
  readonly reports?: number
  readonly previous?: {
    readonly step: number
    readonly value: number
    readonly count: number
    readonly position?: number
  }
  /** Epochs or tokens as its program told them last, where the sweep's rule counts in these. */
  readonly told?: number
  /** What the sweep's rule of early stopping is about: losses by position, as remembered. Grows in place. */
  readonly curve?: (readonly [position: number, loss: number])[]
  /** How far it came, the last rung that it reached, and up to where it was judged: in the rule's unit. */
  readonly position?: number
  readonly reached?: number
  readonly judged?: number
  /** What ended it, where the sweep's rule did. */
  readonly verdict?: Verdict
}

export type Curve = NonNullable<Charge['curve']>

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

/** A Python package that a sweep requires. `isFound` is absent until it was looked for the first time. */
export interface PackageState {
  readonly isFound?: boolean
  /** When it was last asked or told of, monotonic ms. */
  readonly sinceMs: number
}

export interface Local {
  readonly machine: string
  name: string
  devices: readonly Device[]
  /** By attempt id. */
  readonly charges: Map<string, Charge>
  /** What this machine's owner lets run here: names of bundles with their commands, by `approvalOf`. */
  readonly approved: Set<string>
  approveAll: boolean
  /** Whose checkpoints are gone on with: the sweep's author's and this machine's member's, or every member's. */
  checkpointsOf: 'author' | 'all'
  /** By digest; checkpoints by the id of the attempt that they are for. */
  readonly bundles: Map<string, BundleState>
  /** By name, as sweeps name them. */
  readonly packages: Map<string, PackageState>
  /** Where the assets are that are there now, by name; absent until they were looked at. */
  assets: ReadonlyMap<string, string> | undefined
  readonly peers: Map<string, Peer>
  /** When a machine was last heard of through others or through its log, monotonic ms. */
  readonly heardOfMs: Map<string, number>
  /** Up to where the pool's claims are noted. */
  noted: { readonly pool?: Pool; readonly entries: number }
  /**
   * When an attempt of others last gave a sign of life, by attempt id: its claim was first seen, or its machine said
   * that it has it in hand. Silence counts from there at the earliest (C6).
   */
  readonly signOfLifeMs: Map<string, number>
  /** Since when this machine sees an attempted trial open again, by `trialId`. */
  readonly openSinceMs: Map<string, number>
  /** Since when this machine ticks without a gap, and since when it hears somebody without a break (C6). */
  steadySinceMs: number
  connectedSinceMs: number
  /** Attempts with a checkpoint from before a restart (C7). */
  readonly checkpoints: Set<string>
  /** Attempts whose release is on its way to the log. */
  readonly givenBack: Set<string>
  /** Attempts whose result is written down here, until the log has it for good. */
  readonly results: Set<string>
  /** What its owner set, paused and does. */
  readonly rules: OwnerRules
  pauses: readonly Pause[]
  desk: DeskNews | undefined
  readonly watched: Map<string, Watched>
  /** What an attempt holds of its device's memory now, by its id. */
  memoryOf: ((id: string) => number | undefined) | undefined
  /** Why it takes no work at all in this run, such as serving an invite, in words; absent for an ordinary one. */
  paused: string | undefined
  /** The same, but for the disk. It says nothing of how much is free, or each look would be news. */
  diskTrouble: string | undefined
  /** What was free on the disk of its home at the last look. */
  freeBytes: number | undefined
  /** Sweeps whose wall time is over by this machine's clock, while the log does not say so yet. */
  overdue: ReadonlySet<string>
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
    checkpointsOf: 'author',
    bundles: new Map(),
    packages: new Map(),
    assets: undefined,
    peers: new Map(),
    heardOfMs: new Map(),
    noted: { entries: 0 },
    signOfLifeMs: new Map(),
    openSinceMs: new Map(),
    steadySinceMs: nowMs,
    connectedSinceMs: nowMs,
    checkpoints: new Set(),
    givenBack: new Set(),
    results: new Set(),
    rules: OWNER_DEFAULTS,
    pauses: [],
    desk: undefined,
    watched: new Map(),
    memoryOf: undefined,
    paused: undefined,
    diskTrouble: undefined,
    freeBytes: undefined,
    overdue: new Set(),
    isClosing: false
  }
}

/** Names an attempt on this machine: its charge, its folder, its reports. */
export function attemptId(sweep: string, trial: number, attempt: number): string {
  return `${sweep}-${trial}-${attempt}`
}

/** Names a trial. */
export function trialId(sweep: string, trial: number): string {
  return `${sweep}-${trial}`
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

/** True for this machine, and for another one that was heard or heard of within `presenceAwayMs`. */
export function isHeardOf(local: Local, machine: string, nowMs: number): boolean {
  const times = [local.peers.get(machine)?.heardMs, local.heardOfMs.get(machine)]
  return machine === local.machine || times.some(ms => ms !== undefined && nowMs - ms <= LIMITS.presenceAwayMs)
}

/** True for a machine whose member was removed: it holds nothing any more, and nobody reckons with it. */
export function isOut(pool: Pool, machine: string): boolean {
  const member = machineOf(pool, machine)?.member
  return member !== undefined && isRemoved(pool, member)
}

/** Returns why this machine takes no work, in words for its owner; nothing when it does. Several reasons may hold. */
export function pausedReason(pool: Pool, local: Local, nowMs: number): string | undefined {
  const removed = isOut(pool, local.machine) ? 'its member was removed from the pool' : undefined
  const closing = local.isClosing ? 'closing' : undefined
  const held = machineHold(local, nowMs)?.text
  const reasons = [local.paused, closing, removed, held, local.diskTrouble].filter(reason => reason !== undefined)
  // Peers refuse a beat with a longer text as a whole.
  return reasons.length === 0 ? undefined : reasons.join('; ').slice(0, LIMITS.nameChars)
}

/** Notes when claims of others were first seen and since when trials are open again, and forgets what is over. */
export function noteClaims(pool: Pool, local: Local, now: number): void {
  // Only new entries change who claims what.
  if (local.noted.pool === pool && local.noted.entries === pool.entries) return
  local.noted = { pool, entries: pool.entries }
  const [claimed, open] = [new Set<string>(), new Set<string>()]
  for (const sweep of pool.sweeps.values()) {
    for (const index of sweep.byPhase.open) open.add(trialId(sweep.id, index))
    for (const index of sweep.byPhase.claimed) {
      const { held, backup } = sweep.trials.get(index)?.standing ?? {}
      for (const each of [held, backup]) if (each) claimed.add(attemptId(sweep.id, index, each.attempt))
    }
  }
  // What was given back here is over once the log has it.
  for (const id of local.givenBack) if (!claimed.has(id)) local.givenBack.delete(id)
  keepTimes(local.signOfLifeMs, claimed, now)
  keepTimes(local.openSinceMs, open, now)
}

/** What is new began now; what is over is forgotten. */
function keepTimes(times: Map<string, number>, present: ReadonlySet<string>, now: number): void {
  for (const id of present) if (!times.has(id)) times.set(id, now)
  for (const id of times.keys()) if (!present.has(id)) times.delete(id)
}

/** A machine says which attempts it has in hand: those of them that it holds are alive. */
export function noteInHand(pool: Pool, local: Local, by: { machine: string; beat: Beat }, now: number): void {
  const { machine, beat } = by
  for (const { sweep, trial, attempt } of [...beat.running, ...(beat.claims ?? [])]) {
    const { held, backup } = pool.sweeps.get(sweep)?.trials.get(trial)?.standing ?? {}
    const isHeld = [held, backup].some(each => each?.attempt === attempt && each.holder === machine)
    if (isHeld) local.signOfLifeMs.set(attemptId(sweep, trial, attempt), now)
  }
}

/** Notes what a look at the disk found. Returns true when that is news: work is to be held, or goes on. */
export function noteDisk(local: Local, news: DiskNews, floorBytes: number): boolean {
  local.freeBytes = news.freeBytes
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
  return local.charges.get(id)
}

/** Names the attempt of a charge as records do. */
export function subject(charge: Charge): { sweep: string; trial: number; attempt: number } {
  return { sweep: charge.sweep, trial: charge.trial, attempt: charge.attempt }
}
