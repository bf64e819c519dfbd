/**
 * The outbox: what was handed over survives the end of the process, and gets into the log once.
 */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { Draft } from '#protocol'
import { openOutbox } from '../../agent/store/outbox.js'
import { admit, agreed, meet, pool, reopen, report, reportsOf, SWEEP, stepsOf, write } from '../helpers/log-machines.js'

const CLAIM: Draft = { kind: 'trial-claimed', sweep: SWEEP, trial: 0, attempt: 1, device: 'cpu', parameters: { x: 1 } }

/** What a start finds that follows on the end of a process. */
function leftIn(home: string): readonly Draft[] {
  const next = openOutbox(home)
  next.close()
  return next.left
}

t.test('what was handed over is found by the next start until it is in the log; claims are not', async t => {
  const home = t.testdir({})
  const outbox = openOutbox(home)
  t.same(outbox.left, [])
  outbox.add([report(1), CLAIM])
  outbox.turn()
  outbox.add([report(2)])
  t.same(leftIn(home), [report(1), report(2)])
  t.same(leftIn(home), [report(1), report(2)], 'a start that ends at once loses nothing')
  const next = openOutbox(home)
  next.turn()
  next.add([report(3)])
  next.clear()
  t.same(leftIn(home), [report(3)])
  const last = openOutbox(home)
  last.turn()
  last.clear()
  t.same(leftIn(home), [])
})

t.test('a damaged line costs itself alone', async t => {
  const home = t.testdir({})
  openOutbox(home).add([report(1)])
  appendFileSync(join(home, 'keeper', 'outbox-0'), '{"kind":"attempt-reported","sweep":"no sweep"}\n{"kind":"atte')
  t.same(leftIn(home), [report(1)])
})

t.test('what the log lacks after a crash is written to the fresh log, and what it has is not', async t => {
  const [ann] = await pool(t, 'ann')
  await write(ann, report(1), report(2))
  // As a kill leaves it between an append and the clearing of the outbox, with one more record on its way.
  openOutbox(ann.home).add([report(1), report(2), report(3), report(3)])
  const again = await reopen(ann, 'crashed')
  await again.log.flushed()
  t.same(stepsOf(again, again), [1, 2, 3])
  const logs = reportsOf(again, again).map(([, { log }]) => log)
  t.equal(logs[0], logs[1])
  t.not(logs[2], logs[0])
  t.equal(again.log.pool().rejections.count, 0)
  t.same(leftIn(again.home), [])
  await again.log.close()
  await again.store.close()
})

t.test('records that come close after each other share blocks while there are peers', async t => {
  const [ann, bo] = await pool(t, 'ann', 'bo')
  await admit(ann, bo)
  meet(ann, bo)
  await agreed(ann, bo)
  for (let step = 0; step < 200; step++) {
    ann.log.append([report(step)])
    await turn()
  }
  await ann.log.flushed()
  const blocks = new Set(reportsOf(ann, ann).map(([, { block }]) => block))
  t.equal(stepsOf(ann, ann).length, 200)
  t.ok(blocks.size < 100, `${blocks.size} blocks`)
  await agreed(ann, bo)
})
