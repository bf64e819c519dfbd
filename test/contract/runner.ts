/**
 * The truths that every runner must hold, the real one and the simulated one alike.
 *
 * Owns no runner: each test hands over how to open one. Ends are waited for as events, so that a runner under a virtual
 * clock passes too.
 */
import type { Test } from 'tap'
import type { AttemptSpec, Exit, Report, Runner, StopReason } from '../../agent/ports.js'

/**
 * Programs that a harness must offer. The objective is `val_loss`, to be minimised, its last value counting.
 *
 * `succeed` reports steps 1 to 5 and ends at 0.5; `diverge` reports 3.5 and then NaN twice, and would go on; `hang`
 * reports 3.5 at step 1 and goes on until it is stopped; `ignore-sigterm` does not even end then; `crash`, `oom` and
 * `wrong-metric` do what they are called.
 */
export type Behaviour = 'succeed' | 'diverge' | 'hang' | 'ignore-sigterm' | 'crash' | 'oom' | 'wrong-metric'

/** Everything that a runner told, in order. */
export type Told = { readonly id: string } & ({ readonly report: Report } | { readonly exit: Exit })

export interface RunnerHarness {
  readonly runner: Runner
  /** Everything told so far. */
  readonly told: readonly Told[]
  /** Returns an attempt with an id of its own, of a program that behaves as named. */
  attempt(behaviour: Behaviour, options?: { readonly timeLimitMs?: number }): AttemptSpec
  /** Returns an attempt that cannot be started at all. */
  impossible(): AttemptSpec
  /** Resolves with the first report of an attempt. */
  reported(id: string): Promise<Report>
  /** Resolves with the end of an attempt, also when that was already told; `nth` counts its ends from 1. */
  ended(id: string, nth?: number): Promise<Exit>
  close(): Promise<void>
}

const ENDS: readonly [Behaviour, Exit['class']][] = [
  ['succeed', 'complete'],
  ['diverge', 'diverged'],
  ['crash', 'error'],
  ['oom', 'oom'],
  ['wrong-metric', 'error']
]

const STOPS: readonly [StopReason, Exit['class']][] = [
  ['sweep-stopped', 'stopped'],
  ['agent-closing', 'released'],
  ['released', 'released'],
  ['time-limit', 'timeout']
]

/** Checks one kind of runner. `name` says which, in the titles. */
export function runnerContract(t: Test, name: string, open: () => Promise<RunnerHarness>): void {
  t.test(`runner contract: ${name}`, async t => {
    const harness = await open()
    t.teardown(() => harness.close())
    endTruths(t, harness)
    stopTruths(t, harness)
    orderTruths(t, harness)
  })
}

function endTruths(t: Test, harness: RunnerHarness): void {
  for (const [behaviour, expected] of ENDS) {
    t.test(`${behaviour} ends as ${expected}, and only an end that is not complete has a message`, async t => {
      const exit = await runOf(harness, harness.attempt(behaviour))
      t.equal(exit.class, expected)
      t.equal(exit.message === undefined, expected === 'complete')
      t.equal(exit.value === undefined, expected !== 'complete', 'and only a complete one has a value')
    })
  }

  t.test('a complete attempt has its value, its last step, its metrics and its whole curve', async t => {
    const exit = await runOf(harness, harness.attempt('succeed'))
    t.equal(exit.value, 0.5)
    t.equal(exit.step, 5)
    t.equal(exit.metrics.val_loss, 0.5)
    t.same([exit.curve[0]?.[0], exit.curve.at(-1)], [1, [5, 0.5]])
  })

  t.test('an attempt that cannot start ends all the same, and nothing is thrown', async t => {
    const exit = await runOf(harness, harness.impossible())
    t.match(exit.class, /^(error|environment)$/)
    t.ok(exit.message)
  })

  t.test('an attempt that runs longer than it may ends as timeout', async t => {
    const exit = await runOf(harness, harness.attempt('hang', { timeLimitMs: 50 }))
    t.equal(exit.class, 'timeout')
  })
}

function stopTruths(t: Test, harness: RunnerHarness): void {
  for (const [reason, expected] of STOPS) {
    t.test(`an attempt that is stopped because of ${reason} ends as ${expected}`, async t => {
      const attempt = harness.attempt('hang')
      harness.runner.start(attempt)
      await harness.reported(attempt.id)
      harness.runner.stop(attempt.id, reason)
      const exit = await harness.ended(attempt.id)
      t.equal(exit.class, expected)
      t.same(exit.curve, [[1, 3.5]], 'what was measured is kept')
    })
  }

  t.test('an attempt that ignores the request to stop is stopped', async t => {
    const attempt = harness.attempt('ignore-sigterm')
    harness.runner.start(attempt)
    await harness.reported(attempt.id)
    harness.runner.stop(attempt.id, 'released')
    t.equal((await harness.ended(attempt.id)).class, 'released', 'by our own kill, which is not taken for the system’s')
  })

  t.test('an attempt that is stopped as soon as it is started ends once, as stopped', async t => {
    const attempt = harness.attempt('hang')
    harness.runner.start(attempt)
    harness.runner.stop(attempt.id, 'sweep-stopped')
    t.equal((await harness.ended(attempt.id)).class, 'stopped')
  })

  t.test('the first reason to stop counts; stopping what has ended or never was does nothing', async t => {
    const attempt = harness.attempt('hang')
    harness.runner.start(attempt)
    await harness.reported(attempt.id)
    harness.runner.stop('never-started', 'released')
    harness.runner.stop(attempt.id, 'released')
    harness.runner.stop(attempt.id, 'sweep-stopped')
    t.equal((await harness.ended(attempt.id)).class, 'released')
    harness.runner.stop(attempt.id, 'sweep-stopped')
    await runOf(harness, harness.attempt('succeed'))
    t.equal(exitsOf(harness, attempt.id), 1)
  })
}

function orderTruths(t: Test, harness: RunnerHarness): void {
  t.test('start returns before anything is told', async t => {
    const before = harness.told.length
    const attempt = harness.attempt('succeed')
    harness.runner.start(attempt)
    t.equal(harness.told.length, before)
    await harness.ended(attempt.id)
  })

  t.test('the end is told once, after every report; reports come in order', async t => {
    const attempt = harness.attempt('succeed')
    await runOf(harness, attempt)
    const told = harness.told.filter(({ id }) => id === attempt.id)
    t.same(
      told.map(one => ('report' in one ? one.report.step : 'end')),
      [1, 2, 3, 4, 5, 'end']
    )
  })

  t.test('attempts that run side by side do not mix', async t => {
    const [good, bad] = [harness.attempt('succeed'), harness.attempt('oom')]
    harness.runner.start(good)
    harness.runner.start(bad)
    const exits = await Promise.all([harness.ended(good.id), harness.ended(bad.id)])
    t.same(
      exits.map(exit => exit.class),
      ['complete', 'oom']
    )
  })

  t.test('an attempt may be started again after its end', async t => {
    const attempt = harness.attempt('succeed')
    await runOf(harness, attempt)
    harness.runner.start({ ...attempt, resume: true })
    t.equal((await harness.ended(attempt.id, 2)).class, 'complete')
  })
}

function runOf(harness: RunnerHarness, attempt: AttemptSpec): Promise<Exit> {
  harness.runner.start(attempt)
  return harness.ended(attempt.id)
}

function exitsOf(harness: RunnerHarness, id: string): number {
  return harness.told.filter(one => one.id === id && 'exit' in one).length
}
