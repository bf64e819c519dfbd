/**
 * Partition: machines that cannot reach each other for a while, in network namespaces of their own.
 *
 * One is cut off, or all are, or two hear each other in one direction only. Everything else goes on, on both sides.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Chance } from '../../simulation/chance.js'
import { digests, heal } from '../checks.js'
import { missingNetwork, openNetwork } from '../network.js'
import { Violation } from '../wait.js'
import type { Fault } from './fault.js'

/** Shorter than a connection needs to be given up, and longer. */
const CUT_MS = { from: 4000, to: 40_000 }
/** Within this time somebody writes something, with sweeps that never end. */
const SURELY_APART_MS = 20_000

export const partition: Fault = {
  name: 'partition',
  says: 'network partition between network namespaces',
  rounds: 10,
  roundsPerCheck: 1,
  roundsPerPool: 10,
  mayLoseSweeps: false,
  missing: missingNetwork,
  prepare: names => ({ network: openNetwork(names) }),
  async strike({ pool, stream, chance, network }) {
    if (!network) throw new Error('The pool lives in a network of its own.')
    const cuts = drawCuts(pool.names, chance)
    const cutMs = Math.round(chance.spread(CUT_MS.from, CUT_MS.to))
    for (const [from, to] of cuts) network.cut(from, to)
    await pause(cutMs)
    for (const name of pool.names) await pool.noteLog(name, stream.recent())
    const isApart = new Set(await digests(pool)).size > 1
    if (!isApart && cutMs > SURELY_APART_MS) throw new Violation('the network was not cut: all still agree')
    for (const [from, to] of cuts) network.join(from, to)
    const healedMs = await heal(pool, stream, pool.names)
    const apart = isApart ? '' : ', nothing happened meanwhile'
    const story = `${cuts.map(pair => pair.join('-/->')).join(' ')} for ${Math.round(cutMs / 1000)} s${apart}`
    return { healedMs, story }
  }
}

type Cut = readonly [from: string, to: string]

/** Which machine no longer reaches which, in this direction. */
function drawCuts(names: readonly string[], chance: Chance): Cut[] {
  const every = names.flatMap(from => names.filter(to => to !== from).map((to): Cut => [from, to]))
  const alone = chance.pick(names)
  switch (chance.pick(['alone', 'alone', 'apart', 'one-way'] as const)) {
    case 'alone':
      return every.filter(pair => pair.includes(alone))
    case 'apart':
      return every
    case 'one-way':
      return every.filter(([from]) => from === alone)
  }
}
