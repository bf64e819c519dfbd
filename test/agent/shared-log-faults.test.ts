/**
 * The shared log under faults: lost tails, restored backups, copies, two histories, members who flood or are removed.
 *
 * Whatever happens, nobody's log is forked unnoticed, what some machine still has comes back, and all agree in the end.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LIMITS } from '#protocol'
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

const FILLER = 'f'.repeat(LIMITS.messageChars)

/** Closes a machine with the test. */
function ending(t: Test, machine: Machine): Machine {
  t.teardown(() => close(machine, 'crashed'))
  return machine
}

const ownLog = (machine: Machine) => attestations(machine).at(-1)?.log ?? ''
const hasSteps = (writer: Machine, seenBy: Machine, ...steps: number[]) =>
  until(`steps ${steps}`, async () => JSON.stringify(stepsOf(writer, seenBy)) === JSON.stringify(steps), WAIT_MS)

/** Copies a home as a backup does, and puts it back in the place of what came after. */
function backUp({ home }: Machine): void {
  cpSync(home, `${home}.backup`, { recursive: true, preserveTimestamps: true })
}

function restore({ home }: Machine): void {
  rmSync(home, { recursive: true })
  renameSync(`${home}.backup`, home)
}

t.test('a restored backup opens a fresh log; what it lost comes back from peers, and all agree (L6)', async t => {
  const [ann, bo] = await pool(t, 'ann', 'bo')
  await admit(ann, bo)
  meet(ann, bo)
  await write(bo, report(1))
  await hasSteps(bo, bo, 1)
  await close(bo, 'in order')
  backUp(bo)
  const later = ending(t, await openMachine(bo.home, bo.membership))
  await write(later, report(2), report(3))
  meet(ann, later)
  await hasSteps(bo, ann, 1, 2, 3)
  await close(later, 'in order')
  restore(bo)
  const restored = ending(t, await openMachine(bo.home, bo.membership))
  t.same(stepsOf(restored, restored), [1], 'the backup is older')
  await write(restored, report(4))
  meet(ann, restored)
  await hasSteps(bo, ann, 1, 2, 3, 4)
  await hasSteps(bo, restored, 1, 2, 3, 4)
  await agreed(ann, restored)
  t.same(ann.log.faults().frozen, [], 'nothing was forked')
})

t.test('a power cut takes the end of the log: it comes back from peers, and a fresh log is written (L6)', async t => {
  const [ann, bo] = await pool(t, 'ann', 'bo')
  await admit(ann, bo)
  await write(bo, report(1))
  await close(bo, 'crashed')
  const before = ending(t, await openMachine(bo.home, bo.membership))
  meet(ann, before)
  for (let step = 2; step <= 30; step++) await write(before, report(step))
  await until('ann has it all', async () => stepsOf(bo, ann).length === 30, WAIT_MS)
  await close(before, 'crashed')
  cutWriteAheadLog(bo.home)
  const after = ending(t, await openMachine(bo.home, bo.membership))
  t.ok(stepsOf(after, after).length < 30, 'the tail is lost')
  await write(after, report(31))
  meet(ann, after)
  await until('the tail is back', async () => stepsOf(after, after).length === 31, WAIT_MS)
  await agreed(ann, after)
  t.same(ann.log.faults().frozen, [])
})

/** Cuts the end off what was written last, as a power cut does to what no disk had taken yet. */
function cutWriteAheadLog(home: string): void {
  const folder = join(home, 'store', 'db')
  const newest = execFileSync('ls', ['-t', folder], { encoding: 'utf8' })
    .split('\n')
    .find(name => name.endsWith('.log'))
  const path = join(folder, newest ?? '')
  truncateSync(path, Math.floor(Number(execFileSync('stat', ['-c', '%s', path], { encoding: 'utf8' })) * 0.7))
}

t.test('two copies of one home write different logs, and both count (L6)', async t => {
  const [ann, bo] = await pool(t, 'ann', 'bo')
  await admit(ann, bo)
  await write(bo, report(1))
  await close(bo, 'in order')
  cpSync(bo.home, `${bo.home}-copy`, { recursive: true })
  const original = ending(t, await openMachine(bo.home, bo.membership))
  const copy = ending(t, await openMachine(`${bo.home}-copy`, bo.membership))
  t.same(incarnations(original), [1], 'the original goes on')
  t.same(incarnations(copy), [1, 2], 'the copy does not')
  await write(original, report(2))
  await write(copy, report(3))
  t.not(ownLog(original), ownLog(copy))
  meet(ann, original)
  meet(ann, copy)
  await hasSteps(bo, ann, 1, 2, 3)
  await agreed(ann, original, copy)
})

t.test('a snapshot of the whole disk, put back: a peer that knows more makes it open a fresh log (L6)', async t => {
  const { ann, again } = await snapshot(t)
  meet(ann, again)
  await until('a fresh log', async () => incarnations(again).length === 2, WAIT_MS)
  await write(again, report(4))
  await hasSteps(again, ann, 1, 2, 3, 4)
  await agreed(ann, again)
  t.same(ann.log.faults().frozen, [])
})

t.test('the same, but it wrote before it met anybody: the forked log is frozen, nothing is lost (L6)', async t => {
  const { ann, again } = await snapshot(t)
  const old = ownLog(again)
  await write(again, report(4), report(5))
  t.equal(ownLog(again), old, 'nothing made it doubt')
  meet(ann, again)
  // As long as both are equally long neither knows.
  await write(again, report(6))
  await until('a fresh log', async () => incarnations(again).length === 2, WAIT_MS)
  await hasSteps(again, ann, 1, 2, 3, 4, 5, 6)
  t.same(
    ann.log.faults().frozen.map(({ log }) => log),
    [old]
  )
  t.ok(again.log.isHeldByPeer({ log: old, block: 99 }), 'nobody waits for a log that is dead')
  const reopened = ending(t, await reopen(ann, 'in order'))
  t.same(stepsOf(again, reopened), [1, 2, 3, 4, 5, 6], 'and it stays so')
})

/** A machine that wrote steps 1 to 3 and was put back to step 1 by means that no mark can tell. */
async function snapshot(t: Test): Promise<{ ann: Machine; again: Machine }> {
  const [ann, bo] = await pool(t, 'ann', 'bo')
  await admit(ann, bo)
  await write(bo, report(1))
  const log = ownLog(bo)
  await close(bo, 'in order')
  backUp(bo)
  const later = ending(t, await openMachine(bo.home, bo.membership, { lastLog: log }))
  await write(later, report(2), report(3))
  meet(ann, later)
  await hasSteps(bo, ann, 1, 2, 3)
  await close(later, 'in order')
  restore(bo)
  return { ann, again: ending(t, await openMachine(bo.home, bo.membership, { lastLog: log })) }
}

t.test('a peer that claims to know more than there is costs one fresh log, not one for each claim', async t => {
  const [ann] = await pool(t, 'ann')
  for (let round = 0; round < 3; round++) {
    const [attestation] = attestations(ann).slice(-1)
    if (attestation) ann.log.learn([{ attestation, length: 1e9 }])
    await ann.log.flushed()
  }
  t.same(incarnations(ann), [1, 2])
})

t.test('a machine knows which of its blocks others have (L8)', async t => {
  const [ann, bo] = await pool(t, 'ann', 'bo')
  await admit(ann, bo)
  await write(ann, report(1))
  const [[, place] = [0, { log: '', block: 0 }]] = reportsOf(ann, ann)
  t.notOk(ann.log.isHeldByPeer(place), 'nobody was met yet')
  meet(ann, bo)
  await hasSteps(ann, bo, 1)
  await until('ann is told', async () => ann.log.isHeldByPeer(place), WAIT_MS)
  t.notOk(ann.log.isHeldByPeer({ ...place, block: place.block + 1 }), 'what is not written yet is not held')
})

t.test('a member who floods costs its quota and no more; others are not held up (L3)', async t => {
  const folder = t.testdir({})
  const ann = ending(t, await openMachine(join(folder, 'ann'), undefined, { quotaBytesPerDay: 8 * 1024 }))
  const bo = ending(t, await openMachine(join(folder, 'bo'), ann.membership))
  const cy = ending(t, await openMachine(join(folder, 'cy'), ann.membership))
  await admit(ann, bo, cy)
  await write(bo, report(1))
  meet(ann, bo)
  meet(ann, cy)
  await hasSteps(bo, ann, 1)
  const room = 8 * 1024 * LIMITS.quotaDays
  const flood = Array.from({ length: Math.ceil(room / FILLER.length) }, (_, trial) => released(trial))
  await write(bo, ...flood)
  await write(bo, report(2))
  await write(cy, report(1))
  await hasSteps(cy, ann, 1)
  await until('ann tells', async () => ann.log.faults().overQuota.length === 1, WAIT_MS)
  t.equal(ann.log.faults().overQuota[0]?.machine, bo.identity.machine)
  t.same(stepsOf(bo, ann), [1], 'what was there before counts')
  const again = ending(t, await reopen(ann, 'in order'))
  t.equal(Object.keys(again.keeper.loadQuotas()).length, 2, 'a restart does not empty the buckets')
})

function released(trial: number) {
  return {
    kind: 'trial-claimed',
    sweep: SWEEP,
    trial,
    attempt: 1,
    device: 'cpu',
    parameters: { a: FILLER.slice(0, 1000), b: FILLER.slice(0, 1000) }
  } as const
}

t.test('what a removed member wrote counts up to the cut, at everybody, newcomers too', async t => {
  const [ann, bo, cy, dee] = await pool(t, 'ann', 'bo', 'cy', 'dee')
  await admit(ann, bo, cy, dee)
  await write(bo, report(1))
  meet(ann, bo)
  await hasSteps(bo, ann, 1)
  const cuts = ann.log.heads().filter(({ attestation }) => attestation.member === bo.identity.member)
  await write(bo, report(2))
  await hasSteps(bo, ann, 1, 2)
  meet(ann, cy)
  await hasSteps(bo, cy, 1, 2)
  await write(ann, {
    kind: 'member-removed',
    member: bo.identity.member,
    cuts: cuts.map(({ attestation, length }) => ({ log: attestation.log, length }))
  })
  await hasSteps(bo, ann, 1)
  await hasSteps(bo, cy, 1)
  await write(bo, report(3))
  await close(bo, 'in order')
  meet(cy, dee)
  await hasSteps(bo, dee, 1)
  await agreed(ann, cy, dee)
  const again = ending(t, await reopen(cy, 'in order'))
  await agreed(ann, again)
  t.same(stepsOf(bo, again), [1])
})

t.test('the list of logs is found again in the logs themselves (L7)', async t => {
  const [ann, bo] = await pool(t, 'ann', 'bo')
  await admit(ann, bo)
  await write(bo, report(1))
  meet(ann, bo)
  await hasSteps(bo, ann, 1)
  await close(ann, 'in order')
  writeFileSync(join(ann.home, 'keeper', 'logs.json'), '[{"damaged":true}]')
  const again = ending(t, await openMachine(ann.home, ann.membership))
  t.same(stepsOf(bo, again), [1])
  t.same(incarnations(again), [1], 'and the own one goes on')
})

t.test('a checkpoint saves folding; without it, or with a wrong one, the pool is the same (F6)', async t => {
  const [ann] = await pool(t, 'ann')
  for (let trial = 0; trial < 20; trial++)
    await write(ann, ...Array.from({ length: 50 }, (_, step) => report(step, trial)))
  await close(ann, 'in order')
  const path = join(ann.home, 'keeper', 'checkpoint')
  t.ok(existsSync(path))
  const warm = await openMachine(ann.home, ann.membership)
  t.same(warm.changed, [], 'nothing had to be folded')
  await agreed(ann, warm)
  await write(warm, report(1, 99))
  await close(warm, 'crashed')
  const newer = await openMachine(ann.home, ann.membership)
  t.equal(newer.log.pool().sweeps.get(SWEEP)?.trials.size, 21, 'what came after the checkpoint is folded')
  await close(newer, 'in order')
  writeFileSync(path, 'torn')
  const cold = ending(t, await openMachine(ann.home, ann.membership))
  t.ok(cold.changed.length > 0)
  await agreed(newer, cold)
})

t.test('a checkpoint of a log that a power cut made shorter is thrown away (F6)', async t => {
  const [ann] = await pool(t, 'ann')
  for (let trial = 0; trial < 20; trial++)
    await write(ann, ...Array.from({ length: 50 }, (_, step) => report(step, trial)))
  await close(ann, 'in order')
  cutWriteAheadLog(ann.home)
  const again = ending(t, await openMachine(ann.home, ann.membership))
  t.ok((again.log.pool().sweeps.get(SWEEP)?.trials.size ?? 0) < 20, 'what no log says is not in the pool')
  t.ok(incarnations(again).length === 2 || incarnations(again).length === 1)
})
