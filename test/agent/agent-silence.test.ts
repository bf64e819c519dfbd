import t from 'tap'
import { type Beat, LIMITS } from '#protocol'
import { beatOf, claimsOf, IDLE, LEASE_MS, poolWith, startedBy } from '../helpers/one-sweep.js'
import { keyOf } from '../helpers/records.js'
import { GPU, type VirtualMachine } from '../helpers/virtual-pool.js'

const SETTLED_MS = LIMITS.settleMinMs + 4 * LIMITS.tickMs

/** Machine a starts the only trial and is never heard again; b could take it over, and hears c. */
function silentHolder(options: { third: boolean; trials?: number }) {
  const { world, ...names } = poolWith(options.trials ?? 1)
  const a = world.add('a')
  const b = world.add('b', { ...IDLE, isOnline: true })
  const others = options.third ? [world.add('c', IDLE)] : []
  world.run(5000)
  a.isOnline = false
  a.isAwake = false
  /** How long until a has been silent for `ms`. */
  const untilSilent = (ms: number) => (b.agent.local.peers.get(a.key)?.heardMs ?? 0) + ms - world.now()
  return { world, a, b, others, untilSilent, ...names }
}

t.test("a silent machine's trial is taken over after the lease, and not before (rule C6)", async t => {
  const { world, a, b, id, untilSilent } = silentHolder({ third: true })
  t.same(startedBy(a), [id(0)])
  b.agent.onDevices([GPU])
  world.run(untilSilent(LEASE_MS) - LIMITS.tickMs)
  t.equal(claimsOf(b).length, 0)
  world.run(2 * LIMITS.tickMs)
  t.match(claimsOf(b), [{ record: { trial: 0, attempt: 2 } }])
  world.run(SETTLED_MS)
  t.same(startedBy(b), [id(0, 2)])
})

t.test('a machine that others hear is not silent (rule C6)', async t => {
  const { world, a, b } = silentHolder({ third: true })
  b.agent.onDevices([GPU])
  const hearsOf = { ...beatOf(b), accepts: [], heard: { [a.key]: 100 } }
  for (let n = 0; n < 10; n++) {
    world.run(LEASE_MS / 4)
    b.agent.onPresence(keyOf('c'), hearsOf, 10)
  }
  t.equal(claimsOf(b).length, 0)
})

t.test('a machine that is heard keeps what it says that it has in hand, and nothing else (rule C6)', async t => {
  const { world, a, b, id } = silentHolder({ third: true })
  const [{ sweep = '', trial = 0, attempt = 0 } = {}] = a.started
  b.agent.onDevices([GPU])
  const says = (beat: Partial<Beat>) => {
    for (let n = 0; n < 5; n++) {
      world.run(LEASE_MS / 4)
      b.agent.onPresence(a.key, { ...beatOf(b), accepts: [], running: [], ...beat }, 10)
    }
  }
  says({ running: [{ sweep, trial, attempt, device: 'gpu0', seconds: 1 }] })
  says({ claims: [{ sweep, trial, attempt }] })
  t.equal(claimsOf(b).length, 0)
  says({ claims: [{ sweep, trial, attempt: attempt + 1 }] })
  world.run(SETTLED_MS)
  t.same(startedBy(b), [id(0, 2)])
})

t.test('a machine whose entries still come is not silent, though nobody hears it (rule C6)', async t => {
  const { world, a, b } = silentHolder({ third: true })
  b.agent.onDevices([GPU])
  for (let n = 0; n < 10; n++) {
    world.run(LEASE_MS / 4)
    b.agent.onLogChanged([a.key])
  }
  t.equal(claimsOf(b).length, 0)
  world.run(LEASE_MS + LIMITS.tickMs)
  t.equal(claimsOf(b).length, 1)
})

t.test('while a machine hears nobody at all, nobody is silent to it (rule C6)', async t => {
  const { world, b, others } = silentHolder({ third: true })
  const turn = (isOnline: boolean) => {
    for (const other of others) other.isOnline = isOnline
  }
  b.agent.onDevices([GPU])
  turn(false)
  world.run(10 * LEASE_MS)
  t.equal(claimsOf(b).length, 0, 'it may be the one that is cut off')
  turn(true)
  world.run(LEASE_MS - 2 * LIMITS.tickMs)
  t.equal(claimsOf(b).length, 0, 'a has been silent for a lease and more, but not while b heard anybody')
  world.run(4 * LIMITS.tickMs)
  t.equal(claimsOf(b).length, 1)
})

t.test('a trial is taken over only when no fresh one is left', async t => {
  const { world, a, b } = silentHolder({ third: true, trials: 3 })
  const [taken] = a.started
  world.run(10 * LEASE_MS)
  b.agent.onDevices([GPU, { ...GPU, id: 'gpu1' }, { ...GPU, id: 'gpu2' }])
  world.settle()
  t.same(
    claimsOf(b).map(({ record }) => record.kind === 'trial-claimed' && record.attempt),
    [1, 1, 2]
  )
  t.match(claimsOf(b).at(-1), { record: { trial: taken?.trial } }, 'the old trial comes last')
})

t.test('an isolated machine waits twenty leases: it may be the one that is cut off (rule C6)', async t => {
  const { world, b, untilSilent } = silentHolder({ third: false })
  b.agent.onDevices([GPU])
  world.run(untilSilent(LIMITS.leaseGrowthMax * LEASE_MS) - LIMITS.tickMs)
  t.equal(claimsOf(b).length, 0)
  world.run(2 * LIMITS.tickMs)
  t.match(claimsOf(b), [{ record: { trial: 0, attempt: 2 } }])
})

for (const [event, wake] of [
  ['a tick', b => b.agent.onTick()],
  ['a beat', b => b.agent.onPresence(keyOf('c'), { ...beatOf(b), accepts: [] }, 10)],
  ['an entry', b => b.agent.onLogChanged([keyOf('c')])]
] as [string, (b: VirtualMachine) => void][]) {
  t.test(`after a sleep that ${event} ends, silence counts anew (rule C6)`, async t => {
    const { world, b } = silentHolder({ third: true })
    b.agent.onDevices([GPU])
    world.run(1000)
    b.isAwake = false
    world.run(100 * LEASE_MS)
    wake(b)
    b.isAwake = true
    world.run(LEASE_MS - LIMITS.tickMs)
    t.equal(claimsOf(b).length, 0, 'nobody was silent while this machine was awake')
    world.run(2 * LIMITS.tickMs)
    t.equal(claimsOf(b).length, 1)
  })
}

t.test('restart: an attempt that another took over meanwhile is not resumed', async t => {
  const { world, a, b, id } = silentHolder({ third: true })
  b.agent.onDevices([GPU])
  world.run(2 * LEASE_MS)
  t.same(startedBy(b), [id(0, 2)])
  a.isAwake = true
  a.isOnline = true
  world.exchange()
  world.restart(a, { checkpoints: [id(0)] })
  t.same(startedBy(a), [id(0)])
})
