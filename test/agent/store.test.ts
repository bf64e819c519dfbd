/**
 * What this machine keeps on its disk: small files, the keeper, its identity, the store.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import crypto from 'hypercore-crypto'
import t, { type Test } from 'tap'
import { type Attestation, canonicalJson, type PoolError, poolIdOf } from '#protocol'
import { markCleanStop, takeCleanStop } from '../../agent/store/clean-stop.js'
import { readJson, removeFile, writeJson } from '../../agent/store/files.js'
import {
  foundPool,
  isAttested,
  isMembersMachine,
  openIdentity,
  readMembership,
  writeMembership
} from '../../agent/store/identity.js'
import { openKeeper } from '../../agent/store/keeper.js'
import { openStore, type Store } from '../../agent/store/store.js'
import { keeperContract } from '../contract/keeper.js'
import { idFor, keyOf, resultOf } from '../helpers/records.js'

const NAMES = { member: 'ann', machine: 'desk' }
const isWindows = process.platform === 'win32'
const modeOf = (path: string) => statSync(path).mode & 0o777
const keeperIn = (home: string) => openKeeper(home, { checkpoints: () => [] })

keeperContract(t, 'files', t => {
  const home = t.testdir({})
  let isFull = false
  const write = <T>(action: () => T): T => {
    if (isFull) throw new Error('ENOSPC: no space left on device')
    return action()
  }
  return {
    open: () => openKeeper(home, { checkpoints: () => [], write: isFull ? action => action() : write }),
    result: nth => resultOf({ sweep: idFor('sweep'), trial: nth, attempt: 1 }, 'complete', { value: nth }),
    fill(next) {
      isFull = next
    }
  }
})

t.test('a file is written whole, for its owner alone, and leaves nothing beside it', async t => {
  const path = join(t.testdir({}), 'new', 'folder', 'kept.json')
  writeJson(path, { a: [1, 'ä'] })
  writeJson(path, { a: 2 })
  t.same(readJson(path), { a: 2 })
  t.same(readdirSync(join(path, '..')), ['kept.json'])
  if (!isWindows) t.same([modeOf(path), modeOf(join(path, '..')), modeOf(join(path, '../..'))], [0o600, 0o700, 0o700])
})

t.test('a write that did not end leaves the old file, and the next one succeeds', async t => {
  const path = join(t.testdir({ 'kept.json': '1', 'kept.json.new': '{"torn' }), 'kept.json')
  t.equal(readJson(path), 1)
  writeJson(path, 2)
  t.equal(readJson(path), 2)
})

t.test('an absent file is nothing, a damaged one is an error that names it', async t => {
  const path = join(t.testdir({ 'damaged.json': '{"a": ' }), 'damaged.json')
  t.equal(readJson(`${path}.absent`), undefined)
  t.throws(() => readJson(path), { code: 'STORE_DAMAGED', message: /damaged\.json is damaged/, hint: /backup/ })
  t.throws(() => readJson(join(path, '..')), { code: 'STORE_DAMAGED', hint: /belong to you/ }, 'a folder is no file')
  removeFile(path)
  removeFile(path)
  removeFile(join(path, '..', 'absent', 'folder'))
  t.equal(readJson(path), undefined)
})

t.test('what does not have its shape was not written by us and counts as absent', async t => {
  const home = t.testdir({
    keeper: {
      'approved.json': '["no digest"]',
      'invites.json': '{}',
      'logs.json': '[{}]',
      results: { 'a.json': '{"id":"a"}', 'b.json': '{"id":"b","draft":{"kind":"x","y":1}}', 'notes.txt': 'no result' }
    }
  })
  const keeper = keeperIn(home)
  t.same(keeper.load().approved, [])
  t.same([keeper.invites(), keeper.loadLogs()], [[], []])
  t.same(keeper.load().results, [{ id: 'b', draft: { kind: 'x', y: 1 } }], 'a kind of a newer release is kept')
})

t.test('invites and logs survive a crash; of one invite the last state counts', async t => {
  const home = t.testdir({})
  const keeper = openKeeper(home, { checkpoints: () => ['left'] })
  const invite = { id: idFor('invite'), seed: keyOf('seed'), expiresAt: 5 }
  keeper.saveInvite(invite)
  keeper.saveInvite({ ...invite, usedBy: keyOf('b'), usedByName: 'bo' })
  const attestation = attested(home)
  keeper.saveLogs([attestation])
  const again = keeperIn(home)
  t.same(again.invites(), [{ ...invite, usedBy: keyOf('b'), usedByName: 'bo' }])
  t.same(again.loadLogs(), [attestation])
  t.same(keeper.load().checkpoints, ['left'], 'the runner knows the checkpoints')
  if (!isWindows) t.equal(modeOf(join(home, 'keeper', 'invites.json')), 0o600, 'an invite lets somebody in')
})

t.test('the mark of a clean stop is taken once, and only for the very files that it was set for (L6)', async t => {
  const { home, folder } = await closedStore(t)
  const log = keyOf('log')
  t.equal(takeCleanStop(home), undefined, 'a crash leaves none')
  markCleanStop(home, log)
  renameSync(home, join(folder, 'renamed'))
  t.equal(takeCleanStop(join(folder, 'renamed')), log, 'a folder that was renamed holds the same files')
  t.equal(takeCleanStop(join(folder, 'renamed')), undefined)
  markCleanStop(join(folder, 'renamed'), log)
  cpSync(join(folder, 'renamed'), home, { recursive: true, preserveTimestamps: true })
  t.equal(takeCleanStop(home), undefined, 'a copy does not')
  const db = join(folder, 'renamed', 'store', 'db')
  for (const name of readdirSync(db)) if (name.endsWith('.log')) writeFileSync(join(db, name), '')
  t.equal(takeCleanStop(join(folder, 'renamed')), undefined, 'nor do files that were changed later')
})

t.test('an identity is made once, kept for its owner alone, and refused when it is damaged', async t => {
  const home = t.testdir({})
  const made = openIdentity(home, NAMES)
  const again = openIdentity(home, { member: 'eve', machine: 'other' })
  t.same([again.member, again.machine, again.memberName, again.machineName], [made.member, made.machine, 'ann', 'desk'])
  t.not(made.member, made.machine)
  if (!isWindows) t.equal(modeOf(join(home, 'identity.json')), 0o600)
  writeJson(join(home, 'identity.json'), { memberSeed: 'short' })
  t.throws(() => openIdentity(home, NAMES), { code: 'STORE_DAMAGED', message: /identity\.json is damaged/ })
})

t.test('an attestation holds as it is, and with none of its fields changed', async t => {
  const folder = t.testdir({})
  const attestation = attested(join(folder, 'ann'))
  t.ok(isAttested(attestation))
  const other = openIdentity(join(folder, 'other'), NAMES)
  const changes: Partial<Attestation>[] = [
    { pool: keyOf('other pool') },
    { member: other.member },
    { machine: other.machine },
    { incarnation: 4 },
    { log: keyOf('other log') },
    { memberSignature: attestation.machineSignature },
    { machineSignature: attestation.memberSignature },
    { member: keyOf('no key at all') }
  ]
  for (const change of changes) t.notOk(isAttested({ ...attestation, ...change }), JSON.stringify(change))
  const stolen = other.attest(attestation.pool, 3, attestation.log)
  t.notOk(
    isAttested({ ...stolen, member: attestation.member, memberSignature: attestation.memberSignature }),
    'a member vouches for its own machine only'
  )
  const { memberSeed } = JSON.parse(readFileSync(join(folder, 'other', 'identity.json'), 'utf8'))
  const claim = canonicalJson({ pool: attestation.pool, member: other.member, machine: attestation.machine })
  const { secretKey } = crypto.keyPair(Buffer.from(memberSeed, 'hex'))
  const memberSignature = crypto.sign(Buffer.from(`hypersweep/machine\n${claim}`), secretKey)
  t.notOk(
    isAttested({ ...attestation, member: other.member, memberSignature: Buffer.from(memberSignature).toString('hex') }),
    'a member cannot take the log of a machine that vouched for another member'
  )
})

t.test("a member's word for its machine counts in one pool, for that machine and that member alone", async t => {
  const ann = openIdentity(t.testdir({}), NAMES)
  const claim = { pool: '', member: ann.member, machine: ann.machine }
  t.ok(isMembersMachine(claim, ann.signMachine('')))
  t.notOk(isMembersMachine({ ...claim, pool: keyOf('pool') }, ann.signMachine('')))
  t.notOk(isMembersMachine({ ...claim, machine: keyOf('other') }, ann.signMachine('')))
  t.notOk(isMembersMachine({ ...claim, member: ann.machine }, ann.signMachine('')))
})

t.test("a pool's description is kept, and refused when it does not hash to the pool's name", async t => {
  const home = t.testdir({})
  t.equal(readMembership(home), undefined)
  const identity = openIdentity(home, NAMES)
  const membership = foundPool(identity, 'den')
  t.equal(membership.pool, poolIdOf(membership.founding))
  t.not(foundPool(identity, 'den').pool, membership.pool, 'nobody founds the same pool twice')
  writeMembership(home, membership)
  t.same(readMembership(home), membership)
  if (!isWindows) t.equal(modeOf(join(home, 'pool.json')), 0o600)
  for (const changes of [
    { founding: { ...membership.founding, member: keyOf('eve') } },
    { founding: { ...membership.founding, name: 'other' } },
    { pool: keyOf('other') },
    { secret: 'short' }
  ]) {
    writeJson(join(home, 'pool.json'), { ...membership, ...changes })
    t.throws(() => readMembership(home), { code: 'STORE_DAMAGED', message: /pool\.json is damaged/ })
  }
})

t.test('a store is open in one place at a time, and can be opened again after that', async t => {
  const home = join(t.testdir({}), 'home')
  const store = await openStore(home)
  if (!isWindows) t.equal(modeOf(home), 0o700)
  await t.rejects(openStore(home), { code: 'STORE_IN_USE', message: home, hint: /hypersweep down/ })
  await store.close()
  await (await openStore(home)).close()
})

t.test('a store that was copied opens, with every attribute and without', async t => {
  const { home, folder } = await closedStore(t)
  cpSync(join(home, 'store'), join(folder, 'copied', 'store'), { recursive: true })
  await (await openStore(join(folder, 'copied'))).close()
  await (await openStore(join(folder, 'copied'))).close()
  if (isWindows) return
  execFileSync('cp', ['-a', home, join(folder, 'restored')])
  const restored = await openStore(join(folder, 'restored'))
  await t.rejects(openStore(join(folder, 'restored')), { code: 'STORE_IN_USE' }, 'and is locked like any other')
  await restored.close()
})

t.test('a store that cannot be read is told as damaged, not as in use', async t => {
  const { home } = await closedStore(t)
  const db = join(home, 'store', 'db')
  for (const name of readdirSync(db)) if (name.startsWith('MANIFEST')) writeFileSync(join(db, name), 'no manifest')
  const error = await refusal(openStore(home))
  t.equal(error.code, 'STORE_DAMAGED')
  t.match(error.message, /cannot be opened/)
  t.ok(error.cause, 'with its cause')
})

t.test('a damaged block is not taken for a lock', async t => {
  const { home } = await closedStore(t)
  const db = join(home, 'store', 'db')
  for (const name of readdirSync(db).filter(name => name.endsWith('.sst'))) {
    const bytes = readFileSync(join(db, name))
    writeFileSync(join(db, name), bytes.fill(9, 20, bytes.length - 60))
  }
  const error = await refusal(openStore(home))
  t.match(error.message, /block checksum/)
  t.equal(error.code, 'STORE_DAMAGED')
})

function attested(home: string): Attestation {
  return openIdentity(home, NAMES).attest(keyOf('pool'), 3, keyOf('log'))
}

/** A store with a log in it that was opened and closed twice; the folder around its home is the test's. */
async function closedStore(t: Test): Promise<{ home: string; folder: string }> {
  const folder = t.testdir({})
  const home = join(folder, 'home')
  for (let time = 0; time < 2; time++) {
    const store = await openStore(home)
    await store.get({ name: 'log' }).append(new Uint8Array(3000))
    await store.close()
  }
  return { home, folder }
}

async function refusal(opening: Promise<Store>): Promise<PoolError> {
  return opening.then(
    () => Promise.reject(new Error('It was opened.')),
    error => error
  )
}
