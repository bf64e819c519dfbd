/**
 * Bench: what early stopping saves on real curves, configurations in random order.
 *
 * Digits: epochs of all machines together until a loss within 1 % of the best of all. LCBench: points of accuracy
 * missing to the best of all, after as much time as 64 full trainings take 8 machines; the same when records come late
 * by 1 % of that time, and when two halves of the pool hear nothing of each other for half of it. Medians over seeds.
 * Home: a sweep of 40 configurations on 4 machines, until all is over: the share of all epochs that it takes, and what
 * is missing to the best of the 40; means over seeds. `pause` needs programs that resume.
 */

import { createChance } from '../simulation/chance.js'
import { type Curve, digitsCurves, lcbenchCurves, type Policy, replay } from './curves.js'
import { type Figures, rounded } from './rig.js'

const DIGITS_SEEDS = 50
const LCBENCH_SEEDS = 20
const MACHINES = 8
const FULL_TRAININGS = 64
const HOME = { configurations: 40, machines: 4, seeds: 40 }
const CLOSE = 1.01
/** Epochs: below what Optuna's successive halving took, 561 with one and 622 with eight workers. */
const AIM_EPOCHS = 450
/** Points: the best of stopping rules in the simulation before the design, and what a partition may cost. */
const AIM_POINTS = 4.1
const AIM_APART_POINTS = 4.3

const POLICIES: Readonly<Record<string, Policy>> = {
  full: { kind: 'full' },
  'asha 3': { kind: 'stop', rule: { rule: 'asha', eta: 3 } },
  'asha 9': { kind: 'stop', rule: { rule: 'asha', eta: 9 } },
  'hyperband 3': { kind: 'stop', rule: { rule: 'hyperband', eta: 3 } },
  median: { kind: 'stop', rule: { rule: 'median' } },
  'pause 3': { kind: 'pause', eta: 3 },
  'pause 9': { kind: 'pause', eta: 9 }
}

interface Measured {
  readonly digits: { readonly one: number; readonly eight: number; readonly never: number }
  readonly lcbench: { readonly calm: number; readonly late: number; readonly apart: number; readonly begun: number }
  readonly home: { readonly digits: Home; readonly lcbench: Home }
}

/** `epochs`: the share of all that are trained. */
interface Home {
  readonly epochs: number
  readonly missing: number
}

/** Returns what each policy took, and whether the default reaches what is aimed at. */
export async function benchStopping(): Promise<Figures> {
  const [digits, lcbench] = [digitsCurves(), lcbenchCurves()]
  const policies = Object.fromEntries(
    Object.entries(POLICIES).map(([name, policy]) => [name, measured(policy, digits, lcbench)])
  )
  const rows = Object.entries(policies).flatMap(([name, { digits: epochs, lcbench: points }]) => [
    {
      what: `digits, ${name}: epochs`,
      measured: `${inWords(epochs.one)} with one machine, ${inWords(epochs.eight)} with ${MACHINES}; ${epochs.never} never`,
      aim: `${AIM_EPOCHS}`,
      isMet: Math.max(epochs.one, epochs.eight) <= AIM_EPOCHS
    },
    {
      what: `LCBench, ${name}: points missing`,
      measured: `${points.calm}, late ${points.late}, apart ${points.apart} (${points.begun} begun)`,
      aim: `${AIM_POINTS}, ${AIM_POINTS}, ${AIM_APART_POINTS}`,
      isMet: Math.max(points.calm, points.late) <= AIM_POINTS && points.apart <= AIM_APART_POINTS
    }
  ])
  const figures = { bench: 'stopping', seeds: { digits: DIGITS_SEEDS, lcbench: LCBENCH_SEEDS }, policies, rows }
  return figures
}

function measured(policy: Policy, digits: readonly Curve[], lcbench: readonly Curve[]): Measured {
  const [one, eight] = [epochsUntilClose(policy, digits, 1), epochsUntilClose(policy, digits, MACHINES)]
  const endTime = (FULL_TRAININGS / MACHINES) * mean(lcbench.map(({ losses, epochTime }) => losses.length * epochTime))
  const calm = pointsMissing(policy, lcbench, { endTime })
  const late = pointsMissing(policy, lcbench, { endTime, lag: endTime / 100 })
  const apart = pointsMissing(policy, lcbench, { endTime, healTime: endTime / 2 })
  return {
    digits: { one: median(one), eight: median(eight), never: [...one, ...eight].filter(n => n === NEVER).length },
    lcbench: { calm: calm.points, late: late.points, apart: apart.points, begun: calm.begun },
    home: { digits: homeSweep(policy, digits), lcbench: homeSweep(policy, lcbench) }
  }
}

function homeSweep(policy: Policy, all: readonly Curve[]): Home {
  const { configurations, machines, seeds } = HOME
  const runs = Array.from({ length: seeds }, (_, seed) => {
    const curves = createChance(seed, 'home').shuffled(all).slice(0, configurations)
    let [epochs, found] = [0, Number.POSITIVE_INFINITY]
    const onEpoch = (loss: number) => {
      epochs++
      found = Math.min(found, loss)
      return false
    }
    replay({ curves, policy, machines, seed, onEpoch })
    const whole = curves.reduce((sum, { losses }) => sum + losses.length, 0)
    return { epochs: epochs / whole, missing: found - bestOf(curves) }
  })
  return {
    epochs: rounded(mean(runs.map(({ epochs }) => epochs)), 3),
    missing: rounded(mean(runs.map(({ missing }) => missing)), 4)
  }
}

/** More than all epochs of all configurations. */
const NEVER = 1e9

function inWords(epochs: number): string {
  return epochs >= NEVER ? 'never' : `${epochs}`
}

function epochsUntilClose(policy: Policy, curves: readonly Curve[], machines: number): number[] {
  const best = bestOf(curves)
  return Array.from({ length: DIGITS_SEEDS }, (_, seed) => {
    let epochs = 0
    let isClose = false
    const onEpoch = (loss: number) => {
      epochs++
      isClose = loss <= CLOSE * best
      return isClose
    }
    replay({ curves, policy, machines, seed, onEpoch })
    return isClose ? epochs : NEVER
  })
}

function pointsMissing(
  policy: Policy,
  curves: readonly Curve[],
  net: { readonly endTime: number; readonly lag?: number; readonly healTime?: number }
): { points: number; begun: number } {
  const best = bestOf(curves)
  const runs = Array.from({ length: LCBENCH_SEEDS }, (_, seed) => {
    let found = Number.POSITIVE_INFINITY
    const onEpoch = (loss: number) => {
      found = Math.min(found, loss)
      return false
    }
    const { begun } = replay({ ...net, curves, policy, machines: MACHINES, seed, onEpoch })
    return { points: found - best, begun }
  })
  return { points: rounded(median(runs.map(({ points }) => points)), 2), begun: median(runs.map(({ begun }) => begun)) }
}

function bestOf(curves: readonly Curve[]): number {
  return Math.min(...curves.flatMap(({ losses }) => losses))
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function median(values: readonly number[]): number {
  const ascending = [...values].sort((a, b) => a - b)
  const [low = 0, high = 0] = [ascending[(values.length - 1) >> 1], ascending[values.length >> 1]]
  return (low + high) / 2
}
