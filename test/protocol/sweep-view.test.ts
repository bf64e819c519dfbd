/**
 * Views: what people are told of a sweep and of machines, from what the log says.
 */
import t from 'tap'
import {
  type Draft,
  machinesView,
  type ReleaseReason,
  repeatedIn,
  type SweepSpec,
  sweepView,
  trialView
} from '#protocol'
import {
  announcement,
  createWriter,
  foldAll,
  founded,
  keyOf,
  resultOf,
  submission,
  sweepSpec
} from '../helpers/records.js'

const LIVE = { machine: keyOf('a'), machines: new Map() }

/** A sweep of four trials, and short ways to say what happened to it. */
function seen(changes: Partial<SweepSpec> = {}) {
  const ann = founded()
  const draft = submission(sweepSpec(changes))
  ann.write(draft)
  const pool = foldAll(ann.entries)
  const writers = { a: ann, b: createWriter('bo', 'b') }
  const write = (by: 'a' | 'b', next: Draft) => void foldAll([writers[by].write(next, pool.clock + 1)], pool)
  const about = (trial: number, attempt = 1) => ({ sweep: draft.sweep, trial, attempt })
  const sweep = pool.sweeps.get(draft.sweep)
  if (!sweep) throw new Error('The sweep did not arrive.')
  return {
    pool,
    about,
    write,
    view: () => sweepView(pool, sweep, LIVE),
    repeated: () => repeatedIn(sweep),
    trial: (index: number) => trialView(pool, sweep, index, LIVE),
    finish: (by: 'a' | 'b', trial: number, result: Parameters<typeof resultOf>[1], seconds = 10, attempt = 1) =>
      write(by, resultOf(about(trial, attempt), result, { seconds })),
    release: (by: 'a' | 'b', trial: number, reason: ReleaseReason, seconds?: number, attempt = 1) =>
      write(by, {
        kind: 'trial-released',
        ...about(trial, attempt),
        reason,
        ...(seconds === undefined ? {} : { seconds })
      })
  }
}

t.test('repeated: replicates, lost conflicts and backups, with their seconds; nothing else', async t => {
  const { repeated, view, finish, release } = seen()
  finish('a', 0, 'complete', 100)
  finish('a', 1, 'error', 7)
  finish('a', 1, 'complete', 100, 2)
  t.same(repeated(), { attempts: 0, seconds: 0 }, 'a trial that failed first was not trained twice')
  finish('b', 0, 'complete', 60)
  t.same(repeated(), { attempts: 1, seconds: 60 }, 'the larger attempt or hash is the replicate, or the smaller')
  release('b', 2, 'lost-claim', 30)
  release('b', 3, 'owner', 500)
  release('a', 3, 'restart')
  t.same(repeated(), { attempts: 2, seconds: 90 }, 'what its owner took back was not trained elsewhere')
  release('a', 2, 'lost-claim', undefined, 2)
  t.same(repeated(), { attempts: 3, seconds: 90 }, 'an older agent did not say how long')
  t.same(view()?.repeated, { attempts: 3, seconds: 90 })
})

t.test('a trial that its sweep was stopped with is stopped, not done: nobody has a value of it', async t => {
  const { view, trial, finish, pool, write } = seen()
  write('a', announcement('desk'))
  finish('a', 0, 'complete', 10)
  finish('a', 1, 'stopped', 4)
  finish('a', 2, 'diverged', 6)
  t.match(view(), {
    trials: { total: 4, done: 2, stopped: 1, running: 0, waiting: 1, failed: 0 },
    diverged: 1,
    secondsTrained: 20
  })
  t.match(trial(1), { state: 'stopped' })
  const [desk] = machinesView(pool, LIVE)
  t.match(desk, { trialsFinished: 2, secondsTrained: 20 })
  finish('b', 1, 'complete', 10, 2)
  t.match(view()?.trials, { done: 3, stopped: 0 }, 'a late result counts as any')
})

t.test('a trial that reuses a stopped one is not done either (rule C10)', async t => {
  const parameters: SweepSpec['parameters'] = { x: { distribution: 'int_uniform', min: 0, max: 0 } }
  const { view, finish } = seen({ method: 'random', runCap: 2, onDuplicate: 'reuse', parameters })
  finish('a', 0, 'stopped')
  t.match(view()?.trials, { total: 2, done: 0, stopped: 1, waiting: 1 })
  finish('a', 0, 'complete', 10, 2)
  t.match(view()?.trials, { total: 2, done: 2, stopped: 0 })
})

t.test('a machine’s time counts what it gave back as well', async t => {
  const { pool, release, finish, write } = seen()
  write('a', announcement('desk'))
  finish('a', 0, 'complete', 10)
  release('a', 1, 'lost-claim', 30)
  t.match(machinesView(pool, LIVE), [{ trialsFinished: 1, secondsTrained: 40 }])
})

t.test('a backup is told from what it backs up; the trial shows the original (rule C11)', async t => {
  const { trial, write, about } = seen()
  const claim = { kind: 'trial-claimed', device: 'gpu0', parameters: { x: 0 } } as const
  write('a', { ...claim, ...about(0) })
  write('b', { ...claim, ...about(0, 2), backup: true })
  const view = trial(0)
  t.match(view.attempts, [{ attempt: 1 }, { attempt: 2, backup: true }])
  t.notOk(view.attempts[0]?.backup)
  t.equal(view.machineName, keyOf('a').slice(0, 8))
})

t.test('a wall time that is over names whose machine said so; a unit that no trial told is named', async t => {
  const { view, write, about } = seen({ wallTimeMs: 1000, stopping: { rule: 'auto', unit: 'epochs' } })
  t.match(view(), { wallTime: { ms: 1000, saidBy: undefined }, untoldUnit: undefined })
  write('a', resultOf(about(0), 'complete', { metrics: { loss: 1 } }))
  t.match(view(), { untoldUnit: 'epochs' })
  write('a', resultOf(about(1), 'complete', { metrics: { loss: 1, epoch: 3 } }))
  write('a', { kind: 'sweep-expired', sweep: about(0).sweep })
  t.match(view(), { state: 'done', wallTime: { ms: 1000, saidBy: 'ann' }, untoldUnit: undefined })
})
