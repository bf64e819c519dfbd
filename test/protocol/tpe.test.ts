import fc from 'fast-check'
import t from 'tap'
import { canonicalJson } from '../../protocol/hash.js'
import { type Draw, isPresent, type Observation, type Space } from '../../protocol/search/dimension.js'
import type { Bandwidth } from '../../protocol/search/kernels.js'
import { columnsOf, occurrenceSets } from '../../protocol/search/occurrence.js'
import { createParzenEstimator } from '../../protocol/search/parzen.js'
import { belowCount, proposeTpe, splitTrials } from '../../protocol/search/tpe.js'
import type { Parameters } from '../../protocol/sweep-spec.js'
import { createDraw } from '../helpers/draw.js'

const MIXED: Space = [
  { kind: 'numeric', name: 'a', low: 1e-4, high: 0.1, isLog: true },
  { kind: 'numeric', name: 'b', low: -2, high: 3, isLog: false },
  { kind: 'numeric', name: 'c', low: 1, high: 64, step: 1, isLog: true },
  { kind: 'numeric', name: 'd', low: 0, high: 12, step: 3, isLog: false },
  { kind: 'categorical', name: 'e', choices: ['x', 'y', 'z'] }
]
const CONDITIONAL: Space = [
  { kind: 'numeric', name: 'lr', low: 1e-5, high: 0.1, isLog: true },
  { kind: 'categorical', name: 'optimizer', choices: ['adam', 'sgd', 'muon'] },
  {
    kind: 'numeric',
    name: 'beta',
    low: 0.8,
    high: 1,
    isLog: false,
    when: { parameter: 'optimizer', values: ['adam'] }
  },
  {
    kind: 'categorical',
    name: 'nesterov',
    choices: [true, false],
    when: { parameter: 'optimizer', values: ['sgd', 'muon'] }
  },
  {
    kind: 'numeric',
    name: 'momentum',
    low: 0,
    high: 0.9,
    step: 0.1,
    isLog: false,
    when: { parameter: 'optimizer', values: ['muon', 'sgd'] }
  },
  {
    kind: 'numeric',
    name: 'depth',
    low: 1,
    high: 5,
    step: 1,
    isLog: false,
    when: { parameter: 'nesterov', values: [true] }
  }
]
/** Ranges with extremes: tiny, huge, off the multiples of their step, of two values, and more steps than doubles. */
const EXTREME: Space = [
  { kind: 'numeric', name: 'p', low: -1e150, high: 1e150, isLog: false },
  { kind: 'numeric', name: 'q', low: 1e-150, high: 1e150, isLog: true },
  { kind: 'numeric', name: 'r', low: -9007199254740991, high: 9007199254740991, step: 1, isLog: false },
  { kind: 'numeric', name: 's', low: 0.3, high: 0.7, step: 0.1, isLog: false },
  { kind: 'numeric', name: 't', low: 1, high: 33, step: 8, isLog: true },
  { kind: 'numeric', name: 'u', low: 0, high: 1, step: 1, isLog: false },
  { kind: 'categorical', name: 'v', choices: [null] },
  { kind: 'categorical', name: 'w', choices: [1, '1', true], weights: [0.5, 0.5, 0] },
  { kind: 'numeric', name: 'x', low: 1e15, high: 1e15 + 1, isLog: false }
]

function chance(seed: number): Draw {
  const draw = createDraw(seed)
  return () => draw.integer(2 ** 32) / 2 ** 32
}

/** True where parameters have each dimension that is present, no other, and only values that there are. */
function isWithin(space: Space, parameters: Parameters): boolean {
  const names = space.filter(each => isPresent(each, parameters)).map(({ name }) => name)
  if (canonicalJson(names.sort()) !== canonicalJson(Object.keys(parameters).sort())) return false
  return space.every(dimension => {
    const value = parameters[dimension.name]
    if (value === undefined) return true
    if (dimension.kind === 'categorical') return dimension.choices.includes(value)
    const { low, high, step } = dimension
    if (typeof value !== 'number' || !(low <= value && value <= high)) return false
    const steps = step === undefined ? 0 : (value - low) / step
    return Math.abs(steps - Math.round(steps)) < 1e-9
  })
}

const anyState = fc.constantFrom<Observation['state']>('complete', 'stopped', 'diverged', 'running', 'infeasible')
const anyBandwidth = fc.constantFrom<Bandwidth>('optuna-4.9-multivariate', 'optuna-5')
const seed = fc.integer({ min: 0, max: 2 ** 32 - 1 })

/** A sweep in which each trial ends before the next begins; `states` come in turns. */
function played(
  space: Space,
  propose: ReturnType<typeof proposeTpe>,
  draw: Draw,
  { trials, lossOf }: { trials: number; lossOf: (parameters: Parameters) => number }
): Observation[] {
  const observations: Observation[] = []
  for (let i = 0; i < trials; i++) {
    const parameters = propose(space, observations, draw)
    observations.push({ state: 'complete', parameters, loss: lossOf(parameters) })
  }
  return observations
}

/** A sweep with trials of three states, whose numbers are as good as random. */
const SIXTY: readonly Observation[] = Array.from({ length: 60 }, (_, i): Observation => {
  const [a, b] = [1e-4 * 10 ** ((3 * ((7 * i) % 60)) / 59), -2 + (5 * ((11 * i) % 60)) / 59]
  const [c, d, e] = [1 + ((13 * i) % 64), 3 * (i % 5), ['x', 'y', 'z'][(i * i) % 3] ?? '']
  const parameters = { a, b, c, d, e }
  const loss = (Math.log10(a) + 2.5) ** 2 + (b - 1) ** 2 + 0.01 * c + (e === 'y' ? 0.3 : 0)
  if (i % 12 === 11) return { state: 'running', parameters }
  return i % 4 === 3
    ? { state: 'stopped', parameters, loss, step: (i % 7) + 1 }
    : { state: 'complete', parameters, loss }
})

t.test('golden: the good trials and both densities of a sweep, as Optuna 4.9 and 5.0 have them', async t => {
  const { below, above } = splitTrials(SIXTY)
  t.same(
    below.map(trial => SIXTY.indexOf(trial)),
    [14, 20, 30, 36, 46, 57]
  )
  t.equal(above.length, 54)
  const points = [
    [1e-3, 0.5, 4, 3, 0],
    [5e-2, 2.9, 64, 12, 2],
    [1e-4, -2, 1, 0, 1]
  ]
  const golden = {
    'optuna-4.9-multivariate': [
      [-7.531452112520068, -10.980675424475487],
      [-13.816899418768001, -12.825272178609941],
      [-9.926658804111515, -11.256506571507048]
    ],
    'optuna-5': [
      [-7.317615743550337, -12.794499199301436],
      [-14.144413060107901, -15.934654197518832],
      [-9.927163622457648, -8.076348873697086]
    ]
  }
  for (const bandwidth of ['optuna-4.9-multivariate', 'optuna-5'] as const) {
    const densities = [below, above].map(trials => {
      const columns = columnsOf({ dimensions: MIXED }, trials)
      return createParzenEstimator({ dimensions: MIXED, columns, bandwidth })
    })
    for (const [place, point] of points.entries()) {
      for (const [side, density] of densities.entries()) {
        const found = density.logDensity(Float64Array.from(point))
        t.ok(Math.abs(found - (golden[bandwidth][place]?.[side] ?? 0)) < 1e-9, `${bandwidth}: ${found}`)
      }
    }
  }
})

t.test('a tenth of what ended is good, rounded up, at most 25', async t => {
  t.same([0, 9, 10, 11, 100, 249, 250, 10_000].map(belowCount), [0, 1, 1, 2, 10, 25, 25, 25])
})

t.test('good are complete trials by loss, then stopped ones that got far; what has no loss never is', async t => {
  const observations: Observation[] = [
    { state: 'stopped', parameters: {}, loss: -9, step: 2 },
    { state: 'stopped', parameters: {}, loss: 5, step: 7 },
    { state: 'complete', parameters: {}, loss: 8 },
    { state: 'stopped', parameters: {}, loss: 4, step: 7 },
    ...Array.from({ length: 30 }, (): Observation => ({ state: 'diverged', parameters: {} })),
    { state: 'infeasible', parameters: {}, loss: -99 },
    { state: 'running', parameters: {} }
  ]
  const good = (some: readonly Observation[]) => splitTrials(some).below.map(trial => observations.indexOf(trial))
  t.same(good(observations), [0, 1, 2, 3], '35 ended, but four have something to show')
  t.same(good(observations.slice(0, 4)), [2])
  t.same(good(observations.slice(0, 15)), [2, 3])
  t.same(good(observations.slice(4)), [])
  t.same(splitTrials([]), { below: [], above: [] })
})

t.test('the good trials are those of a sort by loss, the older of equal ones first', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 300 }), losses => {
      const observations = losses.map((loss): Observation => ({ state: 'complete', parameters: {}, loss }))
      const order = [...losses.keys()].sort((a, b) => (losses[a] ?? 0) - (losses[b] ?? 0) || a - b)
      const expected = order.slice(0, belowCount(losses.length)).sort((a, b) => a - b)
      const { below, above } = splitTrials(observations)
      const found = below.map(trial => observations.indexOf(trial))
      return canonicalJson(found) === canonicalJson(expected) && below.length + above.length === losses.length
    })
  )
})

t.test('dimensions with one condition are learned together, in whatever order it lists its values', async t => {
  const names = occurrenceSets(CONDITIONAL).map(({ dimensions }) => dimensions.map(({ name }) => name))
  t.same(names, [['lr', 'optimizer'], ['beta'], ['nesterov', 'momentum'], ['depth']])
  t.same(occurrenceSets([]), [])
})

t.test(
  'a set is learned from the trials that have the whole of it, and what lies outside counts at the end',
  async t => {
    const [root, beta] = occurrenceSets(CONDITIONAL)
    const trials = [
      { lr: 0.01, optimizer: 'adam', beta: 0.9 },
      { lr: 7, optimizer: 'sgd', beta: 0.9 },
      { lr: 'fast', optimizer: 'sgd' },
      { lr: 0.01, optimizer: 'lion' },
      { optimizer: 'adam', beta: 5 }
    ].map((parameters): Observation => ({ state: 'complete', parameters, loss: 0 }))
    const columns = (set: typeof root) => (set ? columnsOf(set, trials).map(column => [...column]) : [])
    t.same(columns(root), [
      [0.01, 0.1],
      [0, 1]
    ])
    t.same(columns(beta), [[0.9, 1]])
  }
)

t.test('of very many trials an even part is learned from, with the newest', async t => {
  const set = { dimensions: MIXED.slice(1, 2) }
  const trials = Array.from({ length: 9000 }, (_, i): Observation => {
    return { state: 'running', parameters: { b: i / 9000 } }
  })
  const [column] = columnsOf(set, trials)
  t.equal(column?.length, 1500)
  t.equal(column?.at(-1), 8999 / 9000)
  t.ok((column?.at(0) ?? 1) < 0.001)
})

t.test('a proposal has a value of each dimension that is present, and no other, whatever the trials were', async () => {
  fc.assert(
    fc.property(
      fc.constantFrom(MIXED, CONDITIONAL, EXTREME, []),
      fc.array(anyState, { maxLength: 40 }),
      anyBandwidth,
      seed,
      (space, states, bandwidth, start) => {
        const draw = chance(start)
        const propose = proposeTpe({ bandwidth, startUpTrials: 3 })
        const observations: Observation[] = []
        for (const state of states) {
          const parameters = propose(space, observations, draw)
          if (!isWithin(space, parameters)) return false
          observations.push({ state, parameters, loss: Math.floor(5 * draw()), step: Math.floor(3 * draw()) })
        }
        return true
      }
    ),
    { numRuns: 100 }
  )
})

t.test('a choice of weight 0 is never proposed', async t => {
  const space: Space = [{ kind: 'categorical', name: 'w', choices: ['a', 'b', 'c'], weights: [0.2, 0, 0.8] }]
  const trials = played(space, proposeTpe(), chance(1), { trials: 60, lossOf: ({ w }) => (w === 'c' ? 0 : 1) })
  t.notOk(trials.some(({ parameters }) => parameters['w'] === 'b'))
  t.ok(trials.some(({ parameters }) => parameters['w'] === 'a'))
})

t.test('a proposal is a function of the space, the trials and the draws', async t => {
  const propose = proposeTpe()
  t.same(propose(MIXED, SIXTY, chance(9)), propose(MIXED, structuredClone(SIXTY), chance(9)))
  t.notSame(propose(MIXED, SIXTY, chance(9)), propose(MIXED, SIXTY, chance(10)))
})

t.test('what losses are measured in does not matter, only their order', async () => {
  const stretched = SIXTY.map((trial): Observation => ({ ...trial, loss: 1000 * (trial.loss ?? 0) - 5 }))
  fc.assert(
    fc.property(seed, start => {
      const [plain, other] = [SIXTY, stretched].map(trials => proposeTpe()(MIXED, trials, chance(start)))
      return canonicalJson(plain) === canonicalJson(other)
    }),
    { numRuns: 20 }
  )
})

t.test('proposals gather around the best, closer than random ones and in either bandwidth', async t => {
  const space: Space = [
    { kind: 'numeric', name: 'x', low: -5, high: 5, isLog: false },
    { kind: 'numeric', name: 'y', low: 1e-5, high: 1, isLog: true }
  ]
  const distance = ({ x, y }: Parameters) => (Number(x) - 2) ** 2 + (Math.log10(Number(y)) + 3) ** 2
  const median = (bandwidth: Bandwidth, startUpTrials: number) => {
    const last = [1, 2, 3, 4, 5].flatMap(each => {
      const trials = played(space, proposeTpe({ bandwidth, startUpTrials }), chance(each), {
        trials: 60,
        lossOf: distance
      })
      return trials.slice(40).map(({ parameters }) => distance(parameters))
    })
    return last.sort((a, b) => a - b)[50] ?? 0
  }
  const random = median('optuna-5', 1000)
  t.ok(median('optuna-4.9-multivariate', 10) < random / 4)
  t.ok(median('optuna-5', 10) < random / 4)
})

t.test('a conditional parameter is learned where it is', async t => {
  const lossOf = ({ optimizer, momentum }: Parameters) => {
    return optimizer === 'sgd' ? Math.abs(Number(momentum) - 0.7) : 1
  }
  const trials = played(CONDITIONAL, proposeTpe(), chance(6), { trials: 80, lossOf })
  const late = trials.slice(40).map(({ parameters }) => lossOf(parameters))
  t.ok(late.filter(loss => loss < 0.25).length > 15)
})

t.test('running trials keep the next proposals away from themselves', async t => {
  const space: Space = [{ kind: 'numeric', name: 'x', low: 0, high: 1, isLog: false }]
  const ended = Array.from({ length: 20 }, (_, i): Observation => {
    return { state: 'complete', parameters: { x: i / 19 }, loss: (i / 19 - 0.5) ** 2 }
  })
  const running = Array.from({ length: 8 }, (): Observation => ({ state: 'running', parameters: { x: 0.5 } }))
  const meanDistance = (trials: readonly Observation[]) => {
    const distances = Array.from({ length: 40 }, (_, i) => {
      return Math.abs(Number(proposeTpe()(space, trials, chance(i))['x']) - 0.5)
    })
    return distances.reduce((sum, each) => sum + each) / distances.length
  }
  t.ok(meanDistance([...ended, ...running]) > 1.5 * meanDistance(ended))
})

t.test('what is taken is not proposed while the draws find something else', async t => {
  const space: Space = [
    { kind: 'numeric', name: 'i', low: 0, high: 4, step: 1, isLog: false },
    { kind: 'categorical', name: 'j', choices: ['a', 'b'] }
  ]
  const taken = new Set<string>()
  const propose = proposeTpe({ startUpTrials: 4, isTaken: parameters => taken.has(canonicalJson(parameters)) })
  const draw = chance(11)
  const observations: Observation[] = []
  for (let i = 0; i < 9; i++) {
    const parameters = propose(space, observations, draw)
    t.notOk(taken.has(canonicalJson(parameters)), `trial ${i}`)
    taken.add(canonicalJson(parameters))
    observations.push({ state: 'complete', parameters, loss: Number(parameters['i']) })
  }
  const everything = proposeTpe({ isTaken: () => true })
  t.ok(isWithin(space, everything(space, observations, draw)), 'with nothing free a taken one comes back')
  t.ok(isWithin(space, everything(space, [...observations, ...observations], draw)))
})
