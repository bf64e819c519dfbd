/**
 * The shared log on real stores: what is written counts, once, in order, on every machine that has the log.
 */
import { join } from 'node:path'
import t from 'tap'
import { type Attestation, type Draft, encodeBlock, type LogRecord, poolDigest } from '#protocol'
import { bytesOf } from '../../agent/store/store.js'
import { type LogHarness, logContract } from '../contract/log.js'
import { until } from '../helpers/agents.js'
import {
  admit,
  agreed,
  attestations,
  close,
  incarnations,
  type Machine,
  meet,
  openMachine,
  pool,
  reopen,
  report,
  reportsOf,
  SWEEP,
  stepsOf,
  WAIT_MS,
  write
} from '../helpers/log-machines.js'
import { keyOf } from '../helpers/records.js'

function asHarness(machine: Machine, holder: { machine: Machine }): LogHarness {
  holder.machine = machine
  return {
    log: machine.log,
    machine: machine.identity.machine,
    flushed: () => machine.log.flushed(),
    onChanged: hear => {
      machine.onChanged = hear
    },
    reopen: async () => asHarness(await reopen(machine, 'in order'), holder),
    crash: async () => asHarness(await reopen(machine, 'crashed'), holder)
  }
}

logContract(t, 'shared log', async t => {
  const holder = { machine: await openMachine(join(t.testdir({}), 'home')) }
  t.teardown(() => close(holder.machine, 'crashed'))
  return asHarness(holder.machine, holder)
})

t.test('after an orderly stop the same log goes on, after a crash a fresh one begins (L6)', async t => {
  const [ann] = await pool(t, 'ann')
  await write(ann, report(1))
  const clean = await reopen(ann, 'in order')
  t.same(attestations(clean), attestations(ann), 'the same log')
  await write(clean, report(2))
  const crashed = await reopen(clean, 'crashed')
  t.teardown(() => close(crashed, 'crashed'))
  t.same(incarnations(crashed), [1, 2])
  t.match(crashed.notes, ['opens a fresh log: the end of the last one is not certain'])
  await write(crashed, report(3))
  t.same(stepsOf(crashed, crashed), [1, 2, 3], 'what stands in the old log counts')
  const logs = reportsOf(crashed, crashed).map(([, place]) => place.log)
  t.same(
    logs,
    [1, 1, 2].map(incarnation => attestations(crashed)[incarnation - 1]?.log),
    'and the old log is not written to'
  )
})

t.test('a crash before the first record leads to a log that can be read', async t => {
  const [ann] = await pool(t, 'ann')
  const [first, second] = [await reopen(ann, 'crashed'), ann]
  const third = await reopen(first, 'crashed')
  t.teardown(() => close(third, 'crashed'))
  t.same(incarnations(third), [1, 2, 3])
  t.equal(poolDigest(third.log.pool()), poolDigest(second.log.pool()), 'empty incarnations change nothing')
})

t.test('two machines that meet agree, whoever wrote first, and each log keeps its order (F2)', async t => {
  const [ann, bo] = await pool(t, 'ann', 'bo')
  await write(bo, ...Array.from({ length: 250 }, (_, step) => report(step)))
  t.same(stepsOf(bo, bo), [], 'bo is no member that it knows of: its records wait')
  await admit(ann, bo)
  meet(ann, bo)
  await agreed(ann, bo)
  for (let step = 250; step < 260; step++) await write(step % 2 === 0 ? ann : bo, report(step))
  await until('everything arrived', async () => stepsOf(bo, ann).length + stepsOf(ann, bo).length === 260, WAIT_MS)
  await agreed(ann, bo)
  const places = reportsOf(bo, ann).map(([, { block, index }]) => block * 1e6 + index)
  t.same(
    places,
    [...places].sort((a, b) => a - b),
    'a later report has a later place'
  )
  t.equal(ann.log.pool().rejections.count, 0, 'nothing came twice')
  t.ok(ann.changed.includes(bo.identity.machine) && bo.changed.includes(ann.identity.machine))
})

t.test('logs come by way of a third machine, also those of a machine that is off (L7)', async t => {
  const [ann, bo, cy] = await pool(t, 'ann', 'bo', 'cy')
  await admit(ann, bo, cy)
  await write(ann, report(1))
  meet(ann, bo)
  await until("bo has ann's log", async () => stepsOf(ann, bo).length === 1, WAIT_MS)
  await close(ann, 'in order')
  meet(bo, cy)
  await until("cy has ann's log", async () => stepsOf(ann, cy).length === 1, WAIT_MS)
  await write(bo, report(2))
  await until("cy has bo's record", async () => stepsOf(bo, cy).length === 1, WAIT_MS)
  await agreed(bo, cy)
})

t.test('the log of a stranger is not opened, attested or not, until a member admits it (L7)', async t => {
  const [ann, eve] = await pool(t, 'ann', 'eve')
  await write(eve, report(1))
  meet(ann, eve)
  await write(ann, report(1))
  await until("eve follows ann's log", async () => stepsOf(ann, eve).length === 1, WAIT_MS)
  t.same(
    ann.log.heads().map(({ attestation }) => attestation.machine),
    [ann.identity.machine]
  )
  t.notOk(ann.changed.includes(eve.identity.machine))
  await admit(ann, eve)
  await until("eve's log counts", async () => stepsOf(eve, ann).length === 1, WAIT_MS)
  await agreed(ann, eve)
})

t.test('a log that nobody vouches for is refused, and forgotten', async t => {
  const [ann, bo, eve] = await pool(t, 'ann', 'bo', 'eve')
  await admit(ann, bo)
  const theirs = eve.log.heads()[0]?.attestation ?? bo.identity.attest('', 1, '')
  const { member, machine } = bo.identity
  const forged: Attestation[] = [
    { ...theirs, member },
    { ...theirs, member, machine },
    {
      ...eve.identity.attest(ann.membership.pool, 1, theirs.log),
      member,
      memberSignature: bo.identity.signMachine('')
    },
    { ...bo.identity.attest(ann.membership.pool, 1, theirs.log), incarnation: 2 },
    bo.identity.attest(keyOf('other pool'), 1, theirs.log)
  ]
  ann.log.learn(forged.map(attestation => ({ attestation, length: 9 })))
  t.same(ann.keeper.loadLogs(), attestations(ann))
  const genuine = bo.log.heads()
  ann.log.learn(genuine)
  t.same(ann.keeper.loadLogs().length, 2, 'the genuine one is not')
})

t.test(
  'a member that attests the log of another machine as its own gains nothing: the log says whose it is (L7)',
  async t => {
    const [ann, bo, eve] = await pool(t, 'ann', 'bo', 'eve')
    await admit(ann, bo, eve)
    await write(bo, report(1))
    const log = bo.log.heads()[0]?.attestation.log ?? ''
    ann.log.learn([{ attestation: eve.identity.attest(ann.membership.pool, 7, log), length: 2 }])
    meet(ann, bo)
    await until("bo's record counts as bo's", async () => stepsOf(bo, ann).length === 1, WAIT_MS)
    t.same(stepsOf(eve, ann), [])
    t.match(ann.notes.join('\n'), /attested a log that is not its own/)
    await agreed(ann, bo)
  }
)

/** The own log of a machine, as whoever has its disk can write to it. */
function rawLog(machine: Machine) {
  const key = bytesOf(attestations(machine)[0]?.log ?? '')
  return machine.store.get({ key, encryption: { key: bytesOf(machine.membership.secret) } })
}

t.test('a writer that shortens its log and writes it anew is not followed', async t => {
  const [ann, bo] = await pool(t, 'ann', 'bo')
  await admit(ann, bo)
  await write(bo, report(1))
  meet(ann, bo)
  await until("bo's record is here", async () => stepsOf(bo, ann).length === 1, WAIT_MS)
  const raw = rawLog(bo)
  await raw.ready()
  const { length } = raw
  await (raw as unknown as { truncate: (length: number) => Promise<void> }).truncate(length - 1)
  await write(ann, report(5))
  await until('they still talk', async () => stepsOf(ann, bo).length === 1, WAIT_MS)
  const again = await reopen(ann, 'in order')
  t.teardown(() => close(again, 'crashed'))
  t.same(stepsOf(bo, again), [1], 'what was read once is what is there')
})

t.test('places that do not decode are counted and skipped; what stands behind them counts (L4)', async t => {
  const [ann, bo] = await pool(t, 'ann', 'bo')
  await admit(ann, bo)
  const raw = rawLog(bo)
  const good: LogRecord = {
    kind: 'attempt-reported',
    sweep: SWEEP,
    trial: 0,
    attempt: 1,
    step: 1,
    value: 1,
    clock: 9,
    at: 0
  }
  const bytes = (text: string) => new TextEncoder().encode(text)
  await raw.append([
    new Uint8Array([0xff, 0xfe]),
    new Uint8Array(0),
    bytes('{"kind":"sweep-stopped"}'),
    bytes(`[${JSON.stringify({ ...good, step: 'NaN' })},${JSON.stringify(good)},null]`),
    bytes('[{"kind":"of-a-newer-release","clock":1,"at":1}]'),
    new Uint8Array(300 * 1024),
    encodeBlock([{ ...good, step: 2 }])
  ])
  await write(bo, report(3))
  meet(ann, bo)
  await until('what is good arrived', async () => stepsOf(bo, ann).length === 3, WAIT_MS)
  await agreed(ann, bo)
  const [{ log } = { log: '' }] = attestations(bo)
  t.same(ann.log.faults().holes, { [log]: 6 })
  t.same(bo.log.faults().holes, ann.log.faults().holes, 'both count alike')
})

t.test('records that do not fit a block together go into several, and none is lost', async t => {
  const [ann] = await pool(t, 'ann')
  const long = 'm'.repeat(1000)
  const claims = Array.from({ length: 100 }, (_, trial): Draft => {
    const parameters = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`p${index}`, long]))
    return { kind: 'trial-claimed', sweep: SWEEP, trial, attempt: 1, device: 'cpu', parameters }
  })
  await write(ann, ...claims)
  t.equal(ann.log.pool().sweeps.get(SWEEP)?.trials.size, 100)
  t.same(ann.log.faults().holes, {})
  t.ok((ann.log.heads()[0]?.length ?? 0) >= 2 + Math.floor((100 * 10_000) / (256 * 1024)))
})

t.test('of a record that cannot be written its author is told once, of one without effect too', async t => {
  const [ann] = await pool(t, 'ann')
  const parameters = Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`p${index}`, 'v'.repeat(1000)]))
  const large: Draft = { kind: 'trial-claimed', sweep: SWEEP, trial: 0, attempt: 1, device: 'cpu', parameters }
  await write(ann, report(1), large, report(1))
  t.same(ann.notes, ['a record could not be written', 'a record of this machine has no effect'])
  t.same(stepsOf(ann, ann), [1])
})

t.test('what is handed over after the end is neither written nor an error', async t => {
  const [ann] = await pool(t, 'ann')
  await close(ann, 'in order')
  await write(ann, report(1))
  t.same(stepsOf(ann, ann), [])
})
