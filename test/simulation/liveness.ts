/**
 * Liveness: what must come about in a simulated pool once no more faults come.
 *
 * Owns the question whether everything has ended and reached everybody, and the words for what has not.
 */
import { isUnplaceable, type Pool, type Sweep, searchOf, sweepStateOf } from '#protocol'
import type { Machine } from './machine.js'
import type { Scenario } from './scenario.js'

/** Says what is still to come; nothing when all is well. The first thing found is enough. */
export function whatIsMissing(machines: readonly Machine[], scenario: Scenario): string | undefined {
  const living = machines.filter(machine => machine.state() !== 'gone' && !machine.plan.isHostile)
  for (const machine of living) {
    const missing = missingAt(machine, living, scenario)
    if (missing !== undefined) return `${machine.name}: ${missing}`
  }
  return undefined
}

function missingAt(machine: Machine, living: readonly Machine[], scenario: Scenario): string | undefined {
  const [agent, replica] = [machine.agent(), machine.replica()]
  if (machine.state() !== 'on' || !agent || !replica) return `it is ${machine.state()}`
  if (replica.queued() > 0) return 'it has records to write'
  const ahead = living.find(other => other !== machine && (!other.replica() || replica.lacks(other.disk)))
  if (ahead) return `it lacks records that ${ahead.name} has`
  for (const sweep of replica.pool.sweeps.values()) {
    const open = openTrials(replica.pool, sweep, living, scenario)
    if (open.length > 0) return `trials ${open.join(', ')} of ${sweep.submission?.spec.name} have not ended`
  }
  const [charge] = agent.local.charges.values()
  if (charge) return `it is ${charge.phase} ${charge.id}`
  if (machine.disk.results.size > 0) return 'it keeps results that are in the log'
  return undefined
}

/** The trials that should still end: somebody who is there could train them. */
function openTrials(pool: Pool, sweep: Sweep, living: readonly Machine[], scenario: Scenario): string[] {
  const plan = scenario.sweeps.find(each => each.id === sweep.id)
  if (!plan || !sweep.submission || sweepStateOf(pool, sweep) !== 'running') return []
  const search = searchOf(sweep.submission)
  return plan.truths.flatMap((_, index) => {
    // A sweep may have fewer trials than it was asked for, and some take the result of one that they repeat (C10).
    const found = search.trialAt(index)
    if (!found || found.duplicateOf !== undefined) return []
    const trial = sweep.trials.get(index)
    const { phase, attempt, held, tooSmallBytes = 0 } = trial?.standing ?? {}
    if (phase === 'done' || phase === 'quarantined' || isUnplaceable(pool, trial)) return []
    const canTrain = living.some(machine => isEligible(machine, sweep.id, tooSmallBytes))
    const who = held && scenario.machines.find(machine => machine.key === held.holder)
    const by = held ? ` held by ${who?.name} as ${held.attempt}` : ''
    return canTrain ? [`${index} (${phase ?? 'never claimed'}, attempt ${attempt ?? 0}${by})`] : []
  })
}

/** True when a machine would take a trial that did not fit into so much memory. */
function isEligible(machine: Machine, sweep: string, tooSmallBytes: number): boolean {
  const { accepts = [], devices = [] } = machine.agent()?.beat() ?? {}
  return accepts.includes(sweep) && devices.some(each => !each.fault && each.memoryBytes > tooSmallBytes)
}
