import t from 'tap'
import {
  type Draft,
  environmentFailures,
  freshTrials,
  isUnplaceable,
  LIMITS,
  type Pool,
  parametersOf,
  type ResultClass,
  reopenedTrials,
  type Sweep,
  type SweepSpec,
  searchOf,
  sweepStateOf,
  sweepsInOrder
} from '#protocol'
import {
  announcement,
  createWriter,
  foldAll,
  founded,
  idFor,
  keyOf,
  resultOf,
  submission,
  sweepSpec,
  type Writer
} from '../helpers/records.js'

const GIB = 2 ** 30

/** A pool with one sweep of four trials, and the means to go on. */
function openSweep(changes: Partial<SweepSpec> = {}) {
  const ann = founded()
  const draft = submission(sweepSpec(changes))
  ann.write(draft)
  const pool = foldAll(ann.entries)
  const sweep = pool.sweeps.get(draft.sweep)
  if (!sweep) throw new Error('The sweep did not arrive.')
  const bo = createWriter('bo', 'b')
  const write = (next: Draft, writer: Writer = ann) => void foldAll([writer.write(next)], pool)
  const about = (trial: number, attempt = 1) => ({ sweep: sweep.id, trial, attempt })
  return {
    pool,
    sweep,
    bo,
    write,
    claim: (trial: number, writer?: Writer) =>
      write({ kind: 'trial-claimed', ...about(trial), device: 'gpu0', parameters: { x: trial } }, writer),
    finish: (trial: number, result: ResultClass, attempt = 1, writer?: Writer) =>
      write(resultOf(about(trial, attempt), result), writer)
  }
}

t.test('fresh trials are those that nobody ever claimed, lowest first', async t => {
  const { sweep, claim, finish } = openSweep()
  t.same(freshTrials(sweep, 10), [0, 1, 2, 3])
  t.same(freshTrials(sweep, 2), [0, 1])
  claim(1)
  finish(0, 'error')
  t.same(freshTrials(sweep, 10), [2, 3], 'one that failed is reopened, not fresh')
  for (const trial of [2, 3]) finish(trial, 'complete')
  t.same(freshTrials(sweep, 10), [])
})

t.test('fresh trials: a trial that was only reported about is still fresh', async t => {
  const { sweep, write } = openSweep()
  write({ kind: 'attempt-reported', sweep: sweep.id, trial: 0, attempt: 1, step: 1, value: 3 })
  t.same(freshTrials(sweep, 1), [0])
})

t.test('onDuplicate: reuse leaves a repeated configuration out, replicate trains it again (rule C10)', async t => {
  const parameters: SweepSpec['parameters'] = { x: { distribution: 'int_uniform', min: 0, max: 1 } }
  const random = { method: 'random', runCap: 8, parameters } as const
  const reuse = openSweep({ ...random, onDuplicate: 'reuse' })
  const fresh = freshTrials(reuse.sweep, 10)
  t.equal(fresh.length, 2, 'two configurations, two trainings')
  t.same(new Set(fresh.map(trial => parametersOf(reuse.sweep, trial)['x'])), new Set([0, 1]))
  t.equal(freshTrials(openSweep({ ...random, onDuplicate: 'replicate' }).sweep, 10).length, 8)
  for (const trial of fresh) reuse.finish(trial, 'complete')
  t.equal(sweepStateOf(reuse.pool, reuse.sweep), 'done')
})

t.test('states: running until every trial has ended, then done', async t => {
  const { pool, sweep, claim, finish } = openSweep()
  t.equal(sweepStateOf(pool, sweep), 'running')
  for (const trial of [0, 1, 2]) finish(trial, 'complete')
  claim(3)
  t.equal(sweepStateOf(pool, sweep), 'running', 'a claimed trial may yet come back')
  finish(3, 'diverged')
  t.equal(sweepStateOf(pool, sweep), 'done')
})

t.test('states: stopped beats everything that a submitted sweep can be', async t => {
  const { pool, sweep, finish, write } = openSweep()
  finish(0, 'complete')
  write({ kind: 'sweep-stopped', sweep: sweep.id })
  t.equal(sweepStateOf(pool, sweep), 'stopped')
})

t.test('states: a sweep whose records came before itself is arriving, and has no trials to start', async t => {
  const ann = founded()
  const about = { sweep: idFor('unknown'), trial: 0, attempt: 1 }
  ann.write({ kind: 'trial-claimed', ...about, device: 'gpu0', parameters: {} })
  const pool = foldAll(ann.entries)
  const [sweep] = sweepsInOrder(pool)
  t.ok(sweep)
  if (!sweep) return
  t.equal(sweepStateOf(pool, sweep), 'arriving')
  t.same(freshTrials(sweep, 10), [])
  t.same(parametersOf(sweep, 1), {})
})

t.test('states: six failures before the first success and the sweep is given up', async t => {
  const { pool, sweep, finish } = openSweep({ parameters: { x: { distribution: 'int_uniform', min: 0, max: 9 } } })
  for (let trial = 0; trial < LIMITS.failuresToStopSweep - 1; trial++) finish(trial, trial % 2 ? 'error' : 'timeout')
  for (const trial of [6, 7, 8]) finish(trial, 'environment')
  t.equal(sweepStateOf(pool, sweep), 'running', 'environments fail for reasons of their own')
  finish(5, 'error')
  t.equal(sweepStateOf(pool, sweep), 'failed')
  finish(9, 'complete')
  t.equal(sweepStateOf(pool, sweep), 'running', 'a success that comes late shows that the program works')
})

t.test('states: a failed start counts however often one trial failed', async t => {
  const { pool, sweep, finish, bo } = openSweep()
  for (const attempt of [1, 2, 3]) finish(0, 'error', attempt)
  for (const attempt of [1, 2]) finish(1, 'error', attempt, bo)
  t.equal(sweepStateOf(pool, sweep), 'running')
  finish(0, 'error', 4, bo)
  t.equal(sweepStateOf(pool, sweep), 'failed', 'the one that is in quarantine counts as well')
})

t.test('memory: a trial that fits no known device waits for one that it fits (rule C9)', async t => {
  const { pool, sweep, bo, write, finish } = openSweep()
  write(announcement('desk', 12 * GIB))
  for (const trial of [1, 2, 3]) finish(trial, 'complete')
  finish(0, 'oom')
  t.same(reopenedTrials(pool, sweep), [])
  t.ok(isUnplaceable(pool, sweep, 0))
  t.equal(sweepStateOf(pool, sweep), 'done', 'there is nothing that this pool could do')
  write(announcement('attic', 24 * GIB), bo)
  t.same(reopenedTrials(pool, sweep), [0])
  t.equal(sweepStateOf(pool, sweep), 'running')
})

t.test('a claim on a trial that the sweep does not have starts nothing', async t => {
  const { pool, sweep, bo, claim, finish, write } = openSweep()
  for (const trial of [0, 1, 2, 3]) finish(trial, 'complete')
  for (const trial of [4, 99_999]) claim(trial, bo)
  t.equal(sweepStateOf(pool, sweep), 'done', 'nobody waits for it')
  write({ kind: 'trial-released', sweep: sweep.id, trial: 4, attempt: 1, reason: 'owner' }, bo)
  t.same(reopenedTrials(pool, sweep), [], 'nobody takes it up')
})

t.test('environmentFailures: each machine answers for its own', async t => {
  const { sweep, bo, finish } = openSweep()
  finish(0, 'environment')
  finish(1, 'environment')
  finish(1, 'environment', 2, bo)
  finish(2, 'error')
  t.same(
    [keyOf('a'), keyOf('b'), keyOf('c')].map(machine => environmentFailures(sweep, machine)),
    [2, 1, 0]
  )
})

t.test('parametersOf: as the search addresses them, whatever anybody claimed (rule C2)', async t => {
  const { sweep, write } = openSweep()
  t.same(parametersOf(sweep, 2), { x: 2 })
  const claim = { kind: 'trial-claimed', sweep: sweep.id, trial: 2, attempt: 1, device: 'gpu0' } as const
  write({ ...claim, parameters: { x: 2.5 } })
  t.same(parametersOf(sweep, 2), { x: 2 })
})

t.test('searchOf: one search for each submission, for it remembers what it computed', async t => {
  const { sweep } = openSweep()
  const [first, second] = [1, 2].map(() => sweep.submission && searchOf(sweep.submission))
  t.ok(first)
  t.equal(first, second)
})

t.test('sweeps are listed in the order of their submission, the same everywhere', async t => {
  const drafts = ['first', 'second', 'third'].map(name => submission(sweepSpec({ name })))
  const ann = founded()
  // The clock tells, not the place in the log; equal clocks are told apart by id.
  const clocks = [12, 11, 11]
  drafts.forEach((draft, n) => void ann.write(draft, clocks[n]))
  const names = (pool: Pool) => sweepsInOrder(pool).map((sweep: Sweep) => sweep.submission?.spec.name)
  const order = names(foldAll(ann.entries))
  t.equal(order[2], 'first')
  t.same(names(foldAll([...ann.entries].reverse())), order)
})
