/**
 * Wall time: when it is over, whose clock says so, and what goes on after it (rules E7 and E8).
 */
import t from 'tap'
import { LIMITS, sweepStateOf } from '#protocol'
import { overdueSweeps } from '../../agent/expirer.js'
import { attemptId, type Local } from '../../agent/local.js'
import { poolWith, startedBy, sweepAt } from '../helpers/one-sweep.js'
import { keyOf, resultOf } from '../helpers/records.js'
import { LEASE_MS, NOW, planned, situation } from '../helpers/situation.js'
import type { VirtualMachine } from '../helpers/virtual-pool.js'

/** Long enough that it ends some time after a virtual pool's start, whose sweeps were submitted about 1970. */
const WALL_MS = 1e9 + 60_000
const said = (...machines: readonly VirtualMachine[]) =>
  machines.map(({ calls }) => calls.filter(call => call === 'append sweep-expired').length)

t.test('when its wall time is over nothing new begins, what runs goes on, and then the sweep is done', async t => {
  const { world, sweep } = poolWith(100, { wallTimeMs: WALL_MS })
  const [a, b, c] = [world.add('a'), world.add('b'), world.add('c')]
  const state = () => sweepStateOf(b.pool, sweepAt(b, sweep))
  world.run(50_000)
  t.same(said(a, b, c), [0, 0, 0])
  t.equal(startedBy(a, b, c).length, 3)
  world.run(120_000)
  t.same(said(a, b, c), [1, 0, 0], 'the machine that submitted it says so, once')
  t.equal(state(), 'running')
  for (const machine of [a, b, c]) {
    const [first] = machine.started
    if (first) world.exit(machine, first.id, { class: 'complete' })
  }
  world.run(60_000)
  t.equal(startedBy(a, b, c).length, 3)
  t.same(
    [a, b, c].flatMap(({ stopped }) => stopped),
    []
  )
  t.equal(state(), 'done')
})

t.test('where the machine that submitted it is not there, one of the others says it', async t => {
  const { world } = poolWith(100, { wallTimeMs: WALL_MS })
  const [b, c] = [world.add('b'), world.add('c')]
  world.run(120_000)
  t.same(said(b, c).sort(), [0, 1])
})

t.test('each later machine waits for those before it, and nobody speaks of a sweep that is over', async t => {
  const { pool, local, sweep, hears, write } = situation({ wallTimeMs: 1000 })
  const deadline = 1000 + (pool.sweeps.get(sweep)?.submission?.at ?? 0)
  const overdue = (lateMs: number, who: Local = local) =>
    overdueSweeps(pool, who, { nowMs: NOW, wallMs: deadline + lateMs }).some(({ isOwnTurn }) => isOwnTurn)
  const as = (name: string): Local => ({ ...local, machine: keyOf(name) })
  t.same([overdue(-1), overdue(0)], [false, true])
  hears('b')
  t.ok(overdue(0), 'the machine that submitted it waits for nobody')
  const [first = '', second = ''] = ['b', 'c'].sort((x, y) => (keyOf(x) < keyOf(y) ? -1 : 1))
  local.peers.clear()
  t.ok(overdue(0, as(second)), 'nobody is heard')
  hears('a')
  hears(first)
  const turn = LIMITS.expiryTurnMs
  t.same([overdue(turn - 1, as(first)), overdue(turn, as(first))], [false, true])
  t.same([overdue(2 * turn - 1, as(second)), overdue(2 * turn, as(second))], [false, true])
  write('b', { kind: 'sweep-stopped', sweep })
  t.notOk(overdue(10 * turn))
})

t.test('a machine that starts after the end begins nothing, whoever has to say so', async t => {
  const { world, sweep } = poolWith(100, { wallTimeMs: 1000 })
  const [a, b] = [world.add('a', { isOnline: false }), world.add('b')]
  world.run(60_000)
  t.same(startedBy(a, b), [])
  t.same(said(a, b), [1, 1], 'they do not hear each other')
  t.equal(sweepStateOf(b.pool, sweepAt(b, sweep)), 'done')
})

t.test('what says that a sweep has expired means nothing where it has no wall time', async t => {
  const { pool, local, sweep, write } = situation()
  write('b', { kind: 'sweep-expired', sweep })
  t.equal(planned(pool, local).length, 1)
})

t.test(
  'of a sweep that is spent, what a silent machine began is gone on with: else it would never be over',
  async t => {
    const { pool, local, sweep, about, claim, write, hears } = situation({ wallTimeMs: 1000 })
    claim('b', 0)
    claim('b', 1)
    write('b', resultOf(about(0), 'complete', {}))
    write('c', { kind: 'sweep-expired', sweep })
    local.signOfLifeMs.set(attemptId(sweep, 1, 1), NOW - 100 * LEASE_MS)
    local.steadySinceMs = 0
    local.connectedSinceMs = 0
    hears('c')
    t.same(planned(pool, local), ['claim 1/2'])
    claim('a', 1, 2)
    write('a', resultOf(about(1, 2), 'complete', {}))
    const found = pool.sweeps.get(sweep)
    t.equal(found && sweepStateOf(pool, found), 'done', 'two of its four trials never began')
  }
)
