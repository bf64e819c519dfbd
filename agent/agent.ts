/**
 * The agent's core: outside events in, effects out.
 *
 * Each `on…` notes a fact, then `step()` lets the plan decide and calls the ports. Nothing here waits, reads a clock of
 * its own, or draws a number; so a simulator needs only a heap of events and a virtual clock. The one loop is closed by
 * the log: what this machine writes comes back to it as `onLogChanged`.
 */
import { approvalOf, type Beat, type Device, type Draft, LIMITS, programSeed, type Submission } from '#protocol'
import { createAnnouncer } from './announcer.js'
import { beatOf, isNews } from './beat.js'
import { createDropper } from './dropper.js'
import { noteReport } from './early.js'
import { createExpirer } from './expirer.js'
import {
  attemptId,
  type BundleState,
  type Charge,
  chargeOf,
  type DiskNews,
  emptyLocal,
  heardMachines,
  type Local,
  noteClaims,
  noteDisk,
  noteInHand,
  subject
} from './local.js'
import { type DeskNews, noteDevices, type OwnerRules } from './owner.js'
import { createPauses } from './pauses.js'
import { plan } from './plan.js'
import type { Bundles, Clock, Exit, Keeper, Log, Mesh, Packages, Probe, Report, Runner } from './ports.js'
import { assetsFor, forgetMissing, requirementEvents } from './requirements.js'
import { ownEnd, releaseReasonOf, resultOf } from './result.js'
import type { Step } from './step.js'

export interface Ports {
  readonly clock: Clock
  readonly log: Log
  readonly mesh: Mesh
  readonly runner: Runner
  readonly probe: Pick<Probe, 'environment' | 'pace'>
  readonly keeper: Keeper
  readonly bundles: Bundles
  readonly packages: Packages
  /** One line per change of state of this machine: a constant message plus fields. */
  readonly note: (message: string, fields: Readonly<Record<string, unknown>>) => void
}

export interface AgentOptions {
  readonly machine: string
  readonly name: string
  readonly version: string
  readonly platform: string
  readonly approveAll: boolean
  /** Why this agent takes no work at all, such as serving an invite; absent for an ordinary one. */
  readonly paused?: string
  /** With fewer bytes free on the disk nothing new begins. */
  readonly freeSpaceFloorBytes?: number
  readonly rules?: OwnerRules
  readonly checkpointsOf?: Local['checkpointsOf']
}

export type Agent = ReturnType<typeof createAgent>

/** Returns the core of one machine's agent. Call `begin` once the ports work; then the `on…` calls, from any source. */
export function createAgent(ports: Ports, options: AgentOptions) {
  const local = localOf(options, ports.clock.now())
  let lastStepMs = ports.clock.now()
  let hasBegun = false
  /** Ends of attempts that the disk had no room for yet. */
  const unsaved = new Map<string, { readonly charge: Charge; readonly draft: Draft }>()
  const dropResults = createDropper(ports, local)
  const tellExpired = createExpirer(ports, local)
  const pauses = createPauses({ ...ports, local, stop, step })
  const announcer = createAnnouncer(ports, local, options)

  function step(): void {
    // Before `begin` this machine does not know its own checkpoints and results: it would give its claims back.
    if (!hasBegun) return
    const now = ports.clock.now()
    noteTime(now)
    for (const { charge, draft } of [...unsaved.values()]) finish(charge, draft)
    dropResults(now)
    tellExpired(now)
    noteClaims(ports.log.pool(), local, now)
    for (const each of plan(ports.log.pool(), local, now)) carryOut(each, now)
    announcer.tellPeers(now)
  }

  /** Any event may be the first after a sleep, when all others look silent: only silence while awake counts (C6). */
  function noteTime(now: number): void {
    if (now - lastStepMs > LIMITS.tickGapMs) local.steadySinceMs = now
    if (heardMachines(local, now).length === 0) local.connectedSinceMs = now
    lastStepMs = now
  }

  function carryOut(each: Step, now: number): void {
    switch (each.do) {
      case 'claim':
        local.charges.set(each.charge.id, each.charge)
        ports.log.append([each.draft])
        return
      case 'resume':
        local.charges.set(each.charge.id, each.charge)
        ports.note('goes on with an attempt after a restart', about(each.charge))
        return
      case 'start':
        start(each, now)
        return
      case 'stop':
        stop(each, now)
        return
      case 'pass':
        local.charges.set(each.charge.id, { ...each.charge, judged: each.charge.position ?? 0 })
        return
      case 'free':
        local.charges.delete(each.charge.id)
        forgetCheckpoint(each.charge)
        ports.note('lost a claim', about(each.charge))
        return
      case 'append':
        if (isUnsaid(each.draft)) ports.log.append([each.draft])
        return
      case 'fetch':
        local.bundles.set(each.attempt ?? each.bundle.digest, 'wanted')
        ports.bundles.want(each.bundle, each.attempt)
        return
      case 'look':
        for (const name of each.packages) local.packages.set(name, { ...local.packages.get(name), sinceMs: now })
        ports.packages.look(each.packages)
        return
    }
  }

  /** A release is planned at each step until the log has it: it is written once. */
  function isUnsaid(draft: Draft): boolean {
    if (draft.kind !== 'trial-released') return true
    const id = attemptId(draft.sweep, draft.trial, draft.attempt)
    if (local.givenBack.has(id)) return false
    local.givenBack.add(id)
    return true
  }

  /** Whether it came or not: nobody waits for it any more. */
  function forgetCheckpoint({ id }: Charge): void {
    if (local.bundles.delete(id)) ports.bundles.forget(id)
  }

  function start({ charge, submission, parameters, hasCheckpoint }: Step & { do: 'start' }, now: number): void {
    // The runner takes what came; what did not come is too late now.
    if (hasCheckpoint) local.bundles.delete(charge.id)
    else forgetCheckpoint(charge)
    local.charges.set(charge.id, { ...charge, phase: 'running', sinceMs: now, curve: [] })
    ports.note('starts an attempt', { ...about(charge), hasCheckpoint })
    ports.runner.start({
      id: charge.id,
      sweep: charge.sweep,
      trial: charge.trial,
      attempt: charge.attempt,
      spec: submission.spec,
      parameters,
      seed: programSeed(submission.spec, charge.trial),
      bundleDigest: submission.bundle.digest,
      device: charge.device,
      environment: ports.probe.environment(charge.device),
      assets: assetsFor(local, submission.spec),
      resume: charge.resume || hasCheckpoint,
      ...(hasCheckpoint ? { checkpoint: charge.id } : {})
    })
  }

  function stop({ charge, reason, graceMs, verdict }: Omit<Step & { do: 'stop' }, 'do'>, now: number): void {
    const why = { stopReason: reason, ...(verdict ? { verdict } : {}) }
    local.charges.set(charge.id, { ...charge, phase: 'stopping', sinceMs: now, ...why })
    ports.note('stops an attempt', { ...about(charge), reason })
    ports.runner.stop(charge.id, reason, graceMs)
  }

  /** The result is on disk before the device is free again (L8). */
  function finish(charge: Charge, draft: Draft): void {
    try {
      ports.keeper.saveResult(charge.id, draft)
    } catch (error) {
      // A full disk, most likely: the attempt is not finished, and its device not free, until the result is saved.
      if (!unsaved.has(charge.id))
        ports.note('a result could not be saved; trying again', { ...about(charge), error: String(error) })
      unsaved.set(charge.id, { charge, draft })
      return
    }
    unsaved.delete(charge.id)
    local.results.add(charge.id)
    local.checkpoints.delete(charge.id)
    local.charges.delete(charge.id)
    ports.log.append([draft])
  }

  return {
    local: local as Readonly<Local>,

    /** Takes up what a crash left behind: approvals, results that the log may lack, checkpoints. Then works. */
    begin(): void {
      const kept = ports.keeper.load()
      for (const digest of kept.approved) local.approved.add(digest)
      for (const id of kept.checkpoints) local.checkpoints.add(id)
      pauses.takeUp(kept.pauses)
      for (const { id, draft } of kept.results) {
        local.results.add(id)
        if (!ownEnd(ports.log.pool(), local.machine, id)) ports.log.append([draft])
      }
      hasBegun = true
      announcer.tellLog()
      step()
    },

    /** Time has passed. */
    onTick(): void {
      step()
    },

    /** New entries are folded; `writers` are the machines that wrote them. */
    onLogChanged(writers: readonly string[]): void {
      const now = ports.clock.now()
      for (const machine of writers) if (machine !== local.machine) local.heardOfMs.set(machine, now)
      step()
    },

    onPresence(machine: string, beat: Beat, roundTripMs: number): void {
      const now = ports.clock.now()
      const before = local.peers.get(machine)
      local.peers.set(machine, { beat, heardMs: now, roundTripMs })
      noteInHand(ports.log.pool(), local, { machine, beat }, now)
      for (const [other, ageMs] of Object.entries(beat.heard)) {
        const isKnown = other !== local.machine && ports.log.pool().machines.has(other)
        if (isKnown) local.heardOfMs.set(other, Math.max(local.heardOfMs.get(other) ?? 0, now - ageMs))
      }
      // What only went on or grew older can wait for the next tick: a large pool sends a hundred such beats a second.
      if (!before || isNews(before.beat, beat)) step()
    },

    /** A connection ended: the machine may be back in a moment, so it stays known, but no longer counts as near. */
    onAway(machine: string): void {
      const peer = local.peers.get(machine)
      if (!peer) return
      local.heardOfMs.set(machine, Math.max(local.heardOfMs.get(machine) ?? 0, peer.heardMs))
      local.peers.delete(machine)
      step()
    },

    /** The devices were looked at. */
    onDevices(devices: readonly Device[], memoryOf?: (id: string) => number | undefined): void {
      noteDevices(local, devices, ports.clock.now())
      local.memoryOf = memoryOf
      if (hasBegun) announcer.tellLog()
      step()
    },

    /** The computer itself was looked at: what its owner does, and what time it is there. */
    onDesk(news: DeskNews): void {
      // What it changes is seen to at the next tick.
      local.desk = news
    },

    onBundle(digest: string, state: BundleState): void {
      local.bundles.set(digest, state)
      ports.note('bundle', { digest, state })
      step()
    },

    ...requirementEvents({ ...ports, local, step }),

    /** The disk was looked at. Where it has no room nothing new begins; what runs goes on. */
    onDisk(news: DiskNews): void {
      if (!noteDisk(local, news, options.freeSpaceFloorBytes ?? LIMITS.freeSpaceFloorBytes)) return
      const reason = local.diskTrouble
      ports.note(reason === undefined ? 'the disk has room again' : 'the disk lets nothing new begin', {
        ...news,
        reason
      })
      step()
    },

    onReport(id: string, report: Report): void {
      const charge = chargeOf(local, id)
      const sweep = charge && ports.log.pool().sweeps.get(charge.sweep)
      if (!charge || !sweep?.submission) return
      const noted = noteReport(sweep, charge, report)
      local.charges.set(charge.id, noted.charge)
      if (noted.drafts.length > 0) ports.log.append(noted.drafts)
      // Peers hear of it at the next tick: a program may report a thousand times a second.
    },

    onExit(id: string, exit: Exit): void {
      const charge = chargeOf(local, id)
      if (!charge) return
      const sweep = ports.log.pool().sweeps.get(charge.sweep)
      const claim = sweep?.trials.get(charge.trial)?.attempts.get(charge.attempt)?.claims.get(local.machine)
      const device = local.devices.find(each => each.id === charge.device)
      ports.note('an attempt ended', { ...about(charge), class: exit.class, value: exit.value, message: exit.message })
      const reason = releaseReasonOf(charge)
      const { seconds, checkpoint } = exit
      const saved = { seconds, ...(checkpoint === undefined ? {} : { checkpoint }) }
      if (exit.class === 'released') finish(charge, { kind: 'trial-released', ...subject(charge), reason, ...saved })
      else finish(charge, resultOf(charge, exit, claim?.parameters ?? {}, device))
      // No step: what comes next is decided when the log has the result, for until then the pool does not know of it.
    },

    /** What this machine says of itself now: the same that its peers hear. */
    beat: (): Beat => beatOf(ports.log.pool(), local, ports.clock.now()),

    approve(submission: Pick<Submission, 'spec' | 'bundle'>): void {
      const approval = approvalOf(submission)
      // Saved first: what a full disk did not take must not count until the next start only.
      ports.keeper.saveApproval(approval)
      local.approved.add(approval)
      // A bundle that could not be had before may be there now.
      const { digest } = submission.bundle
      if (typeof local.bundles.get(digest) === 'object') local.bundles.delete(digest)
      forgetMissing(local, submission.spec)
      step()
    },

    pause: pauses.pause,
    resume: pauses.resume,

    /** Writes what the owner decided: a sweep, its end. */
    append(drafts: readonly Draft[]): void {
      ports.log.append(drafts)
    },

    /** The log could not take a record: too large for it. A claim that nobody will ever see must not hold a device. */
    onDropped(draft: Draft): void {
      if (draft.kind !== 'trial-claimed') return
      local.charges.delete(attemptId(draft.sweep, draft.trial, draft.attempt))
      step()
    },

    /** Stops every attempt and takes no more; their ends still come as `onExit`. Returns how many are waited for. */
    close(): number {
      if (!local.isClosing) {
        local.isClosing = true
        for (const charge of [...local.charges.values()]) {
          if (charge.phase === 'claiming')
            finish(charge, { kind: 'trial-released', ...subject(charge), reason: 'owner' })
          else if (charge.phase === 'running') stop({ charge, reason: 'agent-closing' }, ports.clock.now())
          // It was told to end with more time than there is now.
          else ports.runner.stop(charge.id, charge.stopReason ?? 'agent-closing', LIMITS.stopGraceMs)
        }
      }
      return local.charges.size
    }
  }
}

function localOf(options: AgentOptions, nowMs: number): Local {
  const { machine, name, approveAll, paused, rules, checkpointsOf } = options
  const known = emptyLocal(machine, name, nowMs)
  return { ...known, approveAll, paused, ...(rules ? { rules } : {}), ...(checkpointsOf ? { checkpointsOf } : {}) }
}

function about(charge: Charge): Readonly<Record<string, unknown>> {
  return { ...subject(charge), device: charge.device }
}
