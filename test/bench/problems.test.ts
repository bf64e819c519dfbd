import t, { type Test } from 'tap'
import type { Parameters } from '../../protocol/sweep-spec.js'
import { spaceOf } from './ask-tell/messages.js'
import { METHODS, named } from './ask-tell/methods.js'
import { drawOf } from './ask-tell/session.js'
import { compared, PROBLEMS } from './search/compare.js'
import { CONDITIONAL } from './search/conditional.js'
import { FULL, LORA } from './search/fine-tune.js'
import { BRANIN, HARTMANN6, ROSENBROCK4 } from './search/functions.js'
import { latencyOf } from './search/latency.js'
import { openOptuna, optunaPython } from './search/optuna.js'
import { type Asker, askerOf, regretsOf } from './search/play.js'
import { measured, type Problem } from './search/problem.js'
import { storedReferences } from './search/reference.js'
import { estimateOf, inShort, median } from './search/statistics.js'

const RUN = { seed: 3, trials: 20, pending: 1 }
const near = (t: Test, found: number | undefined, wanted: number, tolerance = 1e-9) =>
  t.ok(Math.abs((found ?? Number.NaN) - wanted) <= tolerance, `${found} is about ${wanted}`)

/** The parameters with the numbers moved a little, some of them. */
function nearby(problem: Problem, parameters: Parameters, draw: () => number): Parameters {
  const moved = spaceOf(problem.space).flatMap(dimension => {
    const value = parameters[dimension.name]
    if (dimension.kind === 'categorical' || typeof value !== 'number' || draw() < 0.5) return []
    const { low, high, isLog, step } = dimension
    const by = 0.02 * (draw() - 0.5)
    const there = isLog ? value * (high / low) ** by : value + by * (high - low)
    const inside = Math.min(high, Math.max(low, there))
    return [[dimension.name, step === undefined ? inside : Math.round(inside)] as const]
  })
  return { ...parameters, ...Object.fromEntries(moved) }
}

t.test('the functions have the optima of the literature', async t => {
  for (const [x, y] of [
    [-Math.PI, 12.275],
    [Math.PI, 2.275],
    [9.42478, 2.475]
  ] as const)
    near(t, BRANIN.lossOf({ x, y }), 0.397887, 1e-6)
  near(t, HARTMANN6.lossOf(HARTMANN6.optimumAt), -3.32237, 1e-5)
  t.equal(ROSENBROCK4.lossOf({ x0: 1, x1: 1, x2: 1, x3: 1 }), 0)
  t.equal(ROSENBROCK4.lossOf({ x0: 0, x1: 0, x2: 0, x3: 0 }), 3)
})

for (const problem of PROBLEMS)
  t.test(`${problem.name}: its optimum is where it says, and nothing is below it`, async t => {
    near(t, problem.lossOf(problem.optimumAt), problem.optimum)
    const draw = drawOf(11, problem.name)
    const propose = named(METHODS, 'random')({ seed: 11, trials: 1, parallel: 1 })
    const space = spaceOf(problem.space)
    const found = Array.from({ length: 3000 }, () => [
      problem.lossOf(propose(space, [], draw)) ?? Number.POSITIVE_INFINITY,
      problem.lossOf(nearby(problem, problem.optimumAt, draw)) ?? Number.POSITIVE_INFINITY
    ]).flat()
    t.notOk(found.some(Number.isNaN), 'a loss is a number')
    t.ok(Math.min(...found) > problem.optimum - 1e-9)
  })

t.test(
  'fine-tunes: too small a step learns nothing, too large a one diverges, and just below the loss rises',
  async t => {
    for (const problem of [LORA, FULL]) {
      const { optimumAt, optimum } = problem
      const at = (learning_rate: number, more: Parameters = {}) =>
        problem.lossOf({ ...optimumAt, learning_rate, ...more }) ?? Number.POSITIVE_INFINITY
      const rates = Array.from({ length: 400 }, (_, n) => 1e-6 * 10 ** (n / 100))
      const cliff = rates.find(rate => at(rate) === Number.POSITIVE_INFINITY) ?? Number.NaN
      t.ok(cliff > 3 * Number(optimumAt['learning_rate']) && cliff < 1e-2, `a cliff at ${cliff}`)
      t.ok(at(cliff / 1.03) > optimum + 0.3, 'a step before it')
      t.equal(at(cliff / 1.03, { warmup_ratio: 0 }), Number.POSITIVE_INFINITY, 'without a warm-up it comes earlier')
      t.equal(at(cliff / 1.03, { batch_size: 8 }), Number.POSITIVE_INFINITY, 'as it does with a smaller batch')
    }
    const { optimumAt } = LORA
    t.equal(LORA.lossOf({ ...optimumAt, learning_rate: 4.5e-4, lora_rank: 128 }), undefined, 'or with a larger rank')
    t.ok(
      LORA.lossOf({ ...optimumAt, learning_rate: 4.5e-4, lora_rank: 128, lora_alpha: 32 }),
      'a smaller alpha makes smaller steps'
    )
  }
)

t.test('the conditional mix: the best learning rates of the optimisers are orders of magnitude apart', async t => {
  const rest = { schedule: 'cosine', warmup: 0.05, layers: 4, width: 256 }
  const loss = (parameters: Parameters) => CONDITIONAL.lossOf({ ...rest, ...parameters }) ?? Number.NaN
  near(t, loss({ optimizer: 'sgd', learning_rate: 0.3, momentum: 0 }), 0.55)
  near(t, loss({ optimizer: 'sgd', learning_rate: 0.03, momentum: 0.9 }), 0.55)
  near(t, loss({ optimizer: 'lion', learning_rate: 1e-4, weight_decay: 0.3 }), 0.52)
  t.equal(CONDITIONAL.lossOf({ ...rest, optimizer: 'lion', learning_rate: 1e-2, weight_decay: 0.3 }), undefined)
})

t.test('noise has the size that the problem says, and is drawn for trials that diverge too', async t => {
  const draw = drawOf(5, 'noise')
  const losses = Array.from({ length: 4000 }, () => measured(LORA, LORA.optimumAt, draw) ?? Number.NaN)
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length
  const variance = losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / losses.length
  near(t, mean, LORA.optimum, 5e-4)
  near(t, Math.sqrt(variance), LORA.noise, 4e-4)
  const asked = { count: 0 }
  t.equal(
    measured(LORA, { ...LORA.optimumAt, learning_rate: 1e-2 }, () => asked.count++ && 0.5),
    null
  )
  t.equal(asked.count, 2)
})

t.test('a run keeps as many pending as it may, and tells the oldest', async t => {
  const said: string[] = []
  const asker: Asker = {
    begin: async () => undefined,
    ask: async () => {
      const id = said.filter(each => each.startsWith('ask')).length
      said.push(`ask ${id}`)
      return { id, params: { x: id, y: 0 } }
    },
    tell: async id => void said.push(`tell ${id}`)
  }
  const regrets = await regretsOf(BRANIN, asker, { seed: 1, trials: 4, pending: 2 })
  t.same(said.join(', '), 'ask 0, ask 1, tell 0, ask 2, tell 1, ask 3, tell 2, tell 3')
  near(t, regrets[3]?.chosen, (BRANIN.lossOf({ x: 3, y: 0 }) ?? 0) - BRANIN.optimum)
})

t.test('regret is that of the trial which looks best, and one seed gives one run', async t => {
  const regrets = await regretsOf(LORA, askerOf('random'), RUN)
  t.same(await regretsOf(LORA, askerOf('random'), RUN), regrets)
  t.notSame(await regretsOf(LORA, askerOf('random'), { ...RUN, seed: 4 }), regrets)
  t.ok(regrets.every(({ chosen, tried }) => chosen >= tried && tried >= 0))
  const noisy = await regretsOf(FULL, askerOf('random'), { ...RUN, trials: 100 })
  t.ok(
    noisy.some(({ chosen, tried }) => chosen > tried),
    'noise hides the best one at times'
  )
  const { at } = await compared(askerOf('random'), {
    ...{ method: 'random', problem: BRANIN, pending: 8, seeds: 3, trials: 50 }
  })
  t.match(at, [{ trials: 25 }, { trials: 50 }])
  t.equal(at[0]?.regrets.length, 3)
})

t.test('statistics: medians, and a band that chance would not leave', async t => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
  t.equal(median([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]), Number.POSITIVE_INFINITY)
  t.ok(Number.isNaN(median([])))
  t.same(estimateOf([1, 1, 1]), { median: 1, low: 1, high: 1 })
  const { low, high } = estimateOf(Array.from({ length: 20 }, (_, n) => n))
  t.ok(low >= 3 && low < 8 && high > 11 && high <= 16, `${low} to ${high}`)
  t.same([inShort(0.0123456), inShort(Number.POSITIVE_INFINITY)], ['0.0123', '-'])
})

t.test('a reference is read as it stands, or it is said what is wrong with it', async t => {
  const dir = t.testdir({
    'reference.json': JSON.stringify({
      what: 'made up',
      comparisons: [
        {
          ...{ optuna: '4.9.0', problem: 'lora', method: 'optuna:tpe', pending: 8, seeds: 20 },
          at: [{ trials: 50, median: 0.03, low: 0.02, high: 0.04, regrets: [0.03] }]
        }
      ]
    }),
    'other.json': '{"comparisons": [{}]}'
  })
  t.same(storedReferences(`${dir}/reference.json`), [
    {
      ...{ optuna: '4.9.0', problem: 'lora', method: 'optuna:tpe', pending: 8 },
      at: [{ trials: 50, median: 0.03, low: 0.02, high: 0.04 }]
    }
  ])
  t.throws(() => storedReferences(`${dir}/other.json`), /optuna/)
})

t.test('latency: the first proposal, and those after it', async t => {
  const { firstMs, medianMs, worstMs, ...rest } = await latencyOf('random', 10)
  t.same(rest, { method: 'random', observations: 10 })
  t.ok(firstMs >= 0 && medianMs >= 0 && worstMs >= medianMs)
})

const { python, version } = optunaPython()
t.test('Optuna beside it', version === undefined ? { skip: `${python} has no Optuna` } : {}, async t => {
  const optuna = openOptuna(python, 'tpe')
  for (const problem of [LORA, CONDITIONAL]) {
    const regrets = await regretsOf(problem, optuna, { ...RUN, pending: 4 })
    t.equal(regrets.length, RUN.trials)
    t.ok(Number.isFinite(regrets.at(-1)?.chosen))
  }
  optuna.close()
})

t.test('Optuna that is not there is told', async t => {
  const lost = openOptuna('no-such-python', 'tpe')
  await t.rejects(lost.begin({ ...RUN, space: [] }), /tpe ended before it answered/)
})
