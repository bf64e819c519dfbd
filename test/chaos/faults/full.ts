/**
 * Full: the disk of a machine is full in the middle of an attempt, and has room again later.
 *
 * Its home is a small file system of its own in memory, filled to the last byte by a file that is not ours. The agent
 * has to live through it: it answers, keeps what it acknowledged, and goes on.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { heal } from '../checks.js'
import { atExit } from '../exit.js'
import { programsBelow } from '../programs.js'
import { waitUntil } from '../wait.js'
import type { Fault, Ground } from './fault.js'

const VICTIM = 'c'
/** A store, some bundles and a log fit well; it is filled in a moment. */
const DISK_MIB = 96
const FULL_MS = { from: 6000, to: 15_000 }
const PROGRAM_MS = 60_000

export const full: Fault = {
  name: 'full',
  says: 'disk full in mid-attempt, with room again later',
  rounds: 5,
  roundsPerCheck: 1,
  roundsPerPool: 5,
  mayLoseSweeps: false,
  missing: () => {
    if (process.platform !== 'linux') return 'a file system in memory is mounted on Linux only'
    return process.getuid?.() === 0 ? undefined : 'only root may mount a file system'
  },
  prepare: (): Ground => ({ prepare: (name, home) => (name === VICTIM ? mountSmall(home) : undefined) }),
  async strike({ pool, stream, chance }) {
    await waitUntil(
      'a program ran on the small disk',
      async () => programsBelow(pool.lab.home(VICTIM)).length > 0,
      PROGRAM_MS
    )
    await pause(chance.between(0, 1000))
    await pool.noteLog(VICTIM, stream.recent())
    const ballast = join(pool.lab.home(VICTIM), 'ballast')
    const fullMs = Math.round(chance.between(FULL_MS.from, FULL_MS.to))
    const endMs = performance.now() + fullMs
    stream.mayRefuse('DISK_FULL')
    const bytes = fill(ballast)
    // What is removed in the meantime makes room: the disk stays full to the last byte.
    while (performance.now() < endMs) {
      await pool.ask(VICTIM, { method: 'status' })
      await pause(250)
      fill(ballast)
    }
    pool.noteSpool(VICTIM)
    // What the others did meanwhile had no room here.
    for (const name of pool.up()) await pool.noteLog(name, stream.recent())
    rmSync(ballast)
    const healedMs = await heal(pool, stream, pool.names)
    stream.mayRefuse(undefined)
    return { healedMs, story: `${VICTIM}, full for ${fullMs} ms with ${Math.round(bytes / 2 ** 20)} MiB` }
  }
}

function mountSmall(home: string): () => void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m,mode=0700`, 'hypersweep-chaos', home])
  return atExit(() => execFileSync('umount', ['--lazy', home]))
}

/** Writes until not one byte more goes. Returns how many were written. */
function fill(path: string): number {
  const file = openSync(path, 'a')
  let written = 0
  try {
    for (let size = 2 ** 20; size >= 1; ) {
      const went = tryWrite(file, size)
      written += went
      if (went < size) size = Math.floor(size / 2)
    }
  } finally {
    closeSync(file)
  }
  return written
}

function tryWrite(file: number, bytes: number): number {
  try {
    return writeSync(file, Buffer.alloc(bytes, 'x'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return 0
    throw error
  }
}
