/**
 * Explanations: where a trial's parameters come from, and what the rule said of it, from what the log says.
 */
import t from 'tap'
import { explainView, type Live, type SweepSpec, sweepView, trialView } from '#protocol'
import { keyOf, resultOf } from '../helpers/records.js'
import { LEASE_MS, situation } from '../helpers/situation.js'

const ASHA = { rule: 'asha', eta: 3, minSteps: 10, maxSteps: 100 } as const
const LIVE: Live = { machine: keyOf('a'), machines: new Map() }

/** A situation, and short ways to report and to ask. */
function told(changes: Partial<SweepSpec> = {}) {
  const at = situation({ leaseMs: LEASE_MS, ...changes })
  const sweep = at.pool.sweeps.get(at.sweep)
  if (!sweep) throw new Error('The sweep did not arrive.')
  return {
    ...at,
    report: (by: 'a' | 'b' | 'c', trial: number, step: number, value: number) =>
      at.write(by, { kind: 'attempt-reported', ...at.about(trial), step, value }),
    explain: (trial: number) => explainView(at.pool, sweep, trial, LIVE),
    trial: (index: number) => trialView(at.pool, sweep, index, LIVE),
    view: () => sweepView(at.pool, sweep, LIVE)
  }
}

t.test('origins: named in the file, of the grid, drawn, of the sequence, varied alone', async t => {
  const parameters: SweepSpec['parameters'] = {
    x: { distribution: 'int_uniform', min: 0, max: 3 },
    y: { distribution: 'int_uniform', min: 0, max: 1 }
  }
  const trials = [{ x: 3, y: 1 }]
  const origin = (method: SweepSpec['method'], trial: number) =>
    told({ method, parameters, trials, runCap: 6 }).explain(trial).origin
  t.same(origin('grid', 0), { from: 'file', place: 0, of: 1 })
  t.same(origin('grid', 2), { from: 'grid', place: 1 })
  t.same(origin('random', 1), { from: 'random', place: 0 })
  t.same(origin('sobol', 3), { from: 'sobol', place: 2 })
  t.same(origin('one-at-a-time', 1), { from: 'one-at-a-time', varied: [] }, 'the baseline')
  t.same(origin('one-at-a-time', 2), { from: 'one-at-a-time', varied: ['x'] })
})

t.test('a proposal names its machine and the results that came before it', async t => {
  const { explain, claim, write, about, trial } = told({ method: 'tpe', runCap: 4 })
  t.same(explain(0).origin, { from: 'nobody-yet' })
  t.match(trial(0), { isUnproposed: true, state: 'waiting', parameters: {} })
  claim('b', 0)
  write('b', resultOf(about(0), 'complete'))
  claim('c', 1)
  write('a', resultOf(about(3), 'complete'))
  t.match(explain(1).origin, { from: 'proposal', method: 'tpe', results: 1, isEarly: true })
  t.notOk('isUnproposed' in trial(1))
})

t.test('a trial that goes on is told its rank at each rung, among those that had reported before', async t => {
  const { claim, report, explain } = told({ stopping: ASHA })
  for (const trial of [0, 1, 2]) claim('b', trial)
  report('b', 0, 10, 3)
  report('b', 1, 10, 1)
  report('b', 2, 10, 2)
  report('b', 1, 30, 0.5)
  const { decisions, compared, nextRung } = explain(1)
  t.same(decisions, [
    { rung: 10, value: 1, rank: 1, of: 2, threshold: 1, stops: false, isSkipped: false },
    { rung: 30, value: 0.5, rank: 1, of: 1, threshold: 0.5, stops: false, isSkipped: false }
  ])
  t.same(compared, { of: 1, entries: [{ rank: 1, trial: 1, value: 0.5 }] })
  t.equal(nextRung, 90)
  t.match(explain(2).compared?.entries, [
    { rank: 1, trial: 1, value: 1 },
    { rank: 2, trial: 2, value: 2 },
    { rank: 3, trial: 0, value: 3 }
  ])
})

t.test(
  'of a stopped trial its result tells, whatever the log says by now; a metric is shown as it is written',
  async t => {
    const metric = { name: 'acc', goal: 'maximize', summary: 'last' } as const
    const { claim, report, explain, write, about, trial, view } = told({ stopping: ASHA, metric })
    claim('b', 0)
    claim('c', 1)
    report('b', 0, 10, 0.9)
    report('c', 1, 10, 0.5)
    const stop = { rule: 'asha', unit: 'steps', rung: 10, value: -0.5, threshold: -0.8, rank: 4, of: 4 } as const
    write('c', resultOf(about(1), 'stopped', { stop, step: 10 }))
    t.match(explain(1), {
      decisions: [{ rung: 10, value: 0.5, threshold: 0.8, rank: 4, of: 4, stops: true }],
      compared: {
        of: 2,
        entries: [
          { trial: 0, value: 0.9 },
          { trial: 1, value: 0.5 }
        ]
      }
    })
    t.match(trial(1), { state: 'stopped', stop: { value: 0.5, threshold: 0.8, rung: 10 } })
    t.match(view(), { stoppedEarly: 1, trials: { stopped: 1 }, stopping: ASHA })
  }
)

t.test('without a rule nothing was compared; a rule that compares with nobody lists nobody', async t => {
  const plain = told()
  plain.claim('b', 0)
  plain.report('b', 0, 10, 1)
  t.same(plain.explain(0).decisions, [])
  const bounded = told({ stopping: { rule: 'threshold', upper: 5 } })
  bounded.claim('b', 0)
  bounded.report('b', 0, 10, 9)
  const stop = { rule: 'threshold', unit: 'steps', rung: 12, value: 9, threshold: 5 } as const
  bounded.write('b', resultOf(bounded.about(0), 'stopped', { stop }))
  const { decisions, compared } = bounded.explain(0)
  t.match(decisions, [{ rung: 12, value: 9, threshold: 5, stops: true }])
  t.equal(compared, undefined)
})

t.test('of many entries the best are shown, and the own one wherever it stands', async t => {
  const parameters: SweepSpec['parameters'] = { x: { distribution: 'int_uniform', min: 0, max: 39 } }
  const { claim, report, explain } = told({ stopping: ASHA, parameters })
  for (let trial = 0; trial < 40; trial++) {
    claim('b', trial)
    report('b', trial, 10, trial)
  }
  const { compared } = explain(39)
  t.equal(compared?.of, 40)
  t.equal(compared?.entries.length, 15)
  t.same(compared?.entries.at(-1), { rank: 40, trial: 39, value: 39 })
})

t.test('a bracket’s trials are compared among themselves, and the median among complete ones', async t => {
  const hyperband = told({ stopping: { rule: 'hyperband', eta: 3, minSteps: 1, maxSteps: 100 } })
  for (const trial of [0, 1, 2, 3]) {
    hyperband.claim('b', trial)
    hyperband.report('b', trial, 81, trial)
  }
  const brackets = [0, 1, 2, 3].map(trial => hyperband.explain(trial))
  t.ok(brackets.every(each => each.bracket !== undefined))
  t.ok(brackets.every(each => (each.compared?.of ?? 0) <= 4))
  const median = told({ stopping: { rule: 'median', startUpTrials: 1 } })
  median.claim('b', 0)
  median.report('b', 0, 90, 1)
  median.report('b', 0, 100, 1)
  median.write('b', resultOf(median.about(0), 'complete', { step: 100 }))
  median.claim('c', 1)
  median.report('c', 1, 95, 2)
  median.report('c', 1, 99, 3)
  t.match(median.explain(1).decisions.at(-1), { threshold: 1, rank: 2, of: 2 })
})

t.test('target and budget are told with what was spent; a trial given back says why', async t => {
  const metric = { name: 'loss', goal: 'minimize', summary: 'last', target: 0.5 } as const
  const { claim, write, about, view, trial } = told({ metric, budget: { gpuSeconds: 100 } })
  claim('b', 0)
  write('b', { kind: 'trial-released', ...about(0), reason: 'owner', seconds: 7 })
  t.match(trial(0).attempts, [{ state: 'released', reason: 'owner', seconds: 7 }])
  t.match(view(), { target: { value: 0.5, isReached: false }, budget: { gpuSeconds: 100, spentSeconds: 7 } })
  write('c', resultOf(about(1), 'complete', { value: 0.4, seconds: 3 }))
  t.match(view(), { target: { isReached: true }, budget: { spentSeconds: 10 } })
})

t.test('a trial that constraints leave nothing for says so', async t => {
  const { trial, explain } = told({ method: 'random', runCap: 2, constraints: ['x > 5'] })
  t.equal(trial(0).state, 'infeasible')
  t.same(explain(0).origin, { from: 'nothing' })
})
