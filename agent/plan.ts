/**
 * The plan: what this machine does next.
 *
 * A pure function of the pool, of what only this machine knows, and of the time. It starts nothing itself: the agent
 * carries its steps out. The rules' numbers (C1 to C10) are those of docs/protocol.md.
 */
import {
  type Bundle,
  claimedTrials,
  type Device,
  type Draft,
  environmentFailures,
  freshTrials,
  isUnderstood,
  LIMITS,
  type Parameters,
  type Pool,
  parametersOf,
  patienceMs,
  rankOf,
  reopenedTrials,
  type Submission,
  type Sweep,
  settleMs,
  sweepStateOf,
  sweepsInOrder
} from '#protocol'
import { givesWay } from './conflict.js'
import { attemptId, type Charge, heardMachines, isApproved, type Local } from './local.js'
import type { StopReason } from './ports.js'

/** One thing to do. */
export type Step =
  /** Make a claim: occupy the device and write the record. */
  | { readonly do: 'claim'; readonly charge: Charge; readonly draft: Draft }
  /** Occupy a device with an attempt that is this machine's already. */
  | { readonly do: 'resume'; readonly charge: Charge }
  | { readonly do: 'start'; readonly charge: Charge; readonly submission: Submission; readonly parameters: Parameters }
  | { readonly do: 'stop'; readonly charge: Charge; readonly reason: StopReason }
  /** Give a device back: its claim did not hold, so nothing was trained. */
  | { readonly do: 'free'; readonly charge: Charge }
  | { readonly do: 'append'; readonly draft: Draft }
  | { readonly do: 'fetch'; readonly bundle: Bundle }

/** Returns what to do now, in order. Cost: the unfinished trials of running sweeps, not the finished ones. */
export function plan(pool: Pool, local: Local, nowMs: number): Step[] {
  const running = sweepsInOrder(pool).filter(sweep => sweepStateOf(pool, sweep) === 'running')
  const steps: Step[] = [...wantBundles(running, local)]
  for (const charge of local.charges.values()) steps.push(...advance(pool, local, charge, nowMs))
  const taken = new Set([...local.charges.values()].map(charge => charge.id))
  const idle = idleDevices(local)
  for (const step of ownLeftOvers(running, local, idle, nowMs)) {
    steps.push(step)
    if (step.do !== 'resume') continue
    idle.splice(
      idle.findIndex(device => device.id === step.charge.device),
      1
    )
    taken.add(step.charge.id)
  }
  for (const device of idle) {
    const chosen = choose({ pool, local, running, device, taken, nowMs })
    if (!chosen) continue
    taken.add(chosen.charge.id)
    steps.push(chosen)
  }
  return steps
}

/** A paused machine has none: what it holds without working on it goes back to the others. */
function idleDevices(local: Local): Device[] {
  if (local.paused !== undefined) return []
  return local.devices.filter(device => !local.charges.has(device.id) && device.fault === undefined)
}

/** Bundles of running sweeps that the owner approved are fetched before any trial is claimed. */
function wantBundles(running: readonly Sweep[], local: Local): Step[] {
  return running.flatMap(({ submission }) => {
    if (!submission || !isApproved(local, submission) || local.bundles.has(submission.bundle.digest)) return []
    return [{ do: 'fetch' as const, bundle: submission.bundle }]
  })
}

/** A charge goes on: a claim settles or is lost (C3), an attempt of a stopped sweep ends. */
function advance(pool: Pool, local: Local, charge: Charge, nowMs: number): Step[] {
  const sweep = pool.sweeps.get(charge.sweep)
  const standing = sweep?.trials.get(charge.trial)?.standing
  const isOver = sweep?.stop !== undefined
  if (charge.phase === 'running' && isOver) return [{ do: 'stop', charge, reason: 'sweep-stopped' }]
  if (charge.phase === 'running')
    return givesWay(pool, local, charge, nowMs) ? [{ do: 'stop', charge, reason: 'lost-claim' }] : []
  if (charge.phase === 'stopping' || !sweep?.submission) return []
  const isFolded = sweep.trials.get(charge.trial)?.attempts.get(charge.attempt)?.claims.has(local.machine) ?? false
  if (!isFolded) return []
  const isMine = standing?.held?.attempt === charge.attempt && standing.held.holder === local.machine
  if (!isMine || isOver) return [{ do: 'free', charge }]
  const bundle = local.bundles.get(sweep.submission.bundle.digest)
  if (typeof bundle === 'object') {
    const about = { sweep: charge.sweep, trial: charge.trial, attempt: charge.attempt }
    return [
      { do: 'free', charge },
      { do: 'append', draft: { kind: 'trial-released', ...about, reason: 'unable' } }
    ]
  }
  if (!charge.resume && nowMs - charge.sinceMs < settlingMs(pool, local, charge, nowMs)) return []
  if (bundle !== 'ready') return []
  return [{ do: 'start', charge, submission: sweep.submission, parameters: parametersOf(sweep, charge.trial) }]
}

/**
 * How long a claim settles (C3), in ms. A machine that has just started or woken up hears nobody yet; while the pool
 * has others it is not taken to be alone, or two that start together would train the same trials.
 */
function settlingMs(pool: Pool, local: Local, charge: Charge, nowMs: number): number {
  const roundTrips = heardMachines(local, nowMs).map(machine => local.peers.get(machine)?.roundTripMs ?? 0)
  if (roundTrips.length > 0 || pool.machines.size <= 1) return settleMs(roundTrips)
  return Math.max(0, local.steadySinceMs + LIMITS.aloneMs - charge.sinceMs)
}

/** Claims that are this machine's without its working on them: it was restarted. Resume, or release at once (C7). */
function ownLeftOvers(running: readonly Sweep[], local: Local, idle: readonly Device[], nowMs: number): Step[] {
  const inHand = new Set([...local.charges.values()].map(charge => charge.id))
  const free = [...idle]
  const steps: Step[] = []
  for (const sweep of running) {
    for (const trial of claimedTrials(sweep)) {
      const held = sweep.trials.get(trial)?.standing.held
      if (held?.holder !== local.machine) continue
      const id = attemptId(sweep.id, trial, held.attempt)
      if (inHand.has(id) || local.results.has(id)) continue
      const about = { sweep: sweep.id, trial, attempt: held.attempt }
      const device =
        local.checkpoints.has(id) && sweep.submission && isApproved(local, sweep.submission) ? free.shift() : undefined
      if (device)
        steps.push({
          do: 'resume',
          charge: { ...about, id, device: device.id, phase: 'claiming', sinceMs: nowMs, resume: true }
        })
      else steps.push({ do: 'append', draft: { kind: 'trial-released', ...about, reason: 'restart' } })
    }
  }
  return steps
}

interface Choice {
  readonly pool: Pool
  readonly local: Local
  readonly running: readonly Sweep[]
  readonly device: Device
  readonly taken: ReadonlySet<string>
  readonly nowMs: number
}

/** Picks a trial for an idle device: an open one (C1), else a silent machine's (C6). */
function choose(choice: Choice): (Step & { do: 'claim' }) | undefined {
  const sweeps = choice.running.filter(sweep => accepts(choice.local, sweep))
  for (const sweep of sweeps) {
    const trial = bestOpenTrial(choice, sweep)
    if (trial !== undefined) return claim(choice, sweep, trial)
  }
  for (const sweep of sweeps) {
    const trial = claimedTrials(sweep).find(index => isAbandoned(choice, sweep, index))
    if (trial !== undefined) return claim(choice, sweep, trial)
  }
  return undefined
}

/** True when this machine would run trials of the sweep: approved, bundle at hand, environment not known to fail. */
export function accepts(local: Local, sweep: Sweep): boolean {
  if (!sweep.submission) return false
  const { spec, bundle } = sweep.submission
  if (!isUnderstood(spec) || !isApproved(local, sweep.submission) || local.bundles.get(bundle.digest) !== 'ready')
    return false
  return environmentFailures(sweep, local.machine) < LIMITS.environmentFailuresMax
}

function bestOpenTrial(choice: Choice, sweep: Sweep): number | undefined {
  const { pool, local, device, taken, nowMs } = choice
  const others = heardMachines(local, nowMs).filter(machine =>
    local.peers.get(machine)?.beat.accepts.includes(sweep.id)
  )
  let best: { trial: number; rank: number } | undefined
  for (const trial of [...reopenedTrials(pool, sweep), ...freshTrials(sweep, LIMITS.openTrialsConsidered)]) {
    const standing = sweep.trials.get(trial)?.standing
    if (taken.has(attemptId(sweep.id, trial, (standing?.attempt ?? 0) + 1))) continue
    if (device.memoryBytes <= (standing?.tooSmallBytes ?? 0)) continue
    // A machine at which the trial failed leaves it to one where it did not, if it hears one that could take it.
    const failedAt = new Set(standing?.failures.map(result => result.machine))
    const couldTake = (other: string) => !failedAt.has(other) && hasRoom(local, other, standing?.tooSmallBytes ?? 0)
    if (failedAt.has(local.machine) && others.some(couldTake)) continue
    const rank = rankOf({ sweep: sweep.id, trial, machine: local.machine }, others)
    if (!best || rank < best.rank) best = { trial, rank }
  }
  return best?.trial
}

/** True when another machine has a device that works and is larger than what was too small. */
function hasRoom(local: Local, machine: string, tooSmallBytes: number): boolean {
  const devices = local.peers.get(machine)?.beat.devices ?? []
  return devices.some(device => device.fault === undefined && device.memoryBytes > tooSmallBytes)
}

/** True when the holder of a claimed trial was silent for longer than its attempt's patience (C6). */
function isAbandoned(choice: Choice, sweep: Sweep, trial: number): boolean {
  const { local, nowMs, device, taken } = choice
  const standing = sweep.trials.get(trial)?.standing
  const leaseMs = sweep.submission?.spec.leaseMs ?? LIMITS.leaseMs
  const held = standing?.held
  if (!held || held.holder === local.machine || device.memoryBytes <= standing.tooSmallBytes) return false
  if (taken.has(attemptId(sweep.id, trial, standing.attempt + 1)) || standing.attempt >= LIMITS.attemptsPerTrial)
    return false
  const seenMs = local.claimSeenMs.get(attemptId(sweep.id, trial, held.attempt)) ?? nowMs
  const heardMs = Math.max(local.peers.get(held.holder)?.heardMs ?? 0, local.heardOfMs.get(held.holder) ?? 0)
  const near = heardMachines(local, nowMs, Math.min(leaseMs, LIMITS.presenceAwayMs))
  const isIsolated = near.every(machine => machine === held.holder)
  const sinceMs = Math.max(seenMs, heardMs, local.steadySinceMs, isIsolated ? 0 : local.connectedSinceMs)
  return nowMs - sinceMs >= patienceMs(leaseMs, standing.attempt, isIsolated)
}

function claim(choice: Choice, sweep: Sweep, trial: number): Step & { do: 'claim' } {
  const attempt = (sweep.trials.get(trial)?.standing.attempt ?? 0) + 1
  const about = { sweep: sweep.id, trial, attempt }
  const device = choice.device.id
  const charge: Charge = {
    ...about,
    id: attemptId(sweep.id, trial, attempt),
    device,
    phase: 'claiming',
    sinceMs: choice.nowMs,
    resume: false
  }
  return {
    do: 'claim',
    charge,
    draft: { kind: 'trial-claimed', ...about, device, parameters: parametersOf(sweep, trial) }
  }
}
