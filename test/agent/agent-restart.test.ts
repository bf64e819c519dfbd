import t from 'tap'
import { LIMITS } from '#protocol'
import { createAgent } from '../../agent/agent.js'
import { claimsOf, releasesOf, running, startedBy, submittedTo, sweepAt } from '../helpers/one-sweep.js'
import { keyOf } from '../helpers/records.js'
import { GPU } from '../helpers/virtual-pool.js'

t.test('restart: a claim without a checkpoint is given back at once, and the trial taken anew (rule C7)', async t => {
  const { world, a, id } = running()
  world.restart(a)
  t.match(releasesOf(a), [{ trial: 0, attempt: 1, reason: 'restart' }])
  t.same(startedBy(a), [id(0, 1), id(0, 2)])
  t.notOk(a.started[1]?.resume)
})

t.test('restart: with a checkpoint the same attempt goes on (rule C7)', async t => {
  const { world, a, id } = running({ approveAll: false })
  a.agent.approve(submittedTo(a))
  world.settle()
  world.restart(a, { approveAll: false, checkpoints: [id(0)] })
  t.same(releasesOf(a), [])
  t.same(
    a.started.map(each => [each.id, each.resume]),
    [
      [id(0), false],
      [id(0), true]
    ]
  )
  t.equal(claimsOf(a).length, 1, 'the claim still holds')
})

t.test('restart: a machine that takes no work any more gives its claims back', async t => {
  const { world, a, sweep } = running()
  world.restart(a, { paused: 'it serves an invite' })
  t.match(releasesOf(a), [{ trial: 0, reason: 'restart' }])
  t.equal(sweepAt(a, sweep).trials.get(0)?.standing.phase, 'open')
  t.equal(a.started.length, 1)
})

/** Returns a fresh core of machine a whose records never get anywhere, and what it did. */
function deafCore(checkpoints: (id: string) => string[]) {
  const { world, a, id } = running()
  const decided: string[] = []
  const refuse = (name: string) => () => void decided.push(name)
  const agent = createAgent(
    {
      clock: { now: world.now, wall: world.now },
      log: { pool: () => a.pool, append: refuse('append'), isHeldByPeer: () => false },
      mesh: { announce: refuse('announce') },
      runner: { start: refuse('start'), stop: refuse('stop') },
      probe: { environment: () => ({}), pace: () => undefined },
      keeper: {
        load: () => ({ approved: [], results: [], checkpoints: checkpoints(id(0)), pauses: [] }),
        saveApproval: refuse('save-approval'),
        saveResult: refuse('save-result'),
        dropResult: refuse('drop-result'),
        savePauses: refuse('save-pauses')
      },
      bundles: { want: refuse('fetch'), forget: refuse('forget') },
      packages: { look: refuse('look') },
      note: () => {}
    },
    { machine: a.key, name: 'desk', version: '0.1.0', platform: 'linux-x64', approveAll: true }
  )
  agent.onDevices([GPU])
  return { agent, decided }
}

t.test('nothing is decided before begin, for only then is it known what a crash left behind', async t => {
  const { agent, decided } = deafCore(id => [id])
  agent.onTick()
  agent.onLogChanged([keyOf('b')])
  t.same(decided, [])
  agent.begin()
  t.ok(decided.includes('announce'))
  t.notOk(decided.includes('append'), 'it goes on with what it has')
})

t.test('a claim is given back once, however long the log takes to write it', async t => {
  const { agent, decided } = deafCore(() => [])
  agent.begin()
  for (let n = 0; n < 5; n++) agent.onTick()
  t.same(decided.filter(each => each === 'append').length, 1)
})

t.test(
  'a result is on disk before the log gets it, and until no power cut takes it from the log (rule L8)',
  async t => {
    const { world, a, sweep, id } = running()
    a.calls.length = 0
    world.exit(a, id(0), { class: 'complete', value: 0.25, metrics: { loss: 0.25 }, curve: [[1, 0.25]] })
    world.run(LIMITS.unsyncedMs - LIMITS.tickMs)
    t.same(a.calls, [`save-result ${id(0)}`, 'append attempt-finished'])
    world.run(LIMITS.resultCheckMs + LIMITS.tickMs)
    t.same(a.calls.at(-1), `drop-result ${id(0)}`)
    t.match(sweepAt(a, sweep).trials.get(0)?.standing, { phase: 'done', result: { value: 0.25 } })
  }
)

t.test('in a pool of several a result stays on disk until another machine has it (rule L8)', async t => {
  const { world, a, id } = running()
  world.add('b')
  world.exchange()
  a.isOnline = false
  world.exit(a, id(0), { class: 'complete', value: 0.25, metrics: {}, curve: [] })
  world.run(3 * LIMITS.unsyncedMs)
  t.same([...a.kept.results.keys()], [id(0)], 'its own log had it for long, but nobody else')
  a.isOnline = true
  world.exchange()
  world.run(LIMITS.resultCheckMs + LIMITS.tickMs)
  t.notOk(a.kept.results.has(id(0)))
})

t.test('a result that a crash kept from the log gets there after the restart, and no second training', async t => {
  const { world, a, sweep, id } = running()
  // The exit without its settling: the record is on its way when the machine loses power.
  a.agent.onExit(id(0), { class: 'complete', value: 0.25, metrics: {}, curve: [], seconds: 1, tail: '' })
  const kept = [...a.kept.results]
  t.equal(kept.length, 1)
  world.restart(a)
  t.match(sweepAt(a, sweep).trials.get(0)?.standing, { phase: 'done', result: { value: 0.25 } })
  t.same([releasesOf(a).length, a.started.length], [0, 1])
  // The same once more, but that the crash comes after the log had it and before the disk forgets it.
  world.restart(a)
  t.same([...a.kept.results], kept)
  world.run(LIMITS.unsyncedMs + LIMITS.resultCheckMs)
  t.equal(a.kept.results.size, 0)
  t.equal(a.log.entries.filter(({ record }) => record.kind === 'attempt-finished').length, 1)
})
