/**
 * The macros of a command, and the variables that may pass to a program.
 */
import t from 'tap'
import { type CommandContext, expandCommand } from '../../agent/runner/command.js'
import { allowedOf, programEnvironment } from '../../agent/runner/environment.js'
import { wandbText } from '../../agent/runner/wandb.js'
import { sweepSpec } from '../helpers/records.js'

/** A macro as a sweep file has it; written so that it is not taken for a template. */
const macro = (name: string) => `$\{${name}}`

const CONTEXT: CommandContext = {
  program: 'train.py',
  parameters: { lr: 1e-7, flag: false, on: true, name: 'a b', none: null },
  configuration: { lr: 1e-7, flag: false, on: true, name: 'a b', none: null },
  parametersFile: '/a/parameters.json',
  checkpoint: '/a/checkpoint',
  seed: 5,
  interpreter: 'python3',
  environment: { HOME: '/home/kim' },
  isWindows: false
}

const expand = (command: readonly string[], context: Partial<CommandContext> = {}) =>
  expandCommand(command, { ...CONTEXT, ...context })

t.test('the usual command becomes Python with one argument a parameter, as Python prints them', async t => {
  const command = ['env', 'interpreter', 'program', 'args'].map(macro)
  const args = ['--lr=1e-7', '--flag=False', '--on=True', '--name=a b', '--none=None']
  t.same(expand(command), ['/usr/bin/env', 'python3', 'train.py', ...args])
  t.same(expand(command, { isWindows: true }), ['python3', 'train.py', ...args])
})

t.test('each macro for all parameters has W&B’s form', async t => {
  const forms = (name: string) => expand(['x', macro(name)]).slice(1)
  t.same(forms('args_no_equals').slice(0, 4), ['--lr', '1e-7', '--flag', 'False'])
  t.same(forms('args_no_hyphens').slice(0, 2), ['lr=1e-7', 'flag=False'])
  t.same(forms('args_no_boolean_flags'), ['--lr=1e-7', '--on', '--name=a b', '--none=None'])
  t.same(forms('args_append_hydra').slice(0, 2), ['+lr=1e-7', '+flag=False'])
  t.same(forms('args_override_hydra').at(-1), '++none=null')
  t.same(
    forms('args_json').map(text => JSON.parse(text)),
    [CONTEXT.parameters]
  )
  t.same(forms('args_json_file'), ['/a/parameters.json'])
})

t.test('macros for one text stand inside an argument too, and are not read twice', async t => {
  const command = [
    'run',
    `--out=${macro('checkpoint')}/s${macro('seed')}`,
    `-n${macro('param:name')}`,
    macro('envvar:HOME')
  ]
  t.same(expand(command), ['run', '--out=/a/checkpoint/s5', '-na b', '/home/kim'])
  t.same(expand([macro('param:name')], { parameters: { name: macro('seed') } }), [macro('seed')])
})

t.test('a number is printed in a form that reads back exactly', async t => {
  for (const lr of [0.1 + 0.2, 5e-324, 1.7976931348623157e308, 1e21, 123456789012345680000, -1e-9]) {
    t.equal(Number(expand(['x', macro('param:lr')], { parameters: { lr } })[1]), lr)
  }
})

t.test('what cannot be expanded is refused, with the nearest that can', async t => {
  const refused = (argument: string, expected: { code: string; message?: RegExp }) =>
    t.throws(() => expand(['x', argument]), expected)
  refused(macro('prgram'), { code: 'SWEEP_INVALID', message: /\$\{prgram\}.*Did you mean \$\{program\}\?/ })
  refused(macro('params:lr'), { code: 'SWEEP_INVALID', message: /Did you mean \$\{param:NAME\}\?/ })
  refused(macro('param:lrr'), { code: 'SWEEP_INVALID', message: /no such parameter\. Did you mean "lr"\?/ })
  refused(`--all=${macro('args')}`, { code: 'SWEEP_INVALID', message: /must be an argument of its own/ })
  refused(macro('constructor'), { code: 'SWEEP_INVALID' })
  refused(macro('envvar:HF_TOKEN'), { code: 'NOT_FOUND', message: /HF_TOKEN/ })
  t.throws(() => expand([macro('env')], { isWindows: true }), { code: 'SWEEP_INVALID', message: /names no program/ })
})

t.test('only what is listed passes to a program, and never a secret', async t => {
  const passed = { PATH: '/bin', Path: 'C:', LC_ALL: 'C', CUDA_HOME: '/c', HF_HOME: '/h', TOKENIZERS_PARALLELISM: '0' }
  const secret = ['HF_TOKEN', 'WANDB_API_KEY', 'AWS_REGION', 'CUDA_TOKEN', 'TF_API_KEY', 'JAX_SECRET', 'SSH_AUTH_SOCK']
  const harmful = [
    'NODE_OPTIONS',
    'LD_PRELOAD',
    'PYTHONPATH',
    'HTTPS_PROXY',
    'HYPERSWEEP_HOME',
    'DBUS_SESSION_BUS_ADDRESS'
  ]
  const others = Object.fromEntries([...secret, ...harmful].map(name => [name, 'x']))
  t.same(allowedOf({ ...passed, ...others, TMP: undefined }), passed)
})

t.test(
  'nested parameters are told as maps where a map is read, and by their full names on the command line',
  async t => {
    const nested = { parameters: { 'model.lr': 0.1 }, configuration: { model: { lr: 0.1 } } }
    t.same(expand(['x', macro('args_json'), macro('args')], nested), ['x', '{"model":{"lr":0.1}}', '--model.lr=0.1'])
    const lists = { parameters: { sizes: [64, 'a b', null, { it: "it's" }] } }
    t.same(expand(['x', macro('args')], lists), ['x', `--sizes=[64, 'a b', None, {'it': 'it\\'s'}]`])
  }
)

t.test('a variable named by a sweep is one that its program sees anyway, never another of the machine', async t => {
  const environment = allowedOf({ HOME: '/home/kim', WANDB_API_KEY: 'secret', AWS_PROFILE: 'work' })
  t.same(expand(['x', macro('envvar:HOME')], { environment }), ['x', '/home/kim'])
  for (const name of ['WANDB_API_KEY', 'AWS_PROFILE'])
    t.throws(() => expand(['x', macro(`envvar:${name}`)], { environment }), { code: 'NOT_FOUND' })
})

t.test('a program finds its parameters and the assets of its sweep by name', async t => {
  const paths = {
    ...{ parameters: '/a/parameters.json', metrics: '/a/metrics.jsonl', checkpoint: '/a/checkpoint' },
    ...{ wandbParameters: '/a/wandb-parameters.yaml', wandbFolder: '/a' }
  }
  const attempt = {
    ...{ id: 's-0-1', sweep: 's', trial: 0, attempt: 1, seed: 5, bundleDigest: 'd', device: 'gpu0', resume: false },
    spec: sweepSpec(),
    parameters: { 'model.lr': 0.5 },
    environment: {}
  }
  const found = programEnvironment({}, paths, { ...attempt, assets: { 'llama-3-8b': '/models/llama' } })
  t.match(found, { HYPERSWEEP_PARAM_MODEL_LR: '0.5', HYPERSWEEP_ASSET_LLAMA_3_8B: '/models/llama' })
  t.match(found, { WANDB_MODE: 'offline', WANDB_PROJECT: 'hypersweep', WANDB_DIR: '/a' })
  t.match(found, { WANDB_RUN_ID: 's-0-1', WANDB_SWEEP_ID: 's' })
  t.equal(found['WANDB_SWEEP_PARAM_PATH'], '/a/wandb-parameters.yaml')
  t.notMatch(Object.keys(programEnvironment({}, paths, attempt)).join(), 'ASSET')
})

t.test("parameters are written for W&B's library as Python's YAML reads them", async t => {
  const written = wandbText({
    lr: 1e-7,
    big: 1e21,
    on: true,
    none: null,
    text: 'a\u0085: "b"',
    model: { sizes: [1, 2.5] }
  })
  const lines = ['lr', 'big', 'on', 'none', 'text', 'model'].map(name => `"${name}":`)
  t.ok(written.startsWith('wandb_version: 1\n'))
  for (const line of lines) t.ok(written.includes(`\n${line}\n  value: `), line)
  for (const value of ['1.0e-7', '1.0e+21', 'true', 'null', '"a\\u0085: \\"b\\""', '{"sizes": [1, 2.5]}'])
    t.ok(written.includes(`  value: ${value}\n`), value)
})
