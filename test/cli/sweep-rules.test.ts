/**
 * What a sweep file says beyond W&B's: conditions, constraints, trials, seeds, budgets, presets, early stopping.
 */
import t from 'tap'
import { readSweepText } from '../../cli/sweep-file.js'
import { problems, sweep, warnings } from '../helpers/sweep-text.js'

const specOf = (changes: Record<string, string | undefined>) => readSweepText(sweep(changes), 'sweep.yaml').spec
const SGD = '{ opt: { values: [adam, sgd] }, momentum: { min: 0.0, max: 1.0, when: { opt: sgd } }, lr: { value: 0.1 } }'

t.test('a parameter may be there only where another one has a value', async t => {
  t.match(specOf({ parameters: SGD }).parameters, { momentum: { when: { parameter: 'opt', values: ['sgd'] } } })
  const when = (condition: string, method = 'random') =>
    problems(sweep({ method, parameters: `{ o: { values: [a, b] }, p: { values: [1], when: ${condition} } }` }))
  t.match(when('{ o: [c] }'), [/5:68 parameters\.p\.when\.o\.0: "o" is never "c"\./])
  t.match(when('{ oo: a }'), [/no parameter is named "oo"\. Did you mean "o"\?/])
  t.match(when('{ o: a, p: 1 }'), [/expected one parameter with its values, such as .*, got 2 of them/])
  t.match(when('a'), [/expected one parameter .*, got "a"/])
  t.match(when('{ o: [] }'), [/expected at least one value/])
  t.match(when('{ p: 1 }'), [/`when` names no other parameter, or leads back to itself/])
  t.match(when('{ o: a }', 'grid'), [/a grid has no conditions/])
})

t.test('constraints are read, and told with the column of what is wrong', async t => {
  t.same(specOf({ constraints: '["lr < 0.05"]' }).constraints, ['lr < 0.05'])
  const told = (constraints: string) => problems(sweep({ constraints }))
  t.same(told('["lr <"]'), ['6:20 constraints.0: something is missing at the end (column 5 of the rule).'])
  t.same(told('[1 < lrr]'), ['6:19 constraints.0: no parameter is named "lrr". Did you mean "lr"?'])
  t.match(told('[3]'), [/6:15 constraints\.0: expected a rule such as/])
  t.match(told('lr < 1'), [/expected a list of 1 to 32/])
  for (const method of ['random', 'tpe']) {
    t.match(warnings(sweep({ method, constraints: '["lr > 5"]' })), [/^6:1 constraints: none of the first 24 config/])
    t.same(warnings(sweep({ method, constraints: '["lr < 0.09"]' })), [])
  }
})

t.test('trials that the file names get the constants and nothing that is not there', async t => {
  const trials = (text: string, more = {}) => specOf({ parameters: SGD, trials: text, ...more }).trials
  t.same(trials('[{ opt: adam }, { opt: sgd, momentum: 0.9 }]'), [
    { lr: 0.1, opt: 'adam' },
    { lr: 0.1, opt: 'sgd', momentum: 0.9 }
  ])
  const told = (text: string, more = {}) => problems(sweep({ parameters: SGD, trials: text, ...more }))
  t.match(told('[{ opt: sgd }]'), [/6:10 trials\.0: momentum is missing/])
  t.match(told('[{ opt: adam, momentum: 0.5 }]'), [/this parameter is not there beside the other values/])
  t.match(told('[{ opt: lion }]'), [/expected one of its values, got "lion"/])
  t.match(told('[{ opt: sgd, momentum: 2 }]'), [/expected a number from 0 to 1, got 2/])
  t.match(told('[{ optt: sgd }]'), [/no parameter is named "optt"\. Did you mean "opt"\?/])
  t.match(told('[{ opt: adam, lr: 1 }]'), [/expected 0\.1, its value, got 1/])
  t.match(told('[{ opt: adam }]', { constraints: '["opt == \'sgd\'"]' }), [/this trial breaks a constraint/])
  t.match(told('[3]'), [/expected a map from parameters to values, got 3/])
  const laws = '{ n: { min: 1, max: 3 }, b: { distribution: beta }, l: { distribution: log_normal } }'
  const bad = problems(sweep({ parameters: laws, trials: '[{ n: 1.5, b: 2, l: -1 }, { n: x, b: 0.5, l: 1 }]' }))
  t.match(bad, [/a whole number/, /from 0 to 1, got 2/, /above 0, got -1/, /expected a number, got "x"/])
})

t.test('seeds, budgets and the methods beside random', async t => {
  const spec = specOf({ seeds: '3', gpu_hours: '1.5', method: 'one-at-a-time' })
  t.match(spec, { seeds: 3, budget: { gpuSeconds: 5400 }, method: 'one-at-a-time' })
  for (const method of ['sobol', 'tpe', 'gp', 'auto'] as const) t.equal(specOf({ method }).method, method)
  t.match(problems(sweep({ gpu_hours: '0' })), [/expected hours, such as 12 or 0\.5, got 0/])
  t.equal(specOf({ wall_time: '8h' }).wallTimeMs, 28_800_000)
  t.match(problems(sweep({ wall_time: '8' })), [/expected a duration such as 90s, 30m or 2h, got 8. Did you mean "8s"/])
  t.match(problems(sweep({ seeds: '0' })), [/expected a whole number from 1 to 64, got 0/])
})

t.test('a preset gives what the file does not say', async t => {
  const spec = specOf({ preset: 'lora', parameters: '{ lora_r: { value: 4 }, data: { value: wiki } }' })
  t.match(spec.parameters, { lora_r: { value: 4 }, data: { value: 'wiki' }, lora_alpha: { value: 32 } })
  t.match(specOf({ preset: 'lora', parameters: undefined }).parameters, { learning_rate: { min: 2e-5, max: 2e-3 } })
  t.match(problems(sweep({ preset: 'lorra' })), [/expected "lora", got "lorra"\. Did you mean "lora"\?/])
  t.match(problems(sweep({ preset: 'lora', method: 'grid', parameters: undefined })), [
    /parameters\.learning_rate: a grid cannot list every value of log_uniform_values/,
    /parameters\.warmup_ratio: a grid cannot list/
  ])
})

t.test('a rule that stops nothing, and a setting that is not used, are told', async t => {
  const told = (text: string) => warnings(sweep({ early_terminate: text }))
  for (const rule of ['asha', 'hyperband']) {
    t.match(told(`{ type: ${rule}, unit: reports }`), [
      /this stops nothing: .* Use "unit: steps", or add "min_steps"\.$/
    ])
  }
  for (const rule of ['median', 'auto']) t.match(told(`{ type: ${rule}, unit: reports }`), [/Use "unit: steps"\.$/])
  for (const fine of ['asha, unit: reports, min_steps: 3', 'auto', 'plateau, patience: 3, unit: reports']) {
    t.same(told(`{ type: ${fine} }`), [])
  }
  for (const unit of ['epochs', 'tokens']) {
    t.match(told(`{ type: asha, unit: ${unit} }`), [/before a trial is complete: .* Add "max_steps"/])
    t.same(told(`{ type: asha, unit: ${unit}, max_steps: 3 }`), [])
  }
  for (const never of [
    'unit: epochs, warm_up_steps: 5, max_steps: 3',
    'unit: reports, min_steps: 5, max_steps: 5',
    'min_steps: 100, max_steps: 100',
    'warm_up_steps: 50, max_steps: 30'
  ])
    t.match(told(`{ type: asha, ${never} }`), [/this stops nothing: no rung lies/], never)
  t.match(told('{ type: hyperband, max_iter: 9, s: 2, warm_up_steps: 20 }'), [/no rung lies/])
  t.match(told('{ type: hyperband, min_iter: 3, max_iter: 27, s: 2 }'), [/max_iter: not used beside min_iter/])
  t.match(told('{ type: hyperband, min_iter: 3, strict: false }'), [/strict: not used here: the value at the band/])
})

t.test('each rule of early stopping has its settings', async t => {
  const stopping = (text: string) => specOf({ early_terminate: text }).stopping
  t.same(stopping('{ type: asha, min_steps: 100, max_steps: 900, eta: 4 }'), {
    ...{ rule: 'asha', eta: 4, minSteps: 100, maxSteps: 900 }
  })
  t.same(stopping('{ type: hyperband, min_steps: 10 }'), { rule: 'hyperband', eta: 3, minSteps: 10 })
  t.same(stopping('{ type: median, start_up_trials: 5, warm_up_steps: 10, unit: reports }'), {
    ...{ rule: 'median', startUpTrials: 5, warmUpSteps: 10, unit: 'reports' }
  })
  t.same(stopping('{ type: asha, unit: epochs, min_steps: 0.25, max_steps: 3, warm_up_steps: 0.1 }'), {
    ...{ rule: 'asha', eta: 3, minSteps: 0.25, maxSteps: 3, unit: 'epochs', warmUpSteps: 0.1 }
  })
  t.same(stopping('{ type: threshold, upper: 10 }'), { rule: 'threshold', upper: 10 })
  t.same(stopping('{ type: plateau, patience: 3, min_delta: 0.1 }'), { rule: 'plateau', patience: 3, minDelta: 0.1 })
  t.same(stopping('{ type: auto }'), { rule: 'auto' })
  const told = (text: string) => problems(sweep({ early_terminate: text }))
  t.match(told('{ type: threshold }'), [/expected "lower", "upper" or both/])
  t.match(told('{ type: threshold, lower: 2, upper: 1 }'), [/expected lower below upper, got 2 and 1/])
  t.match(told('{ type: plateau }'), [/early_terminate\.patience: missing/])
  t.match(told('{ type: hyperband, min_iter: 2, unit: epochs }'), [/unit: not beside "?min_iter"?: W&B's bands/])
  t.match(told('{ type: asha, unit: epochs, min_steps: 0 }'), [/expected epochs, such as 1 or 0\.25, got 0/])
  t.match(told('{ type: asha, unit: tokens, min_steps: 0.5 }'), [/expected a whole number/])
  t.match(told('{ type: asha, eta: 1 }'), [/expected more than 1, 1000 at most, got 1/])
  t.match(told('{ type: asha, min_steps: 9, max_steps: 3 }'), [/expected min_steps \(9\) or more, got 3/])
  t.match(told('{ type: asha, min_iter: 9 }'), [/min_iter: unknown key\. Known here/])
  t.match(told('{ type: hyperband, min_iter: 9, min_steps: 2 }'), [/not beside "min_iter": the one counts steps/])
  t.match(told('{ type: hyperband, min_iter: 9, strict: 1 }'), [/expected true or false, got 1/])
})
