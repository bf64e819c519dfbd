/**
 * A fault: one kind of harm that is done to real agents, round after round.
 *
 * Owns what every fault has in common: the scene on which it strikes, how an agent is struck down, how it comes back.
 */
import type { Chance } from '../../simulation/chance.js'
import { heal } from '../checks.js'
import type { Network } from '../network.js'
import type { ChaosPool, PoolOptions } from '../pool.js'
import { isRunning, programsBelow } from '../programs.js'
import type { Stream } from '../stream.js'
import type { Syncs } from '../syncs.js'
import { Violation } from '../wait.js'

export const FAULT_NAMES = ['kill', 'tail', 'rollback', 'twins', 'sleep', 'partition', 'full'] as const
export type FaultName = (typeof FAULT_NAMES)[number]

export interface Scene {
  readonly pool: ChaosPool
  readonly stream: Stream
  readonly chance: Chance
  /** Where the machines live, when not on loopback. */
  readonly network?: Network
  /** What agents have the disk take, where that matters. */
  readonly syncs?: Syncs
}

export interface Struck {
  /** From the end of the harm until everything acknowledged was there again, in ms. */
  readonly healedMs: number
  /** What was done, in a few words. */
  readonly story: string
}

/** What a fault needs of the machine for the time of one pool. */
export type Ground = Pick<PoolOptions, 'prepare' | 'syncs'> & { readonly network?: Network }

export interface Fault {
  readonly name: FaultName
  readonly says: string
  /** Rounds of a whole run. */
  readonly rounds: number
  /** After so many rounds the pool comes to rest and everything is checked. */
  readonly roundsPerCheck: number
  /** After so many rounds a fresh pool is made: each restart after a kill leaves one more log behind. */
  readonly roundsPerPool: number
  /** True when a disk may lose what only it had: then a sweep that nobody else knew may be gone. */
  readonly mayLoseSweeps: boolean
  /** Why it cannot be played here; nothing when it can. */
  readonly missing?: () => string | undefined
  readonly prepare?: (names: readonly string[]) => Ground
  /** Errors: a violation when the pool did not stand it. */
  readonly strike: (scene: Scene) => Promise<Struck>
}

/** Kills an agent at once. What it had acknowledged by then is in the ledger. Returns the programs that it leaves. */
export async function strikeDown({ pool, stream }: Scene, name: string): Promise<readonly number[]> {
  await pool.noteLog(name, stream.recent())
  await pool.kill(name)
  pool.noteSpool(name)
  return programsBelow(pool.lab.home(name))
}

/**
 * Starts agents that were struck down and waits until they show what they had acknowledged.
 *
 * @param programs  What their last run left behind: by the time that they are ready, none of it may still run.
 * @param showAll   Who has to show every machine's results; the others only have to be up.
 */
export async function comeBack(
  { pool, stream }: Scene,
  names: readonly string[],
  { programs, showAll }: { programs: readonly number[]; showAll: readonly string[] }
): Promise<number> {
  const beganMs = performance.now()
  await Promise.all(names.map(name => pool.start(name)))
  const left = programs.filter(isRunning)
  if (left.length > 0) throw new Violation(`programs of the run before still run after a start: ${left.join(', ')}`)
  const ownMs = performance.now() - beganMs
  const allMs = showAll.length > 0 ? await heal(pool, stream, showAll) : 0
  return ownMs + allMs
}
