/**
 * Several objectives: fronts, the ranking by them, and proposals that look along the front.
 */
import fc from 'fast-check'
import t from 'tap'
import {
  beats,
  frontsOf,
  insightView,
  type Losses,
  type RecordOf,
  rankingOf,
  type SweepSpec,
  sweepView
} from '#protocol'
import { experienceOf } from '../../protocol/experience.js'
import type { Observation, Space } from '../../protocol/search/dimension.js'
import { proposeBy } from '../../protocol/search/learning.js'
import { scalarised } from '../../protocol/search/scalarised.js'
import { streamOf } from '../../protocol/search/stream.js'
import { resultOf } from '../helpers/records.js'
import { situation } from '../helpers/situation.js'

const losses = fc.array(
  fc.array(fc.oneof(fc.integer({ min: 0, max: 6 }), fc.constant(Number.POSITIVE_INFINITY)), {
    minLength: 3,
    maxLength: 3
  }),
  { maxLength: 40 }
)

t.test(
  'fronts: nobody is beaten within its own, and whoever is in a later one is beaten by one in the one before',
  async t => {
    fc.assert(
      fc.property(losses, trials => {
        const fronts = frontsOf(trials)
        const inFront = (front: number) => trials.filter((_, at) => fronts[at] === front)
        return trials.every((trial: Losses, at) => {
          const front = fronts[at] ?? 0
          const isFree = inFront(front).every(other => !beats(other, trial))
          return isFree && (front === 0 || inFront(front - 1).some(other => beats(other, trial)))
        })
      })
    )
    t.same(frontsOf([]), [])
    t.same(
      frontsOf([
        [1, 4],
        [2, 2],
        [4, 1],
        [3, 3],
        [2, 2],
        [9, 9]
      ]),
      [0, 0, 0, 1, 0, 2]
    )
  }
)

const SWEEP: Partial<SweepSpec> = {
  metric: { name: 'acc', goal: 'maximize', summary: 'last' },
  furtherMetrics: [{ name: 'seconds_per_token', goal: 'minimize' }]
}

/** A sweep whose trials came to these values; without a second one it was never told. */
function trained(values: readonly (readonly [acc: number, seconds?: number])[]) {
  const { pool, sweep, write, about } = situation(SWEEP)
  for (const [trial, [value, seconds]] of values.entries()) {
    const metrics: RecordOf<'attempt-finished'>['metrics'] = seconds === undefined ? {} : { seconds_per_token: seconds }
    write('b', resultOf(about(trial), 'complete', { value, metrics }))
  }
  const found = pool.sweeps.get(sweep)
  if (!found) throw new Error('The sweep did not arrive.')
  return { pool, sweep: found }
}

t.test(
  'trials are ranked by fronts, each way as its objective goes, and by the first objective within one',
  async t => {
    const { pool, sweep } = trained([[0.8, 3], [0.9, 5], [0.7, 4], [0.85]])
    t.same(rankingOf(pool, sweep), [
      { trial: 1, front: 1 },
      { trial: 0, front: 1 },
      { trial: 3, front: 2 },
      { trial: 2, front: 2 }
    ])
    t.same(
      experienceOf(pool, sweep).map(({ loss, further }) => [loss, further]),
      [
        [-0.8, [3]],
        [-0.9, [5]],
        [-0.7, [4]],
        [-0.85, [undefined]]
      ]
    )
    t.same(
      insightView(pool, sweep)?.best.map(({ trial }) => trial),
      [1, 0, 3]
    )
    const live = { machine: '', machines: new Map() }
    t.same(sweepView(pool, sweep, live)?.untold, [{ name: 'seconds_per_token', trials: 1 }])
  }
)

t.test(
  'of a huge sweep the best in each objective are sorted, so that nobody can make all others count for hours',
  async t => {
    const { pool, sweep } = trained(Array.from({ length: 9000 }, (_, n) => [n, n] as const))
    const ranked = rankingOf(pool, sweep)
    t.equal(ranked.length, 9000)
    t.equal(ranked.filter(({ front }) => front === 1).length, 4000)
    t.same([ranked[0], ranked.at(-1)], [{ trial: 8999, front: 1 }, { trial: 2000 }])
  }
)

t.test('the next sweep begins with trials from all along the front, not from one end of it', async t => {
  const front = Array.from({ length: 12 }, (_, n) => [n / 100, n] as const)
  const { pool, sweep } = trained([...front, [0, 20], [0, 21]])
  t.same(
    insightView(pool, sweep)?.best.map(({ trial }) => trial),
    [11, 8, 5, 3, 0]
  )
  t.equal(insightView(pool, sweep)?.bestTrials, 12)
})

t.test(
  'one loss of several: the best of all counts as the best in every direction, what was not told as the worst',
  async t => {
    const observation = (loss: number, second?: number): Observation => ({
      parameters: {},
      state: 'complete',
      loss,
      further: [second]
    })
    const [running, diverged]: Observation[] = [
      { parameters: {}, state: 'running' },
      { parameters: {}, state: 'diverged' }
    ]
    const all = [observation(1, 10), observation(2, 20), observation(3), observation(3, 30), running, diverged].filter(
      each => each !== undefined
    )
    const draw = streamOf('pareto')
    for (let n = 0; n < 20; n++) {
      const [best = 0, middle = 0, untold = 0, worst = 0] = scalarised(all, draw).map(({ loss }) => loss ?? 0)
      t.equal(best, 0)
      t.ok(best < middle && middle < worst)
      t.ok(untold >= worst)
      t.same(scalarised(all, draw).slice(4), [running, diverged])
    }
    const single = [{ ...observation(1), further: [] }]
    t.equal(scalarised(single, draw), single, 'one objective is left as it is')
  }
)

t.test(
  'both methods find the whole front of two objectives that pull apart, where chance finds little of it',
  async t => {
    const space: Space = [
      { kind: 'numeric', name: 'x', low: 0, high: 1, isLog: false },
      { kind: 'numeric', name: 'y', low: 0, high: 1, isLog: false }
    ]
    // Only trials with y near 0.3 are good; among these x trades one objective for the other.
    const lossesAt = (x: number, y: number) => {
      const apart = 10 * (y - 0.3) ** 2
      return [x ** 2 + apart, (x - 1) ** 2 + apart] as const
    }
    for (const method of ['tpe', 'gp'] as const) {
      const propose = proposeBy(method, () => false)
      const draw = streamOf('pareto', method)
      const observations: Observation[] = []
      for (let trial = 0; trial < 50; trial++) {
        const parameters = propose(space, scalarised(observations, draw), draw)
        const [loss, second] = lossesAt(Number(parameters['x']), Number(parameters['y']))
        observations.push({ parameters, state: 'complete', loss, further: [second] })
      }
      const late = observations
        .slice(20)
        .map(({ parameters }) => ({ x: Number(parameters['x']), y: Number(parameters['y']) }))
      const near = late.filter(({ y }) => Math.abs(y - 0.3) < 0.15)
      t.ok(near.length >= 18, `${method}: ${near.length} of 30 lie near the front; by chance 9 do`)
      const parts = new Set(near.map(({ x }) => Math.min(3, Math.floor(x * 4))))
      t.equal(parts.size, 4, `${method}: and along all of it`)
    }
  }
)
