/**
 * The plan: what this machine does next.
 *
 * A pure function of the pool, of what only this machine knows, and of the time. It starts nothing itself: the agent
 * carries its steps out. The rules' numbers (C1 to C11) are those of docs/protocol.md.
 */
import {
  claimedTrials,
  type Device,
  isBackup,
  LIMITS,
  type Pool,
  parametersOf,
  type Sweep,
  settleMs,
  sweepStateOf,
  sweepsInOrder
} from '#protocol'
import { slowestWorthBacking } from './backup.js'
import { accepts, type Choice, claim } from './choice.js'
import { givesWay } from './conflict.js'
import { activeMachines, attemptId, type Charge, isApproved, isOut, type Local, pausedReason } from './local.js'
import { bestOpenTrial } from './pick.js'
import { abandonedTrial } from './reclaim.js'
import type { Step } from './step.js'

/** Returns what to do now, in order. Cost: the unfinished trials of running sweeps, not the finished ones. */
export function plan(pool: Pool, local: Local, nowMs: number): Step[] {
  if (isOut(pool, local.machine)) return [...local.charges.values()].flatMap(leave)
  const running = sweepsInOrder(pool).filter(sweep => sweepStateOf(pool, sweep) === 'running')
  const steps: Step[] = [...wantBundles(running, local)]
  for (const charge of local.charges.values()) steps.push(...advance(pool, local, charge, nowMs))
  const charges = [...local.charges.values()]
  const idle = idleDevices(pool, local)
  for (const step of ownLeftOvers(running, local, idle, nowMs)) {
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
    const chosen = choose({ pool, local, sweeps, device, taken, hasBackup, nowMs })
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

/** A paused machine has none: what it holds without working on it goes back to the others. */
function idleDevices(pool: Pool, local: Local): Device[] {
  if (pausedReason(pool, local) !== undefined) return []
  return local.devices.filter(device => !local.charges.has(device.id) && device.fault === undefined)
}

/** Bundles of running sweeps that the owner approved are fetched before any trial is claimed. */
function wantBundles(running: readonly Sweep[], local: Local): Step[] {
  if (local.diskTrouble !== undefined) return []
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
  const isMine = [standing?.held, standing?.backup].some(
    held => held?.attempt === charge.attempt && held.holder === local.machine
  )
  if (!isMine || isOver) return [{ do: 'free', charge }]
  const bundle = local.bundles.get(sweep.submission.bundle.digest)
  if (typeof bundle === 'object' || local.diskTrouble !== undefined) {
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
  const roundTrips = activeMachines(pool, local, nowMs).map(machine => local.peers.get(machine)?.roundTripMs ?? 0)
  if (roundTrips.length > 0 || pool.machines.size <= 1) return settleMs(roundTrips)
  return Math.max(0, local.steadySinceMs + LIMITS.aloneMs - charge.sinceMs)
}

/** Claims that are this machine's without its working on them: it was restarted. Resume, or release at once (C7). */
function ownLeftOvers(running: readonly Sweep[], local: Local, idle: readonly Device[], nowMs: number): Step[] {
  const free = [...idle]
  return running.flatMap(sweep =>
    forgotten(sweep, local).map((about): Step => {
      const id = attemptId(sweep.id, about.trial, about.attempt)
      const canResume = local.checkpoints.has(id) && sweep.submission && isApproved(local, sweep.submission)
      const device = canResume ? free.shift() : undefined
      if (!device) return { do: 'append', draft: { kind: 'trial-released', ...about, reason: 'restart' } }
      const backup = isBackup(sweep, about, local.machine) ? { backup: true as const } : {}
      const charge = { ...about, id, device: device.id, sinceMs: nowMs, resume: true, ...backup }
      return { do: 'resume', charge: { ...charge, phase: 'claiming' } }
    })
  )
}

/** The attempts that this machine holds, of which it has neither a charge nor a result on its way. */
function forgotten(sweep: Sweep, local: Local): { sweep: string; trial: number; attempt: number }[] {
  const inHand = new Set([...local.charges.values()].map(charge => charge.id))
  return claimedTrials(sweep).flatMap(trial => {
    const { held, backup } = sweep.trials.get(trial)?.standing ?? {}
    return [held, backup].flatMap(each => {
      if (each?.holder !== local.machine) return []
      const id = attemptId(sweep.id, trial, each.attempt)
      return inHand.has(id) || local.results.has(id) ? [] : [{ sweep: sweep.id, trial, attempt: each.attempt }]
    })
  })
}

/** Picks a trial for an idle device: an open one (C1), else a silent machine's (C6), else a slow one (C11). */
function choose(choice: Choice): (Step & { do: 'claim' }) | undefined {
  for (const sweep of choice.sweeps) {
    const trial = bestOpenTrial(choice, sweep)
    if (trial !== undefined) return claim(choice, sweep, trial)
  }
  for (const sweep of choice.sweeps) {
    const trial = abandonedTrial(choice, sweep)
    if (trial !== undefined) return claim(choice, sweep, trial)
  }
  const slow = slowestWorthBacking(choice)
  return slow && claim(choice, slow.sweep, slow.trial, 'backup')
}
