/**
 * A script written for W&B's agent, with the real library and without an account: what it logs is the trial's result.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { AttemptSpec, Exit } from '../../agent/ports.js'
import { createRunner } from '../../agent/runner/runner.js'

const PYTHON = process.env['WANDB_PYTHON'] ?? 'python3'
const hasWandb = spawnSync(PYTHON, ['-c', 'import wandb']).status === 0
const skip = !hasWandb && `${PYTHON} has no wandb: WANDB_PYTHON names a Python that has`

/** It goes on once its first value was reported: so that value was read while it ran. */
const TRAIN = `
import json, os, sys, time, wandb
wandb.init()
assert wandb.config.rate == 0.5
for step in range(4):
    wandb.log({'val_loss': wandb.config.rate / (step + 1)})
    if 'print' in sys.argv: print(json.dumps({'step': step, 'val_loss': 7}), flush=True)
for wait in range(600):
    if os.path.exists('../go'): break
    time.sleep(0.1)
else: sys.exit('nobody heard')
wandb.log({'val_loss': wandb.config.rate / 5})
wandb.finish()
`

const attempt = (id: string, ...words: readonly string[]): AttemptSpec => ({
  ...{
    id,
    sweep: '0123456789abcdef',
    trial: 0,
    attempt: 1,
    parameters: { rate: 0.5 },
    seed: 1,
    bundleDigest: 'digest'
  },
  ...{ device: 'cpu', environment: {}, resume: false },
  spec: {
    name: 'wandb',
    command: [PYTHON, 'train.py', ...words],
    method: 'random',
    metric: { name: 'val_loss', goal: 'minimize', summary: 'last' },
    parameters: {},
    ...{ seed: 1, runCap: 1, onDuplicate: 'resample', leaseMs: 180_000 }
  }
})

t.test('what a script logs by W&B alone is reported while it runs, and is its result', { skip }, async t => {
  const home = t.testdir({ bundle: { 'train.py': TRAIN }, attempts: {} })
  const ended = new Map<string, (exit: Exit) => void>()
  const runner = createRunner({
    folder: join(home, 'attempts'),
    bundleFolder: () => join(home, 'bundle'),
    stopGraceMs: 1000,
    onReport: id => writeFileSync(join(home, 'attempts', id, 'go'), ''),
    onExit: (id, exit) => ended.get(id)?.(exit)
  })
  t.teardown(() => runner.close())
  const run = (spec: AttemptSpec) =>
    new Promise<Exit>(resolve => {
      ended.set(spec.id, resolve)
      runner.start(spec)
    })
  const logged = await run(attempt('logged'))
  t.match(logged, { class: 'complete', value: 0.1, step: 4 })
  t.same(
    logged.curve,
    [0.5, 0.25, 0.5 / 3, 0.125, 0.1].map((value, step) => [step, value])
  )
  const printed = await run(attempt('printed', 'print'))
  t.match(printed, { class: 'complete', value: 7 }, 'what it prints itself counts')
})
