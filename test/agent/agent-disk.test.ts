/**
 * The core and the disk: what a machine does while its disk has no room, and afterwards.
 */
import t from 'tap'
import { LIMITS } from '#protocol'
import { beatOf, claimsOf, IDLE, poolWith, releasesOf, running, startedBy, submittedTo } from '../helpers/one-sweep.js'
import { GPU } from '../helpers/virtual-pool.js'

const FLOOR = LIMITS.freeSpaceFloorBytes
const LOW = { freeBytes: FLOOR - 1 }
const ENOUGH = { freeBytes: FLOOR * LIMITS.freeSpaceMargin }

t.test('below its floor a machine claims nothing, says why, and goes on by itself above it', async t => {
  const { world, id } = poolWith(2)
  const a = world.add('a', IDLE)
  a.agent.onDisk({ freeBytes: FLOOR })
  t.equal(a.agent.beat().paused, undefined, 'at the floor there is room')
  a.agent.onDisk(LOW)
  a.agent.onDevices([GPU])
  world.run(5000)
  t.same([claimsOf(a).length, startedBy(a)], [0, []])
  t.match(beatOf(a), { paused: 'its disk has less than 512.0 MiB free', accepts: [] })
  a.agent.onDisk({ freeBytes: ENOUGH.freeBytes - 1 })
  world.run(5000)
  t.equal(claimsOf(a).length, 0, 'a little room would be gone with the next checkpoint')
  a.agent.onDisk(ENOUGH)
  world.settle()
  t.same(startedBy(a), [id(0)])
  t.equal(a.agent.beat().paused, undefined)
})

t.test('what runs goes on, and its result counts', async t => {
  const { world, a, id } = running()
  a.agent.onDisk(LOW)
  world.run(5000)
  t.same(a.stopped, [])
  world.exit(a, id(0), { class: 'complete' })
  t.ok(a.kept.results.has(id(0)))
})

t.test('a claim that has not started yet goes back to the others', async t => {
  const { world } = poolWith(1)
  const [a, b] = [world.add('a', IDLE), world.add('b', IDLE)]
  world.run(5000)
  a.agent.onDevices([GPU])
  world.settle()
  t.equal(claimsOf(a).length, 1)
  a.agent.onDisk(LOW)
  world.settle()
  t.match(releasesOf(a), [{ trial: 0, attempt: 1, reason: 'unable' }])
  b.agent.onDevices([GPU])
  world.run(5000)
  t.same([startedBy(a).length, startedBy(b).length], [0, 1])
})

t.test('the disk and the owner can both be the reason; neither lifts the pause of the other', async t => {
  const { world } = poolWith(1)
  const a = world.add('a', { paused: 'serving an invite' })
  a.agent.onDisk(LOW)
  t.match(a.agent.beat().paused, /^serving an invite; its disk has less than/)
  t.ok((a.agent.beat().paused ?? '').length <= LIMITS.nameChars, 'peers would refuse a longer one')
  a.agent.onDisk(ENOUGH)
  t.equal(a.agent.beat().paused, 'serving an invite')
  a.agent.onDisk(LOW)
  a.agent.close()
  a.agent.onDisk(ENOUGH)
  t.equal(a.agent.beat().paused, 'serving an invite; closing')
})

t.test('a disk that refuses writes although it has room is a reason too', async t => {
  const { world } = poolWith(1)
  const a = world.add('a', IDLE)
  for (const [fault, words] of [
    ['EROFS', 'its disk is read-only'],
    ['EDQUOT', 'its quota on the disk is used up'],
    ['ENOSPC', 'its disk is full']
  ] as const) {
    a.agent.onDisk({ ...ENOUGH, fault })
    t.equal(a.agent.beat().paused, words)
  }
  a.agent.onDisk({})
  t.equal(a.agent.beat().paused, undefined, 'where free space cannot be measured a write tells')
})

t.test('no bundle is fetched onto a full disk; one that had no room there is asked for again', async t => {
  const { world } = poolWith(1)
  const a = world.add('a', { bundles: { fault: 'ENOSPC: no space left on device', isDiskFault: true } })
  t.same(a.calls.filter(call => call === 'fetch').length, 1)
  a.agent.onDisk(LOW)
  a.bundles = 'ready'
  world.run(5000)
  t.same(a.calls.filter(call => call === 'fetch').length, 1)
  a.agent.onDisk(ENOUGH)
  world.settle()
  t.equal(a.started.length, 1)
})

t.test('a bundle that failed for another reason is not asked for again because of the disk', async t => {
  const { world } = poolWith(1)
  const a = world.add('a', { bundles: { fault: 'it is damaged' } })
  a.agent.onDisk(LOW)
  a.agent.onDisk(ENOUGH)
  world.run(5000)
  t.same(a.calls.filter(call => call === 'fetch').length, 1)
})

t.test('an attempt that the disk had no room to begin is given back, and is no failure', async t => {
  const { world, a, id } = running()
  a.agent.onDisk(LOW)
  world.exit(a, id(0), { class: 'released', message: 'ENOSPC' })
  t.match(releasesOf(a), [{ trial: 0, attempt: 1, reason: 'unable' }])
  a.agent.onDisk(ENOUGH)
  world.run(5000)
  t.same(startedBy(a), [id(0, 1), id(0, 2)])
})

t.test('an approval that could not be saved does not count', async t => {
  const { world } = poolWith(1)
  const a = world.add('a', { approveAll: false })
  a.isDiskFull = true
  t.throws(() => a.agent.approve(submittedTo(a)), /ENOSPC/)
  t.equal(a.agent.local.approved.size, 0)
  world.run(5000)
  t.equal(a.started.length, 0)
})
