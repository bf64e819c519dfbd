/**
 * Handlers: what each request gets, from a folded pool and what one machine knows.
 */
import { chmodSync } from 'node:fs'
import t, { type Test } from 'tap'
import {
  applyEntry,
  approvalOf,
  type Bundle,
  type ControlRequest,
  type Draft,
  type ForecastView,
  type LocalSweepView,
  type Pool,
  PoolError,
  type StatusView,
  sweepIdOf
} from '#protocol'
import { createHandlers } from '../../agent/control/handlers.js'
import type { Surroundings, Work } from '../../agent/control/work.js'
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
  POOL,
  resultOf,
  submission,
  sweepSpec
} from '../helpers/records.js'

const isWindows = process.platform === 'win32'

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
      pause: () => 0,
      resume: () => undefined,
      approve(submission) {
        approved.push(submission.bundle.digest)
        local.approved.add(approvalOf(submission))
      }
    },
    log: { pool: () => pool, faults: () => ({ holes: {}, overQuota: [], frozen: [] }) },
    mesh: { connected: () => [keyOf('b')], isOnline: () => true },
    bundles: { pack: async () => BUNDLE, digestOf: () => BUNDLE.digest, list: async () => [] },
    bulk: { read: async () => undefined },
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

t.test(
  'a sweep that is over stays what it is when somebody stops it, and nobody is told where its trials would fit',
  async t => {
    const spec = sweepSpec({ metric: { name: 'loss', goal: 'minimize', summary: 'last', target: 1 } })
    const sweep = submission(spec)
    const done = resultOf({ sweep: sweep.sweep, trial: 0, attempt: 1 }, 'complete', { value: 0.5 })
    const { ask, recorded } = lab(t, [sweep, done])
    t.match(await ask({ method: 'stop', sweep: 'lora' }), { state: 'done' })
    t.same(recorded, [])
    const waiting = await ask<object>({ method: 'trial', sweep: 'lora', trial: 1 })
    t.match(waiting, { state: 'waiting' })
    t.notOk('placement' in waiting)
  }
)

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

t.test('a full trial has every point that its machine kept, or says why not; lists fetch nothing', async t => {
  const { sweep, ...rest } = submission()
  const bulk = { log: keyOf('bulk'), block: 3 }
  const { ask, work, pool } = lab(t, [{ sweep, ...rest }])
  const [bo, curve] = [createWriter('bo', 'b'), [[1, 0.5]] as [number, number][]]
  const about = { sweep, trial: 2, attempt: 1 }
  foldAll([bo.write(announcement('loft')), bo.write(resultOf(about, 'complete', { curve, bulk }))], pool)
  const wanted: unknown[] = []
  const full = [...curve, [2, 0.25]] as [number, number][]
  work.bulk = {
    read: async each => {
      wanted.push(each)
      return { ...about, curve: full, tail: 'epoch 2\n' }
    }
  }
  const trial = (isFull: boolean) =>
    ask<{ curve: unknown; missing?: string }>({ method: 'trial', sweep, trial: 2, isFull })
  t.same((await trial(false)).curve, curve)
  await ask({ method: 'trials', sweep, limit: 10 })
  await ask({ method: 'overview' })
  t.same(wanted, [])
  t.same((await trial(true)).curve, full)
  t.same(wanted, [{ place: bulk, about, member: keyOf('bo') }])
  t.same(await ask({ method: 'logs', sweep, trial: 2 }), { machineName: 'loft', isWhole: false, text: 'epoch 2\n' })

  work.bulk = { read: async () => undefined }
  t.match(await trial(true), { curve, missing: 'did not arrive from loft in time' })
  work.mesh = { ...work.mesh, connected: () => [] }
  t.match(await trial(true), { curve, missing: /on loft, which is off or out of reach; nobody else .* looked at them/ })
  await t.rejects(ask({ method: 'logs', sweep, trial: 2 }), { code: 'BULK_UNAVAILABLE', hint: /when loft is on/ })
})

t.test('a failed trial shows the curve of its last failure; without more, its last words from the log', async t => {
  const { sweep, ...rest } = submission()
  const failed = resultOf({ sweep, trial: 0, attempt: 1 }, 'error', {
    tail: 'last words',
    bulk: { log: keyOf('bulk'), block: 0 }
  })
  const { ask, work } = lab(t, [{ sweep, ...rest }, failed])
  t.match(await ask({ method: 'logs', sweep, trial: 0 }), { text: 'last words', missing: /gone from this machine/ })
  work.bulk = { read: async ({ about }) => ({ ...about, curve: [[7, 1]], tail: 'all words' }) }
  t.same((await ask<{ curve: unknown }>({ method: 'trial', sweep, trial: 0, isFull: true })).curve, [[7, 1]])
  t.match(await ask({ method: 'logs', sweep, trial: 0 }), { text: 'all words', isWhole: false })
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

t.test('the doctor shows the digest of the pool: equal for equal records, another for others', async t => {
  const digestOf = async (drafts: readonly Draft[]) => {
    const checks = await lab(t, drafts).ask<{ name: string; digest?: string; detail: string }[]>({ method: 'doctor' })
    const check = checks.find(({ name }) => name === 'digest')
    t.match(check?.detail, `${check?.digest?.slice(0, 16)}… Machines that have the same records show the same digest.`)
    return check?.digest
  }
  const digest = await digestOf([submission()])
  t.match(digest, /^[0-9a-f]{64}$/)
  t.equal(await digestOf([submission()]), digest)
  t.not(await digestOf([]), digest)
})

t.test('the doctor names what is wrong, with what to do', async t => {
  const { ask, work, host } = lab(t)
  chmodSync(host.home, 0o755)
  work.mesh = { connected: () => [], isOnline: () => false }
  const attestation = {
    pool: POOL,
    member: keyOf('ann'),
    machine: keyOf('a'),
    log: keyOf('a1'),
    incarnation: 1,
    memberSignature: '',
    machineSignature: ''
  }
  work.log = { ...work.log, faults: () => ({ holes: { log: 3 }, overQuota: [attestation], frozen: [attestation] }) }
  work.agent.local.bundles.set(BUNDLE.digest, { fault: 'torn' })
  const checks = await ask<{ name: string; verdict: string; detail: string; hint?: string }[]>({ method: 'doctor' })
  const check = (name: string) => checks.find(each => each.name === name)
  if (!isWindows) t.match(check('home'), { verdict: 'problem', hint: /chmod 700/ })
  t.match(check('network'), { verdict: 'problem', detail: /No DHT node answers/, hint: /UDP/ })
  t.match(check('devices'), { verdict: 'problem', detail: 'No device was found.' })
  t.match(check('bundle'), { verdict: 'problem', detail: /torn/ })
  t.match(check('log'), { verdict: 'warning', detail: /3 could not be read/ })
  t.match(check('quota'), { verdict: 'warning', detail: /^desk wrote more/ })
  t.match(check('histories'), { verdict: 'warning', detail: /^A log of desk has two histories/ })
  t.ok(
    checks.every(({ verdict, hint }) => verdict === 'ok' || hint),
    'nothing is wrong without advice'
  )
})

t.test('what an approved sweep requires and this machine lacks is shown with the sweep, and by the doctor', async t => {
  const draft = submission(sweepSpec({ requires: { packages: ['peft'] } }))
  const { ask, local } = lab(t, [draft])
  const view = () => ask<LocalSweepView>({ method: 'sweep', sweep: 'lora' })
  t.notOk('unmet' in (await view()), 'before the approval nothing was looked at')
  local.approved.add(approvalOf(draft))
  local.packages.set('peft', { isFound: false, sinceMs: 0 })
  t.equal((await view()).unmet, 'it lacks the package peft')
  const checks = async () => await ask<{ name: string; detail: string; hint?: string }[]>({ method: 'doctor' })
  t.match(
    (await checks()).find(({ name }) => name === 'requires'),
    { detail: 'This machine takes no trials of lora: it lacks the package peft.', hint: /hypersweep approve/ }
  )
  local.packages.set('peft', { isFound: true, sinceMs: 0 })
  t.notOk('unmet' in (await view()))
  t.notOk((await checks()).some(({ name }) => name === 'requires'))
})

t.test('a trial is explained and a sweep has taught something, by the names that people use', async t => {
  const draft = submission()
  const { ask } = lab(t, [draft, resultOf({ sweep: draft.sweep, trial: 1, attempt: 1 }, 'complete')])
  t.match(await ask({ method: 'explain', sweep: 'lora', trial: 1 }), {
    trial: { trial: 1, state: 'complete' },
    origin: { from: 'grid', place: 1 },
    decisions: []
  })
  t.match(await ask({ method: 'insight', sweep: 'lora' }), { trials: { total: 4, complete: 1 }, needed: 20 })
  await t.rejects(ask({ method: 'explain', sweep: 'lora', trial: 4 }), { code: 'NOT_FOUND' })
  await t.rejects(ask({ method: 'insight', sweep: 'none' }), { code: 'NOT_FOUND' })
})

t.test('a forecast submits nothing, knows the files by their digest, and what this machine lacks', async t => {
  const known = submission()
  const { ask, local, recorded, work } = lab(t, [
    known,
    resultOf({ sweep: known.sweep, trial: 0, attempt: 1 }, 'complete')
  ])
  const devices = [{ id: 'gpu0', vendor: 'nvidia' as const, model: 'RTX 3060', memoryBytes: 12 * 2 ** 30 }]
  work.agent = {
    ...work.agent,
    beat: () => ({ name: 'desk', devices, accepts: [], running: [], heard: {} })
  }
  const forecast = (spec = sweepSpec()) => ask<ForecastView>({ method: 'simulate', spec, folder: '/code' })
  t.match(await forecast(), { seen: { likeness: 'same program', trainings: 1 }, devices: [{ fits: 4 }], need: {} })
  work.bundles = { ...work.bundles, digestOf: () => keyOf('other files') }
  t.match(await forecast(), { seen: { likeness: 'same command' } })
  const picky = sweepSpec({ requires: { packages: ['peft'] } })
  t.match(await forecast(picky), { devices: [{ fits: 4 }], requires: ['peft'] }, 'nobody has looked for it yet')
  local.packages.set('peft', { isFound: false, sinceMs: 0 })
  t.match(await forecast(picky), { devices: [{ fits: 0, leftOut: 'it lacks the package peft' }] })
  t.same(recorded, [])
})
