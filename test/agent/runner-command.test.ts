/**
 * The macros of a command, and the variables that may pass to a program.
 */
import t from 'tap'
import { type CommandContext, expandCommand } from '../../agent/runner/command.js'
import { allowedOf, programEnvironment } from '../../agent/runner/environment.js'
import { sweepSpec } from '../helpers/records.js'

/** A macro as a sweep file has it; written so that it is not taken for a template. */
const macro = (name: string) => `$\{${name}}`

const CONTEXT: CommandContext = {
  program: 'train.py',
  parameters: { lr: 1e-7, flag: false, on: true, name: 'a b', none: null },
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

t.test('a program finds its parameters and the assets of its sweep by name', async t => {
  const paths = { parameters: '/a/parameters.json', metrics: '/a/metrics.jsonl', checkpoint: '/a/checkpoint' }
  const attempt = {
    ...{ id: 's-0-1', sweep: 's', trial: 0, attempt: 1, seed: 5, bundleDigest: 'd', device: 'gpu0', resume: false },
    spec: sweepSpec(),
    parameters: { 'model.lr': 0.5 },
    environment: {}
  }
  const found = programEnvironment({}, paths, { ...attempt, assets: { 'llama-3-8b': '/models/llama' } })
  t.match(found, { HYPERSWEEP_PARAM_MODEL_LR: '0.5', HYPERSWEEP_ASSET_LLAMA_3_8B: '/models/llama' })
  t.notMatch(Object.keys(programEnvironment({}, paths, attempt)).join(), 'ASSET')
})
