/**
 * Backups: when an idle machine trains a slow trial of another one a second time (rule C11).
 */
import t from 'tap'
import { LIMITS, rankOf, type SweepSpec } from '#protocol'
import { givesWay } from '../../agent/conflict.js'
import { attemptId } from '../../agent/local.js'
import { announcement, keyOf, resultOf } from '../helpers/records.js'
import { LEASE_MS, NOW, occupy, planned, situation } from '../helpers/situation.js'
import { GPU } from '../helpers/virtual-pool.js'

const SECONDS = 300
const SLOW = { seconds: 600, step: 1, steps: 10 }
const on = (model: string) => ({ device: { id: 'gpu0', model, memoryBytes: GPU.memoryBytes } })

/** Three of four trials took five minutes each; the last one is b's, which needs 90 minutes more. Machine a is idle. */
function tail(changes: Partial<SweepSpec> = {}) {
  const given = situation(changes)
  for (const trial of [0, 1, 2]) {
    given.write('c', resultOf(given.about(trial), 'complete', { ...on(GPU.model), seconds: SECONDS }))
  }
  given.claim('b', 3)
  given.trains('b', 3, SLOW)
  return given
}

t.test('when nothing else is left, the slowest attempt gets a backup, and its trial stays where it is', async t => {
  const { pool, local, sweep, claim } = tail()
  t.same(planned(pool, local), ['backup 3/2'])
  claim('a', 3, 2, { backup: true })
  t.match(pool.sweeps.get(sweep)?.trials.get(3)?.standing, {
    phase: 'claimed',
    attempt: 2,
    held: { attempt: 1, holder: keyOf('b') },
    backup: { attempt: 2, holder: keyOf('a') }
  })
})

t.test('of several the one with the most left', async t => {
  const { pool, local, claim, trains, write, about } = situation()
  write('c', resultOf(about(0), 'complete', { ...on(GPU.model), seconds: SECONDS }))
  write('c', resultOf(about(1), 'complete', { ...on(GPU.model), seconds: SECONDS }))
  claim('b', 2)
  claim('c', 3)
  trains('b', 2, SLOW)
  trains('c', 3, { ...SLOW, seconds: 700 })
  t.same(planned(pool, local), ['backup 3/2'])
})

t.test('never while there is other work, nor where the end of the attempt or the own pace is unknown', async t => {
  const { pool, local, about, write } = tail()
  write('b', { kind: 'trial-released', ...about(3), reason: 'owner' })
  t.same(planned(pool, local), ['claim 3/2'], 'an open trial comes first')
  const { pool: other, local: own, ...rest } = tail()
  rest.trains('b', 3, { seconds: 600 })
  t.same(planned(other, own), [], 'it does not tell how far it is')
  rest.hears('b')
  t.same(planned(other, own), [], 'it does not say that it trains it')
  rest.trains('b', 3, SLOW, LIMITS.presenceAwayMs + 1)
  t.same(planned(other, own), [], 'the silent are waited for by rule C6')
  const unknown = situation({ runCap: 1 })
  unknown.claim('b', 0)
  unknown.trains('b', 0, SLOW)
  t.same(planned(unknown.pool, unknown.local), [], 'nobody knows how long a trial takes here')
})

t.test('only where it is likely to overtake, by the pace of its own model, and worth the power', async t => {
  const { pool, local, trains } = tail()
  const left = (seconds: number) => trains('b', 3, { seconds, step: 1, steps: 2 })
  left(LIMITS.backupMargin * SECONDS)
  t.same(planned(pool, local), [])
  left(LIMITS.backupMargin * SECONDS + 1)
  t.same(planned(pool, local), ['backup 3/2'])
  local.devices = [{ ...GPU, model: 'GTX 1060' }]
  t.same(planned(pool, local), ['backup 3/2'], 'of an unknown model the pace of all is taken')
  const quick = situation({ runCap: 2 })
  quick.write('c', resultOf(quick.about(0), 'complete', { ...on(GPU.model), seconds: 1 }))
  quick.claim('b', 1)
  quick.trains('b', 1, { seconds: LIMITS.backupMinLeftMs / 1000 - 1, step: 1, steps: 2 })
  t.same(planned(quick.pool, quick.local), [], 'what ends soon is waited for')
})

t.test('a slower model leaves it alone', async t => {
  const { pool, local, claim, trains, write, about } = situation({ runCap: 3 })
  write('c', resultOf(about(0), 'complete', { ...on(GPU.model), seconds: SECONDS }))
  write('c', resultOf(about(1), 'complete', { ...on('GTX 1060'), seconds: 5000 }))
  claim('b', 2)
  trains('b', 2, SLOW)
  local.devices = [{ ...GPU, model: 'GTX 1060' }]
  t.same(planned(pool, local), [])
  local.devices = [GPU]
  t.same(planned(pool, local), ['backup 2/2'])
})

t.test('one backup a trial for ever, and one a machine at a time', async t => {
  const { pool, local, about, claim, write } = tail()
  claim('c', 3, 2, { backup: true })
  t.same(planned(pool, local), [], 'it has one')
  write('c', { kind: 'trial-released', ...about(3, 2), reason: 'lost-claim' })
  t.same(planned(pool, local), [], 'it had one')
  const lagging = tail()
  lagging.trains('c', 3, { attempt: 2 })
  t.same(planned(lagging.pool, lagging.local), [], 'somebody trains it whose claim is not here yet')
  const two = situation()
  for (const trial of [0, 1]) two.write('c', resultOf(two.about(trial), 'complete', { seconds: SECONDS }))
  two.claim('b', 2)
  two.claim('c', 3)
  two.trains('b', 2, SLOW)
  two.trains('c', 3, SLOW)
  two.local.devices = [GPU, { ...GPU, id: 'gpu1' }]
  t.equal(planned(two.pool, two.local).length, 1)
})

t.test('nobody backs up where it is switched off, where it does not fit, or where it failed', async t => {
  const off = tail({ backups: 'off' })
  t.same(planned(off.pool, off.local), [])
  t.same(planned(tail({ backups: 'on' }).pool, tail({ backups: 'on' }).local), ['backup 3/2'])
  const failed = tail()
  failed.write('a', resultOf(failed.about(3), 'error'))
  t.same(planned(failed.pool, failed.local), [], 'it would fail here again')
  const small = tail()
  const devices = [{ ...GPU, memoryBytes: 2 * GPU.memoryBytes }]
  small.write('c', { kind: 'machine-announced', name: 'c', version: '', platform: '', devices })
  small.write('c', resultOf(small.about(3), 'oom', on(GPU.model)))
  t.same(planned(small.pool, small.local), [], 'it did not fit into as much')
})

t.test(
  'what a machine says of a trial that it does not hold, or that the sweep does not have, starts nothing',
  async t => {
    const { pool, local, claim, trains } = tail()
    trains('c', 3, SLOW)
    t.same(planned(pool, local), [], 'it is not its own')
    const other = tail()
    other.trains('b', 3, { ...SLOW, attempt: 2 })
    t.same(planned(other.pool, other.local), [], 'it holds the attempt before')
    claim('b', 9)
    trains('b', 9, SLOW)
    t.same(planned(pool, local), [], 'there are four trials')
  }
)

t.test('the pace is that of the trials that are known now', async t => {
  const { pool, local, claim, trains, write, about } = situation({ runCap: 2 })
  claim('b', 0)
  claim('c', 1)
  trains('b', 0, SLOW)
  t.same(planned(pool, local), [])
  write('c', resultOf(about(1), 'complete', { seconds: SECONDS }))
  t.same(planned(pool, local), ['backup 0/2'])
})

t.test('of several idle machines the one that would be done first, and of equals one alone', async t => {
  const { pool, local, sweep, hears, about } = tail()
  hears('c', { devices: [{ ...GPU, fault: 'it is too hot' }] })
  t.same(planned(pool, local), ['backup 3/2'], 'it has no device that works')
  hears('c', { running: [{ ...about(2), device: 'gpu0', seconds: 1 }] })
  t.same(planned(pool, local), ['backup 3/2'], 'it is busy')
  hears('c')
  const isFirst = rankOf({ sweep, trial: 3, machine: keyOf('a') }, [keyOf('c')]) === 0
  t.same(planned(pool, local), isFirst ? ['backup 3/2'] : [])
  hears('c', { accepts: [] })
  t.same(planned(pool, local), ['backup 3/2'], 'it would not run the sweep')
})

/** Machine c is idle as well, and has two devices that are faster. */
function fasterOther() {
  const given = situation()
  const { claim, hears, trains, write, about } = given
  write('c', resultOf(about(0), 'complete', { ...on(GPU.model), seconds: SECONDS }))
  write('c', resultOf(about(1), 'complete', { ...on('RTX 5090'), seconds: 100 }))
  claim('b', 2)
  claim('b', 3)
  trains('b', 3, SLOW)
  const devices = ['gpu0', 'gpu1'].map(id => ({ ...GPU, id, model: 'RTX 5090' }))
  hears('c', { devices })
  return { ...given, devices }
}

t.test('a faster idle machine goes first, unless it trains a backup already', async t => {
  const { pool, local, claim, hears, about, devices } = fasterOther()
  t.same(planned(pool, local), [])
  const failed = fasterOther()
  failed.write('c', resultOf(failed.about(3), 'error'))
  t.same(planned(failed.pool, failed.local), ['backup 3/2'], 'it would fail there again')
  const busy = devices.map(({ id }, trial) => ({ ...about(trial), device: id, seconds: 1 }))
  hears('c', { devices, running: busy })
  t.same(planned(pool, local), ['backup 3/2'], 'it is busy')
  claim('c', 2, 2, { backup: true })
  hears('c', { devices, running: [{ ...about(2, 2), device: 'gpu0', seconds: 1 }] })
  t.same(planned(pool, local), ['backup 3/2'])
})

t.test('a backup starts like any claim, and is freed when its trial ended while it settled', async t => {
  const { pool, local, about, claim, write } = tail()
  const charge = occupy(local, about(3, 2), 'claiming')
  local.charges.set(charge.id, { ...charge, backup: true })
  claim('a', 3, 2, { backup: true })
  t.same(planned(pool, local), ['start 3/2'])
  write('b', resultOf(about(3), 'complete'))
  t.same(planned(pool, local), ['free 3/2'])
})

t.test(
  'neither gives way for being second; a backup that turned out clearly slower does (rules C5 and C11)',
  async t => {
    const { pool, local, about, claim, trains } = tail()
    claim('a', 3, 2, { backup: true })
    const charge = { ...occupy(local, about(3, 2), 'running'), backup: true as const }
    const backup = (seconds: number, step: number) => {
      const latest = { step, steps: 100, metrics: {}, nonFinite: [] }
      return givesWay(pool, local, { ...charge, sinceMs: NOW - 1000 * seconds, latest }, NOW)
    }
    trains('b', 3, { seconds: 600, step: 50, steps: 100 })
    t.notOk(backup(5, 0), 'it has barely begun')
    t.notOk(backup(300, 34), 'it will be there first')
    t.ok(backup(300, 10), 'it will not')
    t.notOk(backup(300, 90), 'it is nearly done')
  }
)

t.test('the original does not give way to its backup, however fast; only to its result', async t => {
  const { pool, local, about, claim, trains, write } = situation({ runCap: 1 })
  claim('a', 0)
  claim('b', 0, 2, { backup: true })
  const charge = { ...occupy(local, about(0), 'running'), sinceMs: NOW - 600_000 }
  const slow = { ...charge, latest: { step: 10, steps: 100, metrics: {}, nonFinite: [] } }
  trains('b', 0, { attempt: 2, seconds: 300, step: 80, steps: 100 })
  t.notOk(givesWay(pool, local, slow, NOW))
  write('b', resultOf(about(0, 2), 'complete'))
  t.ok(givesWay(pool, local, slow, NOW))
})

t.test('a trial with a backup is taken over only when both are silent (rule C6)', async t => {
  const { pool, local, sweep, claim, hears } = situation({ runCap: 1 })
  local.connectedSinceMs = 0
  claim('b', 0)
  claim('c', 0, 2, { backup: true })
  for (const attempt of [1, 2]) local.signOfLifeMs.set(attemptId(sweep, 0, attempt), NOW - 100 * LEASE_MS)
  hears('d')
  hears('b', {}, 50 * LEASE_MS)
  hears('c', {}, LEASE_MS)
  t.same(planned(pool, local), [], 'the backup was heard a lease ago, and its attempt is the second')
  hears('c', {}, 2 * LEASE_MS)
  t.same(planned(pool, local), ['claim 0/3'])
})

t.test('when the original ends in nothing, the trial is its backup’s (rule C11)', async t => {
  const { pool, sweep, about, claim, write } = tail()
  write('a', announcement('a'))
  claim('a', 3, 2, { backup: true })
  write('b', resultOf(about(3), 'error'))
  const standing = () => pool.sweeps.get(sweep)?.trials.get(3)?.standing
  t.match(standing(), { phase: 'claimed', held: { attempt: 2, holder: keyOf('a') } })
  t.notOk(standing()?.backup)
  write('a', { kind: 'trial-released', ...about(3, 2), reason: 'owner', seconds: 7 })
  t.match(standing(), { phase: 'open', attempt: 2 })
})

t.test('after a restart a backup goes on from its checkpoint, or is given back (rule C7)', async t => {
  const { pool, local, sweep, claim } = tail()
  claim('a', 3, 2, { backup: true })
  t.same(planned(pool, local), ['release 3/2 restart'])
  local.checkpoints.add(attemptId(sweep, 3, 2))
  t.same(planned(pool, local), ['resume 3/2'])
})
