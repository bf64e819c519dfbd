// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the macros of a sweep file look like that.
import fc from 'fast-check'
import t from 'tap'
import { LIMITS } from '#protocol'
import { readSweepText } from '../../cli/sweep-file.js'
import { describeIssue } from '../../cli/sweep-issues.js'
import { casesIn, failure, parameter, problems, sweep, warnings } from '../helpers/sweep-text.js'

t.test('a problem is told with its place, what to write instead, its line and a caret', async t => {
  const text = sweep({ metric: '{ name: val_loss, goal: minimise }' })
  const told = [
    'sweep.yaml:4:33 metric.goal: expected "minimize" or "maximize", got "minimise". Did you mean "minimize"?',
    '  metric: { name: val_loss, goal: minimise }',
    '                                  ^'
  ]
  t.equal(failure(text), told.join('\n'))
})

t.test('all problems are told at once, in the order of the file', async t => {
  const text =
    'method: randon\ncomand: [a]\nmetric: { nam: loss }\nparameters:\n  lr: { min: 5, max: 3 }\n  b:\n    valeus: [1]\n'
  t.same(problems(text), [
    '1:1 program: missing. Add "program: train.py", or a "command".',
    '1:9 method: expected "bayes", "grid", "random", "sobol", "one-at-a-time", "tpe", "gp" or "auto", got "randon". Did you mean "random"?',
    '2:1 comand: unknown key. Did you mean "command"?',
    '3:1 metric.name: missing.',
    '3:11 metric.nam: unknown key. Did you mean "name"?',
    '5:22 parameters.lr.max: expected more than min (5), got 3.',
    '7:5 parameters.b.valeus: unknown key. Did you mean "values"?'
  ])
})

t.test('broken YAML is told in the same form', async t => {
  const cases: [text: string, told: string][] = [
    ['', '1:1 the file holds nothing.'],
    ['# nothing yet\n', '1:1 the file holds nothing.'],
    ['- a\n- b\n', '1:1 expected a map of keys such as "method", got a list.'],
    ['random', '1:1 expected a map of keys such as "method", got "random".'],
    ['metric:\n\tname: loss\n', '2:1 a tab indents this line; YAML allows spaces only.'],
    ['metric:\n  name: loss\n goal: minimize\n', '3:1 all mapping items must start at the same column.'],
    [`${sweep()}---\n${sweep()}`, '6:1 a second document starts here; a sweep file holds one.'],
    [
      sweep({ name: 'a: b' }),
      '6:7 a second "key: value" on one line; put it on its own line, or in quotes if it is text.'
    ],
    [`${sweep()}seed: 1\nseed: 2\n`, '7:1 the key "seed" is here twice, first on line 6.'],
    [parameter('{ value: 1, value: 2 }'), '5:30 the key "value" is here twice, first on line 5.'],
    [parameter('*range'), '5:18 nothing before this line is named &range.'],
    ['['.repeat(100_000), '1:201 this is nested too deeply.'],
    ['- '.repeat(100_000), '1:201 this is nested too deeply.']
  ]
  for (const [text, told] of cases) t.ok(problems(text).includes(told), `${told} got ${problems(text)}`)
})

t.test('each wrong parameter is told with what to write instead', async t => {
  const cases = `
    0.1 => 5:18 parameters.p: expected a map, got 0.1. Write { value: 0.1 }.
    [1, 2] => 5:15 parameters.p: expected a map, got a list. Write { values: [...] }.
     => 5:15 parameters.p: expected a map, got nothing. Write { min: 1, max: 8 }.
    {} => 5:15 parameters.p: expected "value", "values", or "min" and "max".
    { min: 1 } => 5:15 parameters.p: max is missing.
    { max: 1 } => 5:15 parameters.p: min is missing.
    { min: "1", max: 2 } => 5:25 parameters.p.min: expected a number, got "1". Remove the quotes.
    { min: 2, max: 2 } => 5:33 parameters.p.max: expected more than min (2), got 2. For one value write { value: 2 }.
    { min: 1, max: .inf } => 5:33 parameters.p.max: expected a number, got .inf.
    { distribution: int_uniform, min: 1.5, max: 3 } => 5:52 parameters.p.min: expected a whole number for int_uniform, got 1.5.
    { distribution: log_uniform_values, min: 0, max: 1 } => 5:59 parameters.p.min: expected a number above 0 for log_uniform_values, got 0.
    { distribution: q_uniform, min: 0, max: 1, q: 0 } => 5:64 parameters.p.q: expected a number above 0, got 0.
    { distribution: q_uniform, max: 1 } => 5:15 parameters.p.min: missing.
    { min: 0, max: 9, q: 3 } => 5:15 parameters.p: q needs a distribution: add "distribution: q_uniform" or "distribution: q_log_uniform_values".
    { values: 3 } => 5:28 parameters.p.values: expected a list, got 3. Write [3].
    { values: [] } => 5:20 parameters.p.values: expected 1 to 1000 values, got 0.
    { value: 12345678901234567890 } => 5:27 parameters.p.value: 12345678901234567890 has more digits than a number keeps. Put it in quotes to pass it as text.
    { value: 1, vale: 2 } => 5:30 parameters.p.vale: unknown key. Did you mean "value"?
    { value: 1, whatever: 2 } => 5:30 parameters.p.whatever: unknown key. Known here: distribution, when, value.
    { mu: 3, sigma: 0.5 } => 5:15 parameters.p: mu and sigma need a distribution: add "distribution: normal" or "distribution: log_normal".
  `
  for (const [range = '', told] of casesIn(cases)) t.same(problems(parameter(range)), [told])
  t.match(
    problems(parameter('{ distribution: unifrom, min: 1, max: 2 }'))[0],
    /got "unifrom"\. Did you mean "uniform"\?$/
  )
  t.same(problems(sweep({ parameters: '{ 9p: { value: 1 } }' })), [
    '5:15 parameters.9p: a name starts with a letter or _ and holds letters, digits and _ . / - only.'
  ])
  t.same(problems(sweep({ parameters: '{ __proto__: { value: 1 } }' })), [
    '5:15 parameters.__proto__: this name is reserved.'
  ])
})

t.test('each wrong key is told with what to write instead', async t => {
  const cases: [changes: Record<string, string | undefined>, told: string][] = [
    [{ method: 'custom' }, '2:9 method: the method "custom" is not run here. Use "auto", "random" or "grid".'],
    [
      { metric: 'val_loss' },
      '4:9 metric: expected a map, got "val_loss". Write "metric: { name: val_loss, goal: minimize }".'
    ],
    [{ metric: undefined }, '1:1 metric: missing. Add "metric: { name: loss, goal: minimize }".'],
    [{ metric: '{ name: __proto__ }' }, '4:17 metric.name: this name is reserved.'],
    [{ parameters: undefined }, '1:1 parameters: missing. Add "parameters: { lr: { min: 0.001, max: 0.1 } }".'],
    [{ parameters: '' }, '5:1 parameters: expected a map from names to ranges, got nothing.'],
    [{ parameters: '{}' }, '5:1 parameters: expected at least one parameter.'],
    [{ name: '12' }, '6:7 name: expected text, got 12. Put it in quotes: "12".'],
    [{ name: 'x'.repeat(65) }, '6:7 name: Too big: expected string to have <=64 characters.'],
    [{ program: '../train.py' }, '1:10 program: expected a path inside the sweep\'s folder, got "../train.py".'],
    [{ program: '/train.py' }, '1:10 program: expected a path inside the sweep\'s folder, got "/train.py".'],
    [{ program: 'src\\train.py' }, '1:10 program: expected forward slashes: "src/train.py".'],
    [{ run_cap: '0' }, '3:10 run_cap: expected a whole number from 1 to 100000, got 0.'],
    [{ run_cap: '"24"' }, '3:10 run_cap: expected a whole number from 1 to 100000, got "24". Remove the quotes.'],
    [{ seed: '-1' }, '6:7 seed: expected a whole number from 0 to 4294967295, got -1.'],
    [
      { on_duplicate: 'reus' },
      '6:15 on_duplicate: expected "resample", "reuse" or "replicate", got "reus". Did you mean "reuse"?'
    ],
    [{ lease: '180' }, '6:8 lease: expected a duration such as 90s, 30m or 2h, got 180. Did you mean "180s"?'],
    [{ lease: '1s' }, '6:8 lease: expected a duration from 4s to 1d, got "1s".'],
    [{ time_limit: 'two hours' }, '6:13 time_limit: expected a duration such as 90s, 30m or 2h, got "two hours".'],
    [{ backups: 'offf' }, '6:10 backups: expected "on" or "off", got "offf". Did you mean "off"?'],
    [{ scheduler: 'x' }, '6:1 scheduler: not run here. Use "method: auto" with "parameters".'],
    [{ runcap: '3' }, '6:1 runcap: unknown key. Did you mean "run_cap"?']
  ]
  for (const [changes, told] of cases) t.same(problems(sweep(changes)), [told])
  t.match(problems(sweep({ '<<': '{ a: 1 }' }))[0], /^6:1 <<: unknown key\. Known here: name, description, /)
})

t.test('each wrong command is told with what to write instead', async t => {
  const cases = `
    python train.py => 6:10 command: expected a list of arguments, got "python train.py". No shell reads it: write [python, train.py].
    [] => 6:1 command: expected 1 to 256 arguments, got 0.
    [python, [a]] => 6:19 command.1: expected text, got a list.
    ["\${arg}"] => 6:11 command.0: unknown macro \${arg}. Did you mean \${args}?
    ["--x=\${args}"] => 6:11 command.0: \${args} stands for several arguments and must be an argument of its own; no shell splits this one.
    ["\${args"] => 6:11 command.0: the macro \${args has no closing brace.
    ["\${envvar}"] => 6:11 command.0: \${envvar} needs a name: \${envvar:NAME}.
    ["\${envvar:A B}"] => 6:11 command.0: "A B" cannot name an environment variable.
    ["\${param:lrr}"] => 6:11 command.0: no parameter is named "lrr". Did you mean "lr"?
  `
  for (const [command, told] of casesIn(cases)) t.same(problems(sweep({ command })), [told])
  t.same(problems(sweep({ program: undefined, command: '["${program}"]' })), [
    '5:11 command.0: ${program} stands for the key "program", which is missing.'
  ])
})

t.test('every macro is taken, and numbers are passed as they are written', async t => {
  const macros = 'env interpreter program args args_no_equals args_no_hyphens args_no_boolean_flags args_json'
  const more = 'args_json_file args_append_hydra args_override_hydra envvar:HOME checkpoint seed param:lr'
  const command = [...macros.split(' '), ...more.split(' ')].map(macro => `\${${macro}}`)
  const text = sweep({
    command: `[${[...command, '--lr=${param:lr}', 1.0, '1e-3', 'true'].map(each => `"${each}"`).join(', ')}]`
  })
  t.same(readSweepText(text, 'sweep.yaml').spec.command, [...command, '--lr=${param:lr}', '1', '1e-3', 'true'])
  t.same(readSweepText(sweep({ command: '[python, 1.0, 1e-3, true]' }), 'sweep.yaml').spec.command, [
    'python',
    '1.0',
    '1e-3',
    'true'
  ])
})

t.test('the distribution is inferred as in W&B, from how the ends are written', async t => {
  const distribution = (range: string) =>
    readSweepText(parameter(range), 'sweep.yaml').spec.parameters['p']?.distribution
  t.equal(distribution('{ value: 1 }'), 'constant')
  t.equal(distribution('{ values: [1, a, true, null] }'), 'categorical')
  t.equal(distribution('{ min: 1, max: 8 }'), 'int_uniform')
  t.equal(distribution('{ min: 1, max: 8.0 }'), 'uniform')
  t.equal(distribution('{ min: 1e-5, max: 1 }'), 'uniform')
  t.equal(distribution('{ distribution: uniform, min: 1, max: 8 }'), 'uniform')
  t.equal(distribution('{ distribution: int_uniform, min: 1.0, max: 8.0 }'), 'int_uniform')
  t.same(readSweepText(parameter('{ distribution: q_uniform, min: 1, max: 8 }'), 's').spec.parameters['p'], {
    distribution: 'q_uniform',
    min: 1,
    max: 8,
    q: 1
  })
})

t.test("W&B's own examples are taken unchanged", async t => {
  const random = `program: train.py
method: random
metric:
  goal: minimize
  name: validation_loss
run_cap: 10
parameters:
  batch_size:
    distribution: q_log_uniform_values
    max: 256
    min: 32
    q: 8
  dropout:
    values: [0.3, 0.4, 0.5]
  epochs:
    value: 1
  fc_layer_size:
    values: [128, 256, 512]
  learning_rate:
    distribution: uniform
    max: 0.1
    min: 0
  optimizer:
    values: ["adam", "sgd"]
`
  t.match(readSweepText(random, 'sweep.yaml').spec, {
    command: ['${env}', '${interpreter}', '${program}', '${args}'],
    metric: { name: 'validation_loss', goal: 'minimize', summary: 'last' },
    parameters: { batch_size: { distribution: 'q_log_uniform_values', min: 32, max: 256, q: 8 } },
    runCap: 10,
    onDuplicate: 'resample',
    leaseMs: LIMITS.leaseMs
  })
  t.same(warnings(random), [])

  const grid = `program: train.py
method: grid
project: sweep-example
entity: friends
early_terminate: { type: hyperband, min_iter: 3 }
metric: { name: val_accuracy, goal: maximize, target: 0.99 }
parameters:
  lr: { values: [0.01, 0.1] }
  steps: { distribution: q_uniform, min: 0, max: 10, q: 5 }
command:
  - \${env}
  - python3
  - \${program}
  - \${args_no_hyphens}
`
  t.match(readSweepText(grid, 'sweep.yaml').spec.metric, { goal: 'maximize' })
  t.same(warnings(grid), [
    '3:1 project: not used here: results stay in the pool.',
    '4:1 entity: not used here: results stay in the pool.',
    '9:3 parameters.steps: max (10) is one of the values here; W&B would leave it out.'
  ])
})

t.test('a sweep has an end', async t => {
  const endless = sweep({ run_cap: undefined })
  t.equal(readSweepText(endless, 'sweep.yaml').spec.runCap, 100)
  t.same(warnings(endless), [
    '2:9 run_cap: missing. The sweep ends after 100 trials, where W&B\'s goes on until it is stopped. Add "run_cap: 100", or another number.'
  ])
  for (const limit of [{ gpu_hours: '2' }, { wall_time: '8h' }])
    t.equal(readSweepText(sweep({ run_cap: undefined, ...limit }), 'sweep.yaml').spec.runCap, 10_000)
  t.same(problems(sweep({ run_cap: '10001' })), [
    '3:10 run_cap: more than 10000 random trials need `on_duplicate: replicate`.'
  ])
  const finite = sweep({ run_cap: undefined, parameters: '{ a: { values: [1, 2] }, b: { min: 1, max: 3 } }' })
  t.equal(readSweepText(finite, 'sweep.yaml').spec.runCap, 6)
  t.same(warnings(finite), ['2:9 run_cap: missing. The sweep ends when it has tried all 6 choices.'])
  const early = sweep({ parameters: '{ a: { values: [1, 2] } }' })
  t.same(warnings(early), [
    '3:10 run_cap: the parameters have 2 choices only. The sweep ends when it has tried them all.'
  ])

  const grid = { method: 'grid', run_cap: undefined }
  t.same(problems(sweep({ ...grid, parameters: '{ a: { min: 1, max: 1000 }, b: { min: 1, max: 1000 } }' })), [
    '2:9 run_cap: missing. The parameters have 1,000,000 choices, so say how many trials to run: add "run_cap: 24".'
  ])
  t.same(problems(sweep(grid)), [
    '4:15 parameters.lr: a grid cannot list every value of uniform. Use "method: random", or list its "values", or give steps with "distribution: q_uniform" and "q".'
  ])
})

t.test('several objectives: a list in place of the metric, and each wrong one is told', async t => {
  const several = (metrics: string, metric?: string) => sweep({ metric, metrics })
  const { metric, furtherMetrics } = readSweepText(
    several('[{ name: acc, goal: maximize, summary: best }, { name: s/token }]'),
    'sweep.yaml'
  ).spec
  t.same(metric, { name: 'acc', goal: 'maximize', summary: 'best' })
  t.same(furtherMetrics, [{ name: 's/token', goal: 'minimize' }])
  const example = '[{ name: loss, goal: minimize }, { name: loss, goal: minimize }]'
  const cases: [string, string][] = [
    ['[{ name: a }]', `5:1 metrics: expected a list of 2 to 4, such as ${example}, got 1.`],
    ['{ name: a }', `5:1 metrics: expected a list of 2 to 4, such as ${example}, got a map.`],
    ['[{ name: a }, { name: a }]', '5:24 metrics.1: "a" is there twice.'],
    ['[{ name: a }, { goal: minimize }]', '5:24 metrics.1.name: missing.'],
    ['[{ name: a }, { name: b, target: 1 }]', '5:35 metrics.1.target: only the first objective has it.']
  ]
  for (const [metrics, told] of cases) t.same(problems(several(metrics)), [told])
  t.same(problems(several('[{ name: a }, { name: b }]', '{ name: a }')), [
    '6:1 metrics: stands in place of "metric". Leave one of them out.'
  ])
  t.same(problems(several('[loss, { name: b }]')), [
    '5:11 metrics.0: expected a map, got "loss". Write { name: loss, goal: minimize }.'
  ])
  t.same(problems(sweep({ metric: '[{ name: a }, { name: b }]' })), [
    '4:1 metric: expected a map, got a list. Several objectives stand under "metrics".'
  ])
})

t.test('durations, the summary and the seed are taken from the file', async t => {
  const changes = { lease: '60s', time_limit: '2h', seed: '5', on_duplicate: 'reuse', backups: 'off' }
  const text = sweep({ ...changes, metric: '{ name: l, summary: best }' })
  const { leaseMs, timeLimitMs, seed, onDuplicate, backups, metric } = readSweepText(text, 'sweep.yaml').spec
  t.same(
    { leaseMs, timeLimitMs, seed, onDuplicate, backups },
    { leaseMs: 60_000, timeLimitMs: 7_200_000, seed: 5, onDuplicate: 'reuse', backups: 'off' }
  )
  t.same(metric, { name: 'l', goal: 'minimize', summary: 'best' })
})

t.test('the same text gives the same seed, whatever its line ends', async t => {
  const seedOf = (text: string) => readSweepText(text, 'sweep.yaml').spec.seed
  t.equal(seedOf(sweep()), seedOf(`\uFEFF${sweep().replaceAll('\n', '\r\n')}`))
  t.not(seedOf(sweep()), seedOf(sweep({ run_cap: '25' })))
})

t.test('a sweep without a name is named after its file, or after its folder', async t => {
  const nameOf = (fileName: string) => readSweepText(sweep(), fileName).spec.name
  t.equal(nameOf('lora-rank.yaml'), 'lora-rank')
  t.equal(nameOf('/home/ann/lora/sweep.yaml'), 'lora')
  t.equal(nameOf('C:\\lora\\sweep.yml'), 'lora')
  t.equal(nameOf(''), 'sweep')
  t.equal(readSweepText(sweep({ name: 'mine' }), '/lora/sweep.yaml').spec.name, 'mine')
})

t.test('what YAML 1.1 and W&B read as true is told of', async t => {
  t.same(warnings(parameter('{ values: [yes, "no"] }')).slice(1), [
    '5:29 parameters.p.values.0: "yes" is text here, where W&B reads true or false. Write true or false, or put it in quotes.'
  ])
  t.equal(warnings(parameter('{ values: ["yes", "no"] }')).filter(each => each.includes('text here')).length, 0)
})

t.test('an alias stands for what it names, at its own place', async t => {
  const text = sweep({ parameters: '{ a: &range { min: 1, max: 4 }, b: *range }' })
  const { a, b } = readSweepText(text, 'sweep.yaml').spec.parameters
  t.same(a, b)
  t.match(problems(sweep({ parameters: '{ a: &range { min: &low 9, max: *low }, b: *range }' })), [
    /^5:45 parameters\.a\.max: expected more than min \(9\), got 9/,
    /^5:45 parameters\.b\.max: /
  ])
  const many = sweep({ parameters: `{ a: { values: [&x 1, ${'*x, '.repeat(51)}] } }` })
  t.match(problems(many), [/more than 50 aliases; write the values out\.$/])
})

t.test('a file too large, too wrong or meant for the terminal is told in a few plain lines', async t => {
  t.equal(
    failure('#'.repeat(LIMITS.sweepFileBytes + 1)),
    'sweep.yaml: a sweep file has at most 1.0 MiB, this one has 1.0 MiB.'
  )
  const wrong = sweep() + Array.from({ length: 80 }, (_, i) => `unknown_key_${i}: 1`).join('\n')
  t.equal(problems(wrong).length, 50)
  t.ok(failure(wrong).endsWith('\nsweep.yaml: 30 more problems'))
  const long = failure(sweep({ name: `{ ${'x'.repeat(5000)}: "\\e[2J\u009b" }` }))
  t.ok(long.length < 1000)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there.
  t.notMatch(long, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
})

t.test('a warning is told in the same form as a problem', async t => {
  const { warnings, source } = readSweepText(sweep({ project: 'x' }), 'sweep.yaml')
  const told = warnings.map(issue => describeIssue(issue, 'a.yaml', source))
  t.same(told, ['a.yaml:6:1 project: not used here: results stay in the pool.\n  project: x\n  ^'])
})

t.test('whatever the text, it is a sweep or a told failure', async () => {
  const words = 'method random grid metric name parameters lr min max values value q command run_cap seed distribution'
  const more = 'q_uniform log_uniform program train.py ${args} __proto__ << : [ ] { } *a | > " \' # % --- 1 1.0 -1 1e-5'
  const newer =
    'when constraints trials early_terminate type hyperband min_iter preset lora probabilities normal mu beta seeds'
  const spaced = [': ', '- ', '? ', ', ', '&a ', '!!str ', '!x ', '\n', '\n  ', '\n    ', '\t', '\r\n', '\0', 'é', '😀']
  const piece = fc.constantFrom(
    ...[words, more, newer].flatMap(each => each.split(' ')),
    ...spaced,
    '.nan',
    '.inf',
    'null',
    '~',
    '0x10'
  )
  const soup = fc.array(piece, { maxLength: 40 }).map(pieces => pieces.join(''))
  const slip = fc.tuple(fc.nat(sweep().length), fc.nat(5), soup).map(([from, length, text]) => {
    return sweep().slice(0, from) + text + sweep().slice(from + length)
  })
  fc.assert(
    fc.property(fc.oneof(soup, slip, fc.string({ unit: 'binary' })), text => {
      failure(text)
    }),
    { numRuns: 1500 }
  )
})
