/**
 * A disk that is full to the last byte, for real: what is saved is whole, what was kept stays, and all is there again.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { type Draft, LIMITS } from '#protocol'
import { saveNetwork } from '../../agent/config.js'
import type { BundleState } from '../../agent/local.js'
import { openLogger } from '../../agent/logger.js'
import type { Exit } from '../../agent/ports.js'
import { openOutput } from '../../agent/runner/output.js'
import { createRunner } from '../../agent/runner/runner.js'
import { openBundles } from '../../agent/store/bundles.js'
import { openDisk } from '../../agent/store/disk.js'
import { diskFaultOf, freeBytesAt } from '../../agent/store/disk-fault.js'
import { readJson, writeJson } from '../../agent/store/files.js'
import { openKeeper } from '../../agent/store/keeper.js'
import { openStore } from '../../agent/store/store.js'
import { keyOf, sweepSpec } from '../helpers/records.js'
import { mountSmallDisk, noSmallDisk } from '../helpers/small-disk.js'

const MiB = 2 ** 20
const PAGE = 4096
const SAVER = fileURLToPath(new URL('../fixtures/saver.ts', import.meta.url))
const skip = noSmallDisk()
const here = () => ({ skip })
t.setTimeout(90_000)

/** Far larger than a page: on a disk with one page left a part of it could be written. */
const large = (n: number) => ({ kind: 'x', pad: `${n}`.repeat(3 * PAGE) }) as unknown as Draft

t.test('a file that does not fit leaves the old one, whole, and nothing beside it', here(), async t => {
  const disk = mountSmallDisk(t, 4 * MiB)
  const path = join(disk.folder, 'kept.json')
  writeJson(path, large(1))
  for (const pages of [0, 1, 2]) {
    disk.fill()
    disk.free(pages * PAGE)
    t.throws(() => writeJson(path, large(2)), { code: 'ENOSPC' }, `${pages} pages are free`)
    t.same(readJson(path), large(1))
    t.same(readdirSync(disk.folder), ['kept.json'])
  }
  disk.free()
  writeJson(path, large(2))
  t.same(readJson(path), large(2))
})

t.test('what could not be saved is not taken for saved: approvals, invites', here(), async t => {
  const disk = mountSmallDisk(t, 4 * MiB)
  const open = () => openKeeper(disk.folder, { checkpoints: () => [] })
  const keeper = open()
  keeper.saveApproval('a'.repeat(64))
  disk.fill()
  t.throws(() => keeper.saveApproval('b'.repeat(64)))
  const invite = { id: 'c'.repeat(32), seed: 'd'.repeat(64), expiresAt: 1 }
  t.throws(() => keeper.saveInvite(invite))
  for (const each of [keeper, open()]) {
    t.same(each.load().approved, ['a'.repeat(64)])
    t.same(each.invites(), [])
  }
  disk.free()
  keeper.saveInvite(invite)
  t.equal(open().invites().length, 1)
})

t.test('settings stay what they were when a full disk does not take new ones', here(), async t => {
  const disk = mountSmallDisk(t, 4 * MiB)
  const network = { bootstrap: ['10.0.0.1:1'], port: 5 }
  saveNetwork(disk.folder, network)
  const text = readFileSync(join(disk.folder, 'config.yaml'), 'utf8')
  disk.fill()
  t.throws(() => saveNetwork(disk.folder, { ...network, port: 6 }), { code: 'ENOSPC' })
  t.equal(readFileSync(join(disk.folder, 'config.yaml'), 'utf8'), text)
})

t.test(
  'the agent outlives a log that takes no line; the lines follow, and what is lost is counted',
  here(),
  async t => {
    const disk = mountSmallDisk(t, 4 * MiB)
    const path = join(disk.folder, 'agent.log')
    const logger = openLogger(path, 'info')
    logger.info('before', {})
    disk.fill()
    const pad = 'x'.repeat(1000)
    for (let n = 0; n < 100; n++) logger.info('while full', { n, pad })
    logger.flush()
    disk.free()
    logger.info('after', {})
    const lines = readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    const kept = lines.filter(({ msg }) => msg === 'while full')
    t.same(
      kept.map(({ n }) => n),
      kept.map((_, n) => n),
      'whole, in order'
    )
    t.ok(kept.length > 50)
    const { lost } = lines.at(-1)
    t.equal(kept.length + lines.filter(({ msg }) => msg === 'after').length + lost, 101, 'every line is accounted for')
    logger.info('again', {})
    t.match(readFileSync(path, 'utf8'), /again/)
  }
)

t.test("an attempt's output goes on after a full disk, and says what is missing", here(), async t => {
  const disk = mountSmallDisk(t, 4 * MiB)
  const path = join(disk.folder, 'output.log')
  const faults: unknown[] = []
  const output = openOutput(path, fault => faults.push(fault))
  output.append('first\n')
  disk.fill()
  for (let n = 0; n < 3; n++) output.append(`${'y'.repeat(PAGE)}\n`)
  t.equal(faults.length, 1, 'told once')
  disk.free()
  output.append('last\n')
  output.close()
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  t.equal(lines[0], 'first')
  t.match(lines.at(-2), /missing/)
  t.equal(lines.at(-1), 'last')
})

t.test('an attempt for which there is no room is given back, and leaves nothing in the way', here(), async t => {
  const disk = mountSmallDisk(t, 4 * MiB)
  const place = t.testdir({ code: { 'a.bin': 'a'.repeat(20 * PAGE) } })
  const faults: unknown[] = []
  let tell: (exit: Exit) => void = () => undefined
  const runner = createRunner({
    folder: join(disk.folder, 'attempts'),
    bundleFolder: () => join(place, 'code'),
    onReport: () => undefined,
    onExit: (_, exit) => tell(exit),
    onDiskFault: error => faults.push(diskFaultOf(error))
  })
  t.teardown(() => runner.close())
  disk.fill()
  disk.free(10 * PAGE)
  const ended = new Promise<Exit>(resolve => {
    tell = resolve
  })
  const about = { id: 'x-0-1', sweep: 'x', trial: 0, attempt: 1, seed: 1, resume: false, environment: {} }
  runner.start({ ...about, spec: sweepSpec(), parameters: {}, bundleDigest: 'b', device: 'cpu' })
  t.match(await ended, { class: 'released', message: /could not prepare the attempt: .*ENOSPC/ })
  t.same(faults, ['ENOSPC'])
  t.notOk(existsSync(join(disk.folder, 'attempts', 'x-0-1', 'work')))
})

t.test('half a bundle is not left on a full disk; with room it is unpacked', here(), async t => {
  const disk = mountSmallDisk(t, 4 * MiB)
  const files = { 'a.py': 'a'.repeat(100), deep: { 'b.py': 'b'.repeat(20 * PAGE) } }
  const place = t.testdir({ code: files })
  const store = await openStore(join(place, 'home'))
  t.teardown(() => store.close())
  let tell: (state: BundleState) => void = () => undefined
  const folder = join(disk.folder, 'bundles')
  const bundles = openBundles({
    store,
    secret: keyOf('secret'),
    folder,
    sync: async () => undefined,
    onBundle: (_, state) => tell(state)
  })
  t.teardown(() => bundles.close())
  const bundle = await bundles.pack(join(place, 'code'))
  const fetch = () =>
    new Promise<BundleState>(resolve => {
      tell = resolve
      bundles.want(bundle)
    })
  disk.fill()
  disk.free(10 * PAGE)
  t.match(await fetch(), { fault: /ENOSPC/, isDiskFault: true })
  t.same(readdirSync(folder), [])
  disk.free()
  t.equal(await fetch(), 'ready')
  t.equal(readFileSync(join(bundles.folderOf(bundle.digest), 'deep', 'b.py'), 'utf8'), files.deep['b.py'])
})

t.test(
  'results saved on a full disk survive a kill; the store opens on it, and all goes on with room',
  here,
  async t => {
    const disk = mountSmallDisk(t, 64 * MiB)
    const home = join(disk.folder, 'desk')
    mkdirSync(home)
    const saver = await start(t, home)
    await saver.ask('append 1000', 'done')
    disk.fill()
    t.equal(freeBytesAt(home), 0)
    const ids = Array.from({ length: 20 }, (_, n) => `result-${n}`)
    for (const id of ids) await saver.ask(`save ${id}`, 'done')
    await saver.kill()
    disk.fill()

    const reserve = join(home, 'reserve')
    t.ok(existsSync(reserve))
    const again = await start(t, home, { isGrown: false })
    t.equal(again.length, 1, 'the log is there')
    await again.kill()
    const kept = openKeeper(home, { checkpoints: () => [] }).load().results
    t.same(kept.map(({ id }) => id).sort(), [...ids].sort())
    t.match(kept[0]?.draft, { kind: 'x', pad: /^(result-\d+)+$/ }, 'whole')
    disk.free()
    const last = await start(t, home)
    await last.ask('append 1000', 'done')
    await last.kill()
  }
)

t.test('a store that finds no room to open is not called damaged; the error says what to do', here(), async t => {
  const disk = mountSmallDisk(t, 64 * MiB)
  const home = join(disk.folder, 'desk')
  mkdirSync(home)
  const saver = await start(t, home)
  await saver.ask('append 1000000', 'done')
  await saver.kill()
  // Its reserve is gone from here on.
  const { open } = openDisk({ home, reserveBytes: 0, floorBytes: 0, onDisk: () => undefined, note: () => undefined })
  disk.fill()
  await t.rejects(
    open(() => openStore(home)),
    { code: 'DISK_FULL', message: /is full: 0 B are free/, hint: /66\.0 MiB/ }
  )
  disk.free()
  await (await open(() => openStore(home))).close()
})

t.test('a log that a full disk refused is written from the reserve, without a restart', here(), async t => {
  const disk = mountSmallDisk(t, 240 * MiB)
  const home = join(disk.folder, 'desk')
  mkdirSync(home)
  const saver = await start(t, home, { reserveBytes: LIMITS.reserveBytes })
  disk.fill()
  // The store has allotted itself some room before: more than that is asked for.
  for (let n = 0; n < 30; n++) await saver.ask(`append ${3 * MiB}`, 'done')
  t.ok(statSync(join(home, 'reserve')).size < LIMITS.reserveBytes, 'the reserve gave what was missing')
  await saver.kill()
  disk.free()
  const again = await start(t, home)
  t.equal(again.length, 30)
  await again.kill()
})

interface Saver {
  readonly length: number
  /** Tells it to do something, and waits for the word that it answers with. */
  ask(line: string, word: string): Promise<void>
  kill(): Promise<void>
}

/** Starts the part of an agent that saves. `isGrown`: it waits for its reserve. */
async function start(
  t: Test,
  home: string,
  { isGrown = true, reserveBytes = 2 * LIMITS.reserveForFilesBytes } = {}
): Promise<Saver> {
  const flags = ['--conditions=typescript', '--import=tsx']
  const child = spawn(process.execPath, [...flags, SAVER, home, `${reserveBytes}`, `${isGrown}`], {
    stdio: ['pipe', 'pipe', 'inherit']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const answers = createInterface(child.stdout)[Symbol.asyncIterator]()
  const { length } = await answer(answers, 'ready')
  return {
    length: Number(length),
    async ask(line, word) {
      child.stdin.write(`${line}\n`)
      await answer(answers, word)
    },
    kill: () => killed(child)
  }
}

/** Waits for an answer with a word in it; one that says that it failed fails the test. */
async function answer(answers: AsyncIterator<string>, word: string): Promise<Record<string, unknown>> {
  for (;;) {
    const { value, done } = await answers.next()
    if (done) throw new Error(`It ended before it said "${word}".`)
    const said = JSON.parse(value) as Record<string, unknown>
    if (word in said) return said
    if ('failed' in said) throw new Error(String(said['failed']))
  }
}

function killed(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}
