/**
 * The plan: what this machine does next.
 *
 * A pure function of the pool, of what only this machine knows, and of the time. It starts nothing itself: the agent
 * carries its steps out. The rules' numbers (C1 to C11) are those of docs/protocol.md.
 */
import {
  checkpointOf,
  claimedTrials,
  type Device,
  fitOfTrial,
  hasReachedTarget,
  isBackup,
  isSpent,
  LIMITS,
  machineOf,
  type Pool,
  parametersOf,
  type Submission,
  type Sweep,
  sameParameters,
  settleMs,
  sweepStateOf,
  sweepsInOrder
} from '#protocol'
import { slowestWorthBacking } from './backup.js'
import { accepts, type Choice, claim } from './choice.js'
import { givesWay } from './conflict.js'
import { isDue, verdictFor } from './early.js'
import {
  activeMachines,
  attemptId,
  type Charge,
  isApproved,
  isHeardOf,
  isOut,
  type Local,
  pausedReason,
  subject
} from './local.js'
import { deviceHold, devicesNow, type Hold, machineHold } from './owner.js'
import { besidePromises, hasSeat, isOverMemory } from './packing.js'
import { bestOpenTrial } from './pick.js'
import { abandonedTrial } from './reclaim.js'
import { isLookedAt, lacking, packagesToLookFor } from './requirements.js'
import type { Step } from './step.js'

/** Returns what to do now, in order. Cost: the unfinished trials of running sweeps, not the finished ones. */
export function plan(pool: Pool, local: Local, nowMs: number): Step[] {
  if (isOut(pool, local.machine)) return [...local.charges.values()].flatMap(leave)
  const running = sweepsInOrder(pool).filter(sweep => sweepStateOf(pool, sweep) === 'running')
  const steps: Step[] = [...wantBundles(running, local), ...lookForPackages(running, local, nowMs)]
  for (const charge of local.charges.values()) steps.push(...advance(pool, local, charge, nowMs))
  const charges = [...local.charges.values()]
  const idle = seatsNow(pool, local, nowMs)
  for (const step of ownLeftOvers(pool, local, { running, idle, nowMs })) {
    steps.push(step)
    if (step.do !== 'resume') continue
    idle.splice(
      idle.findIndex(device => device.id === step.charge.device),
      1
    )
    charges.push(step.charge)
  }
  if (idle.length === 0) return steps
  const sweeps = running.filter(sweep => accepts(local, sweep))
  for (const device of idle) {
    const taken = new Set(charges.map(charge => charge.id))
    const hasBackup = charges.some(charge => charge.backup)
    const isShared = charges.some(charge => charge.device === device.id)
    const chosen = choose({ pool, local, sweeps, device, isShared, taken, hasBackup, nowMs })
    if (!chosen) continue
    charges.push(chosen.charge)
    steps.push(chosen)
  }
  return steps
}

/** This machine's member was removed: what it writes now never counts, so that going on burns power for nobody. */
function leave(charge: Charge): Step[] {
  switch (charge.phase) {
    case 'claiming':
      return [{ do: 'free', charge }]
    case 'running':
      return [{ do: 'stop', charge, reason: 'released' }]
    case 'stopping':
      return []
  }
}

/**
 * The devices that could take an attempt, with what is free of them beside what their attempts were promised. A paused
 * machine has none: what it holds without working on it goes back to the others.
 */
function seatsNow(pool: Pool, local: Local, nowMs: number): Device[] {
  if (pausedReason(pool, local, nowMs) !== undefined) return []
  const able = devicesNow(local, nowMs).filter(({ fault, hold }) => fault === undefined && hold === undefined)
  return able.filter(device => hasSeat(local, device)).map(device => besidePromises(local, device))
}

/** Bundles of running sweeps that the owner approved are fetched before any trial is claimed. */
function wantBundles(running: readonly Sweep[], local: Local): Step[] {
  if (local.diskTrouble !== undefined) return []
  return running.flatMap(({ submission }) => {
    if (!submission || !isApproved(local, submission) || local.bundles.has(submission.bundle.digest)) return []
    return [{ do: 'fetch' as const, bundle: submission.bundle }]
  })
}

/** What approved sweeps require of Python is known before any of their trials is claimed. */
function lookForPackages(running: readonly Sweep[], local: Local, nowMs: number): Step[] {
  const packages = packagesToLookFor(running, local, nowMs)
  return packages.length === 0 ? [] : [{ do: 'look', packages }]
}

/** A charge goes on: a claim settles or is lost (C3), an attempt of a stopped sweep ends. */
function advance(pool: Pool, local: Local, charge: Charge, nowMs: number): Step[] {
  const sweep = pool.sweeps.get(charge.sweep)
  const standing = sweep?.trials.get(charge.trial)?.standing
  const isOver = sweep !== undefined && (sweep.stop !== undefined || hasReachedTarget(pool, sweep))
  if (charge.phase === 'running' && isOver) return [{ do: 'stop', charge, reason: 'sweep-stopped' }]
  const hold = holdOf(local, charge, nowMs)
  if (charge.phase === 'running' && hold?.evicts)
    return [{ do: 'stop', charge, reason: 'owner', graceMs: local.rules.graceMs }]
  if (charge.phase === 'running' && isOverMemory(local, charge)) return [{ do: 'stop', charge, reason: 'over-memory' }]
  if (charge.phase === 'running' && givesWay(pool, local, charge, nowMs))
    return [{ do: 'stop', charge, reason: 'lost-claim' }]
  if (charge.phase === 'running') return sweep && isDue(sweep, charge) ? judge(sweep, charge) : []
  if (charge.phase === 'stopping' || !sweep?.submission) return []
  const isFolded = sweep.trials.get(charge.trial)?.attempts.get(charge.attempt)?.claims.has(local.machine) ?? false
  if (!isFolded) return []
  const isMine = [standing?.held, standing?.backup].some(
    held => held?.attempt === charge.attempt && held.holder === local.machine
  )
  if (!isMine || isOver) return [{ do: 'free', charge }]
  const bundle = local.bundles.get(sweep.submission.bundle.digest)
  if (typeof bundle === 'object' || local.diskTrouble !== undefined) {
    return giveBack(charge, 'unable')
  }
  if (hold) return giveBack(charge, 'owner')
  const beginning = beginningOf(pool, local, { sweep, charge, nowMs })
  if (typeof beginning === 'object') return [beginning]
  if (!charge.resume && nowMs - charge.sinceMs < settlingMs(pool, local, charge, nowMs)) return []
  // After a restart it is not known at once what is here.
  const { spec } = sweep.submission
  if (bundle !== 'ready' || beginning === 'not yet' || !isLookedAt(local, spec)) return []
  if (lacking(local, spec) !== undefined) return giveBack(charge, 'unable')
  if (!hasRoomNow(pool, local, sweep, charge)) return giveBack(charge, 'unable')
  const parameters = parametersOf(sweep, charge.trial)
  return [{ do: 'start', charge, submission: sweep.submission, parameters, hasCheckpoint: beginning === 'checkpoint' }]
}

/** Where the sweep's rule compares attempts, this one stops or goes on. */
function judge(sweep: Sweep, charge: Charge): Step[] {
  const verdict = verdictFor(sweep, charge)
  return [verdict?.stops ? { do: 'stop', charge, reason: 'early', verdict } : { do: 'pass', charge }]
}

/**
 * Where a claimed attempt begins (C7): at the checkpoint of whoever gave its trial back, once that is here; anew when
 * there is none, it cannot be had, or its machine is gone. Fetched while the claim settles.
 */
function beginningOf(
  pool: Pool,
  local: Local,
  { sweep, charge, nowMs }: { readonly sweep: Sweep; readonly charge: Charge; readonly nowMs: number }
): 'anew' | 'checkpoint' | 'not yet' | (Step & { do: 'fetch' }) {
  const { trials, submission } = sweep
  const trial = trials.get(charge.trial)
  const found = trial && checkpointOf(trial)
  const saved = found && trial?.attempts.get(found.attempt)?.claims.get(found.machine)
  // An attempt that goes on after a restart has its own. Of a sweep that is not approved nothing at all is fetched.
  if (charge.resume || !found || !submission || !isApproved(local, submission)) return 'anew'
  if (!isTrusted(pool, local, submission, found.machine)) return 'anew'
  // Machines that did not hear each other may each have proposed this trial: another one's checkpoint is no help.
  if (!saved || !sameParameters(saved.parameters, parametersOf(sweep, charge.trial))) return 'anew'
  const state = local.bundles.get(charge.id)
  if (state === 'ready') return 'checkpoint'
  const isLate = nowMs - charge.sinceMs >= LIMITS.checkpointFetchMs
  if (typeof state === 'object' || isLate || !isHeardOf(local, found.machine, nowMs)) return 'anew'
  return state === 'wanted' ? 'not yet' : { do: 'fetch', bundle: found.bundle, attempt: charge.id }
}

/**
 * A checkpoint is what a program made, and a program that loads pickles runs what is in it: an approval of the sweep's
 * code covers what its author sends, and nobody else's machine.
 */
function isTrusted(pool: Pool, local: Local, submission: Submission, machine: string): boolean {
  if (local.approveAll || local.checkpointsOf === 'all') return true
  const member = machineOf(pool, machine)?.member
  if (member === undefined) return false
  return member === submission.member || member === machineOf(pool, local.machine)?.member
}

/** Why the device of a charge is wanted back. */
function holdOf(local: Local, { device: id }: Charge, nowMs: number): Hold | undefined {
  const device = local.devices.find(each => each.id === id)
  const holds = [machineHold(local, nowMs), device && deviceHold(local, device, nowMs)]
  return holds.find(hold => hold?.evicts) ?? holds.find(hold => hold !== undefined)
}

/** A claim that will not be worked on goes back at once, so that nobody waits. */
function giveBack(charge: Charge, reason: 'owner' | 'unable'): Step[] {
  return [
    { do: 'free', charge },
    { do: 'append', draft: { kind: 'trial-released', ...subject(charge), reason } }
  ]
}

/** Looks at the device once more, right before the start: since the claim somebody may have taken its memory. */
function hasRoomNow(pool: Pool, local: Local, sweep: Sweep, charge: Charge): boolean {
  const device = local.devices.find(each => each.id === charge.device)
  return device !== undefined && fitOfTrial(pool, sweep, charge.trial, besidePromises(local, device, charge)).fits
}

/**
 * How long a claim settles (C3), in ms. A machine that has just started or woken up hears nobody yet; while the pool
 * has others it is not taken to be alone, or two that start together would train the same trials.
 */
function settlingMs(pool: Pool, local: Local, charge: Charge, nowMs: number): number {
  const roundTrips = activeMachines(pool, local, nowMs).map(machine => local.peers.get(machine)?.roundTripMs ?? 0)
  if (roundTrips.length > 0 || pool.machines.size <= 1) return settleMs(roundTrips)
  return Math.max(0, local.steadySinceMs + LIMITS.aloneMs - charge.sinceMs)
}

/** Claims that are this machine's without its working on them: it was restarted. Resume, or release at once (C7). */
function ownLeftOvers(
  pool: Pool,
  local: Local,
  {
    running,
    idle,
    nowMs
  }: { readonly running: readonly Sweep[]; readonly idle: readonly Device[]; readonly nowMs: number }
): Step[] {
  const free = [...idle]
  return running.flatMap(sweep =>
    forgotten(sweep, local).map((about): Step => {
      const id = attemptId(sweep.id, about.trial, about.attempt)
      const canResume = local.checkpoints.has(id) && sweep.submission && isApproved(local, sweep.submission)
      const device = canResume ? takeDevice(pool, free, sweep, about) : undefined
      if (!device) return { do: 'append', draft: { kind: 'trial-released', ...about, reason: 'restart' } }
      const backup = isBackup(sweep, about, local.machine) ? { backup: true as const } : {}
      const charge = { ...about, id, device: device.id, sinceMs: nowMs, resume: true, ...backup }
      return { do: 'resume', charge: { ...charge, phase: 'claiming' } }
    })
  )
}

/** Takes the device that the attempt had out of the free ones, else the first that it fits. */
function takeDevice(
  pool: Pool,
  free: Device[],
  sweep: Sweep,
  { trial, attempt }: { trial: number; attempt: number }
): Device | undefined {
  const claims = [...(sweep.trials.get(trial)?.attempts.get(attempt)?.claims.values() ?? [])]
  const fits = (device: Device) => fitOfTrial(pool, sweep, trial, device).fits
  const had = free.findIndex(device => fits(device) && claims.some(each => each.device === device.id))
  const at = had >= 0 ? had : free.findIndex(fits)
  return at < 0 ? undefined : free.splice(at, 1)[0]
}

/** The attempts that this machine holds, of which it has neither a charge nor a result on its way. */
function forgotten(sweep: Sweep, local: Local): { sweep: string; trial: number; attempt: number }[] {
  const inHand = new Set([...local.charges.values()].map(charge => charge.id))
  return claimedTrials(sweep).flatMap(trial => {
    const { held, backup } = sweep.trials.get(trial)?.standing ?? {}
    return [held, backup].flatMap(each => {
      if (each?.holder !== local.machine) return []
      const id = attemptId(sweep.id, trial, each.attempt)
      return inHand.has(id) || local.results.has(id) || local.givenBack.has(id)
        ? []
        : [{ sweep: sweep.id, trial, attempt: each.attempt }]
    })
  })
}

/**
 * Picks a trial for an idle device: an open one (C1), else a silent machine's (C6), else a slow one (C11). Of a sweep
 * that is spent nothing begins; what a silent machine began is gone on with, or it would never be over (E7).
 */
function choose(choice: Choice): (Step & { do: 'claim' }) | undefined {
  const isOver = (sweep: Sweep) => isSpent(choice.pool, sweep) || choice.local.overdue.has(sweep.id)
  const unspent = { ...choice, sweeps: choice.sweeps.filter(sweep => !isOver(sweep)) }
  const step = pick(unspent, bestOpenTrial) ?? pick(choice, abandonedTrial)
  if (step) return step
  const slow = slowestWorthBacking(unspent)
  return slow && claim(unspent, slow.sweep, slow.trial, 'backup')
}

function pick(
  choice: Choice,
  pickFrom: (choice: Choice, sweep: Sweep) => number | undefined
): (Step & { do: 'claim' }) | undefined {
  for (const sweep of choice.sweeps) {
    const trial = pickFrom(choice, sweep)
    const step = trial === undefined ? undefined : claim(choice, sweep, trial)
    if (step) return step
  }
  return undefined
}
