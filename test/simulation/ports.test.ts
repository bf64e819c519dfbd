import t from 'tap'
import type { AttemptSpec, Exit, Report } from '../../agent/ports.js'
import { keeperContract } from '../contract/keeper.js'
import { type LogHarness, logContract } from '../contract/log.js'
import { type Behaviour, type RunnerHarness, runnerContract, type Told } from '../contract/runner.js'
import { FOUNDING, idFor, keyOf, resultOf, sweepSpec } from '../helpers/records.js'
import type { Body } from './body.js'
import { type Disk, emptyDisk, keeperOf, loseTail } from './disk.js'
import { openReplica } from './replica.js'
import { createSimulatedRunner, type Script } from './trainer.js'
import { createWorld } from './world.js'

const FAR_MS = 1e12

keeperContract(t, 'simulated', () => {
  const disk = emptyDisk()
  return {
    open: () => keeperOf(disk),
    result: nth => resultOf({ sweep: idFor('sweep'), trial: nth, attempt: 1 }, 'complete')
  }
})

/** Opens the founder's log on a disk; the world turns by itself, one turn after something was handed over. */
function openLog(disk: Disk, bodies: Map<string, Body>): LogHarness & { lose(): LogHarness } {
  const world = createWorld()
  let hear = () => {}
  const replica = openReplica({
    bodies,
    disk,
    machine: FOUNDING.machine,
    member: FOUNDING.member,
    newLogKey: incarnation => keyOf(`log ${incarnation}`),
    now: world.now,
    wall: world.now,
    onChanged: () => hear(),
    onRejected: () => {},
    onFork: () => t.fail('a log has two histories')
  })
  const turn = () => world.run(() => false, FAR_MS)
  if (!replica.pool().founding) replica.append([{ kind: 'pool-founded', ...FOUNDING }])
  replica.flush()
  return {
    machine: FOUNDING.machine,
    log: {
      pool: replica.pool,
      isHeldByPeer: () => false,
      append(drafts) {
        replica.append(drafts)
        world.after(1, replica.flush)
        queueMicrotask(turn)
      }
    },
    flushed: async () => turn(),
    onChanged: next => {
      hear = next
    },
    async reopen() {
      disk.cleanStop = true
      return openLog(disk, bodies)
    },
    crash: async () => openLog(disk, bodies),
    lose() {
      loseTail(disk, world.now(), 0)
      return openLog(disk, bodies)
    }
  }
}

logContract(t, 'simulated', async () => openLog(emptyDisk(), new Map()))

t.test('a replica opens the same log after an orderly stop, and a fresh one after any other (rule L6)', async t => {
  const disk = emptyDisk()
  const bodies = new Map<string, Body>()
  const first = openLog(disk, bodies)
  await first.reopen()
  t.same(
    [...bodies.values()].map(body => body.incarnation),
    [1]
  )
  await first.crash()
  t.same(
    [...bodies.values()].map(body => body.incarnation),
    [1, 2]
  )
})

t.test('a power cut takes back what was written last, and nothing before it', async t => {
  const bodies = new Map<string, Body>()
  const disk = emptyDisk()
  const harness = openLog(disk, bodies)
  harness.log.append([resultOf({ sweep: idFor('sweep'), trial: 0, attempt: 1 }, 'complete')])
  await harness.flushed()
  const pool = () => again.log.pool()
  const again = harness.lose()
  t.ok(pool().founding, 'what is older is there')
  t.equal(pool().sweeps.size, 0)
})

const never = 1e15
const report = (step: number, loss: number): Report => ({ step, metrics: { val_loss: loss }, nonFinite: [] })
const failure = (name: Exit['class']) => ({ class: name, message: 'It failed.' })

/** What each program of the contract does. */
const SCRIPTS: Readonly<Record<Behaviour, Omit<Script, 'graceMs'>>> = {
  succeed: {
    reports: [1, 2, 3, 4, 5].map(step => ({ atMs: step, report: report(step, 5.5 - step) })),
    end: { atMs: 6, class: 'complete', value: 0.5 }
  },
  diverge: { reports: [{ atMs: 1, report: report(1, 3.5) }], end: { atMs: 2, ...failure('diverged') } },
  hang: { reports: [{ atMs: 1, report: report(1, 3.5) }], end: { atMs: never, ...failure('error') } },
  'ignore-sigterm': { reports: [{ atMs: 1, report: report(1, 3.5) }], end: { atMs: never, ...failure('error') } },
  crash: { reports: [], end: { atMs: 1, ...failure('error') } },
  oom: { reports: [], end: { atMs: 1, ...failure('oom') } },
  'wrong-metric': { reports: [], end: { atMs: 1, ...failure('error') } }
}

function fail(message: string): never {
  throw new Error(message)
}

async function openRunner(): Promise<RunnerHarness> {
  const world = createWorld()
  const told: Told[] = []
  const scripts = new Map<string, Script>()
  const runner = createSimulatedRunner({
    world,
    scriptOf: attempt => scripts.get(attempt.id) ?? fail('Nobody made this attempt.'),
    onReport: (id, report) => told.push({ id, report }),
    onExit: (id, exit) => told.push({ id, exit })
  })
  const attempt = (script: Script): AttemptSpec => {
    const id = `attempt-${scripts.size}`
    scripts.set(id, script)
    const spec = sweepSpec({ metric: { name: 'val_loss', goal: 'minimize', summary: 'last' } })
    const about = { sweep: idFor('sweep'), trial: 0, attempt: 1, seed: 1, device: 'gpu0', environment: {} }
    return { ...about, id, spec, parameters: {}, bundleDigest: keyOf('bundle'), resume: false }
  }
  /** Turns the world until something is told. */
  const until = async <T>(find: () => T | undefined): Promise<T> => {
    world.run(() => find() !== undefined, FAR_MS)
    return find() ?? fail('Nothing was told.')
  }
  return {
    runner,
    told,
    attempt(behaviour, { timeLimitMs = never } = {}) {
      const { reports, end } = SCRIPTS[behaviour]
      const limited = timeLimitMs < end.atMs ? { atMs: timeLimitMs, ...failure('timeout') } : end
      return attempt({ reports, end: limited, graceMs: behaviour === 'ignore-sigterm' ? 10_000 : 1 })
    },
    impossible: () => attempt({ reports: [], end: { atMs: 0, ...failure('error') }, graceMs: 0 }),
    reported: id => until(() => told.flatMap(one => (one.id === id && 'report' in one ? [one.report] : []))[0]),
    ended: (id, nth = 1) =>
      until(() => told.flatMap(one => (one.id === id && 'exit' in one ? [one.exit] : []))[nth - 1]),
    close: async () => runner.kill()
  }
}

runnerContract(t, 'simulated', openRunner)

t.test('a program that stands still loses no time of its own, and goes on', async t => {
  const world = createWorld()
  const ends: { atMs: number; seconds: number }[] = []
  const runner = createSimulatedRunner({
    world,
    scriptOf: () => ({ ...SCRIPTS.succeed, end: { atMs: 10_000, class: 'complete', value: 1 }, graceMs: 0 }),
    onReport: () => {},
    onExit: (_, { seconds }) => ends.push({ atMs: world.now(), seconds })
  })
  const { attempt } = await openRunner()
  runner.start(attempt('succeed'))
  world.after(4000, () => runner.pause(true))
  world.after(64_000, () => runner.pause(false))
  world.run(() => false, FAR_MS)
  t.same(ends, [{ atMs: 70_000, seconds: 10 }])
})
