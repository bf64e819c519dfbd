/**
 * Safety: what must be true of a simulated pool once everything has reached everybody.
 *
 * Owns no state. Each check throws the violation that it finds. The oracle is the fold itself in another order of
 * arrival: it shares the fold's rules, not the machines' histories.
 */
import { isDeepStrictEqual } from 'node:util'
import { applyEntry, type Entry, emptyPool, type Pool, poolDigest, poolToRefold } from '#protocol'
import { POOL } from '../helpers/records.js'
import type { Bodies } from './body.js'
import type { Chance } from './chance.js'
import { isKnown, Violation, type Watch, type Watched } from './watch.js'

/** Machines that hold the same records, but for those behind a cut, agree on what they mean (rules F2 and M9). */
export function checkAgreement(machines: readonly Watched[], bodies: Bodies): void {
  const byRecords = new Map<string, Named>()
  for (const machine of machines) {
    const pool = machine.pool()
    if (!pool) continue
    const records = JSON.stringify([machine.plan.isOlder, countedOf(machine, pool, bodies)])
    const own = { name: machine.name, pool }
    const first = byRecords.get(records)
    if (first) compare(first, own)
    else byRecords.set(records, own)
  }
}

/** How many blocks of each history count at a machine. */
function countedOf(machine: Watched, pool: Pool, bodies: Bodies): [string, number][] {
  const counted = [...machine.disk.held].map(([name, length]): [string, number] => {
    const body = bodies.get(name)
    const removal = body && pool.removed.get(body.member)
    return [name, removal ? Math.min(length, removal.cuts.get(body.key) ?? 0) : length]
  })
  return counted.filter(([, length]) => length > 0).sort(([a], [b]) => (a < b ? -1 : 1))
}

/**
 * All records in an order of arrival that nobody had give the pool that everybody has, whether or not those behind the
 * cuts of removed members are among them.
 */
export function checkOracle(machine: Watched, bodies: Bodies, chance: Chance): void {
  const known = machine.pool()
  if (!known) return
  const held = [...machine.disk.held].sort(([a], [b]) => (a < b ? -1 : 1))
  const all = foldAnew(held, bodies, chance)
  compare({ name: machine.name, pool: known }, { name: 'the oracle', pool: all })
  const digest = poolDigest(known)
  if (digest !== poolDigest(all))
    throw new Violation('safety', 'equal records give equal pools', `the digest of ${machine.name} is not the oracle's`)
  if (known.removed.size === 0) return
  const counted = foldAnew(countedOf(machine, known, bodies), bodies, chance)
  if (poolDigest(counted) === digest) return
  const what = `${machine.name} and the oracle without them disagree`
  throw new Violation('safety', 'records behind a cut change nothing', what)
}

function foldAnew(held: readonly (readonly [string, number])[], bodies: Bodies, chance: Chance): Pool {
  const entries = inSomeOrder(held, bodies, chance)
  let pool = emptyPool(POOL)
  for (;;) {
    for (const entry of entries) applyEntry(pool, entry)
    if (!pool.mustRefold) return pool
    pool = poolToRefold(pool)
  }
}

/** Entries in an order that respects each log's own. */
function inSomeOrder(held: readonly (readonly [string, number])[], bodies: Bodies, chance: Chance): Entry[] {
  const rest = held.flatMap(([name, length]) => {
    const blocks = bodies.get(name)?.blocks.slice(0, length) ?? []
    return blocks.length > 0 ? [blocks] : []
  })
  const entries: Entry[] = []
  while (rest.length > 0) {
    const blocks = chance.pick(rest)
    for (const block of blocks.splice(0, 1 + chance.integer(20))) entries.push(...block.entries)
    if (blocks.length === 0) rest.splice(rest.indexOf(blocks), 1)
  }
  return entries
}

/** Every result that a keeper took is in every pool, with its own value unless that machine had several (rule L8). */
export function checkResults(machines: readonly Watched[], watch: Watch): void {
  for (const each of watch.acknowledged()) {
    for (const machine of machines) {
      if (isKnown(machine.pool(), each)) continue
      const what = `${each.draft.kind} ${each.id} of ${each.machine.name} is not in the pool of ${machine.name}`
      throw new Violation('safety', 'no acknowledged result is lost', what)
    }
  }
}

/** A trial that is done has one result that counts, and no end of an attempt counts twice (rule C8). */
export function checkCounts(machine: Watched): void {
  for (const { id, trials } of machine.pool()?.sweeps.values() ?? []) {
    for (const { index, standing } of trials.values()) {
      const { phase, result, replicates, failures } = standing
      const ends = [...(result ? [result] : []), ...replicates, ...failures]
      const names = new Set(ends.map(each => `${each.attempt} of ${each.machine}`))
      const isOne = (phase === 'done') === (result !== undefined)
      if (isOne && names.size === ends.length) continue
      const what = `trial ${index} of ${id} is ${phase} with ${ends.length} ends, ${names.size} of them different`
      throw new Violation('safety', 'a result counts once', `${machine.name}: ${what}`)
    }
  }
}

type Named = { readonly name: string; readonly pool: Pool }

function compare(a: Named, b: Named): void {
  const what = `${a.name} and ${b.name} disagree`
  if (canonicalOf(a.pool) !== canonicalOf(b.pool))
    throw new Violation('safety', 'one canonical result for each trial', what)
  // A digest of each pool tells the same, at many times the cost; it is compared with the oracle's.
  if (!isDeepStrictEqual(agreedOn(a.pool), agreedOn(b.pool)))
    throw new Violation('safety', 'equal records give equal pools', what)
}

/** What machines must agree on: all that the digest covers. */
function agreedOn({ id, founding, members, removed, machines, formerMachines, sweeps }: Pool): unknown {
  const said = [...sweeps].map(([key, { submission, stop, expiry, trials }]): [string, unknown] => [
    key,
    { submission, stop, expiry, trials: new Map([...trials].map(([index, { attempts }]) => [index, attempts])) }
  ])
  return { id, founding, members, removed, machines, formerMachines, sweeps: new Map(said) }
}

/** How every trial stands, as text. */
function canonicalOf(pool: Pool): string {
  const sweeps = [...pool.sweeps.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  return JSON.stringify(
    sweeps.map(({ id, trials }) => [
      id,
      [...trials.values()]
        .sort((a, b) => a.index - b.index)
        .map(({ index, standing: { phase, attempt, held, result, replicates } }) => {
          const of = (each: typeof result) => each && [each.machine, each.attempt, each.class, each.value]
          return [index, phase, attempt, held, of(result), replicates.map(of)]
        })
    ])
  )
}
