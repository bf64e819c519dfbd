/**
 * The runner with real processes: what it starts, what it gives them, and that nothing of them is left.
 */
import { EventEmitter } from 'node:events'
import { chmod, copyFile, lstat, mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Bulk, BulkPlace } from '#protocol'
import type { AttemptSpec, Exit, Report } from '../../agent/ports.js'
import { killOrphans } from '../../agent/runner/orphans.js'
import { startProgram } from '../../agent/runner/program.js'
import { createRunner, type MachineRunner } from '../../agent/runner/runner.js'
import { type RunnerHarness, runnerContract, type Told } from '../contract/runner.js'

const TRAINERS = join(import.meta.dirname, '../fixtures/trainers')
/** A macro as a sweep file has it; written so that it is not taken for a template. */
const macro = (name: string) => `$\{${name}}`
/** Long enough for a program to end by itself, short enough to wait for one that does not. */
const STOP_GRACE_MS = 200
const isLinux = process.platform === 'linux'

interface RealHarness extends RunnerHarness {
  readonly runner: MachineRunner
  readonly folder: string
  readonly bundle: string
  /** Returns an attempt of one of the trainers, by its file's name. */
  attempt(trainer: string, options?: Options): AttemptSpec
  printed(id: string): string
}

interface Options extends Partial<Pick<AttemptSpec, 'parameters' | 'environment' | 'resume'>> {
  readonly timeLimitMs?: number
  readonly command?: readonly string[]
  readonly summary?: 'last' | 'best'
}

/** Opens a runner on a bundle of the trainers whose files nobody may write, as a bundle's are. */
async function open(t: Test, keep?: (bulk: Bulk) => Promise<BulkPlace | undefined>): Promise<RealHarness> {
  const home = t.testdir({ bundle: {}, attempts: {} })
  const [bundle, folder] = [join(home, 'bundle'), join(home, 'attempts')]
  for (const name of await readdir(TRAINERS)) {
    await copyFile(join(TRAINERS, name), join(bundle, name))
    await chmod(join(bundle, name), 0o444)
  }
  const events = new EventEmitter().setMaxListeners(0)
  const told: Told[] = []
  const output = new Map<string, string>()
  const tell = (one: Told) => {
    told.push(one)
    events.emit('told')
  }
  const runner = createRunner({
    folder,
    bundleFolder: () => bundle,
    stopGraceMs: STOP_GRACE_MS,
    onReport: (id, report) => tell({ id, report }),
    onExit: (id, exit) => tell({ id, exit }),
    onOutput: (id, text) => output.set(id, (output.get(id) ?? '') + text),
    ...(keep ? { keep } : {})
  })
  const until = async <T>(find: () => T | undefined): Promise<T> => {
    for (let found = find(); ; found = find()) {
      if (found !== undefined) return found
      await new Promise(resolve => events.once('told', resolve))
    }
  }
  const exitsOf = (id: string): Exit[] => told.flatMap(one => (one.id === id && 'exit' in one ? [one.exit] : []))
  const reportsOf = (id: string): Report[] =>
    told.flatMap(one => (one.id === id && 'report' in one ? [one.report] : []))
  let count = 0
  return {
    runner,
    told,
    folder,
    bundle,
    attempt: (trainer, options = {}) => specOf(`attempt-${++count}`, trainer, options),
    impossible: () => specOf(`attempt-${++count}`, 'hang', { command: ['no-such-program-anywhere'] }),
    reported: id => until(() => reportsOf(id)[0]),
    ended: (id, nth = 1) => until(() => exitsOf(id)[nth - 1]),
    printed: id => output.get(id) ?? '',
    close: () => runner.close()
  }
}

function specOf(id: string, trainer: string, options: Options): AttemptSpec {
  return {
    id,
    sweep: '0123456789abcdef',
    trial: 7,
    attempt: 1,
    spec: {
      name: 'fixture',
      program: `${trainer}.mjs`,
      command: [...(options.command ?? [process.execPath, macro('program'), macro('args')])],
      method: 'random',
      metric: { name: 'val_loss', goal: 'minimize', summary: options.summary ?? 'last' },
      parameters: {},
      seed: 1,
      runCap: 1,
      onDuplicate: 'resample',
      leaseMs: 180_000,
      ...(options.timeLimitMs === undefined ? {} : { timeLimitMs: options.timeLimitMs })
    },
    parameters: options.parameters ?? {},
    seed: 99,
    bundleDigest: 'digest',
    device: 'cpu',
    environment: options.environment ?? {},
    resume: options.resume ?? false
  }
}

async function opened(t: Test): Promise<RealHarness> {
  const harness = await open(t)
  t.teardown(() => harness.close())
  return harness
}

async function run(harness: RealHarness, attempt: AttemptSpec): Promise<Exit> {
  harness.runner.start(attempt)
  return harness.ended(attempt.id)
}

/** A process that has ended but was not yet collected by its parent is dead too. */
async function isAlive(pid: number): Promise<boolean> {
  if (isLinux) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z')
    return !/\) [ZX]/.test(stat)
  }
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Waits for what has been sent a SIGKILL; the test's own time limit is the bound. */
async function gone(pid: number): Promise<void> {
  while (await isAlive(pid)) await new Promise(resolve => setImmediate(resolve))
}

runnerContract(t, 'real', () => open(t))

t.test('nothing of a process tree is left, and a daemon that holds the output does not delay the end', async t => {
  const harness = await opened(t)
  const attempt = harness.attempt('fork-children')
  const exit = await run(harness, attempt)
  t.equal(exit.class, 'complete')
  const pids = (/children (\d+) (\d+)/.exec(harness.printed(attempt.id)) ?? []).slice(1).map(Number)
  t.equal(pids.length, 2)
  const [child, daemon] = pids
  if (child !== undefined) await gone(child)
  // Only Linux lets us find a process that has left its group.
  if (daemon !== undefined && isLinux) await gone(daemon)
  else if (daemon !== undefined) process.kill(daemon, 'SIGKILL')
  t.same(harness.runner.running(), [])
})

t.test('a program sees its parameters, its paths and its device, and none of the agent’s secrets', async t => {
  process.env.HF_TOKEN = 'secret-1'
  process.env.CUDA_API_KEY = 'secret-2'
  process.env.CUDA_HOME = '/opt/cuda'
  t.teardown(() => {
    for (const name of ['HF_TOKEN', 'CUDA_API_KEY', 'CUDA_HOME']) delete process.env[name]
  })
  const harness = await opened(t)
  const parameters = { 'model.lr': 1e-7, layers: 3, name: 'a b; $(c)', dropout: null, flag: true }
  const attempt = harness.attempt('environment', { parameters, environment: { CUDA_VISIBLE_DEVICES: 'GPU-1' } })
  const exit = await run(harness, attempt)
  const given = JSON.parse(/^given (.*)$/m.exec(harness.printed(attempt.id))?.[1] ?? '{}')

  t.same(given.parameters, parameters)
  t.same(given.arguments, ['--model.lr=1e-7', '--layers=3', '--name=a b; $(c)', '--dropout=None', '--flag=True'])
  t.match(given.env, {
    HYPERSWEEP: '1',
    HYPERSWEEP_ATTEMPT_ID: attempt.id,
    HYPERSWEEP_SEED: '99',
    HYPERSWEEP_RESUME: '0',
    HYPERSWEEP_PARAM_MODEL_LR: '1e-7',
    CUDA_VISIBLE_DEVICES: 'GPU-1',
    CUDA_HOME: '/opt/cuda'
  })
  t.notMatch(JSON.stringify(given.env), /secret-/)
  t.match(exit, { class: 'complete', value: 1.25, step: 2 }, 'the metrics file counts, to its torn last line')
  t.match(await readFile(join(harness.bundle, 'environment.mjs'), 'utf8'), /A trainer/, 'the bundle is as it was')
  t.same((await readdir(join(harness.folder, attempt.id))).sort(), [
    'checkpoint',
    'metrics.jsonl',
    'output.log',
    'parameters.json',
    'wandb-parameters.yaml'
  ])
})

t.test('a checkpoint is there for the same attempt resumed, and gone for one begun anew', async t => {
  const harness = await opened(t)
  const attempt = harness.attempt('environment')
  const hadCheckpoint = async (nth: number, resume: boolean) => {
    harness.runner.start({ ...attempt, resume })
    await harness.ended(attempt.id, nth)
    return JSON.parse(harness.printed(attempt.id).trim().split('given ').at(-1) ?? '{}').hadCheckpoint
  }
  t.same(
    [await hadCheckpoint(1, false), await hadCheckpoint(2, true), await hadCheckpoint(3, false)],
    [false, true, false]
  )
})

t.test('a resumed attempt keeps the best value that it had before', async t => {
  const harness = await opened(t)
  const attempt = harness.attempt('best-then-resume', { summary: 'best' })
  harness.runner.start(attempt)
  await harness.reported(attempt.id)
  harness.runner.stop(attempt.id, 'agent-closing')
  t.equal((await harness.ended(attempt.id)).class, 'released')
  harness.runner.start({ ...attempt, resume: true })
  const exit = await harness.ended(attempt.id, 2)
  t.match(exit, { class: 'complete', value: 0.25, step: 3 })
  t.same(
    [exit.curve[0], exit.curve.at(-1)],
    [
      [1, 0.25],
      [3, 0.5]
    ]
  )
})

t.test('what ends a program decides the class, and the message says it', async t => {
  const harness = await opened(t)
  t.match(await run(harness, harness.attempt('crash')), {
    class: 'error',
    message: 'The program ended with exit code 1: ValueError: expected 3 channels, got 1',
    metrics: { val_loss: 3.5 },
    tail: /Traceback/
  })
  t.match(await run(harness, harness.attempt('killed')), { class: 'oom', message: /memory ran out/ })
  t.match(await run(harness, harness.attempt('wrong-metric')), {
    message: 'The program printed step, train_loss and valid_loss, but never "val_loss". Did you mean "valid_loss"?'
  })
  t.match(await run(harness, harness.impossible()), {
    class: 'environment',
    message: 'This machine has no program named no-such-program-anywhere.'
  })
  const byEnv = harness.attempt('hang', { command: [macro('env'), 'no-such-program-anywhere'] })
  t.match(await run(harness, byEnv), { class: 'environment', message: /no-such-program-anywhere/ })
  const inBundle = harness.attempt('hang', { command: ['./missing.sh'] })
  t.match(await run(harness, inBundle), { class: 'error', message: /\.\/missing\.sh, which is not there/ })
  const misspelt = harness.attempt('hang', { command: [macro('interpretor')] })
  t.match(await run(harness, misspelt), { class: 'error', message: /Did you mean \$\{interpreter\}\?/ })
})

t.test('the output of an attempt can be read while it runs and after its end', async t => {
  const harness = await opened(t)
  const attempt = harness.attempt('hang')
  harness.runner.start(attempt)
  await harness.reported(attempt.id)
  t.match(await harness.runner.tail(attempt.id), /"val_loss": 3\.5/)
  t.same(
    harness.runner.running().map(({ id }) => id),
    [attempt.id]
  )
  harness.runner.stop(attempt.id, 'released')
  await harness.ended(attempt.id)
  t.match(await harness.runner.tail(attempt.id), /"val_loss": 3\.5/)
  await t.rejects(harness.runner.tail('unknown'), { code: 'NOT_FOUND' })
  await t.rejects(harness.runner.tail('../../secrets'), { code: 'NOT_FOUND' })
})

t.test('a closed runner has stopped everything, and starts nothing more', async t => {
  const harness = await open(t)
  const [running, late] = [harness.attempt('hang'), harness.attempt('succeed')]
  harness.runner.start(running)
  await harness.reported(running.id)
  await harness.close()
  t.equal((await harness.ended(running.id)).class, 'released')
  harness.runner.start(late)
  t.match(await harness.ended(late.id), { class: 'released', seconds: 0 })
})

t.test('the folders of the last 200 attempts are kept', async t => {
  const harness = await opened(t)
  for (let i = 0; i < 205; i++) {
    const folder = join(harness.folder, `old-${i}`)
    await mkdir(folder)
    await writeFile(join(folder, 'output.log'), '')
    await utimes(folder, i + 1, i + 1)
  }
  await run(harness, harness.attempt('succeed'))
  await harness.runner.close()
  const names = await readdir(harness.folder)
  t.equal(names.length, 200)
  t.notOk(names.includes('old-5'))
  t.ok(names.includes('old-6') && names.includes('attempt-1'))
})

t.test('a metrics file that is a link is not followed', { skip: process.platform === 'win32' }, async t => {
  const harness = await opened(t)
  const secret = join(harness.folder, '../secret')
  await writeFile(secret, '{"step": 1, "val_loss": 0.001}\n')
  const script = 'require("fs").symlinkSync(process.argv[1], process.env.HYPERSWEEP_METRICS)'
  const attempt = harness.attempt('-', { command: [process.execPath, '-e', script, secret] })
  t.match(await run(harness, attempt), { class: 'error', message: /printed no metrics/ })
  t.ok((await lstat(join(harness.folder, attempt.id, 'metrics.jsonl'))).isSymbolicLink(), 'the trap was there')
})

t.test('orphans: what a crashed agent left is ended, what is not ours is not', { skip: !isLinux }, async t => {
  const start = (environment: Record<string, string>) => {
    const ready = withResolvers()
    const program = startProgram({
      command: [process.execPath, join(TRAINERS, 'ignore-sigterm.mjs')],
      folder: TRAINERS,
      environment,
      mark: 'HYPERSWEEP_METRICS=/nowhere',
      stopGraceMs: STOP_GRACE_MS,
      onStdout: ready.resolve,
      onStderr: () => undefined
    })
    return { program, ready: ready.promise }
  }
  const folder = '/home/ada/attempts'
  const metricsIn = (place: string) => ({ HYPERSWEEP_METRICS: `${place}/a-1/metrics.jsonl` })
  const [ours, stranger] = [start(metricsIn(folder)), start(metricsIn('/home/bob/attempts'))]
  t.teardown(() => {
    stranger.program.stop()
    return stranger.program.end
  })
  await Promise.all([ours.ready, stranger.ready])
  const pidOf = ({ program }: typeof ours) => program.pid ?? 0
  t.same(await killOrphans(folder), [pidOf(ours)], 'a program of another folder is none of ours')
  t.equal((await ours.program.end).signal, 'SIGKILL')
  t.ok(await isAlive(pidOf(stranger)))
})

/** As `Promise.withResolvers`, which Node 20 lacks. */
function withResolvers() {
  let resolve = (_: unknown): void => undefined
  const promise = new Promise(done => {
    resolve = done
  })
  return { promise, resolve }
}

t.test(
  'an end names where the whole curve and the output were kept; what was given back or never ran keeps none',
  async t => {
    const kept: Bulk[] = []
    const place = { log: 'f'.repeat(64), block: 3 }
    const harness = await open(t, async bulk => {
      // Its end is told only after this: else a result could name a block that is not there.
      t.notOk(harness.told.some(one => 'exit' in one))
      kept.push(bulk)
      return place
    })
    t.teardown(() => harness.close())
    const attempt = harness.attempt('succeed')
    harness.runner.start(attempt)
    t.same((await harness.ended(attempt.id)).bulk, place)
    t.match(kept, [{ sweep: attempt.sweep, trial: 7, attempt: 1 }])
    t.same(
      kept[0]?.curve.map(([step]) => step),
      [1, 2, 3, 4, 5]
    )
    t.equal(kept[0]?.tail, harness.printed(attempt.id))
    const none = harness.impossible()
    harness.runner.start(none)
    t.notOk('bulk' in (await harness.ended(none.id)))
    const back = harness.attempt('hang')
    harness.runner.start(back)
    await harness.reported(back.id)
    harness.runner.stop(back.id, 'released')
    t.match(await harness.ended(back.id), { class: 'released', bulk: undefined })
    t.equal(kept.length, 1)
  }
)

t.test('without room for a curve the end comes without one', async t => {
  const harness = await open(t, async () => undefined)
  t.teardown(() => harness.close())
  const attempt = harness.attempt('crash')
  harness.runner.start(attempt)
  t.notOk('bulk' in (await harness.ended(attempt.id)))
})
