/**
 * Verify on real stores: a sound home is sound, each kind of damage is named, and looking changes nothing.
 */
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Draft, encodeBlock, LIMITS, type VerifyView } from '#protocol'
import { openBulk } from '../../agent/store/bulk.js'
import { type Checkpoint, createCheckpoints, loadCheckpoint } from '../../agent/store/checkpoint.js'
import { readCleanStop } from '../../agent/store/clean-stop.js'
import { writeMembership } from '../../agent/store/identity.js'
import { bytesOf, openStore } from '../../agent/store/store.js'
import { verifyHome } from '../../agent/store/verify.js'
import { admit, agreed, close, type Machine, meet, pool, report, SWEEP, write } from '../helpers/log-machines.js'
import { keyOf, resultOf } from '../helpers/records.js'

const silent = () => undefined
const isWindows = process.platform === 'win32'

/** Everything that is not ok, by name. */
function odd(view: VerifyView): Record<string, string> {
  return Object.fromEntries(
    view.checks
      .filter(({ verdict }) => verdict !== 'ok')
      .map(({ name, verdict, detail }) => [name, `${verdict}: ${detail}`])
  )
}

const verified = async (home: string) => odd(await verifyHome(home, silent))

/** Closes a machine, and leaves its home as an agent does, with the pool's description in it. */
async function end(machine: Machine, how: 'in order' | 'crashed'): Promise<void> {
  await close(machine, how)
  writeMembership(machine.home, machine.membership)
}

/** Two machines that agreed on a result and some reports, at rest. */
async function atRest(t: Test): Promise<{ home: string; machine: Machine; draft: Draft; id: string }> {
  const [ada, bo] = await pool(t, 'ada', 'bo')
  await admit(ada, bo)
  meet(ada, bo)
  const draft = resultOf({ sweep: SWEEP, trial: 0, attempt: 1 }, 'complete')
  const id = `${SWEEP}-0-1`
  ada.keeper.saveResult(id, draft)
  await write(ada, draft, report(1), report(2))
  await write(bo, report(1, 1))
  await agreed(ada, bo)
  await end(bo, 'in order')
  await end(ada, 'in order')
  return { home: ada.home, machine: ada, draft, id }
}

/** Names, sizes and times of all files of a home. */
function tracesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map(path => {
      const { size, mtimeMs, ino } = statSync(join(folder, path))
      return `${path} ${size} ${mtimeMs} ${ino}`
    })
}

/** Saves a checkpoint however little is new. */
function saveCheckpoint(home: string, checkpoint: Checkpoint): void {
  createCheckpoints({ home, saved: Number.NEGATIVE_INFINITY, state: () => checkpoint, note: silent }).close()
}

function change(path: string, edit: (bytes: Buffer) => Uint8Array | string): void {
  writeFileSync(path, edit(readFileSync(path)))
}

t.test('a sound home is sound, and looking at it changes no file of it', async t => {
  const { home } = await atRest(t)
  const before = tracesOf(home)
  const told: string[] = []
  const view = await verifyHome(home, what => told.push(what))
  t.same(odd(view), {})
  t.equal(view.logs, 2)
  t.match(view.digest, /^[0-9a-f]{64}$/)
  t.ok((view.bytes['store'] ?? 0) > 0)
  t.ok(told.includes('Reading log 2 of 2 …'))
  t.same(tracesOf(home), before)
  t.ok(readCleanStop(home), 'the next agent goes on in its log')
})

t.test('a home after a crash is sound: what is to come is told', async t => {
  const [ada] = await pool(t, 'ada')
  ada.keeper.saveResult(`${SWEEP}-0-1`, resultOf({ sweep: SWEEP, trial: 0, attempt: 1 }, 'complete'))
  await end(ada, 'crashed')
  t.match(await verified(ada.home), { 'clean stop': /^found: .*fresh log/, results: /^found: 1 results wait/ })
})

t.test('a spool file that was damaged is named, and so is one that differs from the log', async t => {
  const { home, id } = await atRest(t)
  const path = join(home, 'keeper', 'results', `${id}.json`)
  const whole = readFileSync(path)
  for (const at of [0, whole.indexOf('complete'), whole.indexOf(SWEEP)]) {
    change(path, bytes => {
      bytes[at] = (bytes[at] ?? 0) ^ 1
      return bytes
    })
    t.match(await verified(home), { results: new RegExp(`^wrong: 1 results .* cannot be read: ${id}`) }, `byte ${at}`)
    writeFileSync(path, whole)
  }
  change(path, bytes => bytes.toString().replace('"value":0.5', '"value":0.4'))
  t.match(await verified(home), { results: /^found: 1 results .* differ from what the log says/ })
})

t.test('a write-ahead log that a power cut made shorter: the lost tail is named', async t => {
  const [ada] = await pool(t, 'ada')
  for (let step = 1; step <= LIMITS.recordsPerBlock; step++) ada.log.append([report(step)])
  await ada.log.flushed()
  await end(ada, 'in order')
  t.ok(loadCheckpoint(ada.home, ada.membership.pool), 'so many entries are worth a checkpoint')
  t.same(await verified(ada.home), {})
  const folder = join(ada.home, 'store', 'db')
  const wal = readdirSync(folder).find(name => /^\d+\.log$/.test(name)) ?? ''
  change(join(folder, wal), bytes => bytes.subarray(0, Math.floor(bytes.length * 0.7)))
  const found = await verified(ada.home)
  t.match(found, { 'lost tail': /^found: \d+ blocks that it folded are gone/, 'clean stop': /^found: / })
})

t.test('a list of logs that was damaged or forged is named', async t => {
  const { home, machine } = await atRest(t)
  const path = join(home, 'keeper', 'logs.json')
  const whole = readFileSync(path, 'utf8')
  change(path, () => whole.slice(1))
  t.match(await verified(home), {
    'list of logs': /^wrong: .*damaged/,
    logs: /^found: 2 logs in the store are not in the/
  })
  const [first, ...rest] = JSON.parse(whole)
  change(path, () => JSON.stringify([{ ...first, incarnation: first.incarnation + 7 }, ...rest]))
  t.match(await verified(home), { 'list of logs': /^wrong: 1 of 2 logs are not attested/ })
  // Soundly signed by a member who says that another member's log is theirs.
  const other = [first, ...rest].find(({ machine: key }) => key !== machine.identity.machine)
  const lie = machine.identity.attest(machine.membership.pool, 9, other.log)
  change(path, () => JSON.stringify([first, ...rest].map(each => (each === other ? lie : each))))
  const name = `own log ${other.log.slice(0, 8)}`
  t.match((await verified(home))[name], /^wrong: Its first block does not say/)
})

t.test('records that were forged in a log, and blocks that were changed on the disk, are named', async t => {
  const { home, machine } = await atRest(t)
  const { log } = machine.log.heads().find(each => each.attestation.machine === machine.identity.machine)
    ?.attestation ?? {
    log: ''
  }
  const encryption = { key: bytesOf(machine.membership.secret) }
  const store = await openStore(home)
  const core = store.get({ key: bytesOf(log), encryption })
  await core.ready()
  await core.append(encodeBlock([{ ...report(7), clock: 1, at: 0 }]))
  await core.append(new Uint8Array([1, 2, 3]))
  await core.close()
  await store.close()
  const name = `own log ${log.slice(0, 8)}`
  t.match(await verified(home), { [name]: /^wrong: 1 records have a clock/, holes: /^found: 1 places cannot be read/ })

  const again = await openStore(home)
  const damaged = again.get({ key: bytesOf(log), encryption })
  await damaged.ready()
  interface Transaction {
    putBlock(index: number, bytes: Uint8Array): void
    flush(): Promise<void>
  }
  const { storage } = damaged.core.state as unknown as { storage: { write(): Transaction } }
  const transaction = storage.write()
  transaction.putBlock(1, new Uint8Array(100))
  await transaction.flush()
  await damaged.close()
  await again.close()
  t.match((await verified(home))[name], /^wrong: (1 of its blocks are not those that were signed|1 records have)/)
  const { checks } = await verifyHome(home, silent)
  t.ok(checks.some(check => check.name === name && /not those that were signed/.test(check.detail)))
})

t.test('a damaged curve is named', async t => {
  const { home, machine } = await atRest(t)
  const store = await openStore(home)
  const bulk = openBulk({ store, secret: machine.membership.secret, home, note: silent })
  const place = await bulk.write({ sweep: SWEEP, trial: 0, attempt: 1, curve: [[1, 1]], tail: '' })
  await bulk.close()
  await store.close()
  t.notOk('bundles, curves' in (await verified(home)))
  const again = await openStore(home)
  const core = again.get({ key: bytesOf(place?.log ?? ''), encryption: { key: bytesOf(machine.membership.secret) } })
  await core.ready()
  const { storage } = core.core.state as unknown as {
    storage: { write(): { deleteBlock(index: number): void; flush(): Promise<void> } }
  }
  const transaction = storage.write()
  transaction.deleteBlock(0)
  await transaction.flush()
  await core.close()
  await again.close()
  t.match(await verified(home), { 'bundles, curves': /^wrong: 1 of \d+ parts of the store are damaged/ })
})

t.test(
  'a checkpoint that is not what the logs fold to is named; a torn one is thrown away by the next agent',
  async t => {
    const { home, machine } = await atRest(t)
    const cursors = new Map(machine.log.heads().map(({ attestation, length }) => [attestation.log, length]))
    const sound = { pool: machine.log.pool(), cursors, holes: new Map(), whole: new Map() }
    saveCheckpoint(home, sound)
    t.same(await verified(home), {})
    const earlier = new Map([...cursors].map(([log, cursor]) => [log, Math.min(1, cursor)]))
    saveCheckpoint(home, { ...sound, cursors: earlier })
    t.match(await verified(home), { checkpoint: 'wrong: It is not what the logs fold to.' })
    change(join(home, 'keeper', 'checkpoint'), bytes => bytes.subarray(1))
    t.match(await verified(home), { checkpoint: /^found: It is torn/ })
  }
)

t.test('a home that others can read is wrong', { skip: isWindows && 'no modes' }, async t => {
  const { home } = await atRest(t)
  chmodSync(join(home, 'identity.json'), 0o644)
  t.match(await verified(home), { modes: 'wrong: Others can read identity.json.' })
})

t.test('keys that cannot be read are wrong, and end the looking; approvals and invites are named', async t => {
  const { home } = await atRest(t)
  writeFileSync(join(home, 'keeper', 'approved.json'), '["x"]', { mode: 0o600 })
  writeFileSync(join(home, 'keeper', 'invites.json'), '{', { mode: 0o600 })
  t.match(await verified(home), { approved: /^wrong: /, invites: /^wrong: / })
  const path = join(home, 'pool.json')
  change(path, bytes => bytes.toString().replace('"name":"den"', '"name":"lair"'))
  t.match(await verified(home), { keys: /^wrong: The pool's description .* is damaged/ })
  rmSync(join(home, 'identity.json'))
  rmSync(path)
  await t.rejects(verifyHome(home, silent), { code: 'POOL_MISSING' })
})

t.test('a log that was attested and has not arrived is no damage', async t => {
  const { home, machine } = await atRest(t)
  const path = join(home, 'keeper', 'logs.json')
  const lost = machine.identity.attest(machine.membership.pool, 5, keyOf('a log that is gone'))
  change(path, bytes => JSON.stringify([...JSON.parse(bytes.toString()), lost]))
  t.match(await verified(home), { logs: /^found: 1 logs of this machine are not in the store/ })
})
