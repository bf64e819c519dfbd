/**
 * Control: the socket that only the owner can open, and what each request gets.
 */
import { chmodSync, existsSync, linkSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import {
  applyEntry,
  approvalOf,
  type Bundle,
  type ControlRequest,
  type Draft,
  LIMITS,
  type Pool,
  PoolError,
  type StatusView,
  sweepIdOf
} from '#protocol'
import { createHandlers, type Surroundings, type Work } from '../../agent/control/handlers.js'
import { type Handle, openControlServer } from '../../agent/control/server.js'
import { emptyLocal, type Local } from '../../agent/local.js'
import {
  announcement,
  BUNDLE,
  createWriter,
  FOUNDING,
  foldAll,
  founded,
  idFor,
  keyOf,
  resultOf,
  submission,
  sweepSpec
} from '../helpers/records.js'

const isWindows = process.platform === 'win32'

interface Line {
  readonly socket: Socket
  /** Sends a text as it is and returns the next line that comes back. */
  say(text: string): Promise<Record<string, unknown>>
  readonly closed: Promise<void>
}

/** A folder whose path leaves room for a socket's name: that of a test is too long, and would be cut without a word. */
function place(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'hypersweep-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function open(t: Test, handle: Handle = async () => 'done') {
  const address = join(place(t), 's', 'agent.sock')
  const server = await openControlServer(address, handle)
  t.teardown(() => server.close())
  return { address, server }
}

async function dial(t: Test, address: string): Promise<Line> {
  const socket = connect(address)
  t.teardown(() => void socket.destroy())
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  const closed = new Promise<void>(resolve => socket.once('close', () => resolve()))
  socket.on('error', () => undefined)
  await new Promise(resolve => socket.once('connect', resolve))
  return {
    socket,
    closed,
    async say(text) {
      socket.write(text)
      return JSON.parse((await lines.next()).value)
    }
  }
}

t.test('a request is answered under its number, by what handles it', async t => {
  const { address } = await open(t, async request => ({ method: request.method }))
  const line = await dial(t, address)
  t.same(await line.say('{"id":7,"method":"status"}\n'), { id: 7, answer: { method: 'status' } })
  line.socket.write('{"id":8,"meth')
  t.same(await line.say('od":"sweeps"}\n'), { id: 8, answer: { method: 'sweeps' } }, 'a line may come in pieces')
})

t.test('requests of one connection are answered as they are done, and those of others do not wait', async t => {
  let release: (value: unknown) => void = () => undefined
  const slow = new Promise(resolve => {
    release = resolve
  })
  const { address } = await open(t, request => (request.method === 'join' ? slow : Promise.resolve('quick')))
  const [one, other] = [await dial(t, address), await dial(t, address)]
  const first = await one.say('{"id":1,"method":"join","invite":"x"}\n{"id":2,"method":"status"}\n')
  t.same(first, { id: 2, answer: 'quick' })
  t.same(await other.say('{"id":1,"method":"status"}\n'), { id: 1, answer: 'quick' })
  release('slow')
  t.same(await one.say(''), { id: 1, answer: 'slow' })
})

t.test('the socket is for its owner alone', { skip: isWindows && 'a named pipe has no mode' }, async t => {
  const { address } = await open(t)
  t.equal(statSync(address).mode & 0o777, 0o600)
  t.equal(statSync(join(address, '..')).mode & 0o777, 0o700)
})

t.test('a second agent on a home is refused, and the first one goes on', async t => {
  const { address } = await open(t)
  await t.rejects(
    openControlServer(address, async () => 'second'),
    { code: 'AGENT_RUNNING', hint: /hypersweep down/ }
  )
  const line = await dial(t, address)
  t.same(await line.say('{"id":1,"method":"status"}\n'), { id: 1, answer: 'done' })
})

t.test(
  'what a crashed agent left at the address is replaced',
  { skip: isWindows && 'a pipe leaves nothing' },
  async t => {
    const folder = place(t)
    const [dead, address] = [join(folder, 'dead.sock'), join(folder, 'agent.sock')]
    const crashed = createServer().listen(dead)
    await new Promise(resolve => crashed.once('listening', resolve))
    linkSync(dead, address)
    await new Promise(resolve => crashed.close(resolve))
    t.ok(existsSync(address), 'nobody listens, but the file is there')
    const server = await openControlServer(address, async () => 'new')
    t.teardown(() => server.close())
    t.same(await (await dial(t, address)).say('{"id":1,"method":"status"}\n'), { id: 1, answer: 'new' })
  }
)

t.test('after the end the address is free, and who was connected is told', async t => {
  const { address, server } = await open(t)
  const line = await dial(t, address)
  t.same(await line.say('{"id":1,"method":"down"}\n'), { id: 1, answer: 'done' })
  await server.close()
  await line.closed
  t.notOk(existsSync(address))
  const next = await openControlServer(address, async () => 'next')
  await next.close()
})

t.test('a line that is no request is answered as such, and the connection lives on', async t => {
  const handled: ControlRequest[] = []
  const { address } = await open(t, async request => handled.push(request))
  const line = await dial(t, address)
  for (const [text, code] of [
    ['hello', 'CONTROL_FAILED'],
    ['', 'CONTROL_FAILED'],
    ['null', 'REQUEST_INVALID'],
    ['[1]', 'REQUEST_INVALID'],
    ['{"id":3}', 'REQUEST_INVALID'],
    ['{"id":3,"method":"format-disk"}', 'REQUEST_INVALID'],
    ['{"id":3,"method":"trial","sweep":"a","trial":-1}', 'REQUEST_INVALID']
  ] as const)
    t.match(await line.say(`${text}\n`), { error: { code, hint: /./ } }, text)
  t.equal((await line.say('{"id":3,"method":"x"}\n')).id, 3, 'an error has the number of its request')
  t.same(handled, [])
  t.match(await line.say('{"id":4,"method":"status"}\n'), { id: 4, answer: 1 })
})

t.test(
  'an expected failure comes with its code and hint, a bug as CONTROL_FAILED, and both leave the agent well',
  async t => {
    const { address } = await open(t, async request => {
      if (request.method === 'status') throw new PoolError('NOT_FOUND', 'There is none.', { hint: 'Make one.' })
      throw new TypeError('x is undefined')
    })
    const line = await dial(t, address)
    t.same(await line.say('{"id":1,"method":"status"}\n'), {
      id: 1,
      error: { code: 'NOT_FOUND', message: 'There is none.', hint: 'Make one.' }
    })
    t.match(await line.say('{"id":2,"method":"sweeps"}\n'), {
      id: 2,
      error: { code: 'CONTROL_FAILED', message: /x is undefined/, hint: /agent\.log/ }
    })
  }
)

t.test('a line without end closes its connection, nothing of it is handled, and others go on', async t => {
  const handled: string[] = []
  const { address } = await open(t, async request => handled.push(request.method))
  const [long, other] = [await dial(t, address), await dial(t, address)]
  long.socket.write(`{"id":1,"method":"down","pad":"${'x'.repeat(LIMITS.controlBytes)}"}\n`)
  await long.closed
  t.same(handled, [])
  t.match(await other.say('{"id":1,"method":"status"}\n'), { answer: 1 })
})

interface Lab {
  readonly ask: <A>(request: ControlRequest) => Promise<A>
  readonly pool: Pool
  readonly local: Local
  readonly work: { -readonly [K in keyof Work]: Work[K] }
  readonly approved: string[]
  readonly recorded: Draft[]
  readonly host: { -readonly [K in keyof Surroundings]: Surroundings[K] }
}

/** Handlers over a folded pool of ann, bo and cy, as ann's machine a sees it. */
function lab(t: Test, drafts: readonly Draft[] = []): Lab {
  const ann = founded()
  ann.write(announcement('desk'))
  for (const draft of drafts) ann.write(draft)
  const pool = foldAll(ann.entries)
  const local = emptyLocal(FOUNDING.machine, 'desk', 0)
  const [approved, recorded]: [string[], Draft[]] = [[], []]
  const work: Lab['work'] = {
    agent: {
      local,
      beat: () => ({ name: 'desk', devices: [], accepts: [], running: [], heard: {} }),
      approve(submission) {
        approved.push(submission.bundle.digest)
        local.approved.add(approvalOf(submission))
      }
    },
    log: { pool: () => pool, holes: () => ({}) },
    mesh: { connected: () => [keyOf('b')], isOnline: () => true },
    bundles: { pack: async () => BUNDLE, list: async () => [] },
    invites: { create: () => ({ id: idFor('invite'), text: 'text', expiresAt: 1 }), list: () => [] },
    membership: { founding: FOUNDING },
    output: async () => Promise.reject(new Error('There is none.')),
    async record(drafts) {
      recorded.push(...drafts)
      for (const draft of drafts) applyEntry(pool, ann.write(draft))
    }
  }
  const host: Lab['host'] = {
    version: '1',
    home: t.testdir({}),
    bootstrap: [],
    names: { machine: FOUNDING.machine, machineName: 'desk', memberName: 'ann', member: FOUNDING.member },
    approve: 'ask',
    work: () => work,
    found: async () => undefined,
    join: async () => undefined,
    down: () => 2,
    now: () => 1000,
    wall: () => 5000
  }
  const handle = createHandlers(host)
  return { ask: request => handle(request) as never, pool, local, work, approved, recorded, host }
}

t.test('a home without a pool tells its state and how to get into one; everything else is refused', async t => {
  const { ask, host } = lab(t)
  host.work = () => undefined
  const status = await ask<StatusView>({ method: 'status' })
  t.notOk('pool' in status)
  t.match(status, { machineName: 'desk', records: 0 })
  for (const method of ['sweeps', 'machines', 'invite', 'invites', 'overview'] as const)
    await t.rejects(ask({ method }), { code: 'POOL_MISSING', hint: /hypersweep init/ }, method)
  const checks = await ask<{ name: string; verdict: string }[]>({ method: 'doctor' })
  t.match(
    checks.find(({ name }) => name === 'pool'),
    { verdict: 'warning' }
  )
})

t.test('status tells of the pool, who is in it, and how this machine stands', async t => {
  const { ask, local } = lab(t, [submission()])
  const status = await ask<StatusView>({ method: 'status' })
  t.match(status, { pool: { name: 'den' }, connected: 1, machines: 1, isOnline: true, attempts: 0 })
  t.same(
    status.pool?.members.map(({ name, role }) => [name, role]),
    [
      ['ann', 'owner'],
      ['bo', 'member'],
      ['cy', 'member']
    ]
  )
  t.same(status.sweeps, { running: 1, waitingForApproval: 1, done: 0 })
  local.paused = 'serving'
  t.equal((await ask<StatusView>({ method: 'status' })).paused, 'serving')
})

t.test('a sweep is found by its id, by the start of it and by its name, the newest of a name', async t => {
  const [first, second] = [submission(), submission(sweepSpec(), FOUNDING.member, idFor('second'))]
  const { ask } = lab(t, [first, second, submission(sweepSpec({ name: 'other' }))])
  const found = async (sweep: string) => (await ask<{ sweep: string }>({ method: 'sweep', sweep })).sweep
  t.equal(await found(first.sweep), first.sweep)
  t.equal(await found(first.sweep.slice(0, 8)), first.sweep)
  t.equal(await found('lora'), second.sweep)
  for (const text of ['lor', first.sweep.slice(0, 3), 'f'.repeat(32)])
    await t.rejects(ask({ method: 'sweep', sweep: text }), { code: 'NOT_FOUND', hint: /Known sweeps: other, lora\./ })
})

t.test('who submits a sweep has approved it, and it is in the log when the answer comes', async t => {
  const { ask, approved, recorded, pool, host } = lab(t)
  const spec = sweepSpec()
  const view = await ask<{ sweep: string; approval: string }>({ method: 'submit', spec, folder: '/code' })
  t.equal(view.approval, 'approved')
  t.same(approved, [BUNDLE.digest])
  t.match(recorded, [{ kind: 'sweep-submitted', spec, bundle: BUNDLE, sweep: view.sweep }])
  t.ok(pool.sweeps.get(view.sweep)?.submission)
  const [draft] = recorded as { nonce: string }[]
  t.equal(sweepIdOf({ spec, bundle: BUNDLE, nonce: draft?.nonce ?? '' }, host.names.member), view.sweep)
  const again = await ask<{ sweep: string }>({ method: 'submit', spec, folder: '/code' })
  t.not(again.sweep, view.sweep, 'the same sweep again is another one')
})

t.test('a sweep that cannot be sent is refused before anything is approved or written', async t => {
  const { ask, approved, recorded, work } = lab(t)
  const spec = sweepSpec({ command: Array.from({ length: 20 }, () => 'x'.repeat(1000)) })
  await t.rejects(ask({ method: 'submit', spec, folder: '/code' }), { code: 'RECORD_TOO_LARGE' })
  const pack = async (): Promise<Bundle> => Promise.reject(new PoolError('BUNDLE_INVALID', 'A link.'))
  work.bundles = { ...work.bundles, pack }
  await t.rejects(ask({ method: 'submit', spec: sweepSpec(), folder: '/code' }), { code: 'BUNDLE_INVALID' })
  t.same([approved, recorded], [[], []])
})

t.test('approving and stopping say what came of it; a sweep is stopped once', async t => {
  const sweep = submission()
  const { ask, approved, recorded, work } = lab(t, [sweep])
  t.match(await ask({ method: 'sweep', sweep: 'lora' }), { approval: 'waiting' })
  t.match(await ask({ method: 'approve', sweep: 'lora' }), { approval: 'approved' })
  t.same(approved, [BUNDLE.digest])
  work.agent.local.bundles.set(BUNDLE.digest, { fault: 'torn' })
  t.match(await ask({ method: 'sweep', sweep: 'lora' }), { bundleState: 'torn' })
  for (let times = 0; times < 2; times++) t.match(await ask({ method: 'stop', sweep: 'lora' }), { state: 'stopped' })
  t.same(recorded, [{ kind: 'sweep-stopped', sweep: sweep.sweep }])
})

t.test('trials are shown up to a limit, the best first where asked, and none that there is not', async t => {
  const { sweep, ...rest } = submission()
  const about = (trial: number) => ({ sweep, trial, attempt: 1 })
  const { ask } = lab(t, [
    { sweep, ...rest },
    resultOf(about(0), 'complete', { value: 0.5 }),
    resultOf(about(2), 'complete', { value: 0.1 })
  ])
  t.equal((await ask<unknown[]>({ method: 'trials', sweep, limit: 3 })).length, 3)
  t.equal((await ask<unknown[]>({ method: 'trials', sweep, limit: 100 })).length, 4)
  const { trials } = await ask<{ trials: { trial: number }[] }>({ method: 'best', sweep, limit: 10 })
  t.same(
    trials.map(({ trial }) => trial),
    [2, 0]
  )
  await t.rejects(ask({ method: 'trial', sweep, trial: 4 }), { code: 'NOT_FOUND', hint: 'Its trials are 0 to 3.' })
  const overview = await ask<{ focus: { best: unknown[] } }>({ method: 'overview' })
  t.equal(overview.focus.best.length, 2)
})

t.test('output is whole where it was printed; elsewhere its end as the log has it, or where to ask', async t => {
  const { sweep, ...rest } = submission()
  const failed = resultOf({ sweep, trial: 0, attempt: 1 }, 'error', { tail: 'last words' })
  const { ask, work, pool } = lab(t, [{ sweep, ...rest }, failed])
  t.same(await ask({ method: 'logs', sweep, trial: 0 }), { machineName: 'desk', isWhole: false, text: 'last words' })
  work.output = async id => `all of ${id}`
  t.same(await ask({ method: 'logs', sweep, trial: 0 }), {
    machineName: 'desk',
    isWhole: true,
    text: `all of ${sweep}-0-1`
  })
  await t.rejects(ask({ method: 'logs', sweep, trial: 1 }), { code: 'NOT_FOUND', hint: 'Nobody has run it yet.' })
  const bo = createWriter('bo', 'b')
  foldAll([bo.write(announcement('loft')), bo.write(resultOf({ sweep, trial: 2, attempt: 1 }, 'complete'))], pool)
  await t.rejects(ask({ method: 'logs', sweep, trial: 2 }), { code: 'NOT_FOUND', hint: /It ran on loft/ })
})

t.test('founding and joining answer with the state that they led to, and the end with what must end first', async t => {
  const { ask, host } = lab(t)
  const called: string[] = []
  host.found = async pool => void called.push(`found ${pool}`)
  host.join = async invite => void called.push(`join ${invite}`)
  t.match(await ask({ method: 'found', pool: 'den' }), { pool: { name: 'den' } })
  t.match(await ask({ method: 'join', invite: 'text' }), { pool: { name: 'den' } })
  t.same(called, ['found den', 'join text'])
  t.same(await ask({ method: 'down' }), { attempts: 2 })
})

t.test('the doctor names what is wrong, with what to do', async t => {
  const { ask, work, host } = lab(t)
  chmodSync(host.home, 0o755)
  work.mesh = { connected: () => [], isOnline: () => false }
  work.log = { pool: work.log.pool, holes: () => ({ log: 3 }) }
  work.agent.local.bundles.set(BUNDLE.digest, { fault: 'torn' })
  const checks = await ask<{ name: string; verdict: string; detail: string; hint?: string }[]>({ method: 'doctor' })
  const check = (name: string) => checks.find(each => each.name === name)
  if (!isWindows) t.match(check('home'), { verdict: 'problem', hint: /chmod 700/ })
  t.match(check('network'), { verdict: 'problem', detail: /No DHT node answers/, hint: /UDP/ })
  t.match(check('devices'), { verdict: 'problem', detail: 'No device was found.' })
  t.match(check('bundle'), { verdict: 'problem', detail: /torn/ })
  t.match(check('log'), { verdict: 'warning', detail: /3 could not be read/ })
  t.ok(
    checks.every(({ verdict, hint }) => verdict === 'ok' || hint),
    'nothing is wrong without advice'
  )
})
