/**
 * Methods that learn: which space a sweep has, what may be proposed, and what becomes of a claim's proposal.
 */
import fc from 'fast-check'
import t from 'tap'
import { canonicalJson } from '../../protocol/hash.js'
import { dimensionsOf, isInSpace, withConstants } from '../../protocol/search/dimensions.js'
import { createProposer } from '../../protocol/search/learning.js'
import { createSearch } from '../../protocol/search/search.js'
import { parametersAt } from '../../protocol/search/space.js'
import { streamOf } from '../../protocol/search/stream.js'
import type { SweepSpec } from '../../protocol/sweep-spec.js'
import { sweepSpec } from '../helpers/records.js'

const LORA: SweepSpec['parameters'] = {
  lr: { distribution: 'log_uniform_values', min: 1e-5, max: 1e-2 },
  rank: { distribution: 'categorical', values: [8, 16, 32] },
  optimizer: { distribution: 'categorical', values: ['adamw', 'sgd'] },
  momentum: {
    distribution: 'q_uniform',
    min: 0.5,
    max: 0.9,
    q: 0.1,
    when: { parameter: 'optimizer', values: ['sgd'] }
  },
  epochs: { distribution: 'int_uniform', min: 1, max: 4 },
  model: { distribution: 'constant', value: 'phi' }
}
const lora = sweepSpec({ method: 'tpe', runCap: 30, parameters: LORA })

t.test('what random draws give lies in the space; anything else does not', async t => {
  const space = dimensionsOf(lora)
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 31 }), seed => {
      const draw = streamOf(seed)
      return isInSpace({ spec: lora, space }, parametersAt(lora, draw))
    })
  )
  const good = { lr: 1e-3, rank: 8, optimizer: 'adamw', epochs: 2, model: 'phi' }
  const isIn = (parameters: object) => isInSpace({ spec: lora, space }, { ...good, ...parameters })
  t.ok(isIn({}))
  t.ok(isIn({ optimizer: 'sgd', momentum: 0.5 }))
  t.notOk(isIn({ lr: 1 }), 'outside its range')
  t.notOk(isIn({ lr: '0.001' }), 'a text')
  t.notOk(isIn({ rank: 9 }), 'no choice')
  t.notOk(isIn({ momentum: 0.5 }), 'its condition does not hold')
  t.notOk(isIn({ optimizer: 'sgd' }), 'its condition holds')
  t.notOk(isIn({ model: 'another' }), 'another constant')
  t.notOk(isIn({ extra: 1 }), 'unknown')
})

t.test('proposals lie in the space, keep to constraints and repeat nothing, until nothing is left', async t => {
  const parameters: SweepSpec['parameters'] = {
    a: { distribution: 'int_uniform', min: 0, max: 2 },
    b: { distribution: 'categorical', values: ['x', 'y'] },
    c: { distribution: 'constant', value: 1 }
  }
  for (const method of ['tpe', 'gp', 'auto'] as const) {
    const spec = sweepSpec({ method, runCap: 20, parameters, constraints: ['a < 2'] })
    const proposer = createProposer(spec)
    const came = new Set<string>()
    for (let trial = 0; trial < 4; trial++) {
      const draw = streamOf('test', trial)
      const proposed = proposer?.propose({ observations: [], draw, isTaken: each => came.has(canonicalJson(each)) })
      t.ok(proposed && proposer?.admits(proposed), `${method} ${canonicalJson(proposed ?? null)}`)
      came.add(canonicalJson(proposed ?? null))
    }
    t.equal(came.size, 4, 'two numbers, two texts')
    const draw = streamOf('test')
    t.equal(proposer?.propose({ observations: [], draw, isTaken: each => came.has(canonicalJson(each)) }), undefined)
  }
})

t.test('createSearch: named trials come first, each as often as there are seeds', async t => {
  const trials = [{ x: 2 }, { x: 0 }]
  const grid = createSearch(sweepSpec({ trials, seeds: 2 }))
  const xs = (search: typeof grid) =>
    Array.from({ length: search.trials }, (_, index) => search.trialAt(index)?.parameters['x'])
  t.same(xs(grid), [2, 2, 0, 0, 1, 1, 3, 3], 'and a grid has them once')
  t.same(xs(createSearch(sweepSpec({ constraints: ['x % 2 == 1'] }))), [1, 3])
  const learning = createSearch(sweepSpec({ method: 'tpe', trials, runCap: 4 }))
  t.same(xs(learning), [2, 0, undefined, undefined], 'the others are proposed when they are claimed')
  t.same([learning.has(3), learning.has(4)], [true, false])
  const constrained = sweepSpec({ method: 'tpe', runCap: 100, constraints: ['x % 2 == 1'] })
  t.equal(createSearch(constrained).trials, 2, 'a sweep has no more trials than can be proposed, or it would never end')
})

t.test('streamOf: other parts, other numbers; evenly spread', async t => {
  const take = (...parts: (string | number)[]) => {
    const draw = streamOf(...parts)
    return Array.from({ length: 2000 }, draw)
  }
  t.same(take(7, 'a', 1), take(7, 'a', 1))
  t.not(take(7, 'a', 1)[0], take(7, 'b', 1)[0])
  const numbers = take(7, 'a', 2)
  const mean = numbers.reduce((sum, each) => sum + each, 0) / numbers.length
  t.ok(Math.abs(mean - 0.5) < 0.03 && numbers.every(each => each >= 0 && each < 1))
  t.same(take('golden').slice(0, 2), [0.9811418980825692, 0.9248486536089331], 'golden')
})

t.test('withConstants: a constant whose condition does not hold is left out', async t => {
  const when = { parameter: 'optimizer', values: ['sgd'] }
  const spec = { parameters: { ...LORA, nesterov: { distribution: 'constant', value: true, when } as const } }
  t.same(withConstants(spec, { optimizer: 'adamw' }), { optimizer: 'adamw', model: 'phi' })
  t.same(withConstants(spec, { optimizer: 'sgd' }), { optimizer: 'sgd', model: 'phi', nesterov: true })
})
