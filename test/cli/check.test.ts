/**
 * `check` and `submit --dry-run`, on sweep files as W&B's users write them and on wrong ones.
 */
import { writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { EXIT } from '#protocol'
import { runCommand } from '../helpers/run-command.js'
import { sweep } from '../helpers/sweep-text.js'

const FOLDER = join(import.meta.dirname, '..', 'fixtures', 'wandb-sweeps')
/** What becomes of each file: the method, the trials, and the keys that a warning is about. */
const FILES: readonly (readonly [file: string, method: string, trials: number, warnings: readonly string[]])[] = [
  ['anchors.yaml', 'random', 10, []],
  ['bayes-lstm.yaml', 'auto', 100, ['run_cap']],
  ['betas.yaml', 'random', 25, []],
  ['described.yaml', 'random', 5, ['apiVersion', 'kind', 'controller']],
  ['endless.yaml', 'random', 100, ['run_cap']],
  ['exponents-mistaken.yaml', 'random', 10, ['parameters.lr']],
  ['exponents.yaml', 'auto', 40, []],
  ['grid-trainer.yaml', 'grid', 18, ['project', 'entity', 'parameters.warmup_steps']],
  ['hydra.yaml', 'grid', 2, []],
  ['hyperband-max-iter.yaml', 'auto', 50, ['early_terminate.strict']],
  ['hyperband-min-iter.yaml', 'random', 50, []],
  ['imputed.yaml', 'auto', 30, ['metric.impute', 'metric.impute_while_running']],
  ['launch.yaml', 'auto', 11, ['job', 'image_uri', 'run_cap']],
  ['launcher.yaml', 'random', 8, []],
  ['lists.yaml', 'random', 3, ['run_cap']],
  ['nested.yaml', 'random', 20, []],
  ['normals.yaml', 'random', 25, []],
  ['nulls.yaml', 'grid', 12, []],
  ['probabilities.yaml', 'random', 6, ['run_cap']],
  ['random-cnn.yaml', 'random', 30, []],
  [
    'yaml-traps.yaml',
    'random',
    10,
    ['parameters.amp.values.0', 'parameters.amp.values.1', 'parameters.steps.value', 'parameters.mode.value']
  ]
]

t.test("W&B's files are checked and could be submitted as they are", async t => {
  const files = (await readdir(FOLDER)).filter(name => name.endsWith('.yaml'))
  t.same(files.sort(), FILES.map(([file]) => file).sort())
  for (const [file, method, trials, warned] of FILES) {
    const path = join(FOLDER, file)
    const checked = await runCommand(['check', path, '--json'])
    const dry = await runCommand(['submit', path, '--dry-run', '--json'])
    t.same([checked.status, dry.status], [EXIT.done, EXIT.done], file)
    const { firstTrials, warnings, ...check } = JSON.parse(checked.stdout)
    t.match(check, { isValid: true, method, trials }, file)
    // A method that learns has none before somebody claims them.
    t.equal(firstTrials.length, method === 'auto' ? 0 : Math.min(5, trials), file)
    t.equal(check.isProposed, method === 'auto', file)
    t.same(
      warnings.map((each: { path: string }) => each.path),
      warned,
      file
    )
    t.match(JSON.parse(dry.stdout), { trials, folder: FOLDER, spec: { program: 'train.py' } }, file)
  }
})

t.test('check: the parameters in a table, how trials are chosen, the first of them', async t => {
  const { status, stdout, stderr } = await runCommand(['check', join(FOLDER, 'hyperband-max-iter.yaml')])
  t.equal(status, EXIT.done)
  t.match(stdout, /^sweep {6}hyperband-max-iter\nsearch {5}auto\nobjective {2}minimize val_loss, its last value\n/)
  t.match(stdout, /\ntrials {5}50 trials of endless choices\n/)
  t.match(stdout, /\nstopping {3}hyperband; eta 3; bands 3, 9; strict false; unit reports\n/)
  t.match(stdout, /\nlr +log_uniform_values +1e-5 to 0\.1 +logarithmic\nlayers +int_uniform +1 to 6 +linear\n/)
  t.match(stdout, /\nTrials:\nfrom #0 {2}proposed when claimed, by what is known of the others then\n$/)
  const drawn = await runCommand(['check', join(FOLDER, 'hyperband-min-iter.yaml')])
  t.match(drawn.stdout, /\nFirst 5 trials:\n#0 {2}[a-z_]+=.*\n#1 /)
  t.match(stderr, /^next: hypersweep submit .*hyperband-max-iter\.yaml/m)
})

t.test('check: all kinds of ranges, conditions, budgets and rules are shown', async t => {
  const parameters = `{ o: { values: [a, b], probabilities: [0.9, 0.1] }, n: { distribution: q_normal, mu: 1, q: 0.5 },
    l: { distribution: log_normal }, b: { distribution: beta, a: 2 }, c: { distribution: q_beta, q: 0.1 },
    q: { distribution: q_uniform, min: 0, max: 9, q: 3 }, w: { min: 0.0, max: 1.0, when: { o: [a] } } }`
  const more = { seeds: '3', gpu_hours: '2.5', wall_time: '8h', constraints: '["q > n"]', preset: 'lora' }
  const folder = t.testdir({ 'sweep.yaml': sweep({ parameters, ...more }), 'train.py': '' })
  const { stdout } = await runCommand(['check', join(folder, 'sweep.yaml')])
  const shown = [
    ['seeds', 'each configuration is trained 3 times'],
    ['devices', '2.5 hours at most'],
    ['wall time', 'nothing begins 8h after it is submitted'],
    ['only where', 'q > n'],
    ['o', 'categorical_w_probabilities', 'a \\(0.9\\), b \\(0.1\\)', '-'],
    ['n', 'q_normal', 'mean 1, deviation 1, steps of 0.5', 'linear'],
    ['l', 'log_normal', 'mean 0, deviation 1', 'logarithmic'],
    ['b', 'beta', '0 to 1, a 2, b 1', 'linear'],
    ['c', 'q_beta', '0 to 1, a 1, b 1, steps of 0.1', 'linear'],
    ['q', 'q_uniform', '0 to 9, steps of 3', 'linear'],
    ['w', 'uniform', '0 to 1', 'linear', 'o is a'],
    ['lora_r', 'categorical', '8, 16, 32, 64', '-']
  ]
  for (const cells of shown) t.match(stdout, new RegExp(`^${cells.join(' +')}`, 'm'))
})

t.test('check: named trials come first, seeds follow each other, constraints leave out', async t => {
  const checked = async (changes: Record<string, string | undefined>) => {
    const folder = t.testdir({ 'sweep.yaml': sweep(changes), 'train.py': '' })
    const { stdout } = await runCommand(['check', join(folder, 'sweep.yaml')])
    const asJson = await runCommand(['check', join(folder, 'sweep.yaml'), '--json'])
    return { stdout, json: JSON.parse(asJson.stdout) }
  }
  const parameters = '{ a: { values: [1, 2, 3] }, b: { values: [1, 2] } }'
  const trials = '[{ a: 3, b: 1 }]'
  const grid = await checked({ parameters, trials, method: 'grid', run_cap: undefined, constraints: '["a != b"]' })
  t.match(grid.json, { trials: 4, choices: 6, named: 1, seeds: 1, isProposed: false })
  t.match(grid.stdout, /\ntrials +4 trials of 6 choices\n.*\nnamed +1 trial, before all others\n/)
  t.match(grid.stdout, /\nFirst 4 trials:\n#0 {2}a=3 b=1\n#1 {2}a=1 b=2\n#2 {2}a=2 b=1\n#3 {2}a=3 b=2\n$/)
  const seeds = await checked({ parameters, method: 'grid', seeds: '3', run_cap: '17' })
  t.match(seeds.stdout, /\ntrials +17 trials: 6 configurations, 3 times each, all choices\n/)
  t.match(seeds.stdout, /\nFirst 5 configurations:\n#0 to #2 {4}a=1 b=1\n#3 to #5 /)
  const learned = await checked({ parameters, trials, method: 'tpe', run_cap: '6', seeds: '2' })
  t.match(learned.json, { trials: 6, named: 2, isProposed: true, firstTrials: [{ trial: 0, parameters: { a: 3 } }] })
  t.match(learned.stdout, /\nTrials:\n#0 to #1 {2}a=3 b=1\nfrom #2 {3}proposed when claimed/)
  const none = await checked({ parameters, constraints: '["a > 3"]' })
  t.match(none.stdout, /\nNo trial: the constraints leave nothing of the parameters\.\n$/)
})

t.test('check: every problem with its place, status 2, as text and as JSON', async t => {
  const folder = t.testdir({ 'sweep.yaml': sweep({ method: 'bays', run_cap: '0' }) })
  const file = join(folder, 'sweep.yaml')
  const { status, stderr } = await runCommand(['check', file])
  t.match(stderr, /sweep\.yaml:2:9 method: expected .*\n.*\n.*\n.*sweep\.yaml:3:10 run_cap: expected/)
  t.equal(status, EXIT.usage)
  const asJson = await runCommand(['check', file, '--json'])
  t.match(JSON.parse(asJson.stdout), {
    isValid: false,
    problems: [
      { line: 2, column: 9, path: 'method' },
      { line: 3, column: 10, path: 'run_cap' }
    ]
  })
  t.equal(asJson.status, EXIT.usage)
  t.match((await runCommand(['check'])).stderr, /<sweep\.yaml> is missing/)
  writeFileSync(file, '')
  t.match((await runCommand(['check', file])).stderr, /the file holds nothing/)
})

t.test('submit --dry-run says what it would do, and that a program is missing', async t => {
  const { stdout, status } = await runCommand(['submit', join(FOLDER, 'nulls.yaml'), '--dry-run'])
  t.match(
    stdout,
    /^Would submit nulls: 12 trials, grid, minimize loss; with the files in .*\. Nothing was submitted\.\n$/
  )
  t.equal(status, EXIT.done)
  const folder = t.testdir({ 'sweep.yaml': sweep() })
  for (const command of [['check'], ['submit', '--dry-run']]) {
    const missing = await runCommand([...command, join(folder, 'sweep.yaml')])
    t.match(missing.stderr, /The program "train\.py" is not a file/)
    t.equal(missing.status, EXIT.usage)
  }
})

t.test('check --schema prints a JSON Schema with every key that a file may have', async t => {
  const { stdout, status } = await runCommand(['check', '--schema'])
  const schema = JSON.parse(stdout)
  t.equal(status, EXIT.done)
  t.match(schema, { type: 'object', required: ['method'], additionalProperties: false })
  t.same(schema.oneOf, [{ required: ['metric'] }, { required: ['metrics'] }])
  t.match(schema.properties, { early_terminate: {}, constraints: {}, project: {}, requires: {}, preset: {} })
  t.match(schema.properties.method.enum, ['bayes', 'grid', 'random'])
})
