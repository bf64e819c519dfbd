/**
 * Safety: what must be true of a simulated pool once everything has reached everybody.
 *
 * Owns no state. Each check throws the violation that it finds. The oracle is the fold itself in another order of
 * arrival: it shares the fold's rules, not the machines' histories.
 */
import { applyEntry, emptyPool, type Pool, poolHash } from '#protocol'
import { POOL } from '../helpers/records.js'
import type { Chance } from './chance.js'
import type { Bodies } from './replica.js'
import { isKnown, Violation, type Watch, type Watched } from './watch.js'

/** Machines that hold the same records agree on what they mean (rule F2). */
export function checkAgreement(machines: readonly Watched[]): void {
  const byRecords = new Map<string, Named>()
  for (const machine of machines) {
    const pool = machine.pool()
    if (!pool) continue
    const held = [...machine.disk.held].filter(([, length]) => length > 0)
    const records = JSON.stringify(held.sort(([a], [b]) => (a < b ? -1 : 1)))
    const own = { name: machine.name, meaning: meaningOf(pool) }
    const first = byRecords.get(records)
    if (first) compare(first, own)
    else byRecords.set(records, own)
  }
}

/** All records in an order of arrival that nobody had give the pool that everybody has. */
export function checkOracle(machine: Watched, bodies: Bodies, chance: Chance): void {
  const logs = chance.shuffled([...machine.disk.held]).map(([key, length]) => bodies.get(key)?.blocks.slice(0, length))
  const rest = logs.filter(blocks => blocks !== undefined && blocks.length > 0)
  const pool = emptyPool(POOL)
  while (rest.length > 0) {
    const blocks = chance.pick(rest)
    for (const block of blocks?.splice(0, 1 + chance.integer(20)) ?? [])
      for (const each of block) applyEntry(pool, each)
    if (blocks?.length === 0) rest.splice(rest.indexOf(blocks), 1)
  }
  const known = machine.pool()
  if (known)
    compare({ name: machine.name, meaning: meaningOf(known) }, { name: 'the oracle', meaning: meaningOf(pool) })
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

interface Meaning {
  readonly hash: string
  readonly canonical: string
}

function meaningOf(pool: Pool): Meaning {
  return { hash: poolHash(pool), canonical: canonicalOf(pool) }
}

type Named = { readonly name: string; readonly meaning: Meaning }

function compare(a: Named, b: Named): void {
  const what = `${a.name} and ${b.name} disagree`
  if (a.meaning.canonical !== b.meaning.canonical)
    throw new Violation('safety', 'one canonical result for each trial', what)
  if (a.meaning.hash !== b.meaning.hash) throw new Violation('safety', 'equal records give equal pools', what)
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
