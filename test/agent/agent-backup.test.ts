/**
 * Backups as they go: several cores, a slow attempt, and whoever is done first (rule C11).
 */
import t from 'tap'
import { LIMITS, repeatedIn, sweepStateOf } from '#protocol'
import { claimsOf, poolWith, releasesOf, startedBy, sweepAt } from '../helpers/one-sweep.js'
import type { VirtualMachine } from '../helpers/virtual-pool.js'

const SETTLED_MS = LIMITS.settleMinMs + 4 * LIMITS.tickMs
const SECONDS = 150

/** Two trials: b and c are done with theirs after 150 s, a has done a tenth of its own. */
function slowOne(others: readonly ('b' | 'c')[] = ['b']) {
  const { world, sweep, id } = poolWith(1 + others.length)
  const a = world.add('a')
  world.run(SETTLED_MS)
  const slow = a.started[0]?.id ?? ''
  const quick = others.map(name => world.add(name))
  world.run(3 * SETTLED_MS)
  const seconds = SECONDS
  for (const each of quick) world.exit(each, each.started[0]?.id ?? '', { class: 'complete', seconds })
  world.run(1000 * SECONDS)
  const tell = (step: number) => a.agent.onReport(slow, { step, steps: 100, metrics: { loss: 1 }, nonFinite: [] })
  const trial = a.started[0]?.trial ?? -1
  return { world, sweep, a, quick, slow, tell, trial, second: id(trial, 2) }
}

const backupsOf = (...machines: VirtualMachine[]) =>
  machines.flatMap(claimsOf).filter(({ record }) => record.kind === 'trial-claimed' && record.backup)

t.test('an idle machine backs up the slow one, and is done first: the slow one stops at once', async t => {
  const { world, sweep, a, quick, slow, tell, trial, second } = slowOne()
  const [b = a] = quick
  t.equal(backupsOf(b).length, 0, 'nobody knows how long it still takes')
  tell(10)
  world.run(2 * SETTLED_MS)
  t.ok(startedBy(b).includes(second))
  world.run(100_000)
  t.same(a.stopped, [], 'both train on')
  world.exit(b, second, { class: 'complete', value: 0.25, seconds: SECONDS })
  world.run(1000)
  t.same(a.stopped, [{ id: slow, reason: 'lost-claim' }])
  world.exit(a, slow, { class: 'released', seconds: 260 })
  world.run(1000)
  t.match(releasesOf(a), [{ trial, attempt: 1, reason: 'lost-claim', seconds: 260 }])
  for (const { pool } of [a, b]) {
    const known = pool.sweeps.get(sweep)
    t.match(known?.trials.get(trial)?.standing, { phase: 'done', result: { attempt: 2, machine: b.key, value: 0.25 } })
    t.same(known && repeatedIn(known), { attempts: 1, seconds: 260 })
  }
  t.equal(sweepStateOf(a.pool, sweepAt(a, sweep)), 'done')
})

t.test('the original is done first: its backup stops, and what it trained is counted as repeated', async t => {
  const { world, sweep, a, quick, slow, tell, trial, second } = slowOne()
  const [b = a] = quick
  tell(10)
  world.run(2 * SETTLED_MS)
  tell(90)
  world.exit(a, slow, { class: 'complete', value: 0.5, seconds: 200 })
  world.run(1000)
  t.same(b.stopped, [{ id: second, reason: 'lost-claim' }])
  world.exit(b, second, { class: 'released', seconds: 4 })
  world.run(1000)
  t.match(sweepAt(b, sweep).trials.get(trial)?.standing, { phase: 'done', result: { attempt: 1, machine: a.key } })
  t.same(repeatedIn(sweepAt(a, sweep)), { attempts: 1, seconds: 4 })
})

t.test('a result that comes a moment later than the other is a replicate, not a loss (rule C8)', async t => {
  const { world, sweep, a, quick, slow, tell, trial, second } = slowOne()
  const [b = a] = quick
  tell(10)
  world.run(2 * SETTLED_MS)
  world.exit(b, second, { class: 'complete', value: 0.25, seconds: 100 })
  world.exit(a, slow, { class: 'complete', value: 0.5, seconds: 300 })
  world.run(1000)
  const standing = { phase: 'done', result: { attempt: 1, value: 0.5 }, replicates: [{ attempt: 2, value: 0.25 }] }
  for (const machine of [a, b]) t.match(sweepAt(machine, sweep).trials.get(trial)?.standing, standing)
  t.same(repeatedIn(sweepAt(a, sweep)), { attempts: 1, seconds: 100 })
})

t.test('of two idle machines one alone trains a backup, and the other nothing', async t => {
  const { world, quick, tell, second } = slowOne(['b', 'c'])
  tell(10)
  world.run(20_000)
  t.equal(backupsOf(...quick).length, 1)
  t.same(
    startedBy(...quick).filter(id => id === second),
    [second]
  )
  t.equal(quick.flatMap(machine => [...machine.agent.local.charges]).length, 1)
})

t.test('when the slow machine goes silent, its backup is the trial’s attempt: nobody takes it over', async t => {
  const { world, sweep, a, quick, tell, trial, second } = slowOne(['b', 'c'])
  tell(10)
  world.run(20_000)
  a.isAwake = false
  a.isOnline = false
  world.run(600_000)
  t.equal(quick.flatMap(claimsOf).length, 3, 'one trial each, and the backup')
  const [by] = quick.filter(machine => startedBy(machine).includes(second))
  if (by) world.exit(by, second, { class: 'complete' })
  world.run(1000)
  for (const machine of quick) t.equal(sweepAt(machine, sweep).trials.get(trial)?.standing.phase, 'done')
})
