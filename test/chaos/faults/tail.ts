/**
 * Tail: a power cut. The agent is killed, and the end of its store's write-ahead log is gone.
 *
 * What the disk was told to take stays: identity, keeper, spool, and the log as far as it was synced. What was only
 * written may be lost from any byte on.
 */
import { readdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Chance } from '../../simulation/chance.js'
import { missingSyncs, openSyncs } from '../syncs.js'
import { comeBack, type Fault, strikeDown } from './fault.js'

const BETWEEN_MS = 3000

export const tail: Fault = {
  name: 'tail',
  says: 'write-ahead log truncated, as after a power cut',
  rounds: 50,
  roundsPerCheck: 5,
  roundsPerPool: 25,
  mayLoseSweeps: false,
  missing: missingSyncs,
  prepare: () => ({ syncs: openSyncs() }),
  async strike(scene) {
    const { pool, chance, syncs } = scene
    if (!syncs) throw new Error('What agents have the disk take is watched.')
    const victim = chance.pick(pool.names)
    await pause(chance.between(0, BETWEEN_MS))
    const programs = await strikeDown(scene, victim)
    const path = newestLog(join(pool.lab.home(victim), 'store', 'db'))
    const cut = path === undefined ? 'no write-ahead log' : cutTail(path, syncs.bytesOf(victim, path), chance)
    const healedMs = await comeBack(scene, [victim], { programs, showAll: pool.names })
    return { healedMs, story: `${victim}, ${cut}` }
  }
}

/** Cuts a part off a file behind what is kept of it. Returns what it did. */
function cutTail(path: string, keptBytes: number, chance: Chance): string {
  const { size } = statSync(path)
  const loose = Math.max(0, size - keptBytes)
  // A torn sector, a torn page or two, any share of it, or all that no sync covers.
  const bytes = chance.pick([
    chance.between(1, 512),
    chance.between(512, 16_384),
    chance.between(0, loose),
    chance.between(0, loose),
    loose
  ])
  const cut = Math.min(loose, Math.ceil(bytes))
  truncateSync(path, size - cut)
  return `${cut} of ${size} bytes cut, ${keptBytes} were synced`
}

function newestLog(folder: string): string | undefined {
  const numbers = readdirSync(folder).flatMap(name => /^(\d+)\.log$/.exec(name)?.[1] ?? [])
  const newest = numbers.sort((a, b) => Number(a) - Number(b)).at(-1)
  return newest === undefined ? undefined : join(folder, `${newest}.log`)
}
