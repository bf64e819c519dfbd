/**
 * Faults: what goes wrong, when, and for how long, drawn before anything happens.
 *
 * Owns the plan of the faults and their end. Invariant: after `heal` nothing new goes wrong, every machine that can
 * come back is back, and everybody reaches everybody.
 */
import type { Chance } from './chance.js'
import type { Machine } from './machine.js'
import type { Network } from './network.js'
import type { Rates } from './rates.js'
import type { Scenario } from './scenario.js'
import type { World } from './world.js'

const SECOND_MS = 1000
const HOUR_MS = 3600 * SECOND_MS
const DAY_MS = 24 * HOUR_MS

export interface FaultParts {
  readonly world: World
  readonly chance: Chance
  readonly scenario: Scenario
  readonly network: Network
  readonly machines: readonly Machine[]
}

/** Plans all faults. Returns when the last one is over, in ms. */
export function planFaults(parts: FaultParts): number {
  const { world, chance, scenario, machines } = parts
  const { rates, horizonMs, pace } = scenario
  let lastMs = horizonMs
  /** Something begins at a random time and ends after a while. */
  const plan = (forMs: number, begin: () => void, end: () => void = () => {}) => {
    const atMs = chance.between(10 * SECOND_MS, horizonMs)
    lastMs = Math.max(lastMs, atMs + forMs)
    world.after(atMs, begin)
    world.after(atMs + forMs, end)
  }
  for (const machine of machines)
    planForMachine(machine, { rates, chance, hours: (pace * horizonMs) / HOUR_MS, pace, plan })
  planForNetwork(parts, plan)
  planEnds(parts, plan)
  return lastMs
}

/** Returns what makes faults come when they hurt most, until the last one is over. */
export function faultsAtMoments(
  parts: Pick<FaultParts, 'world' | 'chance' | 'scenario' | 'machines'>
): (machine: Machine) => void {
  const { world, chance, scenario, machines } = parts
  return machine => {
    if (world.now() > scenario.horizonMs || !chance.happens(scenario.rates.atMoment)) return
    const inMs = Math.round(chance.spread(1, 10 * SECOND_MS))
    const backMs = inMs + chance.spread(SECOND_MS, 600 * SECOND_MS)
    // Whoever has just taken the news over may stand in the same house.
    const house = machines.filter(each => each === machine || chance.happens(0.3))
    const end = chance.happens(0.7) ? house.map(each => each.powerCut) : [machine.crash]
    for (const once of end) world.after(inMs, once)
    for (const each of house) world.after(backMs, each.start)
  }
}

type Plan = (forMs: number, begin: () => void, end?: () => void) => void

function planForMachine(
  machine: Machine,
  { rates, chance, hours, pace, plan }: { rates: Rates; chance: Chance; hours: number; pace: number; plan: Plan }
): void {
  const each = (perHour: number, once: () => void) => {
    for (let left = chance.times(perHour * hours); left > 0; left--) once()
  }
  const downMs = () => chance.spread(3 * SECOND_MS, HOUR_MS / pace)
  each(rates.crashPerHour, () => plan(downMs(), machine.crash, machine.start))
  each(rates.powerCutPerHour, () => plan(downMs(), machine.powerCut, machine.start))
  each(rates.restartPerHour, () => plan(60 * SECOND_MS + downMs(), machine.stop, machine.start))
  each(rates.freezePerHour, () => plan(downMs(), machine.freeze, machine.wake))
  each(rates.sleepPerHour, () => plan(2 * downMs(), machine.sleep, machine.wake))
  each(rates.fullDiskPerHour, () => {
    plan(
      downMs(),
      () => machine.fillDisk(true),
      () => machine.fillDisk(false)
    )
  })
  each(rates.clockJumpPerHour, () => plan(0, () => machine.jumpClock(chance.between(-DAY_MS, DAY_MS))))
  each(rates.restorePerHour, () => {
    plan(0, machine.backUp)
    plan(downMs(), machine.restore, machine.start)
  })
  each(rates.devicePerHour, () => {
    const { devices } = machine.plan
    const isGame = chance.happens(0.5)
    const ails = isGame ? { foreignUtilisation: 0.9 } : { fault: 'The driver does not answer.' }
    plan(
      downMs(),
      () => machine.setDevices(devices.map(device => ({ ...device, ...ails }))),
      () => machine.setDevices(devices)
    )
  })
}

function planForNetwork({ world, chance, scenario, network, machines }: FaultParts, plan: Plan): void {
  const { rates, pace } = scenario
  for (let left = chance.times(rates.blackoutsInPool); left > 0; left--) {
    const house = machines.filter(() => chance.happens(0.6))
    plan(
      chance.spread(SECOND_MS, HOUR_MS / pace),
      () => house.forEach(machine => void machine.powerCut()),
      () => house.forEach(machine => void machine.start())
    )
  }
  const keys = machines.map(machine => machine.key)
  for (let left = chance.times(rates.partitionsInPool); left > 0; left--) {
    const forMs =
      pace === 1 && chance.happens(rates.days)
        ? chance.spread(DAY_MS, 3 * DAY_MS)
        : chance.spread(5 * SECOND_MS, (4 * HOUR_MS) / pace)
    const count = 2 + chance.integer(Math.min(3, keys.length))
    const groups = new Map(keys.map(key => [key, chance.integer(count)]))
    plan(
      forMs,
      () => {
        world.count(forMs > DAY_MS ? 'partition for days' : 'partition')
        network.partition(groups)
      },
      () => network.partition(new Map())
    )
  }
  for (let left = chance.times(rates.oneWaysInPool); left > 0; left--) {
    const [from, to] = [chance.pick(keys), chance.pick(keys)]
    plan(
      chance.spread(5 * SECOND_MS, (2 * HOUR_MS) / pace),
      () => {
        world.count('one-way link')
        network.block(from, to, true)
      },
      () => network.block(from, to, false)
    )
  }
  for (let left = chance.times(rates.lossesInPool); left > 0; left--) {
    const share = chance.between(0.01, 0.3)
    plan(
      chance.spread(10 * SECOND_MS, (2 * HOUR_MS) / pace),
      () => {
        world.count('loss')
        network.setLoss(share)
      },
      () => network.setLoss(0)
    )
  }
  for (let left = chance.times(rates.slowInPool); left > 0; left--) {
    const [key, lateMs] = [chance.pick(keys), Math.round(chance.spread(500, 20 * SECOND_MS))]
    plan(
      chance.spread(10 * SECOND_MS, (2 * HOUR_MS) / pace),
      () => {
        world.count('slow line')
        network.setSlow(key, lateMs)
      },
      () => network.setSlow(key, 0)
    )
  }
}

/** Some never come back. The last one that is in the pool to stay does: without it nobody else could ever come in. */
function planEnds({ chance, scenario, machines }: FaultParts, plan: Plan): void {
  const isIn = ({ state, plan }: Machine) =>
    !['absent', 'gone'].includes(state()) && !plan.isHostile && plan.removedMs === undefined
  machines.forEach((machine, n) => {
    const isGone = chance.happens(n === 0 ? scenario.rates.founderGone : scenario.rates.gone)
    const leave = () => {
      if (machines.some(other => other !== machine && isIn(other))) machine.leave()
    }
    if (isGone && machine.key !== scenario.keeper && machine.plan.joinsMs === 0) plan(0, leave)
  })
}

/** Ends everything that is wrong. Liars are switched off: what they go on claiming would never come to an end. */
export function heal({ network, machines }: Pick<FaultParts, 'network' | 'machines'>): void {
  for (const machine of machines) {
    if (machine.plan.isHostile) machine.leave()
    machine.wake()
    machine.fillDisk(false)
    machine.start()
    machine.setDevices(machine.plan.devices)
  }
  const left = new Set(machines.filter(machine => machine.state() !== 'gone').map(({ key }) => key))
  network.heal(key => left.has(key))
}
