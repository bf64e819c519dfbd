import fc from 'fast-check'
import t from 'tap'
import { approvalOf, canonicalJson, LIMITS, parametersOf, poolDigest, programSeed, sweepStateOf } from '#protocol'
import type { Report } from '../../agent/ports.js'
import { createDraw } from '../helpers/draw.js'
import {
  claimsOf,
  IDLE,
  LEASE_MS,
  poolWith,
  releasesOf,
  running,
  startedBy,
  submittedTo,
  sweepAt
} from '../helpers/one-sweep.js'
import { announcement, BUNDLE, sweepSpec } from '../helpers/records.js'
import { GPU, type MachineName } from '../helpers/virtual-pool.js'

const SETTLED_MS = LIMITS.settleMinMs + 4 * LIMITS.tickMs
const report = (step: number, loss = 1): Report => ({ step, metrics: { loss }, nonFinite: [] })
const range = (count: number) => Array.from({ length: count }, (_, n) => n)

t.test('alone, a machine claims and starts at once, with all that the runner needs', async t => {
  const { world, sweep, id } = poolWith(1)
  const a = world.add('a')
  t.match(a.calls, ['append machine-announced', 'fetch', 'append trial-claimed', `start ${id(0)}`])
  t.match(a.started, [
    {
      id: id(0),
      sweep,
      trial: 0,
      attempt: 1,
      parameters: { x: 0 },
      seed: programSeed(sweepSpec(), 0),
      bundleDigest: BUNDLE.digest,
      device: 'gpu0',
      environment: { CUDA_VISIBLE_DEVICES: 'gpu0' },
      resume: false
    }
  ])
})

t.test('in company, a claim settles before anything starts (rule C3)', async t => {
  const { world } = poolWith(1)
  const [a, b] = [world.add('a', IDLE), world.add('b', IDLE)]
  world.run(5000)
  a.agent.onDevices([GPU])
  world.settle()
  t.equal(claimsOf(a).length, 1)
  world.run(LIMITS.settleMinMs - LIMITS.tickMs)
  t.same(startedBy(a, b), [])
  world.run(LIMITS.tickMs)
  t.equal(startedBy(a, b).length, 1)
})

t.test('of two that claim at once the loser trains nothing, and takes another trial', async t => {
  const { world, sweep, id } = poolWith(1)
  const [a, b] = [world.add('a', IDLE), world.add('b', IDLE)]
  world.run(5000)
  // Both decide before either hears of the other's claim.
  for (const machine of [a, b]) machine.agent.onDevices([GPU])
  world.settle()
  t.same([claimsOf(a).length, claimsOf(b).length], [1, 1])
  world.run(SETTLED_MS)
  t.same(startedBy(a, b), [id(0)])
  const holder = sweepAt(a, sweep).trials.get(0)?.standing.held?.holder
  const [winner, loser] = holder === a.key ? [a, b] : [b, a]
  t.equal(winner.started.length, 1)
  t.equal(loser.agent.local.charges.size, 0, 'its device is free')
  t.equal(releasesOf(loser).length, 0, 'there is nothing to give back')
})

t.test('machines that hear each other never start the same attempt, and finish every trial', async () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 8 }), (seed, trials) => {
      const draw = createDraw(seed)
      const { world, sweep } = poolWith(trials)
      const machines = (['a', 'b', 'c'] as MachineName[]).map(name => world.add(name, IDLE))
      world.run(1000)
      for (
        let n = 0;
        n < 400 && machines.some(each => sweepStateOf(each.pool, sweepAt(each, sweep)) === 'running');
        n++
      ) {
        const machine = draw.pick(machines)
        machine.agent.onDevices([GPU, { ...GPU, id: 'gpu1' }])
        world.settle()
        const [charge] = machine.agent.local.charges.values()
        if (charge?.phase === 'running' && draw.once(2))
          world.exit(machine, charge.id, { class: draw.pick(['complete', 'complete', 'diverged', 'oom', 'released']) })
        world.run(draw.integer(2000))
      }
      const started = startedBy(...machines)
      const hashes = machines.map(({ pool }) => poolDigest(pool))
      const isOver = machines.every(each => sweepStateOf(each.pool, sweepAt(each, sweep)) === 'done')
      return new Set(started).size === started.length && new Set(hashes).size === 1 && isOver
    }),
    { numRuns: 25 }
  )
})

t.test('paused: nothing is claimed, and its beat says so', async t => {
  const { world } = poolWith(2)
  const a = world.add('a', { paused: 'it serves an invite' })
  world.run(5000)
  t.notOk(a.calls.includes('append trial-claimed'))
  t.match(a.beats.at(-1), { paused: 'it serves an invite', accepts: [] })
})

t.test('what its owner has not approved is neither fetched nor claimed', async t => {
  const { world } = poolWith(1)
  const a = world.add('a', { approveAll: false })
  world.run(5000)
  t.same(a.calls, ['append machine-announced'])
  a.agent.approve(submittedTo(a))
  t.same([...a.kept.approved], [approvalOf(submittedTo(a))], 'it is remembered')
  world.settle()
  t.equal(a.started.length, 1)
})

t.test('a device that is at fault gets nothing; each other one gets an attempt of its own', async t => {
  const { world, id } = poolWith(4)
  const devices = [{ ...GPU, id: 'ill', fault: 'its fan is broken' }, GPU, { ...GPU, id: 'gpu1' }]
  const a = world.add('a', { devices })
  t.same(
    a.started.map(({ device }) => device),
    ['gpu0', 'gpu1']
  )
  t.equal(new Set(startedBy(a)).size, 2)
  t.ok(startedBy(a).every(started => started.startsWith(id(0).slice(0, 32))))
})

t.test("a result carries what was trained, on what, and the program's last words when it failed", async t => {
  const { world, a, sweep, id } = running()
  world.exit(a, id(0), { class: 'error', message: 'It crashed.', tail: 'Traceback', step: 3 })
  const [failure] = sweepAt(a, sweep).trials.get(0)?.standing.failures ?? []
  const device = { id: 'gpu0', model: GPU.model, memoryBytes: GPU.memoryBytes }
  t.match(failure, { class: 'error', parameters: { x: 0 }, device, message: 'It crashed.', tail: 'Traceback', step: 3 })
  t.notOk(failure && 'value' in failure)
})

t.test('a machine whose environment keeps failing leaves the sweep to others (rule C9)', async t => {
  const { world, sweep } = poolWith(6)
  const a = world.add('a')
  for (let n = 0; n < LIMITS.environmentFailuresMax; n++) {
    t.equal(a.started.length, n + 1)
    world.exit(a, a.started.at(-1)?.id ?? '', { class: 'environment', message: 'No module named torch.' })
  }
  world.run(60_000)
  t.equal(a.started.length, LIMITS.environmentFailuresMax)
  t.same(a.beats.at(-1)?.accepts, [], 'its peers know')
  t.equal(sweepStateOf(a.pool, sweepAt(a, sweep)), 'running')
})

t.test('a bundle that cannot be had: no trial is claimed, and one that is gives way', async t => {
  const { world, id } = poolWith(1)
  const a = world.add('a', { bundles: { fault: 'no machine that has it is here' } })
  t.notOk(a.calls.includes('append trial-claimed'))
  const started = running()
  started.a.bundles = { fault: 'it is damaged' }
  started.world.restart(started.a, { checkpoints: [id(0)] })
  t.match(releasesOf(started.a), [{ trial: 0, attempt: 1, reason: 'unable' }])
  started.world.run(10_000)
  t.equal(releasesOf(started.a).length, 1, 'it says so once')
  t.equal(started.a.agent.local.charges.size, 0)
  t.equal(claimsOf(started.a).length, 1)
})

t.test('a bundle that could not be had is asked for again when its owner approves it again', async t => {
  const { world } = poolWith(1)
  const a = world.add('a', { bundles: { fault: 'no machine that has it is here' } })
  a.bundles = 'ready'
  a.agent.approve(submittedTo(a))
  world.settle()
  t.equal(a.started.length, 1)
})

t.test('a stopped sweep ends its attempts; how they end is recorded', async t => {
  const { world, a, sweep, id } = running()
  a.agent.append([{ kind: 'sweep-stopped', sweep }])
  world.settle()
  world.run(1000)
  t.same(a.stopped, [{ id: id(0), reason: 'sweep-stopped' }], 'asked once')
  world.exit(a, id(0), { class: 'stopped' })
  t.match(sweepAt(a, sweep).trials.get(0)?.standing, { phase: 'done', result: { class: 'stopped' } })
})

t.test('close gives back what is claimed, stops what runs, and takes no more', async t => {
  const { world, id } = poolWith(3)
  const a = world.add('a', IDLE)
  world.add('b', IDLE)
  world.run(1000)
  a.agent.onDevices([GPU])
  world.run(SETTLED_MS)
  const [first] = a.started
  a.agent.onDevices([GPU, { ...GPU, id: 'gpu1' }])
  world.settle()
  t.same(
    [...a.agent.local.charges.values()].map(({ phase }) => phase),
    ['running', 'claiming']
  )
  t.equal(a.agent.close(), 1, 'one process to wait for')
  t.same(a.stopped, [{ id: first?.id, reason: 'agent-closing' }])
  world.settle()
  t.match(releasesOf(a), [{ reason: 'owner' }])
  world.exit(a, first?.id ?? '', { class: 'released' })
  t.match(releasesOf(a), [{ reason: 'owner' }, { reason: 'owner' }])
  t.equal(a.agent.close(), 0)
  world.run(LIMITS.unsyncedMs + 10_000)
  t.equal(a.agent.local.charges.size, 0)
  t.equal(a.kept.results.size, 0)
  t.equal(claimsOf(a).length, 2, `nothing was claimed again, as ${id(0)} could be`)
})

t.test('reports: the log gets the first one and then each time that the step has doubled', async t => {
  const { world, a, id } = running()
  const logged = (steps: readonly number[]) => {
    a.calls.length = 0
    for (const step of steps) a.agent.onReport(id(0), report(step))
    world.settle()
    return a.calls.filter(call => call === 'append attempt-reported').length
  }
  t.equal(logged([0, 0, 0, 0]), 1, 'a step told many times is one step')
  t.equal(logged(range(100).map(n => n + 1)), 7)
  const late = running()
  late.a.agent.onReport(late.id(0), report(10))
  t.equal(late.a.agent.local.charges.get(late.id(0))?.loggedStep, 10, 'the first one, whatever its step')
  a.agent.onReport(id(0), { step: 1000, metrics: { accuracy: 1 }, nonFinite: ['loss'] })
  t.equal(logged([]), 0, 'without the objective there is nothing to compare')
  t.match(a.agent.local.charges.get(id(0))?.latest, { step: 1000 })
  a.agent.onReport('unknown', report(1))
})

t.test('beats: on news at most once a second, else four times a lease', async t => {
  const { world, a, id } = running()
  world.run(2000)
  a.beats.length = 0
  world.run(10 * LEASE_MS)
  t.equal(a.beats.length, 40)
  t.match(a.beats.at(-1), { name: 'desk', running: [{ trial: 0, attempt: 1, device: 'gpu0' }] })
  a.beats.length = 0
  for (let step = 1; step <= 80; step++) {
    a.agent.onReport(id(0), report(step, 1 / step))
    world.run(LIMITS.tickMs / 2)
  }
  t.ok(a.beats.length >= 9 && a.beats.length <= 11, `80 reports in 10 s: ${a.beats.length} beats`)
  t.match(a.beats.at(-1)?.running, [{ value: Number }])
})

t.test('a machine announces itself once, and again at a start with other devices', async t => {
  const { world } = poolWith(1)
  const a = world.add('a')
  const announcements = () => a.log.entries.filter(({ record }) => record.kind === 'machine-announced').length
  world.restart(a)
  t.equal(announcements(), 1)
  world.restart(a, { devices: [GPU, { ...GPU, id: 'gpu1' }] })
  t.equal(announcements(), 2)
  t.equal(a.pool.machines.get(a.key)?.devices.length, 2)
})

t.test('a device that comes while the agent runs is announced, once', async t => {
  const { world } = poolWith(1)
  const a = world.add('a')
  const announced = () => a.log.entries.flatMap(({ record }) => (record.kind === 'machine-announced' ? [record] : []))
  for (const freeBytes of [1, 2, 3]) a.agent.onDevices([{ ...GPU, freeBytes }])
  t.equal(announced().length, 1, 'what changes from minute to minute is no news for the log')
  for (const freeBytes of [1, 2]) a.agent.onDevices([GPU, { ...GPU, id: 'gpu1', freeBytes }])
  world.run(1000)
  t.same(
    announced().map(({ devices }) => devices.length),
    [1, 2]
  )
})

t.test('a result that says too much for a record is shortened, never lost', async t => {
  const { world } = poolWith(1)
  const a = world.add('a')
  world.run(5000)
  const [attempt] = a.started
  const metrics = Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`m${i}_${'x'.repeat(120)}`, Math.PI * i]))
  const curve = Array.from({ length: LIMITS.curvePoints }, (_, i): [number, number] => [i / 3, Math.E / (i + 3)])
  const tail = '🙂'.repeat(LIMITS.tailChars / 2)
  world.exit(a, attempt?.id ?? '', {
    class: 'error',
    message: '🙂'.repeat(LIMITS.messageChars / 2),
    tail,
    metrics,
    curve
  })
  const results = a.log.entries.flatMap(({ record }) => (record.kind === 'attempt-finished' ? [record] : []))
  t.equal(results.length, 1)
  t.ok(new TextEncoder().encode(canonicalJson(results[0])).length <= LIMITS.recordBytes)
})

t.test(
  'a full disk: the attempt is not finished, nor its device free, until its result is saved (rule L8)',
  async t => {
    const { world, a, sweep, id } = running()
    a.isDiskFull = true
    world.exit(a, id(0), { class: 'complete' })
    world.run(1000)
    t.equal(a.agent.local.charges.size, 1)
    t.equal(sweepAt(a, sweep).trials.get(0)?.standing.phase, 'claimed')
    a.isDiskFull = false
    world.run(1000)
    t.match(sweepAt(a, sweep).trials.get(0)?.standing, { phase: 'done', result: { value: 0.5 } })
    t.equal(a.agent.local.charges.size, 0)
  }
)

t.test('a failed trial goes to a machine at which it did not fail, if one is here that could take it', async t => {
  const { world, sweep, id } = poolWith(1)
  const a = world.add('a')
  world.run(1000)
  const b = world.add('b', { devices: [GPU] })
  world.run(1000)
  world.exit(a, id(0), { class: 'error' })
  world.run(3 * SETTLED_MS)
  t.same(startedBy(b), [id(0, 2)])
  t.same(startedBy(a), [id(0)])
  t.match(parametersOf(sweepAt(b, sweep), 0), { x: 0 })
})

t.test('a failed trial is tried again where it failed when nobody here could take it', async t => {
  for (const [why, devices] of [
    ['its device is too small', [{ ...GPU, memoryBytes: 8 * 2 ** 30 }]],
    ['its device is at fault', [{ ...GPU, fault: 'it is too hot' }]],
    ['it has none', []]
  ] as const) {
    const { world, id } = poolWith(1)
    const c = world.add('c', { devices: [{ ...GPU, memoryBytes: 12 * 2 ** 30 }] })
    world.exit(c, id(0), { class: 'oom' })
    t.equal(c.started.length, 1)
    const a = world.add('a')
    world.run(SETTLED_MS)
    t.same(startedBy(a), [id(0, 2)], 'its device is larger')
    world.add('b', { devices })
    world.run(1000)
    world.exit(a, id(0, 2), { class: 'error' })
    world.run(3 * SETTLED_MS)
    t.same(startedBy(a), [id(0, 2), id(0, 3)], `the other one does not count: ${why}`)
  }
})

t.test('what a machine says goes to the log as it is', async t => {
  const { world, a } = running()
  a.agent.append([announcement('another')])
  world.settle()
  t.equal(a.pool.machines.get(a.key)?.name, 'another')
})
