/**
 * Bundles on real drives: what is packed on one machine is unpacked on another, byte for byte, and nothing else is.
 */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import { type Duplex, pipeline } from 'node:stream'
import Hyperdrive from 'hyperdrive'
import t, { type Test } from 'tap'
import { type Bundle, type BundleFile, digestOf, encodeManifest, LIMITS, type PoolError } from '#protocol'
import type { BundleState } from '../../agent/local.js'
import { type BundleStore, openBundles } from '../../agent/store/bundles.js'
import { bytesOf, hexOf, openStore, type Store } from '../../agent/store/store.js'
import { syncStore } from '../../agent/store/store-files.js'
import { keyOf } from '../helpers/records.js'

const SECRET = keyOf('secret')
const isWindows = process.platform === 'win32'
const bytes = (text: string) => new TextEncoder().encode(text)
/** What a shell shows as mode, for the owner. */
const modeOf = (path: string) => statSync(path).mode & 0o777

interface Machine {
  readonly home: string
  readonly store: Store
  readonly bundles: BundleStore
  /** Every end that was told. */
  readonly told: [string, BundleState][]
  /** Asks for a bundle and waits for its end. */
  fetch(bundle: Bundle): Promise<BundleState>
  close(): Promise<void>
}

async function open(
  t: Test,
  name: string,
  folder = t.testdir({}),
  onSynced: () => void = () => undefined
): Promise<Machine> {
  const home = join(folder, name)
  const store = await openStore(home)
  const told: Machine['told'] = []
  const waiting = new Map<string, (state: BundleState) => void>()
  const onBundle = (digest: string, state: BundleState) => {
    told.push([digest, state])
    waiting.get(digest)?.(state)
  }
  const bundles = openBundles({
    store,
    secret: SECRET,
    folder: join(home, 'bundles'),
    sync: () => syncStore(home).then(onSynced),
    onBundle
  })
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= bundles.close().then(() => store.close())
    return closing
  }
  t.teardown(close)
  const fetch = (bundle: Bundle) =>
    new Promise<BundleState>(resolve => {
      waiting.set(bundle.digest, resolve)
      bundles.want(bundle)
    })
  return { home, store, bundles, told, fetch, close }
}

/** Two machines that replicate in memory. */
async function pair(t: Test): Promise<[Machine, Machine]> {
  const folder = t.testdir({})
  const [a, b] = [await open(t, 'a', folder), await open(t, 'b', folder)]
  meet(a, b)
  return [a, b]
}

function meet(a: Machine, b: Machine): void {
  const [there, back] = [a.store.replicate(true) as Duplex, b.store.replicate(false) as Duplex]
  // How the streams end does not matter: the stores close under them.
  pipeline(there, back, there, () => undefined)
}

/** Writes files into a new folder beside a machine's home. */
function write(machine: Machine, files: Readonly<Record<string, string | Uint8Array>>, name = 'code'): string {
  const folder = join(machine.home, '..', name)
  mkdirSync(folder, { recursive: true })
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  return folder
}

/** The paths of all files in a folder. */
function pathsIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(each => each.isFile())
    .map(each => join(each.parentPath, each.name).slice(folder.length + 1))
    .sort()
}

async function refusal(packing: Promise<Bundle>): Promise<PoolError> {
  return packing.then(
    () => Promise.reject(new Error('It was packed.')),
    error => error
  )
}

/** A drive that says what its owner likes: `files` by the digest under which they stand. */
async function lie(machine: Machine, manifest: string, files: Readonly<Record<string, Uint8Array>>): Promise<Bundle> {
  const drive = new Hyperdrive(machine.store.namespace('lies'), null, { encryptionKey: bytesOf(SECRET) })
  await drive.ready()
  const digest = digestOf(manifest)
  await drive.put(`/bundles/${digest}`, bytes(manifest))
  for (const [name, content] of Object.entries(files)) await drive.put(`/files/${name}`, content)
  await drive.close()
  return { digest, drive: hexOf(drive.key), bytes: 1, files: 1 }
}

function fileOf(path: string, content: string, changes: Partial<BundleFile> = {}): BundleFile {
  return { path, executable: false, bytes: bytes(content).length, digest: digestOf(content), ...changes }
}

t.test('a folder arrives as it was: every byte, empty files, deep paths, and what can be run', async t => {
  const [ann, bo] = await pair(t)
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte)
  const large = new Uint8Array(3 * 2 ** 20).fill(7)
  const files = { 'train.py': 'print(1)\n', 'lib/__init__.py': '', 'lib/deep/ä.bin': all, 'run.sh': '', large }
  const folder = write(ann, files)
  chmodSync(join(folder, 'run.sh'), 0o755)
  const bundle = await ann.bundles.pack(folder)
  t.same([bundle.files, bundle.bytes], [5, 9 + 256 + large.length])
  t.equal(await bo.fetch(bundle), 'ready')
  const arrived = bo.bundles.folderOf(bundle.digest)
  t.same(pathsIn(arrived), pathsIn(folder))
  for (const path of pathsIn(folder)) t.ok(readFileSync(join(arrived, path)).equals(readFileSync(join(folder, path))))
  if (!isWindows) t.same([modeOf(join(arrived, 'run.sh')), modeOf(join(arrived, 'train.py'))], [0o700, 0o600])
  t.same(readdirSync(dirname(arrived)), [bundle.digest], 'nothing is left beside it')
  t.equal(await ann.fetch(bundle), 'ready', 'its author runs what was packed, not what lies in the folder')
})

t.test('the same folder has the same digest; any change gives another one', async t => {
  const ann = await open(t, 'ann')
  const folder = write(ann, { a: '1', 'b/c': '2' })
  const { digest } = await ann.bundles.pack(folder)
  t.equal((await ann.bundles.pack(write(ann, { 'b/c': '2', a: '1' }, 'other'))).digest, digest)
  t.not((await ann.bundles.pack(write(ann, { a: '2' }))).digest, digest)
  write(ann, { a: '1' })
  t.equal((await ann.bundles.pack(folder)).digest, digest)
  chmodSync(join(folder, 'a'), 0o755)
  if (!isWindows) t.not((await ann.bundles.pack(folder)).digest, digest, 'also whether it can be run')
})

t.test('a content stands in the drive once, whatever names and bundles have it', async t => {
  const ann = await open(t, 'ann')
  const { drive } = await ann.bundles.pack(write(ann, { a: 'same', b: 'same', c: 'other' }))
  const core = ann.store.get({ key: bytesOf(drive) })
  await core.ready()
  const before = core.length
  t.equal(before, 1 + 2 + 1, "the drive's header, two contents, one manifest")
  await ann.bundles.pack(write(ann, { a: 'same', b: 'same', c: 'other' }))
  t.equal(core.length, before)
  await ann.bundles.pack(write(ann, { d: 'same', e: 'other' }, 'second'))
  t.equal(core.length, before + 1, 'only the manifest is new')
})

t.test('what is never code stays out: folders of tools, secrets, and what the ignore file names', async t => {
  const ann = await open(t, 'ann')
  const folder = write(ann, {
    '.hypersweepignore': '# data\ndata/\r\n\n*.ckpt\nnotes.md\n  lib/old  \n',
    'train.py': '',
    '.env': 'KEY=secret',
    '.git/config': '',
    'lib/__pycache__/x.pyc': '',
    'lib/node_modules/x.js': '',
    'lib/old/x.py': '',
    'lib/older.py': '',
    'data/x.csv': '',
    'lib/data/x.csv': '',
    'lib/a.ckpt': '',
    'notes.md': '',
    'lib/notes.md': ''
  })
  symlinkSync('/etc', join(folder, 'wandb'))
  const bundle = await ann.bundles.pack(folder)
  t.equal(await ann.fetch(bundle), 'ready')
  t.same(pathsIn(ann.bundles.folderOf(bundle.digest)), ['lib/data/x.csv', 'lib/notes.md', 'lib/older.py', 'train.py'])
})

t.test(
  'a folder that cannot be sent is refused with everything that is wrong in it, and nothing is stored',
  async t => {
    const ann = await open(t, 'ann')
    const folder = write(ann, { 'a.py': '', 'A.py': '', 'con.txt': '', 'x:y': '', 'big.bin': '' })
    symlinkSync('../secret', join(folder, 'link'))
    truncateSync(join(folder, 'big.bin'), LIMITS.bundleBytes + 1)
    const error = await refusal(ann.bundles.pack(folder))
    t.equal(error.code, 'BUNDLE_INVALID')
    for (const problem of [
      /"link" is a link \(to "..\/secret"\)/,
      /"con.txt", which Windows takes for a device/,
      /"x:y" holds one of/,
      /"A.py" and "a.py" differ in upper and lower case only/,
      /64.0 MiB; 64 MiB is the limit/
    ])
      t.match(error.message, problem)
    t.match(error.hint, /\.hypersweepignore.*largest files: big\.bin \(64\.0 MiB\)/)
  }
)

t.test(
  'a file that is no ordinary one is refused',
  { skip: isWindows && 'Windows has no pipes in folders' },
  async t => {
    const ann = await open(t, 'ann')
    const folder = write(ann, { 'a.py': '' })
    execFileSync('mkfifo', [join(folder, 'pipe')])
    t.match((await refusal(ann.bundles.pack(folder))).message, /"pipe" is no ordinary file/)
  }
)

t.test('an empty folder is refused, and so is one with nothing but what stays out', async t => {
  const ann = await open(t, 'ann')
  for (const files of [{}, { '.hypersweepignore': 'x', x: '1', '.env': '1' }]) {
    const error = await refusal(ann.bundles.pack(write(ann, files)))
    t.equal(error.code, 'BUNDLE_INVALID')
    t.match(error.message, /It holds no files\./)
  }
})

t.test('a folder with too many files is refused', async t => {
  const ann = await open(t, 'ann')
  const names = Array.from({ length: LIMITS.bundleFiles + 1 }, (_, index) => `${index}`)
  const folder = write(ann, Object.fromEntries(names.map(name => [name, ''])))
  t.match((await refusal(ann.bundles.pack(folder))).message, /It has 2001 files; 2000 is the limit\./)
})

t.test('of many problems the first are told, and how many there are', async t => {
  const ann = await open(t, 'ann')
  const folder = write(ann, { 'a.py': '' })
  for (let n = 0; n < 30; n++) symlinkSync('x', join(folder, `link${n}`))
  const { message } = await refusal(ann.bundles.pack(folder))
  t.equal(message.split('is a link').length - 1, 20)
  t.match(message, /… and 10 more\./)
})

t.test('a content that is not the approved one is refused, and nothing of the bundle is there to run (B4)', async t => {
  const [eve, bo] = await pair(t)
  const manifest = encodeManifest([fileOf('a.py', 'good'), fileOf('b.py', 'also good')])
  const good = { [digestOf('good')]: bytes('good') }
  for (const content of ['evil good', 'evil', '']) {
    const bundle = await lie(eve, manifest, { ...good, [digestOf('also good')]: bytes(content) })
    const state = await bo.fetch(bundle)
    t.match(state, { fault: /b\.py does not have the content that was approved/ }, JSON.stringify(content))
    t.notOk(existsSync(bo.bundles.folderOf(bundle.digest)))
  }
  t.equal(await bo.fetch(await lie(eve, manifest, { ...good, [digestOf('also good')]: bytes('also good') })), 'ready')
})

t.test('a content that is larger than was approved is refused before it is fetched', async t => {
  const folder = t.testdir({})
  const [eve, bo] = [await open(t, 'eve', folder), await open(t, 'bo', folder)]
  const huge = new Uint8Array(2 ** 20)
  const bundle = await lie(eve, encodeManifest([fileOf('a.py', 'good')]), { [digestOf('good')]: huge })
  const sent = eve.store.replicate(true) as Duplex
  const heard = bo.store.replicate(false) as Duplex
  let carried = 0
  sent.on('data', (chunk: Uint8Array) => {
    carried += chunk.length
  })
  pipeline(sent, heard, sent, () => undefined)
  t.match(await bo.fetch(bundle), { fault: /has 1048576 bytes; 4 is the most/ })
  t.ok(carried < huge.length, `${carried} bytes came`)
})

t.test(
  'a manifest that leads out of its folder, lies about its digest or has no end is refused (B1 to B3)',
  async t => {
    const [eve, bo] = await pair(t)
    const evil = { [digestOf('evil')]: bytes('evil') }
    for (const path of ['../evil.py', '/evil.py', 'a/../../evil.py', 'a//b', 'c:evil.py', 'con']) {
      const bundle = await lie(eve, encodeManifest([fileOf(path, 'evil')]), evil)
      t.match(await bo.fetch(bundle), { fault: /The path "/ }, path)
    }
    const clash = encodeManifest([fileOf('a', 'evil'), fileOf('a/b', 'evil')])
    t.match(await bo.fetch(await lie(eve, clash, evil)), { fault: /is a file and a folder/ })
    for (const manifest of ['no JSON', '[]', '{"path":"a"}', encodeManifest([fileOf('a', 'evil', { bytes: -1 })])])
      t.match(await bo.fetch(await lie(eve, manifest, evil)), { fault: /The manifest/ }, manifest)
    const endless = await lie(eve, ' '.repeat(5 * 2 ** 20), evil)
    t.match(await bo.fetch(endless), { fault: /has 5242880 bytes/ }, 'no manifest is as large')
    t.same(readdirSync(join(bo.home, 'bundles')), [])
    t.notOk(existsSync(join(bo.home, 'evil.py')))
  }
)

t.test('a manifest under the digest of another one is refused (B1)', async t => {
  const [eve, bo] = await pair(t)
  const approved = digestOf(encodeManifest([fileOf('a.py', 'good')]))
  const other = encodeManifest([fileOf('a.py', 'evil')])
  const drive = new Hyperdrive(eve.store.namespace('lies'), null, { encryptionKey: bytesOf(SECRET) })
  t.teardown(() => drive.close())
  await drive.put(`/bundles/${approved}`, bytes(other))
  await drive.put(`/files/${digestOf('evil')}`, bytes('evil'))
  const state = await bo.fetch({ digest: approved, drive: hexOf(drive.key), bytes: 4, files: 1 })
  t.match(state, { fault: /does not have the digest that was approved/ })
})

t.test('a bundle whose author is off arrives once the author is back, and is told once', async t => {
  const folder = t.testdir({})
  const [ann, bo] = [await open(t, 'ann', folder), await open(t, 'bo', folder)]
  const bundle = await ann.bundles.pack(write(ann, { 'a.py': '1' }))
  const fetched = bo.fetch(bundle)
  bo.bundles.want(bundle)
  meet(ann, bo)
  t.equal(await fetched, 'ready')
  t.equal(bo.told.length, 1)
})

t.test('what an interrupted unpacking left behind is thrown away', async t => {
  const [ann, bo] = await pair(t)
  const bundle = await ann.bundles.pack(write(ann, { 'a.py': '1' }))
  const partial = `${bo.bundles.folderOf(bundle.digest)}.partial`
  mkdirSync(partial)
  writeFileSync(join(partial, 'a.py'), 'half')
  writeFileSync(join(partial, 'left.py'), '')
  t.equal(await bo.fetch(bundle), 'ready')
  const arrived = bo.bundles.folderOf(bundle.digest)
  t.same(pathsIn(arrived), ['a.py'])
  t.equal(readFileSync(join(arrived, 'a.py'), 'utf8'), '1')
})

t.test('after a restart the bundles of before are there, and are still handed out', async t => {
  const folder = t.testdir({})
  const ann = await open(t, 'ann', folder)
  const bundle = await ann.bundles.pack(write(ann, { 'a.py': '1' }))
  await ann.close()
  const [again, bo] = [await open(t, 'ann', folder), await open(t, 'bo', folder)]
  meet(again, bo)
  t.equal(await bo.fetch(bundle), 'ready')
  t.equal(await again.fetch(bundle), 'ready')
})

t.test('a home put back to an earlier time packs into no drive that others hold further', async t => {
  const folder = t.testdir({})
  const [first, bo] = [await open(t, 'ann', folder), await open(t, 'bo', folder)]
  const before = await first.bundles.pack(write(first, { 'a.py': '1' }))
  await first.close()
  cpSync(first.home, join(folder, 'backup'), { recursive: true })
  const second = await open(t, 'ann', folder)
  meet(second, bo)
  const lost = await second.bundles.pack(write(second, { 'a.py': '2' }))
  t.same([await bo.fetch(before), await bo.fetch(lost)], ['ready', 'ready'])
  await second.close()
  rmSync(second.home, { recursive: true })
  cpSync(join(folder, 'backup'), second.home, { recursive: true })
  const third = await open(t, 'ann', folder)
  meet(third, bo)
  for (const content of ['3', '4'])
    t.equal(await bo.fetch(await third.bundles.pack(write(third, { 'a.py': content }))), 'ready')
  t.equal(await third.fetch(lost), 'ready', 'what was lost comes back')
})

t.test('a bundle is on disk when it is told: a power cut at that moment takes nothing of it', async t => {
  const folder = t.testdir({})
  const onSynced = () => cpSync(join(folder, 'ann', 'store'), join(folder, 'after', 'store'), { recursive: true })
  const ann = await open(t, 'ann', folder, onSynced)
  const bundle = await ann.bundles.pack(write(ann, { 'a.py': '1' }))
  await ann.close()
  const [after, bo] = [await open(t, 'after', folder), await open(t, 'bo', folder)]
  meet(after, bo)
  t.equal(await bo.fetch(bundle), 'ready')
})

t.test('closing while a bundle is waited for ends the waiting, and tells nothing', async t => {
  const bo = await open(t, 'bo')
  bo.bundles.want({ digest: keyOf('never'), drive: keyOf('nobody'), bytes: 1, files: 1 })
  await bo.close()
  t.same(bo.told, [])
})
