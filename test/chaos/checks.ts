/**
 * Checks: what must hold after every fault, whatever it was.
 *
 * No acknowledged result is lost, all agents agree, every sweep ends, no program is left behind. Reads what agents say
 * and what the system says; never helps them along. Errors: a violation that tells what does not hold.
 */
import type { TrialView, VerifyView } from '#protocol'
import type { Acknowledged } from './ledger.js'
import type { ChaosPool } from './pool.js'
import { programsBelow } from './programs.js'
import { lossOf, type Stream } from './stream.js'
import { Violation, waitUntil } from './wait.js'

/** Two sweeps of six trials take seconds; a trial whose machine was lost again and again waits for several leases. */
const END_MS = 180_000
/** Machines that lost sight of each other look again after at most this long, and then everything has to travel. */
const HEAL_MS = 90_000
const AGREE_MS = 90_000
/** A program that was told to end has this long. */
const PROGRAMS_MS = 15_000
const TRIALS_MAX = 100

/** Waits until these agents show every acknowledged result of the recent sweeps. Returns how long it took, in ms. */
export function heal(pool: ChaosPool, stream: Stream, names: readonly string[]): Promise<number> {
  const wanted = pool.ledger.sweeps().filter(sweep => stream.recent().includes(sweep))
  return waitUntil(
    `${names.join(' and ')} showed every acknowledged result`,
    async () => {
      for (const name of names) mustHaveAll(name, await lost(pool, name, wanted))
      return true
    },
    HEAL_MS
  )
}

/** Waits until agents show what their own machines acknowledged, without the help of others or with it. */
export function healOwn(pool: ChaosPool, stream: Stream, names: readonly string[]): Promise<number> {
  const wanted = pool.ledger.sweeps().filter(sweep => stream.recent().includes(sweep))
  return waitUntil(
    `${names.join(' and ')} showed the results of their own machines`,
    async () => {
      for (const name of names) mustHaveAll(name, await lost(pool, name, wanted, pool.machine(name)))
      return true
    },
    HEAL_MS
  )
}

export interface Settled {
  readonly lines: ReadonlyMap<string, number>
  readonly results: number
}

export interface SettleOptions {
  /** A sweep that nobody else knew may go with its author's disk; a result never. */
  readonly mayLoseSweeps: boolean
  /** How long is waited for each thing at most, in ms; each has its own bound. */
  readonly limitMs?: number
}

/** Lets the pool come to rest and looks at everything. */
export async function settle(pool: ChaosPool, stream: Stream, options: SettleOptions): Promise<Settled> {
  const { mayLoseSweeps, limitMs = Number.POSITIVE_INFINITY } = options
  await stream.pause()
  const sweeps = () => stream.recent()
  await waitUntil('every sweep ended', () => haveEnded(pool, stream, mayLoseSweeps), Math.min(limitMs, END_MS))
  await waitUntil('all agents had one pool digest', () => agree(pool), Math.min(limitMs, AGREE_MS)).catch(
    async error => {
      throw new Violation(`${error.message}; ${await disagreement(pool, sweeps())}`)
    }
  )
  for (const name of pool.names) {
    mustHaveAll(name, await lost(pool, name, sweeps()))
    for (const sweep of sweeps()) mustBeTrained(name, await trialsOf(pool, name, sweep))
  }
  const isClear = async () => programsBelow(pool.lab.folder).length === 0
  await waitUntil('no program was left behind', isClear, Math.min(limitMs, PROGRAMS_MS))
  const { fatal, lines } = pool.troubles()
  if (fatal.length > 0) throw new Violation(fatal.join('; '))
  const first = pool.names[0] ?? ''
  await pool.noteLog(first, sweeps())
  stream.forget(sweeps())
  stream.resume()
  return { lines, results: pool.ledger.count() }
}

/** Looks at every sweep that there ever was: a later fault may take what an earlier one left. */
export async function settleAll(pool: ChaosPool, stream: Stream): Promise<void> {
  await stream.pause()
  const isOver = (sweep: string) => !stream.recent().includes(sweep)
  for (const name of pool.names) {
    mustHaveAll(name, await lost(pool, name, pool.ledger.sweeps()))
    for (const sweep of stream.all().filter(isOver)) mustBeTrained(name, await trialsOf(pool, name, sweep))
  }
}

/** Stops every agent in order and lets each store be verified: nothing in it may be wrong, whatever happened to it. */
export async function verifyAll(pool: ChaosPool): Promise<void> {
  for (const name of pool.up()) await pool.stop(name)
  for (const name of pool.names) {
    const { out, err } = await pool.lab.type(name, ['verify', '--json'])
    if (out === '') throw new Violation(`the store of ${name} could not be verified: ${err}`)
    const { checks } = JSON.parse(out) as VerifyView
    const wrong = checks.filter(check => check.verdict === 'wrong').map(check => `${check.name}: ${check.detail}`)
    if (wrong.length > 0) throw new Violation(`the store of ${name} is wrong: ${wrong.join('; ')}`)
  }
}

async function haveEnded(pool: ChaosPool, stream: Stream, mayLoseSweeps: boolean): Promise<boolean> {
  const views = await Promise.all(pool.names.map(name => pool.ask(name, { method: 'sweeps' })))
  let haveAll = true
  for (const sweep of stream.recent()) {
    const seen = views.map(each => each.find(view => view.sweep === sweep))
    if (mayLoseSweeps && seen.every(view => view === undefined)) stream.drop(sweep)
    else if (seen.some(view => view === undefined || view.state === 'running')) haveAll = false
    for (const view of seen)
      if (view?.state === 'failed') throw new Violation(`a sweep failed: ${view.lastFailure?.message}`)
  }
  return haveAll
}

/** Returns each agent's digest of the pool: equal exactly when they agree. */
export function digests(pool: ChaosPool): Promise<string[]> {
  return Promise.all(pool.names.map(async name => (await pool.ask(name, { method: 'status' })).poolHash))
}

async function agree(pool: ChaosPool): Promise<boolean> {
  return new Set(await digests(pool)).size === 1
}

/** Says what two agents show differently, for whoever looks for the cause. */
async function disagreement(pool: ChaosPool, sweeps: readonly string[]): Promise<string> {
  const [first = '', ...others] = pool.names
  for (const sweep of sweeps) {
    const shown = JSON.stringify(await trialsOf(pool, first, sweep))
    for (const name of others) {
      if (JSON.stringify(await trialsOf(pool, name, sweep)) !== shown) return `${first} and ${name} differ in ${sweep}`
    }
  }
  return 'the trials of recent sweeps are the same'
}

/** `machine`: only the results of this one. */
async function lost(
  pool: ChaosPool,
  name: string,
  sweeps: readonly string[],
  machine?: string
): Promise<Acknowledged[]> {
  const missing: Acknowledged[] = []
  for (const sweep of sweeps) missing.push(...pool.ledger.missing(sweep, await trialsOf(pool, name, sweep), machine))
  return missing
}

function mustHaveAll(name: string, missing: readonly Acknowledged[]): void {
  const [first] = missing
  if (!first) return
  const { sweep, trial, attempt, state, value, seen } = first
  throw new Error(
    `${name} lacks ${missing.length} acknowledged results, such as ${sweep} #${trial}.${attempt}: ${state} ${value}, ` +
      `which ${seen} had`
  )
}

/** Every trial has its result, and it is the one that its program gives. */
function mustBeTrained(name: string, trials: readonly TrialView[]): void {
  for (const { sweep, trial, state, value, parameters, message } of trials) {
    if (state === 'complete' && value === lossOf(parameters)) continue
    throw new Violation(`at ${name} trial ${sweep} #${trial} is ${state} with ${value}: ${message ?? 'no message'}`)
  }
}

function trialsOf(pool: ChaosPool, name: string, sweep: string): Promise<readonly TrialView[]> {
  return pool.ask(name, { method: 'trials', sweep, limit: TRIALS_MAX })
}
