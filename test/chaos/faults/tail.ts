/**
 * Tail: a power cut. The agent is killed, and the end of its store's write-ahead log is gone.
 *
 * What was fsynced stays: identity, keeper, spool. What was only written may be lost from any byte on.
 */
import { readdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Chance } from '../../simulation/chance.js'
import { comeBack, type Fault, strikeDown } from './fault.js'

const BETWEEN_MS = 3000

export const tail: Fault = {
  name: 'tail',
  says: 'write-ahead log truncated, as after a power cut',
  rounds: 50,
  roundsPerCheck: 5,
  roundsPerPool: 25,
  mayLoseSweeps: true,
  async strike(scene) {
    const { pool, chance } = scene
    const victim = chance.pick(pool.names)
    await pause(chance.between(0, BETWEEN_MS))
    const programs = await strikeDown(scene, victim)
    const cut = cutTail(pool.lab.home(victim), chance)
    const healedMs = await comeBack(scene, [victim], { programs, showAll: pool.names })
    return { healedMs, story: `${victim}, ${cut}` }
  }
}

/** Cuts a part off the newest write-ahead log of a home's store. Returns what it did. */
export function cutTail(home: string, chance: Chance): string {
  const path = newestLog(join(home, 'store', 'db'))
  if (path === undefined) return 'no write-ahead log'
  const { size } = statSync(path)
  // A torn sector, a torn page or two, any share of it, or all that was written since the start.
  const bytes = chance.pick([
    chance.between(1, 512),
    chance.between(512, 16_384),
    chance.between(0, size),
    chance.between(0, size),
    size
  ])
  const cut = Math.min(size, Math.ceil(bytes))
  truncateSync(path, size - cut)
  return `${cut} of ${size} bytes cut`
}

function newestLog(folder: string): string | undefined {
  const numbers = readdirSync(folder).flatMap(name => /^(\d+)\.log$/.exec(name)?.[1] ?? [])
  const newest = numbers.sort((a, b) => Number(a) - Number(b)).at(-1)
  return newest === undefined ? undefined : join(folder, `${newest}.log`)
}
