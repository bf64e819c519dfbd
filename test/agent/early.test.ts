/**
 * Early stopping in the core: which reports the log gets, when a rule decides, what the result says; targets, budgets.
 */
import t from 'tap'
import { fullStepsOf, type SweepSpec, sweepStateOf } from '#protocol'
import { poolWith, sweepAt } from '../helpers/one-sweep.js'
import { resultOf } from '../helpers/records.js'
import { occupy, planned, situation } from '../helpers/situation.js'
import type { VirtualMachine } from '../helpers/virtual-pool.js'

const ASHA = { rule: 'asha', eta: 2, minSteps: 10, maxSteps: 40 } as const
const report = (step: number, loss: number, metric = 'loss') => ({ step, metrics: { [metric]: loss }, nonFinite: [] })

/** One machine that runs trial after trial; each is told its losses at these steps. */
function oneByOne(trials: number, changes: Partial<SweepSpec>) {
  const { world, id, sweep } = poolWith(trials, changes)
  const a = world.add('a')
  world.run(2000)
  const running = () => a.started.at(-1)?.id ?? ''
  const tell = (points: readonly (readonly [number, number])[], metric?: string) => {
    for (const [step, loss] of points) a.agent.onReport(running(), report(step, loss, metric))
    world.run(2000)
  }
  return { world, a, id, sweep, running, tell }
}

const stops = (machine: VirtualMachine) => machine.stopped.map(({ id, reason }) => `${reason} ${id}`)

t.test('a report on each side of a rung goes to the log, and a trial that does worse there stops', async t => {
  const { world, a, sweep, running, tell } = oneByOne(3, { stopping: ASHA })
  const first = running()
  tell([
    [4, 3],
    [9, 2],
    [12, 1]
  ])
  const reports = () =>
    sweepAt(a, sweep)
      .trials.get(Number(first.split('-')[1]))
      ?.attempts.get(1)?.reports
  t.same([...(reports()?.values().next().value?.keys() ?? [])], [4, 9, 12], 'the rung 10 lies between the last two')
  t.same(stops(a), [], 'the first one at a rung goes on')
  world.exit(a, first, { class: 'complete', value: 1, step: 40, curve: [[40, 1]] })
  world.run(2000)
  t.not(running(), first)
  tell([
    [9, 5],
    [11, 4]
  ])
  t.same(stops(a), [`early ${running()}`])
  world.exit(a, running(), { class: 'stopped', curve: [[11, 4]] })
  world.run(2000)
  const [, trial = ''] = running().split('-')
  const stopped = [...sweepAt(a, sweep).trials.values()].map(each => each.standing.result).find(each => each?.stop)
  t.match(stopped, { class: 'stopped', message: /number 2 of 2/, stop: { rule: 'asha', rung: 10, rank: 2, of: 2 } })
  t.ok(trial)
})

t.test('a rung is decided once: who passed it goes on, whoever is better later', async t => {
  const { a, tell } = oneByOne(2, { stopping: ASHA })
  tell([[10, 5]])
  tell([[11, 5]])
  tell([[12, 9]])
  t.same(stops(a), [])
})

t.test('with W&B’s counting, reports are counted, not steps', async t => {
  const { a, tell } = oneByOne(2, { stopping: { rule: 'threshold', upper: 3, unit: 'reports', warmUpSteps: 3 } })
  tell([
    [100, 9],
    [200, 9]
  ])
  t.same(stops(a), [], 'the third report is the first that counts')
  tell([[300, 9]])
  t.equal(stops(a).length, 1)
})

t.test('counted in epochs or tokens, trials of other batch sizes are compared where they saw the same', async t => {
  const named = { epochs: 'epoch', tokens: 'train/num_tokens' } as const
  for (const unit of ['epochs', 'tokens'] as const) {
    const scale = unit === 'epochs' ? 0.01 : 100
    const lengths = { minSteps: 25 * scale, maxSteps: 300 * scale }
    const { world, a, sweep, running } = oneByOne(3, { stopping: { rule: 'asha', eta: 3, ...lengths, unit } })
    /** A line without its position belongs to the last that had one. */
    const tell = (step: number, at: number, loss: number) => {
      a.agent.onReport(running(), { step, metrics: { [named[unit]]: at * scale }, nonFinite: [] })
      a.agent.onReport(running(), report(step, loss))
      world.run(2000)
    }
    const first = running()
    tell(10, 24, 3)
    tell(20, 26, 2)
    t.same(stops(a), [], unit)
    const metrics = { [named[unit]]: 300 * scale }
    world.exit(a, first, { class: 'complete', value: 1, step: 200, metrics, curve: [[200, 1]] })
    world.run(2000)
    tell(100, 24, 4)
    t.same(stops(a), [], 'at ten times the step it has seen no more')
    tell(105, 25, 4)
    t.same(stops(a), [`early ${running()}`])
    world.exit(a, running(), { class: 'stopped', curve: [[105, 4]] })
    const results = [...sweepAt(a, sweep).trials.values()].flatMap(each => each.standing.result ?? [])
    t.match(
      results.find(each => each.stop),
      {
        message: unit === 'epochs' ? /at epoch 0\.25: it was number 2 of 2/ : /at 2500 tokens: it was number 2 of 2/,
        stop: { unit, rung: 25 * scale, rank: 2, of: 2 }
      }
    )
    const [submitted] = a.pool.sweeps.values()
    t.equal(submitted && fullStepsOf(submitted), 300 * scale, 'as long as the one that was trained to its end')
  }
})

t.test('what is maximised is compared the other way round', async t => {
  const metric = { name: 'acc', goal: 'maximize', summary: 'last' } as const
  const { a, tell } = oneByOne(2, { metric, stopping: { rule: 'threshold', lower: 0.5 } })
  tell([[1, 0.9]], 'acc')
  t.same(stops(a), [])
  tell([[2, 0.4]], 'acc')
  t.equal(stops(a).length, 1)
})

t.test('a target that is reached ends the sweep and what runs of it', async t => {
  const { pool, local, sweep, about, claim, write } = situation({
    metric: { name: 'loss', goal: 'minimize', summary: 'last', target: 0.5 }
  })
  claim('b', 0)
  claim('a', 1)
  occupy(local, about(1), 'running')
  write('b', resultOf(about(0), 'complete', { value: 0.6 }))
  t.same(planned(pool, local), [])
  claim('b', 2)
  write('b', resultOf(about(2), 'complete', { value: 0.5 }))
  t.same(planned(pool, local), ['stop 1/1'])
  const found = pool.sweeps.get(sweep)
  t.equal(found && sweepStateOf(pool, found), 'done')
})

t.test('a budget that is spent lets nothing new begin, and what runs go on', async t => {
  const { pool, local, sweep, about, claim, write } = situation({ budget: { gpuSeconds: 100 } })
  const found = pool.sweeps.get(sweep)
  claim('b', 0)
  write('b', resultOf(about(0), 'complete', { seconds: 60 }))
  t.equal(planned(pool, local).length, 1)
  claim('b', 1)
  claim('b', 2)
  write('b', resultOf(about(1), 'error', { seconds: 40 }))
  t.same(planned(pool, local), [])
  t.equal(found && sweepStateOf(pool, found), 'running', 'one still trains')
  write('b', resultOf(about(2), 'complete', { seconds: 9 }))
  t.equal(found && sweepStateOf(pool, found), 'done')
})
