/**
 * Claims: who holds a trial, which result counts, who should take which trial, when a silent machine's trial is free.
 *
 * A claim decides effort, never correctness: records only add up, and a wrong suspicion costs one extra attempt.
 * Pure functions of the pool; the rules' numbers are those of docs/protocol.md.
 */
import { idOf } from './hash.js'
import { LIMITS } from './limits.js'
import {
  type Attempt,
  type Bundle,
  comparePlaces,
  type Held,
  type Phase,
  type Result,
  type Standing,
  type Sweep,
  type Trial
} from './pool/pool.js'
import type { ResultClass } from './records/record.js'

/** What a result does to its trial (rule C9). */
type Effect = 'ends' | 'fails' | 'returns'

const EFFECTS: Readonly<Record<ResultClass, Effect>> = {
  complete: 'ends',
  stopped: 'ends',
  diverged: 'ends',
  error: 'fails',
  timeout: 'fails',
  oom: 'returns',
  environment: 'returns',
  released: 'returns',
  lost: 'returns'
}

/** Of results that end a trial, the fuller one counts: a completed training before one that was cut short. */
const CLASS_ORDER: readonly ResultClass[] = ['complete', 'stopped', 'diverged']

/** Hashes that are kept, some 300 bytes each: those of rival claims and ranks are asked for again and again. */
const HASHES_KEPT = 20_000
const orders = new Map<string, string>()
const weights = new Map<string, string>()

/** Returns what orders the claims of several machines on one attempt, and their results: the smallest comes first. */
export function claimOrder(claim: {
  readonly sweep: string
  readonly trial: number
  readonly attempt: number
  readonly machine: string
}): string {
  const { sweep, trial, attempt, machine } = claim
  return kept(orders, `${sweep} ${trial} ${attempt} ${machine}`, () =>
    idOf('claim', { sweep, trial, attempt, machine })
  )
}

function kept(hashes: Map<string, string>, name: string, compute: () => string): string {
  const known = hashes.get(name)
  if (known !== undefined) return known
  if (hashes.size >= HASHES_KEPT) hashes.clear()
  const hash = compute()
  hashes.set(name, hash)
  return hash
}

/**
 * Returns the machine whose claim on an attempt holds: the one with the smallest hash (rule C3).
 *
 * A liar can write any clock, but not choose that hash. Absent when nobody claimed the attempt.
 */
export function holderOf(sweep: string, trial: number, attempt: Attempt): string | undefined {
  return smallest([...attempt.claims.keys()], machine => claimOrder({ sweep, trial, attempt: attempt.number, machine }))
}

/** True when a machine claimed an attempt as a backup of one that is under way elsewhere (rule C11). */
export function isBackup(
  sweep: Sweep | undefined,
  about: { trial: number; attempt: number },
  machine: string
): boolean {
  return sweep?.trials.get(about.trial)?.attempts.get(about.attempt)?.claims.get(machine)?.backup === true
}

/** True for a trial that nobody ever attempted, as far as is known. */
export function isFresh({ phase, attempt }: Standing): boolean {
  return phase === 'open' && attempt === 0
}

/** Returns what a trial's records come to, whatever order they came in. */
export function standingOf(sweep: string, trial: Pick<Trial, 'index' | 'attempts'>): Standing {
  const attempts = inSequence(trial)
  const latest = attempts.at(-1)
  const results = [...trial.attempts.values()].flatMap(attempt => [...attempt.results.values()])
  const ending = inOrder(
    sweep,
    trial.index,
    results.filter(result => EFFECTS[result.class] === 'ends')
  )
  const failures = results.filter(result => EFFECTS[result.class] !== 'ends').sort(comparePlaces)
  const underWay = underWayOf(sweep, trial.index, attempts)
  // A backup takes nothing over (rule C11): the trial stays with whom it backs up, and is the backup's when that ends.
  const original = underWay.find(each => !each.isBackup)
  const held = original ?? underWay[0]
  const backup = original && underWay.find(each => each.isBackup)
  const phase = phaseOf({
    hasResult: ending.length > 0,
    failures,
    attempts: latest?.number ?? 0,
    isHeld: held !== undefined
  })
  const [result, ...replicates] = ending
  return {
    phase,
    attempt: latest?.number ?? 0,
    ...(phase === 'claimed' && held ? { held: heldBy(held) } : {}),
    ...(phase === 'claimed' && backup ? { backup: heldBy(backup) } : {}),
    ...(result ? { result } : {}),
    replicates,
    failures,
    tooSmallBytes: Math.max(0, ...results.filter(each => each.class === 'oom').map(tooSmallBytesOf))
  }
}

/**
 * Returns the checkpoint from which a trial without a result can go on (rule C7): that of the newest release with one,
 * by attempt, then by place, and the machine that gave it back.
 *
 * Only who claimed an attempt gives it back. A checkpoint after which an attempt failed is not tried again: it may be
 * what is wrong.
 */
export function checkpointOf(
  trial: Trial
): { readonly attempt: number; readonly machine: string; readonly bundle: Bundle } | undefined {
  const { result, failures } = trial.standing
  if (result) return undefined
  const failed = Math.max(0, ...failures.filter(each => EFFECTS[each.class] === 'fails').map(each => each.attempt))
  for (const { number: attempt, claims, releases } of inSequence(trial).reverse()) {
    if (attempt < failed) return undefined
    const given = [...releases.values()].filter(each => claims.has(each.machine)).sort(comparePlaces)
    const last = given.findLast(each => each.checkpoint !== undefined)
    if (last?.checkpoint) return { attempt, machine: last.machine, bundle: last.checkpoint }
  }
  return undefined
}

/** How much memory was too little: all of the device, but where others held some of it or the machine's ran out. */
function tooSmallBytesOf({ oom, device }: Result): number {
  return oom === undefined || oom.kind === 'intrinsic' ? device.memoryBytes : oom.kind === 'host' ? 0 : oom.bytes
}

/**
 * The attempts from the first on, without a gap. A claim far ahead of them counts once those before it are known: else
 * one liar could use up a trial's attempts with a single record. A report alone makes no attempt.
 */
function inSequence({ attempts }: Pick<Trial, 'attempts'>): Attempt[] {
  const sequence: Attempt[] = []
  for (let attempt = attempts.get(1); attempt && isMade(attempt); attempt = attempts.get(sequence.length + 1)) {
    sequence.push(attempt)
  }
  return sequence
}

function isMade({ claims, releases, results }: Attempt): boolean {
  return claims.size + releases.size + results.size > 0
}

/**
 * The attempts whose holder neither gave them back nor has a result for them, newest first.
 *
 * Not only the latest one: when a machine that was taken for dead turns out to be alive, whoever took its trial over
 * gives way (rule C5), and the earlier attempt is still under way.
 */
function underWayOf(sweep: string, trial: number, attempts: readonly Attempt[]): (Held & { isBackup: boolean })[] {
  return [...attempts].reverse().flatMap(attempt => {
    const holder = holderOf(sweep, trial, attempt)
    if (holder === undefined || attempt.releases.has(holder) || attempt.results.has(holder)) return []
    return [{ attempt: attempt.number, holder, isBackup: attempt.claims.get(holder)?.backup === true }]
  })
}

function heldBy({ attempt, holder }: Held): Held {
  return { attempt, holder }
}

function phaseOf(facts: { hasResult: boolean; failures: readonly Result[]; attempts: number; isHeld: boolean }): Phase {
  if (facts.hasResult) return 'done'
  const counted = facts.failures.filter(result => EFFECTS[result.class] === 'fails')
  const machines = new Set(counted.map(result => result.machine)).size
  const isQuarantined =
    (counted.length >= LIMITS.failuresToQuarantine && machines >= 2) ||
    counted.length >= LIMITS.failuresToQuarantineAlone ||
    // Claimed is enough: nobody may take it over, so a last holder that never comes back would hold the trial for ever.
    facts.attempts >= LIMITS.attemptsPerTrial
  if (isQuarantined) return 'quarantined'
  return facts.isHeld ? 'claimed' : 'open'
}

/** The canonical result first (rule C8): by class, then attempt, then hash. The others are replicates. */
function inOrder(sweep: string, trial: number, results: readonly Result[]): Result[] {
  if (results.length < 2) return [...results] // Hashing costs more than all else that the fold does for a result.
  const ranked = results.map(result => ({
    result,
    order: CLASS_ORDER.indexOf(result.class),
    hash: claimOrder({ sweep, trial, attempt: result.attempt, machine: result.machine })
  }))
  ranked.sort((a, b) => a.order - b.order || a.result.attempt - b.result.attempt || compare(a.hash, b.hash))
  return ranked.map(each => each.result)
}

/**
 * Returns how many of the others would take this trial before this machine does (rule C1): its place in the
 * rendezvous ranking, 0 for the first.
 *
 * @param others  The other eligible machines that this one hears now; this machine itself is not among them.
 * @param atMost  Counting ends here: whoever looks for the best place need not know how bad a worse one is.
 * Source:        Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998.
 */
export function rankOf(
  subject: { sweep: string; trial: number; machine: string },
  others: readonly string[],
  atMost = others.length
): number {
  if (atMost === 0) return 0
  const { sweep, trial } = subject
  const weight = (machine: string) =>
    kept(weights, `${sweep} ${trial} ${machine}`, () => idOf('rank', { sweep, trial, machine }))
  const own = weight(subject.machine)
  let before = 0
  for (const machine of others) if (weight(machine) < own && ++before === atMost) break
  return before
}

/** Returns how long to wait for rival claims, in ms (rule C3): nothing when alone. */
export function settleMs(roundTripsMs: readonly number[]): number {
  if (roundTripsMs.length === 0) return 0
  const sorted = [...roundTripsMs].sort((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0
  return Math.min(LIMITS.settleMaxMs, Math.max(LIMITS.settleMinMs, 4 * median))
}

/**
 * Returns the silence after which an attempt may be taken over, in ms (rule C6).
 *
 * @param leaseMs     The sweep's lease.
 * @param isIsolated  This machine hears nobody: then it may be the one that is cut off, and waits longest.
 */
export function patienceMs(leaseMs: number, attempt: number, isIsolated: boolean): number {
  const growth = isIsolated ? LIMITS.leaseGrowthMax : Math.min(LIMITS.leaseGrowthMax, 2 ** (attempt - 1))
  return leaseMs * growth
}

function smallest(items: readonly string[], keyOf: (item: string) => string): string | undefined {
  if (items.length <= 1) return items[0]
  const keyed = items.map(item => ({ item, key: keyOf(item) })).sort((a, b) => compare(a.key, b.key))
  return keyed[0]?.item
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
