import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { AttemptView, TrialView } from '#protocol'
import { settle, settleAll, verifyAll } from './chaos/checks.js'
import type { Fault } from './chaos/faults/fault.js'
import { kill } from './chaos/faults/kill.js'
import { rollback } from './chaos/faults/rollback.js'
import { tail } from './chaos/faults/tail.js'
import { twins } from './chaos/faults/twins.js'
import { createLedger } from './chaos/ledger.js'
import { openLogReader } from './chaos/log-lines.js'
import { missingNetwork, type Network, openNetwork } from './chaos/network.js'
import { type ChaosPool, openPool } from './chaos/pool.js'
import { programsBelow } from './chaos/programs.js'
import { isWhole, table } from './chaos/report.js'
import { openStream, type Stream } from './chaos/stream.js'
import { missingSyncs, openSyncs, type Syncs } from './chaos/syncs.js'
import { waitUntil } from './chaos/wait.js'
import { createChance } from './simulation/chance.js'

/** A whole run is `npm run chaos`; this is one small pool that sees a little of it. */
const ROUNDS: readonly (readonly [Fault, number])[] = [
  [kill, 3],
  [tail, 1],
  [rollback, 1],
  [twins, 1]
]
const MISSING = process.platform === 'linux' ? undefined : 'it looks into processes as Linux shows them'

t.test(
  'kill -9, a power cut, a store from a copy, two agents at once: no result is lost, all agree, nothing is left behind',
  MISSING === undefined ? {} : { skip: MISSING },
  async t => {
    const seed = Math.floor(Date.now() % 1e9)
    t.comment(`seed ${seed}`)
    const without = missingSyncs()
    if (without !== undefined) t.comment(`no power cut: ${without}`)
    const syncs = without === undefined ? openSyncs() : undefined
    t.teardown(() => syncs?.close())
    await withPool(syncs, async pool => {
      const stream = openStream(pool, createChance(seed, 'stream'))
      try {
        for (const [fault, rounds] of ROUNDS) {
          if (fault === tail && !syncs) continue
          for (let round = 1; round <= rounds; round++) {
            const chance = createChance(seed, `${fault.name} ${round}`)
            const { healedMs, story } = await fault.strike({ pool, stream, chance, ...(syncs ? { syncs } : {}) })
            t.comment(`${fault.name}: ${story}: healed in ${(healedMs / 1000).toFixed(1)} s`)
          }
        }
        const { results } = await settle(pool, stream, { mayLoseSweeps: true })
        t.ok(results > 0, `${results} results were acknowledged, and all of them are there`)
        await settleAll(pool, stream)
      } finally {
        await stream.close()
      }
      await verifyAll(pool)
    })
  }
)

async function withPool(syncs: Syncs | undefined, body: (pool: ChaosPool) => Promise<void>): Promise<void> {
  const pool = await openPool({ names: ['a', 'b'], ...(syncs ? { syncs } : {}) })
  try {
    await body(pool)
  } finally {
    await pool.close()
  }
}

function withFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'hypersweep-chaos-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const ended = { attempt: 1, machine: 'm', machineName: 'm', device: 'cpu', state: 'complete', value: 0.5 } as const
const trial = (...attempts: readonly AttemptView[]) =>
  [
    { sweep: 's', trial: 0, state: 'complete', parameters: {}, metrics: {}, curve: [], replicates: [], attempts }
  ] as TrialView[]

t.test('self-test: a result that is gone, or is another one, is missed', async t => {
  const home = withFolder(t)
  const ledger = createLedger()
  ledger.noteTrials('m', trial(ended, { ...ended, attempt: 2, state: 'running' }))
  t.same(ledger.missing('s', trial(ended)), [], 'what still runs is no result')
  t.equal(ledger.missing('s', trial()).length, 1)
  t.equal(ledger.missing('s', trial({ ...ended, value: 0.6 })).length, 1)
  t.equal(ledger.missing('s', trial({ ...ended, machine: 'n' })).length, 1)
  t.same(ledger.missing('s', trial(), 'n'), [], 'only the results of one machine are asked for')
  for (const folder of [join('keeper', 'results'), 'results']) {
    mkdirSync(join(home, folder), { recursive: true })
    const draft = { kind: 'attempt-finished', sweep: 's', trial: 0, attempt: 3, class: 'complete', value: 1 }
    writeFileSync(join(home, folder, 's-0-3.json'), JSON.stringify({ id: 's-0-3', draft }))
    writeFileSync(join(home, folder, 's-0-4.json'), JSON.stringify({ id: 's-0-4', draft: { kind: 'trial-released' } }))
    writeFileSync(join(home, folder, 's-0-5.json.new'), '{')
  }
  ledger.noteSpool('m', home, 'm')
  t.equal(ledger.count(), 2, 'a release in the spool is no result, and what is half written was not acknowledged')
  t.match(ledger.missing('s', trial(ended)), [{ attempt: 3, value: 1, seen: 'the spool of m' }])
})

/** A pool of two agents that say what they are told to say, and a stream that ended with one sweep. */
function witnesses(
  t: Test,
  says: { readonly digests?: readonly string[]; readonly state?: string; readonly loss?: number }
) {
  const folder = withFolder(t)
  const { digests = ['d', 'd'], state = 'done', loss = 9.1 } = says
  const names = ['a', 'b']
  const shown = trial({ ...ended, value: loss }).map(each => ({ ...each, value: loss, parameters: { x: 0 } }))
  const answers = { sweeps: [{ sweep: 's', state }], trials: shown }
  const pool = {
    names,
    lab: { folder },
    ledger: createLedger(),
    ask: async (name: string, { method }: { method: 'status' | 'sweeps' | 'trials' }) =>
      method === 'status' ? { poolHash: digests[names.indexOf(name)] } : answers[method],
    noteLog: async () => undefined,
    troubles: () => ({ fatal: [] as string[], lines: new Map() })
  }
  const stream = { recent: () => ['s'], all: () => ['s'], pause: async () => undefined, forget() {}, resume() {} }
  const rest = () =>
    settle(pool as unknown as ChaosPool, stream as unknown as Stream, { mayLoseSweeps: false, limitMs: 0 })
  return { pool, folder, rest }
}

t.test('self-test: a pool that disagrees, never ends, forgets or trains wrongly does not pass', async t => {
  await t.resolves(witnesses(t, {}).rest())
  await t.rejects(witnesses(t, { digests: ['d', 'e'] }).rest(), { message: /one pool digest; the trials .* the same/ })
  await t.rejects(witnesses(t, { state: 'running' }).rest(), { message: /every sweep ended/ })
  await t.rejects(witnesses(t, { state: 'failed' }).rest(), { message: /a sweep failed/ })
  await t.rejects(witnesses(t, { loss: 9.2 }).rest(), { message: /#0 is complete with 9.2/ })
  const forgetful = witnesses(t, {})
  forgetful.pool.ledger.noteTrials('b', trial({ ...ended, attempt: 2 }))
  await t.rejects(forgetful.rest(), { message: /a lacks 1 acknowledged results, such as s #0\.2: complete 0\.5/ })
  const noisy = witnesses(t, {})
  noisy.pool.troubles = () => ({ fatal: ['a noted: a log has two histories'], lines: new Map() })
  await t.rejects(noisy.rest(), { message: /two histories/ })
})

t.test('self-test: a program that is left behind is found', MISSING ? { skip: MISSING } : {}, async t => {
  const { folder, rest } = witnesses(t, {})
  const environment = { ...process.env, HYPERSWEEP_METRICS: join(folder, 'a', 'attempts', 'x', 'metrics.jsonl') }
  const program = spawn(process.execPath, ['-e', 'console.log("on"); setInterval(() => {}, 1000)'], {
    env: environment
  })
  await once(program.stdout, 'data')
  t.same(programsBelow(folder), [program.pid])
  t.same(programsBelow(join(folder, 'b')), [], 'it is not below another home')
  await t.rejects(rest(), { message: /no program was left behind/ })
  program.kill('SIGKILL')
  await once(program, 'exit')
  t.same(programsBelow(folder), [])
})

t.test('self-test: alarming lines are counted once, whatever happens to the file', async t => {
  const path = join(withFolder(t), 'agent.log')
  const line = (level: number, msg: string) => `${JSON.stringify({ level, msg })}\n`
  const reader = openLogReader(path)
  t.same([...reader.read()], [], 'there is no log yet')
  appendFileSync(path, line(30, 'the agent is ready') + line(30, 'a log could not be read') + line(50, 'boom'))
  t.same(Object.fromEntries(reader.read()), { 'a log could not be read': 1, boom: 1 })
  appendFileSync(path, '{"level":50,')
  t.same([...reader.read()], [], 'half a line waits for its end')
  appendFileSync(path, '"msg":"boom"}\n')
  t.same(Object.fromEntries(reader.read()), { boom: 1 })
  writeFileSync(path, line(30, 'a log has two histories; it is frozen'))
  t.same(Object.fromEntries(reader.read()), { 'a log has two histories; it is frozen': 1 }, 'it was begun anew')
})

t.test('self-test: what never comes true is a violation that tells why', async t => {
  const why = async () => {
    throw new Error('nobody answers')
  }
  await t.rejects(waitUntil('all agreed', why, 0), { message: /0 s that all agreed: nobody answers/ })
})

t.test('self-test: a broken promise stands in the table with the place of its logs', async t => {
  const report = {
    fault: 'kill',
    says: 'kill -9',
    rounds: 3,
    passed: 2,
    healedMs: [1000, 3000],
    results: 7,
    seconds: 60,
    lines: { 'a log could not be read': 2 },
    violations: [{ round: 3, message: 'a lacks one', keptIn: 'there' }]
  } as const
  t.match(
    table([report]),
    /kill -9 +3 +2 +3\.0 +3\.0 +7 +1\.0 +2 x a log could not be read\nkill 3: a lacks one\n.*there/
  )
  t.equal(isWhole([report]), false)
  t.equal(isWhole([{ ...report, violations: [] }]), true)
})

const noNetwork = MISSING ?? missingNetwork()
t.test(
  'self-test: a cut in a network of namespaces stops what one machine sends to another, until it is joined',
  noNetwork === undefined ? {} : { skip: noNetwork },
  async t => {
    const network = openNetwork(['a', 'b'])
    t.teardown(network.close)
    t.equal(await reaches(network, 'a', 'b'), true)
    network.cut('a', 'b')
    t.equal(await reaches(network, 'a', 'b'), false)
    network.join('a', 'b')
    t.equal(await reaches(network, 'a', 'b'), true)
  }
)

/** Ends with 0 at the first datagram, with 1 when none came until a moment after its input ended. */
const RECEIVE = `
const socket = require('dgram').createSocket('udp4')
socket.on('message', () => process.exit(0)).bind(9999, () => console.log('ready'))
process.stdin.resume().on('end', () => setTimeout(() => process.exit(1), 300))
`
const SEND = `
const socket = require('dgram').createSocket('udp4')
socket.send('x', 9999, process.argv[1], () => socket.close())
`

/** True when a datagram of one machine comes to the other. */
async function reaches(network: Network, from: string, to: string): Promise<boolean> {
  const [file = '', ...words] = [...network.prefix(to), process.execPath, '-e', RECEIVE]
  const receiver = spawn(file, words, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(receiver, 'exit')
  await once(receiver.stdout, 'data')
  const [sender = '', ...rest] = [...network.prefix(from), process.execPath, '-e', SEND, network.address(to)]
  await once(spawn(sender, rest, { stdio: 'inherit' }), 'exit')
  receiver.stdin.on('error', () => undefined).end()
  return (await ended)[0] === 0
}
