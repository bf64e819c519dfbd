/**
 * The bulk log on real stores: written before the result, fetched block by block when somebody looks, then served on.
 *
 * Machines meet in memory: two replication streams joined end to end.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Duplex, pipeline } from 'node:stream'
import t, { type Test } from 'tap'
import { type Bulk, type BulkPlace, LIMITS } from '#protocol'
import { type BulkLog, openBulk } from '../../agent/store/bulk.js'
import { bytesOf, hexOf, openStore, type Store } from '../../agent/store/store.js'
import { idFor, keyOf } from '../helpers/records.js'

const SECRET = keyOf('secret')
const ADA = keyOf('ada')
const ABOUT = { sweep: idFor('sweep'), trial: 0, attempt: 1 }

interface Machine {
  readonly home: string
  readonly store: Store
  readonly bulk: BulkLog
  readonly notes: string[]
  isOpen: boolean
}

async function openMachine(home: string, fetchMs: number): Promise<Machine> {
  const notes: string[] = []
  const store = await openStore(home)
  const bulk = openBulk({ store, secret: SECRET, home, fetchMs, note: message => notes.push(message) })
  return { home, store, bulk, notes, isOpen: true }
}

/** Opens machines that end with the test. */
async function machines<const N extends readonly string[]>(
  t: Test,
  names: N,
  fetchMs = 10_000
): Promise<{ [K in keyof N]: Machine }> {
  const folder = t.testdir({})
  const all: Machine[] = []
  t.teardown(() => Promise.all(all.map(close)))
  for (const name of names) all.push(await openMachine(join(folder, name), fetchMs))
  return all as { [K in keyof N]: Machine }
}

async function close(machine: Machine): Promise<void> {
  if (!machine.isOpen) return
  machine.isOpen = false
  await machine.bulk.close()
  await machine.store.close()
}

function meet(a: Machine, b: Machine): void {
  const [there, back] = [a.store.replicate(true) as Duplex, b.store.replicate(false) as Duplex]
  // How the streams end does not matter: the stores close under them.
  pipeline(there, back, there, () => undefined)
}

function bulkOf(trial: number, tail = `trial ${trial}\n`): Bulk {
  return { ...ABOUT, trial, curve: [[1, trial]], tail }
}

async function write(machine: Machine, bulk: Bulk): Promise<BulkPlace> {
  const place = await machine.bulk.write(bulk)
  if (!place) throw new Error('The block was not written.')
  return place
}

const wanted = (place: BulkPlace, trial: number) => ({ place, about: { ...ABOUT, trial }, member: ADA })

/** Which of the first blocks of a log are on a machine's disk. */
async function blocksHere(machine: Machine, log: string, count: number): Promise<number[]> {
  const core = machine.store.get({ key: bytesOf(log), encryption: { key: bytesOf(SECRET) } })
  await core.ready()
  const has = await Promise.all(Array.from({ length: count }, (_, block) => core.has(block)))
  await core.close()
  return has.flatMap((isHere, block) => (isHere ? [block] : []))
}

t.test('a block is read where it was written, at once and after a restart, which begins a fresh log', async t => {
  const [ada] = await machines(t, ['ada'])
  const [first, second] = await Promise.all([write(ada, bulkOf(0)), write(ada, bulkOf(1))])
  t.same([first.block, second.block], [0, 1])
  t.equal(first.log, second.log)
  t.same(await ada.bulk.read(wanted(first, 0)), bulkOf(0))
  await close(ada)
  const again = await openMachine(ada.home, 100)
  t.teardown(() => close(again))
  t.same(await again.bulk.read(wanted(first, 0)), bulkOf(0))
  t.not((await write(again, bulkOf(2))).log, first.log, 'a log whose tail may be unknown is not written to (L6)')
})

t.test('whoever looks fetches that block alone; it stays, and is served on while its author is off', async t => {
  const [ada, bo, cy] = await machines(t, ['ada', 'bo', 'cy'])
  const places = [await write(ada, bulkOf(0)), await write(ada, bulkOf(1)), await write(ada, bulkOf(2))] as const
  meet(ada, bo)
  t.same(await bo.bulk.read(wanted(places[1], 1)), bulkOf(1))
  t.same(await blocksHere(bo, places[1].log, 3), [1])
  await close(ada)
  meet(bo, cy)
  t.same(await cy.bulk.read(wanted(places[1], 1)), bulkOf(1), 'bo had looked at it')
})

t.test('nobody who is on has it: the read ends in time, with nothing', async t => {
  const [ada, bo, cy] = await machines(t, ['ada', 'bo', 'cy'], 300)
  const [seen, unseen] = [await write(ada, bulkOf(0)), await write(ada, bulkOf(1))]
  t.equal(await bo.bulk.read(wanted(seen, 0)), undefined, 'alone')
  meet(ada, bo)
  t.same(await bo.bulk.read(wanted(seen, 0)), bulkOf(0))
  await close(ada)
  meet(bo, cy)
  t.equal(await cy.bulk.read(wanted(unseen, 1)), undefined, 'bo knows that it is there, and does not have it')
  t.equal(await cy.bulk.read(wanted({ log: keyOf('no log'), block: 7 }, 1)), undefined)
})

t.test('a block that is not about the attempt, no bulk block, or too large is none, and is not kept', async t => {
  const [ada, bo] = await machines(t, ['ada', 'bo'])
  const place = await write(ada, bulkOf(0))
  const liar = ada.store.get({ name: 'a liar', encryption: { key: bytesOf(SECRET) } })
  await liar.ready()
  const lie = hexOf(liar.key)
  await liar.append([new Uint8Array(100), new Uint8Array(LIMITS.bulkBlockBytes + 1)])
  meet(ada, bo)
  t.equal(await bo.bulk.read(wanted(place, 3)), undefined)
  t.equal(await bo.bulk.read(wanted({ log: lie, block: 0 }, 0)), undefined)
  t.equal(await bo.bulk.read(wanted({ log: lie, block: 1 }, 0)), undefined)
  t.same([await blocksHere(bo, place.log, 1), await blocksHere(bo, lie, 2)], [[], []])
  t.same(await bo.bulk.read(wanted(place, 0)), bulkOf(0), 'the same block, asked for by its attempt')
})

t.test('a log that must hold a block that is too large is not fetched from', async t => {
  const [ada, bo] = await machines(t, ['ada', 'bo'])
  const liar = ada.store.get({ name: 'a liar', encryption: { key: bytesOf(SECRET) } })
  await liar.append(new Uint8Array(LIMITS.bulkBlockBytes + 1000))
  meet(ada, bo)
  t.equal(await bo.bulk.read(wanted({ log: hexOf(liar.key), block: 0 }, 0)), undefined)
  t.same(bo.notes, [])
  await liar.close()
})

t.test('reading never takes a block away that this machine had before, whatever it holds', async t => {
  const [ada] = await machines(t, ['ada'])
  const log = ada.store.get({ name: 'log-1', encryption: { key: bytesOf(SECRET) } })
  await log.append(new Uint8Array(10))
  const place = { log: hexOf(log.key), block: 0 }
  t.equal(await ada.bulk.read(wanted(place, 0)), undefined, 'a liar names a log that is no bulk log')
  t.same(await blocksHere(ada, place.log, 1), [0])
  await log.close()
})

t.test('beyond the limit for a member their oldest blocks go', async t => {
  const [ada, bo] = await machines(t, ['ada', 'bo'])
  const many = LIMITS.bulkBytesPerMember / (16 * 1024)
  const log = (await write(ada, bulkOf(0))).log
  for (let trial = 1; trial <= 2; trial++) await write(ada, bulkOf(trial))
  const index = join(bo.home, 'keeper', 'bulk.json')
  meet(ada, bo)
  await bo.bulk.read(wanted({ log, block: 0 }, 0))
  const [entry] = JSON.parse(readFileSync(index, 'utf8'))
  t.match(entry, { log, block: 0, member: ADA })
  // Nobody looks at so many in a test: the list is made as long as it may be, the real block first.
  const others = Array.from({ length: many - 1 }, (_, i) => ({ ...entry, log: keyOf('other'), block: i }))
  await close(bo)
  writeFileSync(index, JSON.stringify([entry, ...others]))
  const full = await openMachine(bo.home, 10_000)
  t.teardown(() => close(full))
  meet(ada, full)
  t.same(await full.bulk.read(wanted({ log, block: 1 }, 1)), bulkOf(1))
  t.same(await blocksHere(full, log, 3), [1], 'the oldest made room')
  t.equal(JSON.parse(readFileSync(index, 'utf8')).length, many)
})
