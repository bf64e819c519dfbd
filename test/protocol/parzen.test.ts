import t from 'tap'
import type { CategoricalDimension, Dimension, NumericDimension } from '../../protocol/search/dimension.js'
import type { Bandwidth } from '../../protocol/search/kernels.js'
import { ageWeights, createParzenEstimator, mixtureWeights } from '../../protocol/search/parzen.js'

function numeric(range: Partial<NumericDimension>): NumericDimension {
  return { kind: 'numeric', name: 'x', low: 0, high: 10, isLog: false, ...range }
}

function categorical(...choices: string[]): CategoricalDimension {
  return { kind: 'categorical', name: 'c', choices }
}

interface Golden {
  readonly dimensions: readonly Dimension[]
  readonly observed: readonly (readonly number[])[]
  readonly expected: readonly (readonly [point: readonly number[], logDensity: number])[]
}

function checkAll(
  t: { ok(isTrue: boolean, what: string): unknown },
  bandwidth: Bandwidth,
  cases: Readonly<Record<string, Golden>>
): void {
  for (const [name, { dimensions, observed, expected }] of Object.entries(cases)) {
    const columns = observed.map(column => Float64Array.from(column))
    const estimator = createParzenEstimator({ dimensions, columns, bandwidth })
    for (const [point, logDensity] of expected) {
      const found = estimator.logDensity(Float64Array.from(point))
      t.ok(Math.abs(found - logDensity) < 1e-9, `${bandwidth}, ${name}: ${found} at ${point}`)
    }
  }
}

const float = numeric({})
const abc = categorical('a', 'b', 'c')
const integer = numeric({ low: 1, high: 8, step: 1 })
const tenths = numeric({ low: 0, high: 1, step: 0.1 })
/** Where both rules give the same widths. */
const COMMON: Readonly<Record<string, Golden>> = {
  'three observations': {
    dimensions: [float],
    observed: [[1, 2, 4]],
    expected: [
      [[3], -1.791699728895382],
      [[0], -2.0440935236417372],
      [[9.5], -3.698385054638834]
    ]
  },
  'no observation': { dimensions: [float], observed: [[]], expected: [[[3], -2.2816072925030966]] },
  choices: {
    dimensions: [abc],
    observed: [[0, 0, 2]],
    expected: [
      [[0], -0.7419373447293773],
      [[1], -1.6582280766035324]
    ]
  },
  joint: {
    dimensions: [float, categorical('a', 'b')],
    observed: [
      [1, 2, 4],
      [0, 1, 1]
    ],
    expected: [[[3, 1], -2.2904061649276493]]
  }
}
const EIGHT = {
  dimensions: [float, numeric({ high: 1 })],
  observed: [
    [1, 2, 3, 5, 6, 8, 9, 9.5],
    [0.1, 0.2, 0.2, 0.4, 0.5, 0.5, 0.7, 0.9]
  ]
}

t.test('golden: densities of Optuna 5.0', async t => {
  checkAll(t, 'optuna-5', {
    ...COMMON,
    'one observation': { dimensions: [float], observed: [[1]], expected: [[[3], -2.233629988347523]] },
    logarithmic: {
      dimensions: [numeric({ low: 1e-5, high: 0.1, isLog: true })],
      observed: [[1e-4, 1e-3]],
      expected: [[[5e-4], -1.9019541428662659]]
    },
    integers: {
      dimensions: [integer],
      observed: [[2, 2, 5]],
      expected: [
        [[2], -1.7201288432036603],
        [[8], -2.7928975312803077]
      ]
    },
    'logarithmic integers': {
      dimensions: [numeric({ low: 1, high: 64, step: 1, isLog: true })],
      observed: [[2, 4]],
      expected: [[[4], -2.605644616466438]]
    },
    steps: { dimensions: [tenths], observed: [[0.2, 0.5]], expected: [[[0.3], -2.1079936898549905]] },
    'eight observations': { ...EIGHT, expected: [[[4, 0.3], -2.1308835103571298]] }
  })
})

t.test('golden: densities of Optuna 4.9, multivariate', async t => {
  checkAll(t, 'optuna-4.9-multivariate', {
    ...COMMON,
    'one observation': { dimensions: [float], observed: [[1]], expected: [[[3], -2.0218691264353486]] },
    integers: {
      dimensions: [integer],
      observed: [[2, 2, 5]],
      expected: [
        [[2], -1.6558919762107718],
        [[8], -3.191564394582192]
      ]
    },
    steps: { dimensions: [tenths], observed: [[0.2, 0.5]], expected: [[[0.3], -2.0798848631321696]] },
    'eight observations': { ...EIGHT, expected: [[[4, 0.3], -1.7534562449687512]] }
  })
})

t.test('golden: weights by age', async t => {
  const rounded = (weights: Float64Array) => [...weights].map(weight => Number(weight.toFixed(6)))
  t.same(rounded(ageWeights(26)).slice(0, 3), [0.038462, 1, 1])
  t.same(rounded(ageWeights(30)).slice(0, 6), [0.033333, 0.275, 0.516667, 0.758333, 1, 1])
  t.same(ageWeights(25), new Float64Array(25).fill(1))
  t.same(ageWeights(0), new Float64Array())
  t.same(mixtureWeights(0), Float64Array.of(1), 'the prior alone')
  t.same(mixtureWeights(3), Float64Array.of(0.25, 0.25, 0.25, 0.25))
})

t.test('the probabilities of all steps or choices add up to 1', async t => {
  const logarithmic = numeric({ low: 1, high: 64, step: 1, isLog: true })
  const many = numeric({ low: 0, high: 5000, step: 1 })
  const cases: readonly (readonly [Dimension, number, number[]])[] = [
    [integer, 1, [2, 2, 5]],
    [logarithmic, 1, [2, 4, 60]],
    [many, 0, [7, 7, 1300, 4999]],
    [abc, 0, [0, 0, 2]]
  ]
  for (const bandwidth of ['optuna-5', 'optuna-4.9-multivariate'] as const) {
    for (const [dimension, first, observed] of cases) {
      const columns = [Float64Array.from(observed)]
      const estimator = createParzenEstimator({ dimensions: [dimension], columns, bandwidth })
      const count = dimension.kind === 'numeric' ? dimension.high - dimension.low + 1 : dimension.choices.length
      let sum = 0
      for (let i = 0; i < count; i++) sum += Math.exp(estimator.logDensity(Float64Array.of(first + i)))
      t.ok(Math.abs(sum - 1) < 1e-6, `${bandwidth}: ${sum}`)
    }
  }
})

t.test('weights of choices are the prior: alone before anything is known, less with each observation', async t => {
  const weighted: CategoricalDimension = { ...abc, weights: [0.7, 0.3, 0] }
  const probabilityOf = (choice: number, observed: number[]) => {
    const columns = [Float64Array.from(observed)]
    const estimator = createParzenEstimator({ dimensions: [weighted], columns, bandwidth: 'optuna-5' })
    return Math.exp(estimator.logDensity(Float64Array.of(choice)))
  }
  t.ok(Math.abs(probabilityOf(0, []) - 0.7) < 1e-12)
  t.equal(probabilityOf(2, []), 0)
  t.equal(probabilityOf(2, [0, 1]), 0, 'what is never to be drawn stays so')
  t.ok(probabilityOf(1, [1]) > 0.3)
  t.ok(probabilityOf(1, [1, 1, 1, 1]) > probabilityOf(1, [1]))
})

t.test('far from every kernel a density is small, and no -Infinity', async t => {
  const columns = [new Float64Array(2000).fill(0.5)]
  const dimension = numeric({ low: -1e150, high: 1e150 })
  const estimator = createParzenEstimator({ dimensions: [dimension], columns, bandwidth: 'optuna-5' })
  t.ok(Number.isFinite(estimator.logDensity(Float64Array.of(1e150))))
})
