/**
 * `import`: what Optuna, Axolotl and W&B wrote becomes a sweep file that `check` takes, or a problem with its line.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { EXIT } from '#protocol'
import { readSweepText } from '../../cli/sweep-file.js'
import { runCommand } from '../helpers/run-command.js'

/** Recorded with Optuna 5.0: 14 trials, one pruned, one failed, a parameter that only some have; an empty study. */
const JOURNAL = join(import.meta.dirname, '../fixtures/imports/optuna.journal')

/** Imports a file and checks what comes of it. */
async function imported(t: Test, file: string, ...flags: readonly string[]) {
  const { stdout, status, stderr } = await runCommand(['import', file, ...flags])
  t.equal(status, EXIT.done, stderr)
  const folder = t.testdir({ 'sweep.yaml': stdout, 'train.py': '' })
  const checked = await runCommand(['check', join(folder, 'sweep.yaml'), '--json'])
  t.equal(checked.status, EXIT.done, checked.stdout)
  return { stdout, check: JSON.parse(checked.stdout), stderr }
}

t.test('a study of Optuna: its space, its direction, its best trials as the first ones', async t => {
  const { check, stdout, stderr } = await imported(t, JOURNAL, '--study', 'demo', '--best', '3')
  t.match(check, { method: 'auto', trials: 100, named: 3, metric: { name: 'objective', goal: 'maximize' } })
  const ranges = Object.fromEntries(
    check.parameters.map(({ name, distribution, range }: Record<string, string>) => [name, `${distribution} ${range}`])
  )
  t.match(ranges, {
    lr: 'log_uniform_values 1e-5 to 0.1',
    layers: 'int_uniform 1 to 8',
    units: 'q_uniform 16 to 128, steps of 16',
    opt: 'categorical adamw, lion, null, true, 3',
    drop: 'categorical 0.05, 0.15, 0.25, 0.35, 0.45',
    warm: 'q_log_uniform_values 1 to 1000, steps of 1',
    wd: 'uniform 0 to 0.1',
    beta: 'uniform 0.5 to 0.99'
  })
  t.match(
    check.parameters.find((each: { name: string }) => each.name === 'beta'),
    { when: 'opt is lion' }
  )
  t.match(stderr, /12 complete trials; the best 3 run first/)
  t.match(stdout, /^# From Optuna's study "demo"/)
  const layers = check.firstTrials.map((each: { parameters: { layers: number } }) => each.parameters.layers)
  t.same(
    layers,
    [...layers].sort((a, b) => b - a),
    'the best first'
  )
})

t.test('of several studies one must be named; --json prints the same as data', async t => {
  const unnamed = await runCommand(['import', JOURNAL])
  t.match(unnamed, { status: EXIT.usage, stderr: /has 2 sweeps/ })
  t.match((await runCommand(['import', JOURNAL, '--study', 'demmo'])).stderr, /Did you mean "?demo"?/)
  const { stdout } = await runCommand(['import', JOURNAL, '--study', 'demo', '--json'])
  t.match(JSON.parse(stdout), { method: 'auto', parameters: { layers: { min: 1, max: 8 } } })
})

t.test('what is no journal, or no sweep, is told with its line', async t => {
  const lines = readFileSync(JOURNAL, 'utf8').split('\n').slice(0, 4)
  const file = join(t.testdir({}), 'optuna.log')
  const told = async (...more: readonly object[]) => {
    writeFileSync(file, [...lines, ...more.map(each => JSON.stringify(each))].join('\n'))
    return (await runCommand(['import', file])).stderr.replace(/\s+/g, ' ')
  }
  const param = { op_code: 5, trial_id: 0, param_name: 'x', param_value_internal: 1 }
  const float = (low: number, high: number, step: number | null = null) =>
    JSON.stringify({ name: 'FloatDistribution', attributes: { low, high, step, log: false } })
  t.match(await told({ op_code: 5, trial_id: 7 }), /optuna\.log:5 param_name is not as a journal has it/)
  t.match(await told({ ...param, trial_id: 7, distribution: '' }), /:5 there is no trial 7 yet/)
  t.match(await told({ op_code: 4, study_id: 3 }), /:5 there is no sweep 3 yet/)
  t.match(await told({ ...param, distribution: '{}' }), /:5 the distribution of "x" is none that is known here/)
  t.match(
    await told({ ...param, param_name: 'a b', distribution: float(0, 1) }),
    /:5 a sweep can have no parameter named "a b"/
  )
  const second = { op_code: 4, study_id: 0 }
  t.match(
    await told(second, { ...param, trial_id: 1, param_name: 'lr', distribution: float(0, 1) }),
    /:6 "lr" has another distribution here/
  )
  t.match(await told({ ...param, distribution: float(0.5, 1e6, 1) }), /"x" has more than 1000 steps/)
  t.match(
    await told({ op_code: 0, study_name: 'two', directions: [1, 2] }, { op_code: 1, study_id: 0 }),
    /:5 it has several/
  )
  writeFileSync(file, `${lines[0]}\nno JSON`)
  t.match((await runCommand(['import', file])).stderr, /:2 expected an operation/)
  t.match(await runCommand(['import', `${file}.not`]), { status: EXIT.usage, stderr: /cannot be read/ })
})

t.test("Axolotl's lists become a grid; what belongs together, a constraint", async t => {
  const list = `
learning_rate: [0.0003, 1.0e-5]
lora_r: [8, 16]
_:
  - {adapter: lora, load_in_8bit: true}
  - {adapter: qlora, load_in_8bit: false}
`
  const file = join(t.testdir({ 'list.yml': list }), 'list.yml')
  const { check } = await imported(t, file, '--config', 'lora.yml')
  t.match(check, { method: 'grid', trials: 8, choices: 16, metric: { name: 'eval_loss' } })
  t.same(check.command, ['axolotl', 'train', 'lora.yml', `$\{args}`])
  t.same(check.constraints, [
    '(adapter == "lora" and load_in_8bit == true) or (adapter == "qlora" and load_in_8bit == false)'
  ])
})

t.test("Axolotl's lists: all problems are told with their places", async t => {
  const list = 'a: 3\nb: []\n_:\n  - {c: 1, d: 2}\n  - {c: 1, e: 2}\n'
  const file = join(t.testdir({ 'list.yml': list }), 'list.yml')
  const { stderr, status } = await runCommand(['import', file])
  t.equal(status, EXIT.usage)
  t.match(stderr, /list\.yml:1:4 a: expected a list of 1 to 1000 values, got 3/)
  t.match(stderr, /list\.yml:2:1 b: expected a list/)
  t.match(stderr, /list\.yml:5:\d+ _\.1: each combination must name the same/)
  for (const text of ['just text', '{}']) {
    writeFileSync(file, text)
    t.match((await runCommand(['import', file])).stderr, /expected a map of names to lists/)
  }
})

t.test("W&B's sweep files: how each is read here, and what of it is not used", async t => {
  const folder = join(import.meta.dirname, '../fixtures/wandb-sweeps')
  const read = (text: string, fileName: string) => ({ ...readSweepText(text, fileName).spec, name: '' })
  for (const file of readdirSync(folder).filter(name => name.endsWith('.yaml'))) {
    const { stdout } = await runCommand(['import', join(folder, file)])
    t.same(read(stdout, file), read(readFileSync(join(folder, file), 'utf8'), file), file)
  }
  const { stderr, stdout } = await imported(t, join(folder, 'hyperband-max-iter.yaml'))
  t.match(stderr, /^hyperband-max-iter\.yaml:5:72 early_terminate\.strict: not used here/m)
  t.match(stdout, /^# From hyperband-max-iter\.yaml, which would run as it is\.\n# hyperband-max-iter\.yaml:5:72 /)
  const json = await runCommand(['import', join(folder, 'hyperband-max-iter.yaml'), '--json'])
  t.match(json, { stdout: /"seed":\d+/, stderr: /strict: not used here/ })
  const wrong = join(t.testdir({ 'sweep.yaml': 'method: bayse\nprogram: train.py\n' }), 'sweep.yaml')
  t.match((await runCommand(['import', wrong])).stderr, /sweep\.yaml:1:9 method: .* Did you mean "?bayes"?/)
})
