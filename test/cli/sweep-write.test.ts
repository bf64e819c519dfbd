/**
 * Sweep files that are written: what is read from them is the sweep that they were written from.
 */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import type { SweepSpec } from '#protocol'
import { readSweepText } from '../../cli/sweep-file.js'
import { writeSweepText } from '../../cli/sweep-write.js'
import { ROOT } from '../helpers/source-files.js'
import { parameter, sweep } from '../helpers/sweep-text.js'

const read = (text: string) => readSweepText(text, 'sweep.yaml').spec
/** Without the seed, which comes from the text. */
const unseeded = ({ seed: _, ...rest }: SweepSpec) => rest

const WHOLE = `
name: everything
description: "yes: all of it"
command: [accelerate, launch, "\${program}", "\${args}", "1.0"]
program: train.py
method: tpe
metric: {name: eval/acc, goal: maximize, summary: best, target: 0.99}
run_cap: 50
gpu_hours: 12
seeds: 3
seed: 5
on_duplicate: replicate
lease: 90s
time_limit: 1500ms
backups: off
parameters:
  optimizer:
    parameters:
      name: {values: [adamw, sgd]}
      lr: {distribution: log_uniform_values, min: 1e-5, max: 0.1}
      momentum: {min: 0.0, max: 0.99, when: {optimizer.name: sgd}}
  layers: {values: [[64, 64], [128], "1e3", true, null, 1.5]}
  flags: {value: {a: [1, 2]}}
  dropout: {distribution: q_uniform, min: 0, max: 0.5, q: 0.1}
  rare: {values: [a, b], probabilities: [0.9, 0.1]}
  noise: {distribution: log_normal, mu: -2, sigma: 1.5}
  share: {distribution: beta, a: 2, b: 3}
  epochs: {value: 10}
constraints: ['optimizer.lr < 0.1 or optimizer.name == "sgd"']
trials:
  - {optimizer.name: sgd, optimizer.lr: 0.001, optimizer.momentum: 0.9, layers: [64, 64], dropout: 0.1, rare: a, noise: 0.1, share: 0.5}
requires:
  memory: 14GiB
  vendor: [nvidia, amd]
  capability: "8.0"
  bf16: true
  disk: 20GiB
  packages: [torch]
  assets: [llama-3-8b]
  memory_effects: {dropout: none}
  model: {parameters: 8.03e9, hidden: 4096, layers: 32, vocabulary: 128256, heads: 32, fine_tuning: qlora}
`

t.test('several objectives come back as they were', async t => {
  const several = read(
    WHOLE.replace(/metric: .*/, 'metrics: [{name: acc, goal: maximize, target: 1}, {name: seconds}]')
  )
  t.same(unseeded(read(writeSweepText(several))), unseeded(several))
  t.equal(several.furtherMetrics?.length, 1)
})

t.test('every key comes back as it was', async t => {
  const spec = read(WHOLE)
  const text = writeSweepText(spec, ['From somewhere.', ''])
  t.match(text, /^# From somewhere\.\n#\nname: everything\n/)
  t.strictSame(unseeded(read(text)), unseeded(spec))
})

t.test('every rule of early stopping comes back, those in W&B’s words too', async t => {
  for (const rule of [
    '{type: asha, min_steps: 3, max_steps: 100, eta: 4, warm_up_steps: 2}',
    '{type: hyperband, min_iter: 3}',
    '{type: hyperband, max_iter: 100, s: 4, eta: 3, strict: true}',
    '{type: hyperband, min_steps: 2, max_steps: 81, unit: reports}',
    '{type: median, start_up_trials: 4}',
    '{type: threshold, lower: 0.1, upper: 5, unit: reports}',
    '{type: plateau, patience: 3, min_delta: 0.01}',
    '{type: auto}'
  ]) {
    const spec = read(sweep({ early_terminate: rule }))
    t.strictSame(read(writeSweepText(spec)).stopping, spec.stopping, rule)
  }
})

t.test('texts that YAML takes for something else stay texts, and whole numbers with a dot stay a range', async t => {
  for (const range of [
    '{ values: ["1", "true", "null", "~", "a: b", "#x", " y", "1:30", "0x1f"] }',
    '{ min: 1.0, max: 2 }'
  ]) {
    const spec = read(parameter(range))
    t.strictSame(read(writeSweepText(spec)).parameters, spec.parameters, range)
  }
})

t.test('a preset is written as the parameters that it stands for', async t => {
  const spec = read(sweep({ preset: 'lora', parameters: undefined }))
  t.strictSame(unseeded(read(writeSweepText(spec))), unseeded(spec))
})

t.test('W&B’s own examples come back', async t => {
  const folder = `${ROOT}test/fixtures/wandb-sweeps`
  const files = readdirSync(folder).filter(name => /\.ya?ml$/.test(name))
  t.ok(files.length > 0)
  for (const file of files) {
    let spec: SweepSpec
    try {
      spec = read(readFileSync(`${folder}/${file}`, 'utf8'))
    } catch {
      continue
    }
    t.strictSame(unseeded(read(writeSweepText(spec))), unseeded(spec), file)
  }
})
