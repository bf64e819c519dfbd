/**
 * Kill: an agent is ended with SIGKILL at any instant, sometimes all at once, sometimes again while it starts.
 *
 * Source: what a crash, an out-of-memory killer and a forced log-out do to a process.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { healOwn } from '../checks.js'
import { comeBack, type Fault, type Scene, strikeDown } from './fault.js'

const BETWEEN_MS = 1500
/** Within this time an agent opens its store, its logs and its network. */
const STARTING_MS = 1200

export const kill: Fault = {
  name: 'kill',
  says: 'kill -9 at random instants',
  rounds: 200,
  roundsPerCheck: 20,
  roundsPerPool: 100,
  mayLoseSweeps: false,
  async strike(scene) {
    const { pool, stream, chance } = scene
    const victims = chance.happens(0.05) ? pool.names : [chance.pick(pool.names)]
    await pause(chance.between(0, BETWEEN_MS))
    const programs = (await Promise.all(victims.map(name => strikeDown(scene, name)))).flat()
    const again = victims.length === 1 && chance.happens(0.15) ? await killWhileStarting(scene, victims) : ''
    const backMs = await comeBack(scene, victims, { programs, showAll: [] })
    const ownMs = await healOwn(pool, stream, victims)
    return { healedMs: backMs + ownMs, story: `${victims.join(', ')}${again}` }
  }
}

async function killWhileStarting({ pool, chance }: Scene, names: readonly string[]): Promise<string> {
  const afterMs = Math.round(chance.between(0, STARTING_MS))
  for (const name of names) {
    // It is meant to end before it says anything.
    pool.launch(name).ready.catch(() => undefined)
    await pause(afterMs)
    await pool.kill(name)
    pool.noteSpool(name)
  }
  return `, again ${afterMs} ms into its start`
}
