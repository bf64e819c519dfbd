/**
 * What W&B writes into a sweep file, read as W&B means it.
 */
import t from 'tap'
import { readSweepText } from '../../cli/sweep-file.js'
import { casesIn, parameter, problems, sweep, warnings } from '../helpers/sweep-text.js'

const rangeOf = (range: string) => readSweepText(parameter(range), 'sweep.yaml').spec.parameters['p']
const specOf = (changes: Record<string, string | undefined>) => readSweepText(sweep(changes), 'sweep.yaml').spec

t.test("each of W&B's distributions becomes a range", async t => {
  const cases = `
    { value: null } => {"distribution":"constant","value":null}
    { values: [1, 2], probabilities: [0.1, 0.9] } => {"distribution":"categorical_w_probabilities","values":[1,2],"probabilities":[0.1,0.9]}
    { distribution: inv_log_uniform_values, min: 1e-5, max: 1 } => {"distribution":"log_uniform_values","min":0.00001,"max":1}
    { distribution: log_uniform, min: -9.210340371976182, max: -4.605170185988091 } => {"distribution":"log_uniform_values","min":0.0001,"max":0.01}
    { distribution: inv_log_uniform, min: 0, max: 2.302585092994046 } => {"distribution":"log_uniform_values","min":0.1,"max":1}
    { distribution: q_log_uniform, min: 0, max: 4.605170185988092 } => {"distribution":"q_log_uniform_values","min":1,"max":100,"q":1}
    { distribution: normal } => {"distribution":"normal","mu":0,"sigma":1}
    { distribution: q_normal, mu: 5, sigma: 2.5, q: 0.5 } => {"distribution":"q_normal","mu":5,"sigma":2.5,"q":0.5}
    { distribution: log_normal, sigma: 2 } => {"distribution":"log_normal","mu":0,"sigma":2}
    { distribution: q_log_normal, mu: 3 } => {"distribution":"q_log_normal","mu":3,"sigma":1,"q":1}
    { distribution: beta, a: 2 } => {"distribution":"beta","a":2,"b":1}
    { distribution: q_beta, a: 2, b: 5, q: 0.1 } => {"distribution":"q_beta","a":2,"b":5,"q":0.1}
    { values: [[64, 64], [128]] } => {"distribution":"categorical","values":["[64,64]","[128]"],"encoding":"json"}
    { value: { b: [1, x], a: null } } => {"distribution":"constant","value":"{\\"b\\":[1,\\"x\\"],\\"a\\":null}","encoding":"json"}
  `
  for (const [range = '', json = ''] of casesIn(cases)) t.same(rangeOf(range), JSON.parse(json), range)
})

t.test('exponents that look like values are told of', async t => {
  const meant = (min: string, max: string) =>
    warnings(parameter(`{ distribution: log_uniform, min: ${min}, max: ${max} }`))
  t.same(meant('0.001', '0.1'), [
    '5:15 parameters.p: min and max are natural logarithms here, as in W&B: values from 1.001 to 1.105. If 0.001 and 0.1 are values, write "distribution: log_uniform_values".'
  ])
  t.match(meant('1', '100'), [/values from 2\.718 to 2\.688e\+43\. If 1 and 100 are values/])
  t.same(meant('-9', '-2'), [])
  t.same(meant('0', '5'), [])
})

t.test('what none of the distributions takes is told', async t => {
  const cases = `
    { a: 1, b: 2 } => 5:15 parameters.p: a and b need a distribution: add "distribution: beta".
    { sigma: 1, q: 2 } => 5:15 parameters.p: mu and sigma need a distribution: add "distribution: q_normal" or "distribution: q_log_normal".
    { distribution: normal, sigma: 0 } => 5:49 parameters.p.sigma: expected a number above 0, got 0.
    { distribution: beta, a: -1 } => 5:43 parameters.p.a: expected a number from 0.001 to 10000, got -1.
    { distribution: log_uniform, min: 1, max: 1e6 } => 5:60 parameters.p.max: expected a number from -345 to 345: log_uniform takes natural logarithms; log_uniform_values takes the values themselves.
    { values: [1, 2], probabilities: [1] } => 5:36 parameters.p.probabilities: expected one for each of the 2 values, got 1.
    { values: [1, 2], probabilities: [1, -1] } => 5:55 parameters.p.probabilities.1: expected 0 or more, got -1.
    { values: [1, 2], probabilities: [0, 0.0] } => 5:36 parameters.p.probabilities: expected at least one above 0.
    { min: 1_000, max: 2000 } => 5:25 parameters.p.min: expected a number, got "1_000". Write 1000.
    { parameters: { x: { value: 1 } }, value: 2 } => 5:53 parameters.p.value: unknown key. Known here: parameters.
    { parameters: 3 } => 5:32 parameters.p.parameters: expected a map from names to ranges, got 3.
  `
  for (const [range = '', told] of casesIn(cases)) t.same(problems(parameter(range)), [told])
})

t.test('what YAML 1.1 reads otherwise is told of', async t => {
  const told = (range: string) => warnings(parameter(range)).filter(each => each.includes(' here, where W&B'))
  t.match(told('{ values: [1_000, 1:30, 010] }'), [/"1_000" is text/, /"1:30" is text/, /010 is 10 here, .* reads 8/])
  t.same(told('{ values: ["1_000", "1:30", 10, 0, 0.5, 1e-5] }'), [])
  t.match(
    warnings(parameter('{ values: [1, 2], probabilities: [1, 3] }')).join(),
    /they add up to 4, which W&B refuses/
  )
})

t.test('nested parameters are named with dots, and the names that stood for maps are kept', async t => {
  const parameters =
    '{ lr: { value: 1 }, optimizer: { parameters: { name: { values: [a] }, schedule: { parameters: { warmup: { min: 1, max: 9 } } } } } }'
  const spec = specOf({ parameters })
  t.same(Object.keys(spec.parameters), ['lr', 'optimizer.name', 'optimizer.schedule.warmup'])
  t.same(spec.nested, ['optimizer', 'optimizer.schedule'])
  t.equal(specOf({}).nested, undefined)
  t.same(problems(sweep({ parameters: '{ a.b: { value: 1 }, a: { parameters: { b: { value: 2 } } } }' })), [
    '5:15 parameters.a.b: write it inside the parameters of "a".',
    '5:53 parameters.a.parameters.b: "a.b" is here twice, first on line 5.'
  ])
})

t.test('an alias inside what it names, or one of many, is no way to a large sweep', async t => {
  const itself = sweep({ parameters: '{ a: &a { parameters: { b: *a } } }' })
  t.match(problems(itself), [/parameters\.a\.parameters\.b\.…: nested too deeply\.$/])
  const doubled = Array.from({ length: 20 }, (_, i) => `&x${i + 1} { parameters: { a: *x${i}, b: *x${i} } }`)
  const many = `{ z: &x0 { parameters: { v: { value: 1 } } }, ${doubled.map((each, i) => `p${i}: ${each}`).join(', ')} }`
  t.ok(problems(sweep({ parameters: many })).some(each => each.includes('more than 64 parameters')))
  const lists = Array.from({ length: 20 }, (_, i) => `&y${i + 1} [*y${i}, *y${i}]`)
  t.match(problems(parameter(`{ value: [&y0 [1], ${lists.join(', ')}] }`)), [/this value is too large/])
})

t.test("W&B's early termination counts reports of the metric", async t => {
  const stopping = (text: string) => specOf({ early_terminate: text }).stopping
  t.same(stopping('{ type: hyperband, min_iter: 3 }'), { rule: 'hyperband', eta: 3, minSteps: 3, unit: 'reports' })
  t.same(stopping('{ type: hyperband, max_iter: 27, s: 2, eta: 3, strict: false }'), {
    ...{ rule: 'hyperband', eta: 3, bands: [3, 9], strict: false, unit: 'reports' }
  })
  t.same(stopping('{ type: hyperband, max_iter: 10, s: 9, eta: 2 }'), {
    ...{ rule: 'hyperband', eta: 2, bands: [1, 2, 5], unit: 'reports' }
  })
  const told = (text: string) => problems(sweep({ early_terminate: text }))
  t.match(told('{ type: hyperband, max_iter: 27 }'), [
    /expected "min_iter", or "max_iter" and "s", got "max_iter" alone/
  ])
  t.match(told('{ type: hyperband, max_iter: 2, s: 2 }'), [/6:47 .*: expected at least eta \(3\), or no band is left/])
  t.match(told('{ type: hyperbnd, min_iter: 3 }'), [/got "hyperbnd"\. Did you mean "hyperband"\?/])
  t.match(told('{ min_iter: 3 }'), [/expected a map with its type, got no type/])
})

t.test("W&B's other keys are taken, or told of and left alone", async t => {
  const spec = specOf({ method: 'bayes', metric: '{ name: acc, goal: maximize, target: 0.9 }' })
  t.equal(spec.method, 'auto')
  t.same(spec.metric, { name: 'acc', goal: 'maximize', summary: 'last', target: 0.9 })
  t.equal(specOf({ metric: '{ name: Val Loss@1 }' }).metric.name, 'Val_Loss_1')
  t.match(warnings(sweep({ metric: '{ name: 2nd loss }' })), [/4:17 metric\.name: called "_2nd_loss" here/])
  const others = { project: 'p', entity: 'e', apiVersion: 'x', kind: 'sweep', controller: '{ type: local }' }
  const told = warnings(
    sweep({ ...others, job: 'j', image_uri: 'i', metric: '{ name: l, impute: worst, impute_while_running: latest }' })
  )
  t.same(told.length, 9)
  t.ok(told.every(each => each.includes('not used here')))
})
