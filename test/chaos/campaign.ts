/**
 * Campaign: one fault, round after round, until its rounds are over.
 *
 * Owns when a pool is made, when it comes to rest to be looked at, and when it is given up: one that broke a promise is
 * kept as it is for whoever looks for the cause, and the next rounds get a fresh one.
 */
import { join } from 'node:path'
import { createChance } from '../simulation/chance.js'
import { settle, settleAll, verifyAll } from './checks.js'
import type { Fault, FaultName, Scene } from './faults/fault.js'
import { type ChaosPool, openPool } from './pool.js'
import { openStream, type Stream } from './stream.js'

const NAMES = ['a', 'b', 'c']
/** A fault that breaks this many pools breaks all of them: the rest of its rounds would tell nothing new. */
const BROKEN_POOLS_MAX = 4

export interface CampaignOptions {
  readonly fault: Fault
  readonly rounds: number
  readonly seed: number
  /** Where homes and logs of failed rounds are kept. */
  readonly keepIn: string
  readonly say: (text: string) => void
}

export interface FaultReport {
  readonly fault: FaultName
  readonly says: string
  readonly rounds: number
  readonly passed: number
  /** From the end of each round's harm until all was well, in ms. */
  readonly healedMs: readonly number[]
  /** Results that were acknowledged, all of which were looked for. */
  readonly results: number
  readonly seconds: number
  /** Alarming lines of the agents' logs, by message. */
  readonly lines: Readonly<Record<string, number>>
  readonly violations: readonly { readonly round: number; readonly message: string; readonly keptIn: string }[]
  /** Why it was not played. */
  readonly skipped?: string
}

/** Plays the rounds of a fault. Errors: none; what went wrong stands in the report. */
export async function playFault(options: CampaignOptions): Promise<FaultReport> {
  const { fault, rounds, say } = options
  const skipped = fault.missing?.()
  const beganMs = performance.now()
  const played: Played = { round: 0, results: 0, healedMs: [], lines: new Map(), violations: [] }
  if (skipped !== undefined) say(`${fault.name}: skipped: ${skipped}`)
  while (skipped === undefined && played.round < rounds && played.violations.length < BROKEN_POOLS_MAX)
    await playPool(options, played)
  const { healedMs, results, lines, violations } = played
  return {
    fault: fault.name,
    says: fault.says,
    rounds: played.round,
    passed: played.round - violations.length,
    healedMs,
    results,
    seconds: (performance.now() - beganMs) / 1000,
    lines: Object.fromEntries([...lines].sort()),
    violations,
    ...(skipped === undefined ? {} : { skipped })
  }
}

interface Played {
  round: number
  results: number
  readonly healedMs: number[]
  readonly lines: Map<string, number>
  readonly violations: { round: number; message: string; keptIn: string }[]
}

/** Makes a pool and plays rounds in it until it has seen enough, or broke a promise. */
async function playPool(options: CampaignOptions, played: Played): Promise<void> {
  const { fault, rounds, seed } = options
  const last = Math.min(rounds, played.round + fault.roundsPerPool)
  const ground = fault.prepare?.(NAMES) ?? {}
  let pool: ChaosPool | undefined
  let stream: Stream | undefined
  let keptIn: string | undefined
  try {
    pool = await openPool({ ...ground, names: NAMES })
    stream = openStream(pool, createChance(seed, `${fault.name} stream ${played.round}`))
    await stream.submit(NAMES[0] ?? '')
    while (played.round < last) {
      played.round++
      const chance = createChance(seed, `${fault.name} ${played.round}`)
      const { network, syncs } = ground
      const scene = { pool, stream, chance, ...(network ? { network } : {}), ...(syncs ? { syncs } : {}) }
      await playRound(options, scene, played, last)
    }
    await settleAll(pool, stream)
    await stream.close()
    await verifyAll(pool)
  } catch (error) {
    const round = Math.max(1, played.round)
    keptIn = join(options.keepIn, `${fault.name}-${round}`)
    const message = error instanceof Error ? error.message : String(error)
    options.say(`${fault.name} ${round} of ${rounds}: FAILED: ${message}\n  homes and logs: ${keptIn}`)
    played.violations.push({ round, message, keptIn })
    played.round = round
  } finally {
    await stream?.close()
    played.results += pool?.ledger.count() ?? 0
    await pool?.close(keptIn)
    ground.network?.close()
    ground.syncs?.close()
  }
}

async function playRound({ fault, rounds, say }: CampaignOptions, scene: Scene, played: Played, last: number) {
  const { round } = played
  const { healedMs, story } = await fault.strike(scene)
  played.healedMs.push(healedMs)
  say(`${fault.name} ${round} of ${rounds}: healed in ${(healedMs / 1000).toFixed(1)} s: ${story}`)
  if (round % fault.roundsPerCheck !== 0 && round !== last) return
  const beganMs = performance.now()
  const { lines, results } = await settle(scene.pool, scene.stream, { mayLoseSweeps: fault.mayLoseSweeps })
  for (const [line, count] of lines) played.lines.set(line, (played.lines.get(line) ?? 0) + count)
  say(`${fault.name}: at rest after ${seconds(beganMs)} s, all agree on ${results} results`)
}

function seconds(sinceMs: number): string {
  return ((performance.now() - sinceMs) / 1000).toFixed(1)
}
