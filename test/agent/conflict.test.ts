/**
 * Late conflicts: who gives way when two machines train one trial (rule C5).
 */
import fc from 'fast-check'
import t from 'tap'
import { type Beat, idOf, LIMITS, type RunningAttempt } from '#protocol'
import { givesWay } from '../../agent/conflict.js'
import { attemptId, type Charge, emptyLocal, type Local } from '../../agent/local.js'
import { createWriter, foldAll, founded, keyOf, resultOf, submission, sweepSpec } from '../helpers/records.js'
import { GPU } from '../helpers/virtual-pool.js'

const NOW = 1e9
const STEPS = 100
const OLD_SECONDS = 10 * (LIMITS.conflictMs / 1000)

interface Side {
  readonly attempt: number
  readonly seconds: number
  /** Steps done of a hundred; absent when the program does not tell. */
  readonly step?: number
}

const ann = founded()
const draft = submission(sweepSpec())
ann.write(draft)
const about = (attempt: number) => ({ sweep: draft.sweep, trial: 0, attempt })

/** Says for each of two sides, who know the same, whether it gives way. */
function conflict(a: Side, b: Side): [boolean, boolean] {
  const pool = foldAll(ann.entries)
  const [own, other] = [sideOf('a', a, 'b', b), sideOf('b', b, 'a', a)]
  return [givesWay(pool, own.local, own.charge, NOW), givesWay(pool, other.local, other.charge, NOW)]
}

function sideOf(name: string, own: Side, rivalName: string, rival: Side): { local: Local; charge: Charge } {
  const local = emptyLocal(keyOf(name), name, 0)
  const id = attemptId(draft.sweep, 0, own.attempt)
  const latest = own.step === undefined ? {} : { latest: { step: own.step, steps: STEPS, metrics: {}, nonFinite: [] } }
  const phases = { device: GPU.id, phase: 'running', sinceMs: NOW - own.seconds * 1000, resume: false } as const
  const charge: Charge = { ...about(own.attempt), id, ...phases, ...latest }
  const told = rival.step === undefined ? {} : { step: rival.step, steps: STEPS }
  const running: RunningAttempt[] = [{ ...about(rival.attempt), device: GPU.id, seconds: rival.seconds, ...told }]
  const beat: Beat = { name: rivalName, devices: [GPU], accepts: [draft.sweep], running, heard: {} }
  local.peers.set(keyOf(rivalName), { beat, heardMs: NOW, roundTripMs: 10 })
  return { local, charge }
}

t.test('who has barely begun gives way to the earlier attempt', async t => {
  t.same(conflict({ attempt: 1, seconds: OLD_SECONDS, step: 20 }, { attempt: 2, seconds: 5, step: 1 }), [false, true])
  t.same(
    conflict({ attempt: 1, seconds: 5 }, { attempt: 2, seconds: OLD_SECONDS }),
    [false, false],
    'the old one goes on'
  )
})

t.test('of one attempt the smaller hash goes on, as when claims settle', async t => {
  const weight = (name: string) => idOf('claim', { ...about(1), machine: keyOf(name) })
  const isFirst = weight('a') < weight('b')
  t.same(conflict({ attempt: 1, seconds: 1 }, { attempt: 1, seconds: 1 }), [!isFirst, isFirst])
})

t.test('later, who needs clearly longer gives way, whatever its claim', async t => {
  const slow = { attempt: 1, seconds: OLD_SECONDS, step: 10 }
  const fast = { attempt: 2, seconds: OLD_SECONDS, step: 50 }
  t.same(conflict(slow, fast), [true, false])
  t.same(conflict({ ...slow, step: 49 }, fast), [false, true], 'about as fast: the claim decides')
})

t.test('who is nearly done goes on, and so does who cannot tell how far it is', async t => {
  const fast = { attempt: 1, seconds: OLD_SECONDS, step: 99 }
  t.same(conflict(fast, { attempt: 2, seconds: OLD_SECONDS, step: 86 }), [false, false])
  t.same(conflict({ attempt: 1, seconds: OLD_SECONDS }, { attempt: 2, seconds: OLD_SECONDS }), [false, false])
})

t.test('of two with the same facts at most one gives way', async () => {
  const side = fc.record({
    attempt: fc.integer({ min: 1, max: 3 }),
    seconds: fc.double({ min: 0, max: 20_000, noNaN: true }),
    step: fc.integer({ min: 1, max: STEPS })
  })
  fc.assert(
    fc.property(side, side, (a, b) => {
      const [first, second] = conflict(a, b)
      return !(first && second)
    }),
    { numRuns: 2000 }
  )
})

t.test('a trial that another machine has finished is not trained on, unless nearly done', async t => {
  const bo = createWriter('bo', 'b')
  const pool = foldAll(ann.entries)
  foldAll([bo.write({ kind: 'trial-claimed', ...about(1), device: 'gpu0', parameters: {} })], pool)
  foldAll([bo.write(resultOf(about(1), 'complete'))], pool)
  const done = (side: Side) => {
    const { local, charge } = sideOf('a', side, 'c', { attempt: 9, seconds: 0 })
    local.peers.clear()
    return givesWay(pool, local, charge, NOW)
  }
  t.equal(pool.sweeps.get(draft.sweep)?.trials.get(0)?.standing.phase, 'done')
  t.ok(done({ attempt: 2, seconds: OLD_SECONDS, step: 20 }))
  t.notOk(done({ attempt: 2, seconds: OLD_SECONDS, step: 90 }))
})
