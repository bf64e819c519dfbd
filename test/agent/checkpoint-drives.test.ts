/**
 * Checkpoints on real drives: packed on one machine, unpacked for one attempt on another, and not kept there.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Duplex, pipeline } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import Hyperdrive from 'hyperdrive'
import t, { type Test } from 'tap'
import { type Bundle, LIMITS } from '#protocol'
import type { BundleState } from '../../agent/local.js'
import { openBundles } from '../../agent/store/bundles.js'
import { openCheckpointDrives } from '../../agent/store/checkpoint-drives.js'
import { bytesOf, hexOf, openStore, type Store } from '../../agent/store/store.js'
import { syncStore } from '../../agent/store/store-files.js'
import { BUNDLE, keyOf } from '../helpers/records.js'

const SECRET = keyOf('secret')
const ATTEMPT = 'sweep-0-2'
/** By then what was fetched has left the store. */
const CLEARED_MS = 3000

async function open(t: Test, name: string, folder: string) {
  const home = join(folder, name)
  const store = await openStore(home)
  const told: [string, BundleState][] = []
  let tell = (_: BundleState) => {}
  const onBundle = (attempt: string, state: BundleState) => {
    told.push([attempt, state])
    tell(state)
  }
  const noted: string[] = []
  const note = (message: string) => void noted.push(message)
  const checkpoints = openCheckpointDrives({ store, secret: SECRET, home, note })
  const bundles = openBundles({
    store,
    secret: SECRET,
    folder: join(home, 'bundles'),
    sync: () => syncStore(home),
    onBundle
  })
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= Promise.all([bundles.close(), checkpoints.close()]).then(() => store.close())
    return closing
  }
  t.teardown(close)
  const fetch = (bundle: Bundle, attempt = ATTEMPT) =>
    new Promise<BundleState>(resolve => {
      tell = resolve
      bundles.want(bundle, attempt)
    })
  return { home, store, bundles, checkpoints, told, noted, fetch, close }
}

type Machine = Awaited<ReturnType<typeof open>>

async function pair(t: Test): Promise<[Machine, Machine]> {
  const folder = t.testdir({})
  const [a, b] = [await open(t, 'a', folder), await open(t, 'b', folder)]
  meet(a, b)
  return [a, b]
}

function meet(a: { store: Store }, b: { store: Store }): void {
  const [there, back] = [a.store.replicate(true) as Duplex, b.store.replicate(false) as Duplex]
  // How the streams end does not matter: the stores close under them.
  pipeline(there, back, there, () => undefined)
}

function saved(machine: Machine, text: string, name = 'checkpoint'): string {
  const folder = join(machine.home, '..', name)
  mkdirSync(join(folder, 'lightning_logs'), { recursive: true })
  writeFileSync(join(folder, 'state'), text)
  writeFileSync(join(folder, 'lightning_logs', 'last.ckpt'), text)
  return folder
}

/** How many blocks of the contents a machine has of a bundle's drive. */
async function contentIn({ store }: Machine, { drive }: Bundle): Promise<number> {
  // No drive is opened for that: it would wait for whoever has it open.
  const encryption = { key: bytesOf(SECRET) }
  const names = store.get({ key: bytesOf(drive), encryption })
  await names.ready()
  const key = Hyperdrive.getContentKey(names)
  if (!key) throw new Error('A drive has contents.')
  const contents = store.get({ key, encryption })
  await contents.ready()
  let blocks = 0
  for (let n = 0; n < contents.length; n++) if (await contents.has(n)) blocks++
  await Promise.all([names.close(), contents.close()])
  return blocks
}

async function packed({ checkpoints }: Machine, folder: string): Promise<Bundle> {
  const bundle = await checkpoints.pack(folder)
  if (!bundle) throw new Error('It is packed.')
  return bundle
}

t.test('what a program saved arrives for its attempt, all of it, and leaves nothing behind', async t => {
  const [ann, bo] = await pair(t)
  const bundle = await packed(ann, saved(ann, 'step 7'))
  t.equal(bundle.files, 2, 'also what would be left out of code')
  t.equal(await bo.fetch(bundle), 'ready')
  t.same(bo.told, [[ATTEMPT, 'ready']])
  const arrived = bo.bundles.folderOf(ATTEMPT)
  t.equal(readFileSync(join(arrived, 'lightning_logs', 'last.ckpt'), 'utf8'), 'step 7')
  const began = performance.now()
  await ann.checkpoints.handOver(60_000)
  t.ok(performance.now() - began < 10_000, 'ann sees that bo has it')
  await wait(CLEARED_MS)
  t.equal(await contentIn(bo, bundle), 0)
  t.ok((await contentIn(ann, bundle)) > 0)
  bo.bundles.forget(ATTEMPT)
  t.same(readdirSync(join(bo.home, 'bundles')), [])
})

t.test('two attempts may go on from the same files; a restart clears away what nobody took', async t => {
  const folder = t.testdir({})
  const [ann, bo] = [await open(t, 'a', folder), await open(t, 'b', folder)]
  meet(ann, bo)
  const bundles = [await packed(ann, saved(ann, 'same')), await packed(ann, saved(ann, 'same'))]
  t.not(bundles[0]?.drive, bundles[1]?.drive, 'each in a drive of its own')
  for (const [n, bundle] of bundles.entries()) t.equal(await bo.fetch(bundle, `sweep-${n}-2`), 'ready')
  t.same(readdirSync(join(bo.home, 'bundles')), ['sweep-0-2', 'sweep-1-2'])
  await bo.close()
  const again = await open(t, 'b', folder)
  t.same(readdirSync(join(again.home, 'bundles')), [])
})

t.test('a checkpoint of an earlier run is served, and of one machine to itself, too', async t => {
  const folder = t.testdir({})
  const ann = await open(t, 'a', folder)
  const bundle = await packed(ann, saved(ann, 'step 7'))
  await ann.close()
  const [again, bo] = [await open(t, 'a', folder), await open(t, 'b', folder)]
  t.equal(await again.fetch(bundle), 'ready')
  t.ok((await contentIn(again, bundle)) > 0, 'its own is not cleared')
  meet(again, bo)
  t.equal(await bo.fetch(bundle), 'ready')
})

t.test('an empty folder, a link, or too much means no checkpoint, and never a failure', async t => {
  const ann = await open(t, 'a', t.testdir({}))
  t.equal(await ann.checkpoints.pack(join(ann.home, 'nowhere')), undefined)
  const folder = saved(ann, 'x')
  symlinkSync('state', join(folder, 'latest'))
  t.equal(await ann.checkpoints.pack(folder), undefined)
  const large = saved(ann, 'x', 'large')
  truncateSync(join(large, 'state'), LIMITS.bundleBytes + 1)
  t.equal(await ann.checkpoints.pack(large), undefined)
  t.same(ann.noted, ['a checkpoint cannot be sent', 'a checkpoint cannot be sent'])
  await ann.close()
  t.equal(await ann.checkpoints.pack(saved(ann, 'y', 'late')), undefined)
})

t.test('the last eight are kept', async t => {
  const ann = await open(t, 'a', t.testdir({}))
  const bundles: Bundle[] = []
  for (let n = 0; n < 10; n++) bundles.push(await packed(ann, saved(ann, `step ${n}`)))
  const keptOf = () => Promise.all(bundles.map(async bundle => (await contentIn(ann, bundle)) > 0))
  // Nobody waits for the clearing.
  for (let tries = 0; tries < 100 && (await contentIn(ann, bundles[1] ?? BUNDLE)) > 0; tries++) await wait(50)
  const kept = await keptOf()
  t.same(kept, [false, false, ...Array(8).fill(true)])
})

t.test('what is given up while it is fetched tells nobody and leaves no folder', async t => {
  const bo = await open(t, 'b', t.testdir({}))
  bo.bundles.want({ digest: keyOf('never'), drive: keyOf('nobody'), bytes: 1, files: 1 }, ATTEMPT)
  bo.bundles.forget(ATTEMPT)
  await wait(1500)
  t.same([bo.told, readdirSync(join(bo.home, 'bundles'))], [[], []])
})

t.test('a record that names a log, or the drive of a sweep, costs nobody what they have', async t => {
  const folder = t.testdir({})
  const [ann, bo] = [await open(t, 'a', folder), await open(t, 'b', folder)]
  meet(ann, bo)
  const log = bo.store.get({ name: 'log', encryption: { key: bytesOf(SECRET) } })
  await log.ready()
  await log.append([new TextEncoder().encode('a block')])
  bo.bundles.want({ digest: keyOf('x'), drive: hexOf(log.key), bytes: 1, files: 1 }, 'sweep-0-3')
  await wait(500)
  bo.bundles.forget('sweep-0-3')
  const code = await ann.bundles.pack(saved(ann, 'code', 'code'))
  bo.bundles.want(code)
  while (!existsSync(bo.bundles.folderOf(code.digest))) await wait(20)
  t.match(await bo.fetch(code, 'sweep-0-4'), { fault: /a drive of its own/ })
  await bo.close()
  const again = await open(t, 'b', folder)
  meet(ann, again)
  const before = await contentIn(again, code)
  t.equal(await again.fetch(code, 'sweep-0-5'), 'ready')
  await wait(CLEARED_MS)
  t.equal(await contentIn(again, code), before)
  const logAgain = again.store.get({ key: log.key, encryption: { key: bytesOf(SECRET) } })
  await logAgain.ready()
  t.ok(await logAgain.has(0))
  t.ok(existsSync(again.bundles.folderOf(code.digest)))
})
