import fc from 'fast-check'
import t from 'tap'
import { canonicalJson } from '../../protocol/hash.js'
import { createOneAtATime, type OneAtATimeOptions } from '../../protocol/search/one-at-a-time.js'
import type { SweepSpec } from '../../protocol/sweep-spec.js'

const PARAMETERS: SweepSpec['parameters'] = {
  lr: { distribution: 'log_uniform_values', min: 1e-4, max: 1e-2 },
  dropout: { distribution: 'q_uniform', min: 0, max: 0.2, q: 0.1 },
  r: { distribution: 'categorical', values: [8, 16, 16, null] },
  epochs: { distribution: 'int_uniform', min: 1, max: 9 },
  optimizer: { distribution: 'constant', value: 'adamw' }
}

function trialsOf(parameters: SweepSpec['parameters'], options?: OneAtATimeOptions) {
  const search = createOneAtATime({ parameters }, options)
  return Array.from({ length: search.trials }, (_, index) => search.trialAt(index))
}

t.test('golden: a baseline of middles and first choices, then one parameter at a time', async t => {
  const baseline = { dropout: 0.1, epochs: 5, lr: 0.001, optimizer: 'adamw', r: 8 }
  const changes = [
    {},
    ...[0, 0.2].map(dropout => ({ dropout })),
    ...[1, 3, 7, 9].map(epochs => ({ epochs })),
    ...[1e-4, 0.000316227766016838, 0.00316227766016838, 1e-2].map(lr => ({ lr })),
    ...[16, null].map(r => ({ r }))
  ]
  t.same(
    trialsOf(PARAMETERS),
    changes.map(change => ({ ...baseline, ...change }))
  )
  t.equal(createOneAtATime({ parameters: PARAMETERS }).trialAt(changes.length), undefined)
  t.equal(createOneAtATime({ parameters: PARAMETERS }).trialAt(-1), undefined)
})

t.test('a baseline of one’s own: its values are not trained twice', async t => {
  const trials = trialsOf(PARAMETERS, { baseline: { epochs: 1, r: null, lr: 0.002 }, levels: 3 })
  t.match(trials[0], { epochs: 1, r: null, lr: 0.002, dropout: 0.1 })
  const varied = (name: string) =>
    trials
      .slice(1)
      .map(each => each?.[name])
      .filter(value => value !== trials[0]?.[name])
  t.same(
    [varied('epochs'), varied('lr'), varied('r')],
    [
      [5, 9],
      [1e-4, 1e-3, 1e-2],
      [8, 16]
    ]
  )
})

t.test('nothing to vary leaves the baseline; a range of two integers leaves one variation', async t => {
  t.same(trialsOf({}), [{}])
  t.same(trialsOf({ a: { distribution: 'int_uniform', min: 0, max: 1 } }), [{ a: 0 }, { a: 1 }])
})

t.test('each variation differs from the baseline in one parameter, and from all others', async () => {
  const bound = fc.double({ min: 1e-6, max: 1e6, noNaN: true })
  const range = fc
    .tuple(bound, bound)
    .filter(([a, b]) => a !== b)
    .map(([a, b]) => ({ min: Math.min(a, b), max: Math.max(a, b) }))
  const parameter = fc.oneof(
    range.map(each => ({ distribution: 'uniform' as const, ...each })),
    range.map(each => ({ distribution: 'log_uniform_values' as const, ...each })),
    range.map(each => ({ distribution: 'q_log_uniform_values' as const, ...each, q: 0.5 })),
    range.map(each => ({ distribution: 'q_uniform' as const, ...each, q: 3 }))
  )
  const levels = fc.constantFrom(3 as const, 5 as const, 9 as const)
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom('a', 'b', 'c'), parameter), levels, (parameters, levels) => {
      const [baseline, ...others] = trialsOf(parameters, { levels })
      const differences = others.map(each => Object.keys(parameters).filter(name => each?.[name] !== baseline?.[name]))
      const distinct = new Set([baseline, ...others].map(canonicalJson))
      const inside = others.every(each =>
        Object.entries(parameters).every(([name, of]) => {
          const slack = 'q' in of ? of.q / 2 : 0
          return Number(each?.[name]) >= of.min - slack && Number(each?.[name]) <= of.max + slack
        })
      )
      return differences.every(({ length }) => length === 1) && distinct.size === others.length + 1 && inside
    })
  )
})
