import t from 'tap'
import type { Draw, Observation, Propose, Space } from '../../protocol/search/dimension.js'
import { embeddingOf } from '../../protocol/search/gp/point.js'
import { createGaussianProcess } from '../../protocol/search/gp/propose.js'
import type { Parameters } from '../../protocol/sweep-spec.js'
import { drawsOf, isIn, MIXED } from '../helpers/mixed-space.js'

const BRANIN: Space = [
  { kind: 'numeric', name: 'x', low: -5, high: 10, isLog: false },
  { kind: 'numeric', name: 'y', low: 0, high: 15, isLog: false }
]

function observed(parameters: Parameters, draw: Draw): Observation {
  const lr = Math.log10(Number(parameters['lr']))
  if (Number(parameters['rank']) * Number(parameters['batch']) > 500) return { parameters, state: 'infeasible' }
  if (lr > -2.5) return { parameters, state: 'diverged' }
  if (draw() < 0.1) return { parameters, state: 'running' }
  const loss = 1 + (lr + 4) ** 2 + Number(parameters['decay']) + (parameters['optimizer'] === 'sgd' ? 0.2 : 0)
  return draw() < 0.2
    ? { parameters, state: 'stopped', loss: loss + 0.2, step: 5 }
    : { parameters, state: 'complete', loss }
}

function swept(
  propose: Propose,
  space: Space,
  run: (parameters: Parameters) => Observation,
  size: { trials: number; seed: number }
) {
  const draw = drawsOf(size.seed)
  const observations: Observation[] = []
  for (let trial = 0; trial < size.trials; trial++) observations.push(run(propose(space, observations, draw)))
  return observations
}

t.test('proposals lie in the space, on its steps, with what is present and nothing else; none comes twice', async t => {
  for (const seed of [1, 2]) {
    const draw = drawsOf(seed + 50)
    const observations = swept(createGaussianProcess(), MIXED, each => observed(each, draw), { trials: 25, seed })
    t.ok(observations.every(({ parameters }) => isIn(MIXED, parameters)))
    t.equal(new Set(observations.map(({ parameters }) => JSON.stringify(parameters))).size, 25)
    t.same(new Set(observations.map(({ state }) => state)).has('infeasible'), true, 'that was tried too')
  }
})

t.test('equal trials and draws give an equal proposal; other draws another', async t => {
  const draw = drawsOf(9)
  const observations = swept(createGaussianProcess(), MIXED, each => observed(each, draw), { trials: 20, seed: 3 })
  const propose = (seed: number) => createGaussianProcess()(MIXED, observations, drawsOf(seed))
  t.same(propose(1), propose(1))
  t.same(propose(1), createGaussianProcess()(MIXED, structuredClone(observations), drawsOf(1)))
})

t.test('a space of few points is had whole, each once, and then repeats itself', async t => {
  const space: Space = [
    { kind: 'categorical', name: 'a', choices: ['x', 'y', 'z'] },
    { kind: 'numeric', name: 'b', low: 1, high: 4, isLog: false, step: 1 }
  ]
  const run = (parameters: Parameters): Observation => ({
    parameters,
    state: 'complete',
    loss: Number(parameters['b'])
  })
  const observations = swept(createGaussianProcess(), space, run, { trials: 12, seed: 1 })
  t.equal(new Set(observations.map(({ parameters }) => JSON.stringify(parameters))).size, 12)
  t.ok(isIn(space, createGaussianProcess()(space, observations, drawsOf(5))))
  const isTaken = ({ a }: Parameters) => a !== 'y'
  t.equal(createGaussianProcess({ isTaken })(space, observations.slice(0, 0), drawsOf(5))['a'], 'y')
})

t.test('nothing seen, nothing to vary, nothing but failures, values from elsewhere: there is a proposal', async t => {
  const propose = createGaussianProcess()
  t.same(propose([], [], drawsOf(1)), {})
  const constant = Array.from({ length: 12 }, (_, i): Observation => ({ parameters: {}, state: 'complete', loss: i }))
  t.same(propose([], constant, drawsOf(1)), {})
  const failed = (state: Observation['state'], count: number) =>
    swept(propose, MIXED, parameters => ({ parameters, state }), { trials: count, seed: 4 })
  for (const state of ['diverged', 'infeasible', 'running', 'stopped'] as const) {
    t.ok(isIn(MIXED, propose(MIXED, failed(state, 10), drawsOf(2))), state)
  }
  const foreign: Observation = { parameters: { lr: 5, other: true }, state: 'complete', loss: 1 }
  t.ok(
    isIn(
      MIXED,
      propose(
        MIXED,
        Array.from({ length: 12 }, () => foreign),
        drawsOf(3)
      )
    )
  )
})

t.test('with many at work the first losses count at once: trials that run are trials begun', async t => {
  const space: Space = [{ kind: 'numeric', name: 'x', low: 0, high: 1, isLog: false }]
  const ended = [0.1, 0.2, 0.3, 0.4].map((x): Observation => ({ parameters: { x }, state: 'complete', loss: x }))
  const running = [0.5, 0.55, 0.85, 0.95].map((x): Observation => ({ parameters: { x }, state: 'running' }))
  const propose = (seen: Observation[]) => Number(createGaussianProcess()(space, seen, drawsOf(1))['x'])
  t.ok(propose([...ended, ...running]) < 0.1, 'downhill')
  const early = propose([...ended.slice(1), ...running])
  t.ok(early > 0.6 && early < 0.8, 'with fewer losses, where the widest gap is')
})

t.test('where trials do not fit is learned, though the losses promise most there', async t => {
  const space: Space = [
    { kind: 'numeric', name: 'x', low: 0, high: 1, isLog: false },
    { kind: 'numeric', name: 'y', low: 0, high: 1, isLog: false }
  ]
  const run = (parameters: Parameters): Observation => {
    const [x, y] = [Number(parameters['x']), Number(parameters['y'])]
    return x > 0.6 ? { parameters, state: 'infeasible' } : { parameters, state: 'complete', loss: (y - 0.5) ** 2 - x }
  }
  const observations = swept(createGaussianProcess(), space, run, { trials: 30, seed: 2 })
  t.ok(Math.min(...observations.map(({ loss }) => loss ?? 0)) < -0.58, 'the best that fits lies at the very edge: -0.6')
  // The edge must be felt for, so trials just beyond it are no waste; those far beyond are.
  const beyond = observations.slice(8).filter(({ parameters }) => Number(parameters['x']) > 0.7)
  t.ok(beyond.length < 22 / 3, `${beyond.length} of 22`)
})

t.test('Branin: far better than random search, on the same number of trials', async t => {
  const branin = (parameters: Parameters): Observation => {
    const [x, y] = [Number(parameters['x']), Number(parameters['y'])]
    const valley = y - (5.1 / (4 * Math.PI ** 2)) * x * x + (5 / Math.PI) * x - 6
    return { parameters, state: 'complete', loss: valley ** 2 + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) + 10 }
  }
  const random: Propose = (space, _, draw) => embeddingOf(space).parametersOf(embeddingOf(space).draw(draw))
  const bestOf = (propose: Propose, seed: number) =>
    Math.min(...swept(propose, BRANIN, branin, { trials: 25, seed }).map(({ loss }) => loss ?? 0))
  const found = [1, 2, 3].map(seed => bestOf(createGaussianProcess(), seed))
  const blind = [1, 2, 3].map(seed => bestOf(random, seed))
  t.ok(
    found.every((loss, i) => loss < (blind[i] ?? 0)),
    `${found} against ${blind}`
  )
  t.ok((found.sort((a, b) => a - b)[1] ?? 1) < 0.397887 + 0.05, 'and mostly near the best there is')
})
