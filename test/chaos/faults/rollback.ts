/**
 * Rollback: a store comes back from an earlier copy.
 *
 * The copy is taken while the agent is stopped in order, or while it works; it takes the place of the store alone or of
 * the whole home; its files are new ones, as from a backup, or the old ones with older content, as from a snapshot.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { comeBack, type Fault, type Scene, strikeDown } from './fault.js'

/** How long the pool goes on after the copy was taken: this much is rolled back. */
const WORK_MS = { from: 2000, to: 8000 }
/** What belongs to a process that runs and is no part of a copy. */
const SOCKET = 'agent.sock'

export const rollback: Fault = {
  name: 'rollback',
  says: 'store rolled back to an earlier copy',
  rounds: 20,
  roundsPerCheck: 2,
  roundsPerPool: 10,
  mayLoseSweeps: true,
  async strike(scene) {
    const { pool, chance } = scene
    const victim = chance.pick(pool.names)
    const how = {
      copied: chance.pick(['stopped', 'live'] as const),
      part: chance.pick(['store', 'home'] as const),
      files: chance.pick(['new', 'same'] as const),
      end: chance.pick(['stop', 'kill'] as const)
    }
    const copy = join(pool.lab.folder, `copy-of-${victim}`)
    await takeCopy(scene, victim, copy, how.copied === 'stopped')
    await pause(chance.between(WORK_MS.from, WORK_MS.to))
    const programs = await endAgent(scene, victim, how)
    putBack(pool.lab.home(victim), copy, how)
    const healedMs = await comeBack(scene, [victim], { programs, showAll: pool.names })
    rmSync(copy, { recursive: true, force: true })
    const story = `${victim}, copied ${how.copied}, ${how.part} back after a ${how.end}, ${how.files} files`
    return { healedMs, story }
  }
}

async function takeCopy({ pool }: Scene, victim: string, copy: string, isStopped: boolean): Promise<void> {
  rmSync(copy, { recursive: true, force: true })
  if (isStopped) await pool.stop(victim)
  copyFolder(pool.lab.home(victim), copy)
  if (isStopped) await pool.start(victim)
}

/**
 * Ends the agent before its home is put back. Together with the whole home the spool goes back, too: what only this
 * home had is gone as if its disk had burnt, so only what a peer shows counts as acknowledged then.
 */
async function endAgent(
  scene: Scene,
  victim: string,
  how: { readonly part: 'store' | 'home'; readonly end: 'stop' | 'kill' }
): Promise<readonly number[]> {
  const { pool, stream } = scene
  if (how.part === 'store' && how.end === 'kill') return strikeDown(scene, victim)
  if (how.part === 'store') await pool.noteLog(victim, stream.recent())
  if (how.end === 'kill') await pool.kill(victim)
  else await pool.stop(victim)
  if (how.part === 'store') pool.noteSpool(victim)
  const peer = pool.up()[0]
  if (peer !== undefined) await pool.noteLog(peer, stream.recent())
  return []
}

function putBack(
  home: string,
  copy: string,
  how: { readonly part: 'store' | 'home'; readonly files: 'new' | 'same' }
): void {
  const [from, to] = how.part === 'home' ? [copy, home] : [join(copy, 'store'), join(home, 'store')]
  if (how.files === 'same') {
    rewind(from, to)
    return
  }
  rmSync(to, { recursive: true, force: true })
  copyFolder(from, to)
}

/** A file that the store removes while it is copied is left out, as any backup would. */
function copyFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: 0o700 })
  for (const name of readdirSync(from)) {
    const [source, target] = [join(from, name), join(to, name)]
    const kind = statSync(source, { throwIfNoEntry: false })
    if (kind?.isDirectory()) copyFolder(source, target)
    else if (kind?.isFile() && name !== SOCKET) copyFile(source, target)
  }
}

function copyFile(from: string, to: string): void {
  try {
    cpSync(from, to, { preserveTimestamps: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** Gives each file its older content and keeps the file itself; what is newer than the copy goes. */
function rewind(from: string, to: string): void {
  for (const name of readdirSync(to)) if (!existsSync(join(from, name))) rmSync(join(to, name), { recursive: true })
  for (const name of readdirSync(from)) {
    const [source, target] = [join(from, name), join(to, name)]
    if (!statSync(source).isDirectory()) writeFileSync(target, readFileSync(source), { mode: 0o600 })
    else {
      mkdirSync(target, { recursive: true, mode: 0o700 })
      rewind(source, target)
    }
  }
}
