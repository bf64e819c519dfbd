import t from 'tap'
import { approvalOf, LIMITS } from '#protocol'
import { plan } from '../../agent/plan.js'
import { announcement, BUNDLE, keyOf, submission, sweepSpec } from '../helpers/records.js'
import { NOW, occupy, planned, situation } from '../helpers/situation.js'
import { createVirtualPool, type VirtualPool } from '../helpers/virtual-pool.js'

const CHECKPOINT = { ...BUNDLE, digest: keyOf('checkpoint'), drive: keyOf('drive of b') }

/** Machine b trained trial 0 and gave it back with a checkpoint; machine a has just claimed it. */
function claimed() {
  const given = situation({ runCap: 1 })
  const { local, about, claim, write, hears } = given
  local.checkpointsOf = 'all'
  claim('b', 0)
  write('b', { kind: 'trial-released', ...about(0), reason: 'owner', checkpoint: CHECKPOINT })
  hears('b')
  const charge = { ...occupy(local, about(0, 2), 'claiming'), sinceMs: NOW }
  local.charges.set(charge.id, charge)
  claim('a', 0, 2)
  return { ...given, charge }
}

t.test('a claim fetches the checkpoint of its trial at once, waits for it, and starts from it', async t => {
  const { pool, local, charge } = claimed()
  t.same(plan(pool, local, NOW), [{ do: 'fetch', bundle: CHECKPOINT, attempt: charge.id }])
  local.bundles.set(charge.id, 'wanted')
  const settledMs = NOW + LIMITS.settleMinMs
  t.same(planned(pool, local, settledMs), [], 'it waits')
  local.bundles.set(charge.id, 'ready')
  t.same(planned(pool, local, NOW), [], 'it settles all the same')
  t.match(plan(pool, local, settledMs), [{ do: 'start', hasCheckpoint: true }])
})

t.test('what cannot be had, or comes too late, or lies on a machine that is gone, means to begin anew', async t => {
  const { pool, local, charge, hears } = claimed()
  local.bundles.set(charge.id, { fault: 'it is damaged' })
  t.match(plan(pool, local, NOW + LIMITS.settleMinMs), [{ do: 'start', hasCheckpoint: false }])
  local.bundles.set(charge.id, 'wanted')
  const lateMs = NOW + LIMITS.checkpointFetchMs
  hears('b', {}, NOW - lateMs)
  t.same(planned(pool, local, lateMs - 1), [])
  t.match(plan(pool, local, lateMs), [{ do: 'start', hasCheckpoint: false }])
  const gone = claimed()
  gone.hears('b', {}, LIMITS.presenceAwayMs + 1)
  gone.hears('c')
  t.match(plan(gone.pool, gone.local, NOW + LIMITS.settleMinMs), [{ do: 'start', hasCheckpoint: false }])
})

t.test(
  "only the checkpoints of the sweep's author and of this machine's member are trusted, unless its owner says more",
  async t => {
    const begins = (change: (given: ReturnType<typeof claimed>) => void) => {
      const given = claimed()
      given.local.checkpointsOf = 'author'
      change(given)
      return plan(given.pool, given.local, NOW + LIMITS.settleMinMs).map(step => step.do)
    }
    t.same(
      begins(() => {}),
      ['start'],
      'bo wrote neither the code nor belongs here'
    )
    t.same(
      begins(({ write }) => write('b', announcement('b'))),
      ['start']
    )
    t.same(
      begins(({ local }) => Object.assign(local, { approveAll: true })),
      ['fetch']
    )
    const byBo = situation({ runCap: 1 })
    const draft = submission(sweepSpec({ name: 'of bo', runCap: 1 }), keyOf('bo'))
    byBo.write('b', announcement('b'))
    byBo.write('b', draft)
    byBo.local.approved.add(approvalOf(draft))
    const about = { sweep: draft.sweep, trial: 0, attempt: 1 }
    const claim = { kind: 'trial-claimed', device: 'gpu0', parameters: { x: 0 } } as const
    byBo.write('b', { ...claim, ...about })
    byBo.write('b', { kind: 'trial-released', ...about, reason: 'owner', checkpoint: CHECKPOINT })
    byBo.hears('b')
    const charge = { ...occupy(byBo.local, { ...about, attempt: 2 }, 'claiming'), sinceMs: NOW }
    byBo.local.charges.set(charge.id, charge)
    byBo.write('a', { ...claim, ...about, attempt: 2 })
    t.match(plan(byBo.pool, byBo.local, NOW), [{ do: 'fetch', attempt: charge.id }], 'bo wrote the code')
  }
)

t.test('nothing is fetched for a sweep that is not approved here, nor for what goes on after a restart', async t => {
  const { pool, local, charge } = claimed()
  const { spec } = pool.sweeps.get(charge.sweep)?.submission ?? submission()
  local.approved.delete(approvalOf({ spec, bundle: BUNDLE }))
  t.notOk(plan(pool, local, NOW).some(step => step.do === 'fetch'))
  const own = claimed()
  own.local.charges.set(own.charge.id, { ...own.charge, resume: true })
  t.match(plan(own.pool, own.local, NOW), [{ do: 'start', hasCheckpoint: false }])
})

function givenBack(pool: VirtualPool) {
  const a = pool.add('a')
  pool.run(15_000)
  const [first] = a.started
  if (!first) throw new Error('It is trained.')
  const b = pool.add('b')
  pool.run(2000)
  a.agent.pause({ how: 'stop' })
  pool.exit(a, first.id, { class: 'released', seconds: 9, checkpoint: CHECKPOINT })
  return { b, first }
}

t.test(
  'from one core to another: released with a checkpoint, fetched while it is claimed, started from it',
  async t => {
    const pool = createVirtualPool([submission(sweepSpec({ runCap: 1 }))])
    const { b, first } = givenBack(pool)
    pool.run(5000)
    const [second] = b.started
    t.match(second, { trial: first.trial, attempt: 2, resume: true, checkpoint: second?.id })
    t.ok(b.calls.includes(`fetch ${second?.id}`))
    t.notOk(b.agent.local.bundles.has(second?.id ?? ''), 'the runner has it now')
    t.ok(
      b.beats.some(({ claims = [] }) => claims.some(({ attempt }) => attempt === 2)),
      'meanwhile it is named'
    )
  }
)

t.test('from one core to another: what does not come in a minute is given up, and the attempt begins anew', async t => {
  const pool = createVirtualPool([submission(sweepSpec({ runCap: 1 }))])
  const { b, first } = givenBack(pool)
  b.bundles = 'wanted'
  pool.run(LIMITS.checkpointFetchMs - 5000)
  t.same(b.started, [])
  pool.run(10_000)
  const [second] = b.started
  t.match(second, { trial: first.trial, attempt: 2, resume: false })
  t.equal(second?.checkpoint, undefined)
  t.ok(b.calls.includes(`forget ${second?.id}`))
})
