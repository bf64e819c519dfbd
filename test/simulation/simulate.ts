/**
 * Simulate: one schedule from its seed to its verdict.
 *
 * Brings world, network, machines, faults and checkers together. Invariant: the same seed and options give the same
 * trace, on every run and whatever ran before.
 */
import type { Draft } from '#protocol'
import { admission } from '../helpers/records.js'
import { createChance } from './chance.js'
import { faultsAtMoments, heal, planFaults } from './faults.js'
import { startLiar } from './liar.js'
import { whatIsMissing } from './liveness.js'
import { createMachine, type Machine } from './machine.js'
import { createNetwork } from './network.js'
import type { Body } from './replica.js'
import { checkAgreement, checkOracle, checkResults } from './safety.js'
import { drawScenario, type Scenario, type ScenarioOptions } from './scenario.js'
import { createWatch, type Started, Violation } from './watch.js'
import { createWorld } from './world.js'

const HOUR_MS = 3_600_000
/** How long after the last fault everything must have ended, in virtual ms. Trials may fail and be tried 50 times. */
const PATIENCE_MS = 48 * HOUR_MS
/** How often it is asked whether everything has ended, in virtual ms. */
const ASK_MS = 10_000

/** How often a person looks whether the sweep is still there, in virtual ms. */
const RESUBMIT_MS = 60_000

export interface Verdict {
  readonly scenario: Scenario
  readonly violation?: { readonly kind: 'safety' | 'liveness'; readonly invariant: string; readonly message: string }
  readonly trace: string
  readonly events: number
  readonly virtualMs: number
  readonly results: number
  /** GPU time in ms: all of it, what trained a trial that was done elsewhere, what crashes destroyed. */
  readonly gpuMs: number
  readonly duplicatedMs: number
  readonly lostMs: number
}

export interface SimulateOptions extends ScenarioOptions {
  /** Called with the lines of the trace when the schedule is over. */
  readonly onLines?: (lines: readonly string[]) => void
}

type Pool = ReturnType<typeof createSchedule>

/** Plays one schedule. Never throws: what goes wrong is in the verdict. */
export function simulate(seed: number, options: SimulateOptions = {}): Verdict {
  const scenario = drawScenario(seed, options)
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
  const { world, watch } = schedule
  return {
    scenario,
    ...(violation ? { violation } : {}),
    trace: world.trace(),
    events: world.events(),
    virtualMs: world.now(),
    results: watch.acknowledged().length,
    ...gpuTime(watch.starts, schedule.machines)
  }
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
  const network = createNetwork({ world, chance: createChance(seed, 'network'), latencyMaxMs })
  const machines: Machine[] = []
  const watch = createWatch(scenario)
  const onMoment = faultsAtMoments({ world, chance: createChance(seed, 'moments'), scenario })
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
  world.after(look.between(0, healMs), () => checkAgreement(machines.filter(each => each.isWitness())))
  world.run(() => false, world.now() + healMs)
  heal(parts)
  let missing: string | undefined = 'nothing was asked'
  const ask = () => {
    missing = whatIsMissing(machines, scenario)
    if (missing !== undefined) world.after(ASK_MS, ask)
  }
  world.after(ASK_MS, ask)
  world.run(() => missing === undefined, world.now() + PATIENCE_MS)
  if (missing !== undefined) throw new Violation('liveness', 'every trial ends and everybody knows', missing)
  const witnesses = machines.filter(machine => machine.isWitness())
  checkAgreement(witnesses)
  for (const machine of witnesses.slice(0, 1)) checkOracle(machine, bodies, look)
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
  for (const machine of early) {
    world.after(1 + (machine.plan.clockMs % 3000), () => machine.join(founder.disk))
  }
  for (const machine of machines) if (machine.plan.joinsMs > 0) planJoin(machine, machines, world)
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
  return { ...admission(`owner of ${plan.name}`, plan.name), machine: plan.key, member: plan.member }
}

/** Somebody who is awake admits the newcomer, waits until that is folded, and hands over what it has (rule M3). */
function planJoin(machine: Machine, machines: readonly Machine[], world: ReturnType<typeof createWorld>): void {
  const tryToJoin = () => {
    const inviter = machines.find(each => each.isWitness())
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
  let [gpuMs, duplicatedMs, lostMs] = [0, 0, 0]
  for (const { sweep, trial, attempt, machine, end, ranMs } of starts) {
    gpuMs += ranMs
    const result = pool?.sweeps.get(sweep)?.trials.get(trial)?.standing.result
    const isCanonical = result?.machine === machine && result.attempt === attempt
    if (end === 'killed') lostMs += ranMs
    else if (!isCanonical && (end === 'complete' || end === 'diverged')) duplicatedMs += ranMs
  }
  return { gpuMs, duplicatedMs, lostMs }
}
