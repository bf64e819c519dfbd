/**
 * Verifying what the logs mean: folded again from their first blocks, in two orders, and compared with the checkpoint.
 */
import {
  applyEntry,
  canonicalJson,
  emptyPool,
  holderOf,
  type Pool,
  poolDigest,
  poolToRefold,
  type Sweep,
  standingOf,
  type Trial,
  type VerifyCheck
} from '#protocol'
import { loadCheckpoint } from './checkpoint.js'
import { shown } from './verify-files.js'
import { blocksOf, type ReadLog, type VerifyParts } from './verify-logs.js'

/** A change of membership may ask for another round; each round knows more of it than the one before. */
const ROUNDS_MAX = 100

/** Folds all logs and checks what comes of it. */
export async function checkPool(
  parts: VerifyParts,
  logs: readonly ReadLog[]
): Promise<{ checks: VerifyCheck[]; pool: Pool; digest: string }> {
  const { membership, onProgress } = parts
  const theirs = logs.filter(log => log.isTheirs)
  onProgress('Folding the logs …')
  const pool = await foldLogs(membership.pool, theirs)
  onProgress('Folding them in another order …')
  const other = poolDigest(await foldLogs(membership.pool, [...theirs].reverse()))
  const digest = poolDigest(pool)
  const checks = [foundingCheck(pool), orderCheck(digest, other)]
  onProgress('Comparing with the checkpoint …')
  return { checks: [...checks, ...(await checkpointChecks(parts, theirs, digest)), trialsCheck(pool)], pool, digest }
}

/** Folds logs one after the other. `ends`: how many blocks of each; all that are here when absent. */
async function foldLogs(id: string, logs: readonly ReadLog[], ends?: ReadonlyMap<string, number>): Promise<Pool> {
  let pool = emptyPool(id)
  for (let round = 0; round < ROUNDS_MAX; round++) {
    for (const log of logs) await foldLog(pool, log, ends ? (ends.get(log.attestation.log) ?? 0) : undefined)
    if (!pool.mustRefold) break
    pool = poolToRefold(pool)
  }
  return pool
}

async function foldLog(pool: Pool, log: ReadLog, end: number | undefined): Promise<void> {
  const { log: key, member, machine } = log.attestation
  for await (const { block, items } of blocksOf(log, end)) {
    items.forEach((item, index) => {
      if ('record' in item) applyEntry(pool, { log: key, member, machine, block, index, record: item.record })
    })
  }
}

/** A machine that has just joined may have no log but its own yet. */
function foundingCheck(pool: Pool): VerifyCheck {
  const name = 'pool'
  const { founding, members, machines, sweeps } = pool
  if (!founding) {
    const detail = 'The founding is not here yet: no log of the founder has arrived.'
    return { name, verdict: 'found', detail, hint: 'Run `hypersweep up` while a machine of the pool is on.' }
  }
  const detail = `"${founding.name}" has the name that its founding gives: ${members.size} members, ${machines.size} machines, ${sweeps.size} sweeps.`
  return { name, verdict: 'ok', detail }
}

function orderCheck(digest: string, other: string): VerifyCheck {
  if (digest === other)
    return {
      name: 'fold',
      verdict: 'ok',
      detail: 'The same pool in either order of the logs, from their first blocks.'
    }
  return {
    name: 'fold',
    verdict: 'wrong',
    detail: `Another order of the logs gives another pool: ${digest.slice(0, 16)}, ${other.slice(0, 16)}.`,
    hint: 'This is a bug in hypersweep. Report it with a copy of the home, without identity.json and pool.json.'
  }
}

/** The checkpoint must be what the blocks that it names fold to; of shorter logs that cannot be known. */
async function checkpointChecks(
  { home, membership }: VerifyParts,
  logs: readonly ReadLog[],
  digest: string
): Promise<VerifyCheck[]> {
  const name = 'checkpoint'
  const checkpoint = loadCheckpoint(home, membership.pool)
  if (!checkpoint) return []
  const here = new Map(logs.map(({ attestation, core }) => [attestation.log, core.contiguousLength]))
  const short = [...checkpoint.cursors].filter(([log, cursor]) => cursor > (here.get(log) ?? 0))
  if (short.length > 0) {
    const lost = short.reduce((sum, [log, cursor]) => sum + cursor - (here.get(log) ?? 0), 0)
    const detail = `${lost} blocks that it folded are gone from the store, of ${shown(short.map(([log]) => `log ${log.slice(0, 8)}`))}.`
    const hint = 'A power cut, most likely. What others have comes back, once the agent runs; it writes a fresh log.'
    return [{ name: 'lost tail', verdict: 'found', detail, hint }]
  }
  const isWhole = [...here].every(([log, length]) => checkpoint.cursors.get(log) === length)
  const expected = isWhole ? digest : poolDigest(await foldLogs(membership.pool, logs, checkpoint.cursors))
  if (poolDigest(checkpoint.pool) === expected)
    return [{ name, verdict: 'ok', detail: 'The same pool as the blocks that it folded.' }]
  const detail = 'It is not what the logs fold to.'
  return [{ name, verdict: 'wrong', detail, hint: 'Remove keeper/checkpoint: the next agent folds the logs anew.' }]
}

/** What each trial comes to, computed once more from its records (rules C3, C8). */
function trialsCheck(pool: Pool): VerifyCheck {
  const name = 'trials'
  const wrong: string[] = []
  let count = 0
  for (const sweep of pool.sweeps.values()) {
    for (const trial of sweep.trials.values()) {
      count++
      if (!isSound(sweep, trial)) wrong.push(`${sweep.id.slice(0, 8)} #${trial.index}`)
    }
  }
  if (wrong.length === 0)
    return {
      name,
      verdict: 'ok',
      detail: `${count} trials: at most one holder of each attempt, one result that counts.`
    }
  return {
    name,
    verdict: 'wrong',
    detail: `${wrong.length} of ${count} trials are not what their records come to: ${shown(wrong)}.`,
    hint: 'This is a bug in hypersweep. Report it with a copy of the home, without identity.json and pool.json.'
  }
}

function isSound(sweep: Sweep, trial: Trial): boolean {
  const { standing, index, attempts } = trial
  if (canonicalJson(standingOf(sweep.id, trial)) !== canonicalJson(standing)) return false
  const phases = Object.entries(sweep.byPhase).filter(([, indexes]) => indexes.has(index))
  if (phases.length > 1 || phases.some(([phase]) => phase !== standing.phase)) return false
  const { held } = standing
  if ((standing.phase === 'claimed') !== (held !== undefined)) return false
  const attempt = held && attempts.get(held.attempt)
  return !held || (attempt !== undefined && holderOf(sweep.id, index, attempt) === held.holder)
}
