/**
 * Simulate: one schedule from its seed to its verdict.
 *
 * Brings world, network, machines, faults and checkers together. Invariant: the same seed and options give the same
 * trace, on every run and whatever ran before.
 */
import { type Draft, isBackup, LIMITS } from '#protocol'
import { admission } from '../helpers/records.js'
import type { Body } from './body.js'
import { createChance } from './chance.js'
import { copyDisk, emptyDisk } from './disk.js'
import { faultsAtMoments, heal, planFaults } from './faults.js'
import { startLiar } from './liar.js'
import { livingOf, whatIsMissing } from './liveness.js'
import { createMachine, type Machine } from './machine.js'
import { createNetwork } from './network.js'
import { checkAgreement, checkCounts, checkOracle, checkResults } from './safety.js'
import { drawScenario, type Scenario, type ScenarioOptions } from './scenario.js'
import { createWatch, type Started, Violation } from './watch.js'
import { createWorld } from './world.js'

const HOUR_MS = 3_600_000
/** How long after the last fault everything must have ended, in virtual ms at the usual pace. */
const PATIENCE_MS = 48 * HOUR_MS
/** How often it is asked whether everything has ended, in virtual ms. */
const ASK_MS = 20_000

/** How often a person looks whether the sweep is still there, in virtual ms. */
const RESUBMIT_MS = 60_000

/** What came of one schedule. */
export interface Verdict extends Pick<Scenario, 'seed' | 'profile' | 'size'> {
  readonly machines: number
  readonly trials: number
  readonly violation?: { readonly kind: 'safety' | 'liveness'; readonly invariant: string; readonly message: string }
  readonly trace: string
  /** Processor time that it took, in ms. */
  readonly cpuMs: number
  readonly events: number
  readonly virtualMs: number
  readonly results: number
  /** GPU time in ms: all; what trained a trial done elsewhere; the same on purpose (C11); what crashes took. */
  readonly gpuMs: number
  readonly duplicatedMs: number
  readonly backupMs: number
  readonly lostMs: number
  /** How often each kind of fault happened. */
  readonly faults: Readonly<Record<string, number>>
}

export interface SimulateOptions extends ScenarioOptions {
  /** Called with all executions when the schedule is over. */
  readonly onEnd?: (starts: readonly Started[]) => void
  /** Called with the lines of the trace when the schedule is over. */
  readonly onLines?: (lines: readonly string[]) => void
}

type Pool = ReturnType<typeof createSchedule>

/** Plays one schedule. Never throws: what goes wrong is in the verdict. */
export function simulate(seed: number, options: SimulateOptions = {}): Verdict {
  return playScenario(drawScenario(seed, options), options)
}

/** Plays a scenario that somebody made up. */
export function playScenario(scenario: Scenario, options: Pick<SimulateOptions, 'onLines' | 'onEnd'> = {}): Verdict {
  const before = process.cpuUsage()
  const { seed } = scenario
  const schedule = createSchedule(scenario)
  const lines = options.onLines ? schedule.world.keepLines() : []
  let violation: Verdict['violation']
  try {
    play(schedule)
  } catch (error) {
    violation = violationOf(error)
    schedule.world.note(`violation: ${violation.message}`)
  }
  options.onLines?.(lines)
  options.onEnd?.(schedule.watch.starts)
  const { world, watch } = schedule
  return {
    seed,
    profile: scenario.profile,
    size: scenario.size,
    machines: scenario.machines.length,
    trials: scenario.sweeps.reduce((sum, sweep) => sum + sweep.truths.length, 0),
    ...(violation ? { violation } : {}),
    trace: world.trace(),
    cpuMs: cpuMsSince(before),
    events: world.events(),
    virtualMs: world.now(),
    results: watch.acknowledged().length,
    faults: world.counts(),
    ...gpuTime(watch.starts, schedule.machines)
  }
}

function cpuMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

function violationOf(error: unknown): NonNullable<Verdict['violation']> {
  if (error instanceof Violation) return { kind: error.kind, invariant: error.invariant, message: error.message }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { kind: 'safety', invariant: 'the core never throws', message }
}

function createSchedule(scenario: Scenario) {
  const { seed } = scenario
  const world = createWorld()
  const bodies = new Map<string, Body>()
  const { latencyMaxMs } = scenario
  const network = createNetwork({
    world,
    chance: createChance(seed, 'network'),
    latencyMaxMs,
    machines: scenario.machines.length
  })
  const machines: Machine[] = []
  const watch = createWatch(scenario, world.now)
  const onMoment = faultsAtMoments({ world, chance: createChance(seed, 'moments'), scenario, machines })
  for (const plan of scenario.machines) {
    const chance = createChance(seed, plan.name)
    machines.push(createMachine({ world, chance, scenario, plan, bodies, network, watch, onMoment }))
  }
  return { scenario, world, bodies, network, machines, watch }
}

function play(schedule: Pool): void {
  const { scenario, world, bodies, network, machines, watch } = schedule
  found(schedule)
  const parts = { world, chance: createChance(scenario.seed, 'faults'), scenario, network, machines }
  const healMs = planFaults(parts)
  for (const machine of machines) if (machine.plan.isHostile) startLiar({ ...parts, machine })
  const look = createChance(scenario.seed, 'checks')
  world.after(look.between(0, healMs), () =>
    checkAgreement(
      machines.filter(each => each.isWitness()),
      bodies
    )
  )
  world.run(() => false, world.now() + healMs)
  heal(parts)
  let missing: string | undefined = 'nothing was asked'
  const ask = () => {
    missing = whatIsMissing(machines, scenario)
    if (missing !== undefined) world.after(ASK_MS, ask)
  }
  world.after(ASK_MS, ask)
  world.run(() => missing === undefined, world.now() + PATIENCE_MS / scenario.pace)
  if (missing !== undefined) throw new Violation('liveness', 'every trial ends and everybody knows', missing)
  const witnesses = livingOf(machines)
  checkAgreement(witnesses, bodies)
  const today = witnesses.filter(({ plan }) => !plan.isOlder)
  for (const machine of today.slice(0, 1)) {
    checkOracle(machine, bodies, look)
    checkCounts(machine)
  }
  // What a removed member wrote behind its cut does not count, whatever its keeper had taken.
  for (const machine of machines) if (!witnesses.includes(machine)) watch.lost(machine)
  checkResults(witnesses, watch)
}

/** The founder founds the pool; then it admits those that are there from the beginning; then everybody starts. */
function found({ scenario, world, machines }: Pool): void {
  const [founder] = machines
  if (!founder) return
  founder.join()
  const early = machines.filter(machine => machine !== founder && machine.plan.joinsMs === 0)
  founder.append(early.map(admissionOf))
  world.run(() => founder.replica()?.queued() === 0, 1000)
  // Whoever joins stays until it has the log: what the founder loses from now on others have.
  const joined = emptyDisk()
  copyDisk(founder.disk, joined)
  for (const machine of early) world.after(1 + (machine.plan.clockMs % 3000), () => machine.join(joined))
  for (const machine of machines) if (machine.plan.joinsMs > 0) planJoin(machine, machines, world)
  for (const machine of machines) planRemoval(machine, machines, world)
  for (const sweep of scenario.sweeps) world.after(sweep.atMs, () => submit(founder, sweep.draft))

  /** Whoever submitted a sweep that a power cut took back submits it again. */
  function submit(by: Machine, draft: Draft): void {
    if (by.state() === 'gone') return
    const isKnown = draft.kind === 'sweep-submitted' && machines.some(each => each.pool()?.sweeps.has(draft.sweep))
    if (by.state() === 'on' && !isKnown) by.append([draft])
    if (world.now() < scenario.horizonMs) world.after(RESUBMIT_MS, () => submit(by, draft))
  }
}

function admissionOf({ plan }: Machine) {
  // Whoever comes later is let in by anybody, and nobody grants more than they have.
  const role = plan.joinsMs === 0 ? plan.role : 'member'
  return { ...admission(`owner of ${plan.name}`, plan.name, role), machine: plan.key, member: plan.member }
}

/** An owner who is awake removes a member, as far as it knows what that member wrote (rule M8). */
function planRemoval({ plan }: Machine, machines: readonly Machine[], world: ReturnType<typeof createWorld>): void {
  const { removedMs, member } = plan
  if (removedMs === undefined) return
  world.after(removedMs, () => {
    const owner = machines.find(each => each.isWitness() && !each.plan.isOlder && isOwnerOf(each, member))
    const replica = owner?.replica()
    if (!owner || !replica) return
    world.count(plan.isHostile ? 'liar removed' : 'member removed')
    world.note(`${owner.name} removes ${plan.name}`)
    owner.append([{ kind: 'member-removed', member, cuts: replica.lengthsOf(member).slice(0, LIMITS.cutsPerRemoval) }])
  })
}

function isOwnerOf(machine: Machine, member: string): boolean {
  const pool = machine.pool()
  return pool?.members.has(member) === true && pool.members.get(machine.plan.member)?.role === 'owner'
}

/** Somebody who is awake admits the newcomer, waits until that is folded, and hands over what it has (rule M3). */
function planJoin(machine: Machine, machines: readonly Machine[], world: ReturnType<typeof createWorld>): void {
  const tryToJoin = () => {
    // What a member wrote behind its cut admits nobody.
    const inviter = machines.find(each => each.isWitness() && each.plan.removedMs === undefined)
    if (!inviter) return world.after(30_000, tryToJoin)
    inviter.append([admissionOf(machine)])
    const isFolded = () => inviter.pool()?.members.has(machine.plan.member) === true
    const wait = () => {
      if (inviter.state() !== 'on') return tryToJoin()
      if (!isFolded()) return world.after(500, wait)
      machine.join(inviter.disk)
    }
    world.after(500, wait)
  }
  world.after(machine.plan.joinsMs, tryToJoin)
}

/** What was trained, and how much of it somebody else had trained too or a crash destroyed. */
function gpuTime(starts: readonly Started[], machines: readonly Machine[]) {
  const pool = machines.find(machine => machine.isWitness())?.pool()
  let [gpuMs, duplicatedMs, backupMs, lostMs] = [0, 0, 0, 0]
  for (const { sweep, trial, attempt, machine, end, ranMs } of starts) {
    gpuMs += ranMs
    const known = pool?.sweeps.get(sweep)
    const result = known?.trials.get(trial)?.standing.result
    const isCanonical = result?.machine === machine && result.attempt === attempt
    if (end === 'killed') lostMs += ranMs
    else if (!isCanonical && isBackup(known, { trial, attempt }, machine)) backupMs += ranMs
    else if (!isCanonical && (end === 'complete' || end === 'diverged')) duplicatedMs += ranMs
  }
  return { gpuMs, duplicatedMs, backupMs, lostMs }
}
