/**
 * Insight: what a sweep has taught, from its results; and that the next sweep is one that a file can say.
 */
import t from 'tap'
import { insightView, type Pool, type SweepSpec } from '#protocol'
import { readSweepText } from '../../cli/sweep-file.js'
import { writeSweepText } from '../../cli/sweep-write.js'
import { resultOf } from '../helpers/records.js'
import { situation } from '../helpers/situation.js'

const SPACE: SweepSpec['parameters'] = {
  lr: { distribution: 'log_uniform_values', min: 1e-5, max: 1 },
  units: { distribution: 'int_uniform', min: 1, max: 64 },
  kind: { distribution: 'categorical', values: ['a', 'b'] },
  epochs: { distribution: 'constant', value: 3 }
}
const SWEEP: Partial<SweepSpec> = { method: 'random', runCap: 60, parameters: SPACE, program: 'train.py' }

function insightOf(pool: Pool, sweep: string) {
  const found = pool.sweeps.get(sweep)
  const view = found && insightView(pool, found)
  if (!view) throw new Error('The sweep did not arrive.')
  return view
}

/** A sweep of which so many trials ended; the loss falls towards a learning rate of 0.001, above 0.1 it diverges. */
function trained(trials: number, changes: Partial<SweepSpec> = {}) {
  const { pool, sweep, write, about } = situation({ ...SWEEP, ...changes })
  for (let trial = 0; trial < trials; trial++) {
    const lr = 10 ** (-5 + (5 * ((trial * 23) % 60)) / 59)
    const parameters = { lr, units: 1 + ((trial * 7) % 64), kind: trial % 2 ? 'a' : 'b', epochs: 3 }
    const value = (Math.log10(lr) + 3) ** 2
    const made = lr > 0.1 ? resultOf(about(trial), 'diverged') : resultOf(about(trial), 'complete', { value })
    write('b', { ...made, parameters })
  }
  return insightOf(pool, sweep)
}

t.test('below twenty completed trials it says how many there are, and narrows nothing', async t => {
  const view = trained(15)
  t.notOk('importance' in view)
  t.same([view.needed, view.ranges], [20, []])
  t.ok(view.trials.complete < 20)
  t.same(view.next?.parameters, SPACE)
  t.equal(view.next?.trials?.length, view.best.length)
})

t.test('what matters has the largest share, and its range is narrowed around the best', async t => {
  const { importance, ranges, next, bestTrials, trials } = trained(60)
  t.equal(importance?.[0]?.name, 'lr')
  t.ok((importance?.[0]?.low ?? 0) > 0.5)
  t.equal(bestTrials, Math.ceil(trials.complete / 10))
  const [lr] = ranges
  t.match(lr, { name: 'lr', isLog: true, low: 1e-5, high: 1 })
  t.ok(lr?.next && lr.next.low > 1e-5 && lr.next.low < 1e-3 && lr.next.high > 1e-3 && lr.next.high < 0.1)
  t.match(next?.parameters['lr'], { distribution: 'log_uniform_values', min: lr?.next?.low, max: lr?.next?.high })
  t.same(next?.parameters['kind'], SPACE['kind'])
  t.match(next, { name: 'lora-2', method: 'auto', runCap: 60 })
})

t.test('where all diverged is named: above which learning rate', async t => {
  const { diverged, outOfMemory } = trained(60)
  const [end] = diverged.ends
  t.match(end, { name: 'lr', side: 'above', trials: diverged.trials })
  t.ok((end?.bound ?? 0) > 0.1 && (end?.bound ?? 1) < 0.2)
  t.same(outOfMemory, { trials: 0, of: 60, ends: [] })
})

t.test('the next sweep is one that a file can say, whatever the sweep was', async t => {
  for (const changes of [
    {},
    { method: 'grid' as const, parameters: { ...SPACE, lr: { distribution: 'categorical' as const, values: [0.1] } } },
    { onDuplicate: 'replicate' as const, seeds: 2 },
    { metric: { name: 'acc', goal: 'maximize' as const, summary: 'best' as const } },
    { parameters: { ...SPACE, units: { distribution: 'q_uniform' as const, min: 1, max: 64, q: 1 } } }
  ]) {
    const { next } = trained(60, changes)
    if (!next) {
      t.ok(next, 'there is a next sweep')
      continue
    }
    const { spec } = readSweepText(writeSweepText(next), 'next.yaml')
    t.strictSame({ ...spec, seed: 0 }, { ...next, seed: 0 })
  }
})

t.test('a name counts on, and stays within its limit', async t => {
  t.equal(trained(3, { name: 'digits-9' }).next?.name, 'digits-10')
  t.equal(trained(3, { name: 'x'.repeat(64) }).next?.name.length, 64)
})

t.test('without a result there is no next sweep', async t => {
  const view = trained(0)
  t.notOk('next' in view)
  t.same([view.best, view.diverged.of, view.state], [[], 0, 'running'])
})

t.test('memory that was too little counts, though the trial was trained elsewhere', async t => {
  const { pool, sweep, write, about } = situation(SWEEP)
  for (const trial of [0, 1]) {
    const parameters = { lr: 0.1, units: 8, kind: 'a', epochs: 3 }
    const oom = { kind: 'intrinsic', bytes: 2 ** 30 } as const
    if (trial === 0) write('b', { ...resultOf(about(trial), 'oom', { oom }), parameters })
    write('c', { ...resultOf(about(trial, trial === 0 ? 2 : 1), 'complete'), parameters })
  }
  t.match(insightOf(pool, sweep).outOfMemory, { trials: 1, of: 2 })
})

t.test('early ranks that mislead are told', async t => {
  const { pool, sweep, write, about } = situation({ ...SWEEP, stopping: { rule: 'asha', eta: 3, minSteps: 1 } })
  for (let trial = 0; trial < 12; trial++) {
    write('b', { kind: 'attempt-reported', ...about(trial), step: 1, value: (trial * 5) % 12 })
    write('b', { kind: 'attempt-reported', ...about(trial), step: 9, value: trial })
    write('b', resultOf(about(trial), 'complete', { value: trial, step: 9 }))
  }
  t.match(insightOf(pool, sweep).warning, { rung: 1, unit: 'steps', trials: 12 })
})
