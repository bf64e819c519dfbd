/**
 * Liveness: what must come about in a simulated pool once no more faults come.
 *
 * Owns the question whether everything has ended and reached everybody, and the words for what has not.
 */
import { type Beat, fitOfTrial, isUnplaceable, type Pool, type Sweep, searchOf, sweepStateOf } from '#protocol'
import type { Machine } from './machine.js'
import { FULL_MESH_MACHINES } from './network.js'
import type { Scenario } from './scenario.js'

/** Returns the machines that something may be expected of: honest, not gone, their member not removed. */
export function livingOf(machines: readonly Machine[]): Machine[] {
  const left = machines.filter(machine => machine.state() !== 'gone' && !machine.plan.isHostile)
  const removed = removedIn(left)
  return left.filter(({ plan }) => !removed.has(plan.member))
}

function removedIn(machines: readonly Machine[]): ReadonlySet<string> {
  return new Set(machines.flatMap(machine => [...(machine.pool()?.removed.keys() ?? [])]))
}

/** A machine with what it says of itself now. */
interface Living {
  readonly machine: Machine
  readonly beat: Beat | undefined
}

/** Says what is still to come; nothing when all is well. The first thing found is enough. */
export function whatIsMissing(machines: readonly Machine[], scenario: Scenario): string | undefined {
  const living = livingOf(machines).map(machine => ({ machine, beat: machine.agent()?.beat() }))
  for (const { machine } of living) {
    const missing = workAt(machine, living, scenario)
    if (missing !== undefined) return `${machine.name}: ${missing}`
  }
  const unexpected = { removed: removedIn(machines), hostile: liarsIn(scenario) }
  for (const { machine } of living) {
    const ahead = living.find(other => other.machine !== machine && lacks(machine, other.machine, unexpected))
    if (ahead) return `${machine.name}: it lacks records that ${ahead.machine.name} has`
  }
  return undefined
}

function workAt(machine: Machine, living: readonly Living[], scenario: Scenario): string | undefined {
  const [agent, replica] = [machine.agent(), machine.replica()]
  if (machine.state() !== 'on' || !agent || !replica) return `it is ${machine.state()}`
  if (replica.queued() > 0) return 'it has records to write'
  const pool = replica.pool()
  for (const sweep of pool.sweeps.values()) {
    const open = openTrials(pool, sweep, living, scenario)
    if (open.length > 0) return `trials ${open.join(', ')} of ${sweep.submission?.spec.name} have not ended`
  }
  const [charge] = agent.local.charges.values()
  if (charge) return `it is ${charge.phase} ${charge.id}`
  // What nobody else can have yet stays: somebody must be there to hold it.
  if (machine.disk.results.size > 0 && living.length > 1) return 'it keeps results that are in the log'
  return undefined
}

/** What of some members need not reach everybody. */
interface Unexpected {
  readonly removed: ReadonlySet<string>
  readonly hostile: ReadonlySet<string>
}

/** Where not everybody has a link to everybody, one machine's quota may keep a liar's records from others. */
function liarsIn({ machines }: Scenario): ReadonlySet<string> {
  if (machines.length <= FULL_MESH_MACHINES) return new Set()
  return new Set(machines.filter(({ isHostile }) => isHostile).map(({ member }) => member))
}

function lacks(machine: Machine, other: Machine, { removed, hostile }: Unexpected): boolean {
  const [replica, source] = [machine.replica(), other.replica()]
  if (!replica || !source) return true
  // Behind a cut only older versions take anything, so it may not reach all of them.
  const isExpected = (name: string) => {
    const author = source.authorOf(name) ?? ''
    return !hostile.has(author) && !(machine.plan.isOlder && removed.has(author))
  }
  return replica.lacks(source, [...source.held.keys()].filter(isExpected))
}

/** The trials that should still end: somebody who is there could train them. */
function openTrials(pool: Pool, sweep: Sweep, living: readonly Living[], scenario: Scenario): string[] {
  const plan = scenario.sweeps.find(each => each.id === sweep.id)
  if (!plan || !sweep.submission || sweepStateOf(pool, sweep) !== 'running') return []
  const search = searchOf(sweep.submission)
  return plan.truths.flatMap((_, index) => {
    // A sweep may have fewer trials than it was asked for, and some take the result of one that they repeat (C10).
    if (!search.has(index) || search.trialAt(index)?.duplicateOf !== undefined) return []
    const trial = sweep.trials.get(index)
    const { phase, attempt, held, tooSmallBytes = 0 } = trial?.standing ?? {}
    if (isOver(sweep, index) || isUnplaceable(pool, sweep, index)) return []
    if (held && endsElsewhere({ sweep: sweep.id, index, holder: held.holder }, living, scenario)) return []
    const canTrain = living.some(each => isEligible(each, { sweep: sweep.id, index, tooSmallBytes }))
    const who = held && scenario.machines.find(machine => machine.key === held.holder)
    const by = held ? ` held by ${who?.name} as ${held.attempt}` : ''
    return canTrain ? [`${index} (${phase ?? 'never claimed'}, attempt ${attempt ?? 0}${by})`] : []
  })
}

/** Whoever holds a trial takes it for done, by a liar's result that need not have come to everybody. */
function endsElsewhere(
  { sweep, index, holder }: { readonly sweep: string; readonly index: number; readonly holder: string },
  living: readonly Living[],
  scenario: Scenario
): boolean {
  const there = living.find(({ machine }) => machine.key === holder)
  return liarsIn(scenario).size > 0 && isOver(there?.machine.pool()?.sweeps.get(sweep), index)
}

function isOver(sweep: Sweep | undefined, index: number): boolean {
  const phase = sweep?.trials.get(index)?.standing.phase
  return phase === 'done' || phase === 'quarantined'
}

/**
 * True when a machine would take a trial that did not fit into so much memory, for all that it knows itself: a liar
 * with two faces may have told it alone that more was too little.
 */
function isEligible(
  { machine, beat }: Living,
  about: { sweep: string; index: number; tooSmallBytes: number }
): boolean {
  const { accepts = [], devices = [] } = beat ?? {}
  const sweep = machine.pool()?.sweeps.get(about.sweep)
  if (!accepts.includes(about.sweep) || isOver(sweep, about.index)) return false
  const pool = machine.pool()
  if (!pool || !sweep) return false
  return devices.some(each => each.memoryBytes > about.tooSmallBytes && fitOfTrial(pool, sweep, about.index, each).fits)
}
