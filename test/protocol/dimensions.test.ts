import t from 'tap'
import { dimensionsOf } from '../../protocol/search/dimensions.js'
import type { SweepSpec } from '../../protocol/sweep-spec.js'

const of = (parameters: SweepSpec['parameters']) => dimensionsOf({ parameters })

t.test('each distribution becomes a dimension with ends, a scale and a step', async t => {
  t.same(of({ p: { distribution: 'int_uniform', min: 1, max: 8 } }), [
    { name: 'p', kind: 'numeric', low: 1, high: 8, isLog: false, step: 1 }
  ])
  t.same(of({ p: { distribution: 'log_uniform_values', min: 1e-5, max: 1 } }), [
    { name: 'p', kind: 'numeric', low: 1e-5, high: 1, isLog: true }
  ])
  t.match(of({ p: { distribution: 'q_uniform', min: 0.04, max: 0.33, q: 0.1 } }), [{ low: 0, high: 0.3, step: 0.1 }])
  t.match(of({ p: { distribution: 'q_log_uniform_values', min: 8, max: 64, q: 8 } }), [
    { low: 8, high: 64, isLog: true, step: 8 }
  ])
  t.match(of({ p: { distribution: 'q_log_uniform_values', min: 1, max: 64, q: 8 } }), [{ low: 0, isLog: false }])
  t.match(of({ p: { distribution: 'q_uniform', min: 0, max: 0.4, q: 1 } }), [{ kind: 'categorical', choices: [0] }])
  t.match(of({ p: { distribution: 'q_beta', a: 2, b: 2, q: 0.25 } }), [{ low: 0, high: 1, step: 0.25, isLog: false }])
  t.match(of({ p: { distribution: 'log_normal', mu: 0, sigma: 1 } }), [{ kind: 'numeric', isLog: true }])
  const [normal] = of({ p: { distribution: 'q_normal', mu: 0, sigma: 1, q: 0.5 } })
  t.match(normal, { low: -3, high: 3, isLog: false, step: 0.5 })
})

t.test('a list becomes choices; values that are listed more often, or with probabilities, weigh more', async t => {
  t.same(of({ p: { distribution: 'categorical', values: ['a', 'b'] } }), [
    { name: 'p', kind: 'categorical', choices: ['a', 'b'] }
  ])
  t.match(of({ p: { distribution: 'categorical', values: ['a', 'b', 'b', 'a', 'a', 'a'] } }), [
    { choices: ['a', 'b'], weights: [4 / 6, 2 / 6] }
  ])
  const weighted = { values: [1, '1', 2, 1], probabilities: [1, 1, 0, 2] }
  t.match(of({ p: { distribution: 'categorical_w_probabilities', ...weighted } }), [
    { choices: [1, '1'], weights: [0.75, 0.25] }
  ])
})

t.test('what has a condition comes after what it names; a condition on a constant is decided', async t => {
  const range = { distribution: 'uniform' as const, min: 0, max: 1 }
  const when = (parameter: string, value: number | string) => ({ parameter, values: [value] })
  const space = of({
    a: { ...range, when: when('z', 'x') },
    fixed: { distribution: 'constant', value: 1, when: when('z', 'y') },
    k: { ...range, when: when('fixed', 1) },
    never: { ...range, when: when('fixed', 2) },
    neither: { ...range, when: when('never', 0.5) },
    z: { distribution: 'categorical', values: ['x', 'y'] }
  })
  t.same(
    space.map(({ name, when }) => [name, when?.parameter]),
    [
      ['z', undefined],
      ['a', 'z'],
      ['k', 'z']
    ]
  )
  t.same(of({}), [])
})
