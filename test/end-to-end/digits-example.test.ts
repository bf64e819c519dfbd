/**
 * The digits example, run for real: what its README promises holds for train.mjs and for both ways of train.py.
 *
 * Invariant: every wait is for a line or for an end of the program, never for a time.
 */
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'

const FOLDER = fileURLToPath(new URL('../../docs/examples/digits/', import.meta.url))
const NODE = [process.execPath, 'train.mjs']
/** `-S` keeps Python away from installed packages, NumPy among them. */
const PLAIN_PYTHON = ['python3', '-S', 'train.py']
const NUMPY_PYTHON = ['python3', 'train.py']
const EXIT_TERMINATED = 143
const EXIT_USAGE = 2
/** For the file, and for each test: training in plain Python on a busy machine is slow. */
const TEST_MS = 120_000

t.setTimeout(TEST_MS)

interface Line {
  readonly step: number
  readonly steps: number
  readonly train_loss: number | string
  readonly val_loss: number | string
  readonly val_accuracy: number
}

interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly lines: readonly string[]
  readonly errors: string
}

interface Start {
  readonly parameters?: Readonly<Record<string, number>>
  readonly environment?: Readonly<Record<string, string>>
  /** Sends the signal as soon as the program has printed this many lines. */
  readonly interrupt?: { readonly afterLines: number; readonly signal: NodeJS.Signals }
}

/** Runs a program of the example to its end. */
async function run(program: readonly string[], { parameters = {}, environment = {}, interrupt }: Start = {}) {
  const flags = Object.entries(parameters).map(([name, value]) => `--${name}=${value}`)
  const [command = '', ...rest] = program
  const { HYPERSWEEP_PARAMETERS, HYPERSWEEP_SEED, HYPERSWEEP_CHECKPOINT, ...outside } = process.env
  const child = spawn(command, [...rest, ...flags], { cwd: FOLDER, env: { ...outside, ...environment } })
  const lines: string[] = []
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    errors += text
  })
  createInterface({ input: child.stdout }).on('line', line => {
    lines.push(line)
    if (lines.length === interrupt?.afterLines) child.kill(interrupt.signal)
  })
  return new Promise<Ending>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, lines, errors }))
  })
}

function read(lines: readonly string[]): Line[] {
  return lines.map(line => JSON.parse(line))
}

function isClose(a: unknown, b: unknown): boolean {
  return typeof a === 'number' && typeof b === 'number' && Math.abs(a - b) <= 1e-4 * Math.abs(b)
}

t.test('the loss falls, and good settings read more than 95 % of unseen digits', async t => {
  const { code, lines } = await run(NODE, { parameters: { epochs: 20 } })
  const first = read(lines).at(0)
  const last = read(lines).at(-1)
  t.equal(code, 0)
  t.same(
    read(lines).map(line => line.step),
    Array.from({ length: 20 }, (_, index) => index + 1)
  )
  t.ok(Number(last?.train_loss) < Number(first?.train_loss) / 10)
  t.ok(Number(last?.val_loss) < Number(first?.val_loss) / 2)
  t.ok(Number(last?.val_accuracy) > 0.95)
})

t.test('the same seed gives the same numbers, another seed gives others', async t => {
  const start = (seed: string) => run(NODE, { parameters: { epochs: 3 }, environment: { HYPERSWEEP_SEED: seed } })
  const [one, again, other] = await Promise.all([start('4294967295'), start('4294967295'), start('8')])
  t.equal(one.lines.length, 3)
  t.same(one.lines, again.lines)
  t.not(one.lines.at(-1), other.lines.at(-1))
})

t.test('parameters come from the file, a flag wins, and an unknown one is refused', async t => {
  const file = join(t.testdir({ 'parameters.json': '{ "epochs": 5, "hidden": 16 }' }), 'parameters.json')
  const environment = { HYPERSWEEP_PARAMETERS: file }
  const [fromFile, fromFlags, refused] = await Promise.all([
    run(NODE, { parameters: { epochs: 2 }, environment }),
    run(NODE, { parameters: { epochs: 2, hidden: 16 } }),
    run(NODE, { parameters: { rate: 1 } })
  ])
  t.equal(fromFile.lines.length, 2)
  t.same(fromFile.lines, fromFlags.lines)
  t.equal(refused.code, EXIT_USAGE)
  t.match(refused.errors, /no parameter rate/)
})

t.test('a checkpoint of other parameters is left alone, and one that is torn does no harm', async t => {
  const folder = t.testdir()
  const environment = { HYPERSWEEP_CHECKPOINT: folder }
  await run(NODE, { parameters: { epochs: 2 }, environment })
  const other = await run(NODE, { parameters: { epochs: 1, hidden: 16 }, environment })
  t.match(other.errors, /not of this run/)
  t.same(other.lines, (await run(NODE, { parameters: { epochs: 1, hidden: 16 } })).lines)
  const torn = t.testdir({ 'state.json': readFileSync(join(folder, 'state.json'), 'utf8').slice(0, 500) })
  const anew = await run(NODE, { parameters: { epochs: 1 }, environment: { HYPERSWEEP_CHECKPOINT: torn } })
  t.equal(read(anew.lines).at(0)?.step, 1)
})

// What holds for each of the three ways to run the example. Epochs are chosen by speed, so that an interruption comes
// in the middle of the run.
const hasPython = spawnSync('python3', ['-c', '']).status === 0
const hasNumpy = spawnSync('python3', ['-c', 'import numpy']).status === 0
const WAYS = [
  { name: 'train.mjs', program: NODE, sweep: 'sweep.yaml', epochs: 40, skip: false },
  {
    name: 'train.py without NumPy',
    program: PLAIN_PYTHON,
    sweep: 'sweep-python.yaml',
    epochs: 5,
    skip: !hasPython && 'python3 is missing'
  },
  {
    name: 'train.py with NumPy',
    program: NUMPY_PYTHON,
    sweep: 'sweep-python.yaml',
    epochs: 20,
    skip: !hasNumpy && 'python3 with NumPy is missing'
  }
]

for (const { name, program, sweep, epochs, skip } of WAYS) {
  t.test(`${name}: interrupted and resumed, it prints what it prints in one go`, { skip }, async t => {
    const parameters = { epochs, hidden: 8, dropout: 0.1 }
    const whole = await run(program, { parameters })
    t.equal(whole.lines.length, epochs)
    const folder = t.testdir()
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const environment = { HYPERSWEEP_CHECKPOINT: join(folder, signal) }
      const cut = await run(program, { parameters, environment, interrupt: { afterLines: 2, signal } })
      if (signal === 'SIGTERM') t.equal(cut.code, EXIT_TERMINATED)
      else t.equal(cut.signal, signal)
      const resumed = await run(program, { parameters, environment })
      t.equal(resumed.code, 0)
      const step = read(resumed.lines).at(0)?.step ?? 0
      t.ok(step >= cut.lines.length && step < epochs, `${signal}: resumed at the last line that was printed, or later`)
      t.same(cut.lines, whole.lines.slice(0, cut.lines.length))
      t.same(resumed.lines, whole.lines.slice(step - 1))
    }
  })

  t.test(`${name}: a learning rate that is far too large ends in NaN, and says so in valid JSON`, { skip }, async t => {
    const { code, lines } = await run(program, { parameters: { epochs: 2, learning_rate: 1000 } })
    t.equal(code, 0)
    t.match(read(lines).at(-1), { step: 2, steps: 2, train_loss: 'NaN', val_loss: 'NaN' })
  })

  t.test(`${name}: ${sweep} varies only parameters that it knows, by a metric that it prints`, { skip }, async t => {
    const file = parse(readFileSync(join(FOLDER, sweep), 'utf8'))
    const ranges = Object.entries<{ min?: number; value?: number; values?: number[] }>(file.parameters)
    const smallest = ranges.map(([name, range]) => [name, range.min ?? range.value ?? range.values?.at(0)])
    const { code, lines } = await run(program, { parameters: { ...Object.fromEntries(smallest), epochs: 1 } })
    t.equal(file.program, program.at(-1))
    t.equal(code, 0)
    t.ok(Object.keys(read(lines).at(0) ?? {}).includes(file.metric.name))
  })
}

for (const { name, program, skip } of WAYS.filter(way => way.program !== NODE)) {
  t.test(`${name}: it agrees with train.mjs to four digits`, { skip }, async t => {
    const start = { parameters: { epochs: 2, dropout: 0.1, batch_size: 50 }, environment: { HYPERSWEEP_SEED: '-5' } }
    const [one, other] = await Promise.all([run(program, start), run(NODE, start)])
    t.equal(one.lines.length, 2)
    for (const [index, line] of read(one.lines).entries()) {
      const expected = read(other.lines).at(index)
      t.same(Object.keys(line), ['step', 'steps', 'train_loss', 'val_loss', 'val_accuracy'])
      t.ok(isClose(line.train_loss, expected?.train_loss), `train_loss of epoch ${line.step}`)
      t.ok(isClose(line.val_loss, expected?.val_loss), `val_loss of epoch ${line.step}`)
    }
  })
}
