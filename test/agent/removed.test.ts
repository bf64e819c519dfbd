/**
 * Removed members: nobody waits for their machines, and those stop by themselves (rules C1, C6 and M9).
 */
import t from 'tap'
import { rankOf } from '#protocol'
import { attemptId, pausedReason } from '../../agent/local.js'
import { claimsOf, IDLE, poolWith, startedBy } from '../helpers/one-sweep.js'
import { announcement, keyOf, removal } from '../helpers/records.js'
import { NOW, occupy, planned, situation } from '../helpers/situation.js'
import { GPU } from '../helpers/virtual-pool.js'

t.test('what a removed member’s machine holds is taken over at once, heard or not (rule C6)', async t => {
  const { pool, local, sweep, claim, hears, trains, write } = situation({ runCap: 1 })
  write('b', announcement('b'))
  claim('b', 0)
  hears('c')
  trains('b', 0)
  local.signOfLifeMs.set(attemptId(sweep, 0, 1), NOW)
  t.same(planned(pool, local), [])
  write('a', removal('bo', { b1: 2 }))
  t.same(planned(pool, local), ['claim 0/2'])
  claim('c', 0, 2)
  t.same(planned(pool, local), [], 'then it is somebody’s whose member is still here')
})

t.test('a removed member’s machine takes no part in rankings (rule C1)', async t => {
  const { pool, local, sweep, hears, write } = situation()
  write('b', announcement('b'))
  write('c', announcement('c'))
  hears('b')
  hears('c')
  const rank = (trial: number) => rankOf({ sweep, trial, machine: keyOf('a') }, [keyOf('b'), keyOf('c')])
  t.same(planned(pool, local), [`claim ${[0, 1, 2, 3].findIndex(trial => rank(trial) === 0)}/1`])
  t.not(rank(0), 0, 'so that this test tells the two apart')
  write('a', removal('bo', { b1: 1 }))
  write('a', removal('cy', { c1: 1 }))
  t.same(planned(pool, local), ['claim 0/1'])
})

t.test('a machine whose own member was removed claims nothing, stops what runs, and says why', async t => {
  const { pool, local, about, claim, write } = situation()
  write('a', announcement('a'))
  claim('a', 0)
  occupy(local, about(0), 'running')
  local.devices = [GPU, { ...GPU, id: 'gpu1' }]
  t.equal(pausedReason(pool, local, NOW), undefined)
  t.same(planned(pool, local), ['claim 1/1'])
  write('a', removal('ann', { a1: 6 }))
  t.same(planned(pool, local), ['stop 0/1'])
  t.equal(pausedReason(pool, local, NOW), 'its member was removed from the pool')
  occupy(local, about(0), 'claiming')
  t.same(planned(pool, local), ['free 0/1'])
  occupy(local, about(0), 'stopping')
  t.same(planned(pool, local), [], 'one that is told to end is not told again')
})

t.test('a removal, as it goes: one machine stops, another goes on with its trial', async t => {
  const { world, id } = poolWith(1)
  const [a, b] = [world.add('a', IDLE), world.add('b')]
  world.run(2000)
  t.same(startedBy(b), [id(0)])
  a.agent.append([removal('bo', { 'b-virtual': b.log.entries.length })])
  world.run(2000)
  t.same(b.stopped, [{ id: id(0), reason: 'released' }])
  t.match(b.beats.at(-1), { paused: 'its member was removed from the pool', accepts: [] })
  world.exit(b, id(0), { class: 'released' })
  a.agent.onDevices([GPU])
  world.run(5000)
  t.same(startedBy(a), [id(0, 2)], 'without waiting for a lease')
  t.equal(claimsOf(b).length, 1)
})
