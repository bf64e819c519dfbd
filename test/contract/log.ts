/**
 * The truths that every log must hold, the real one and the simulated one alike.
 *
 * Owns no log: each test hands over how to open one. Records are told apart by the names of machines' announcements and
 * by reported steps, which stand in the pool as they were written.
 */
import type { Test } from 'tap'
import type { Draft } from '#protocol'
import type { Log } from '../../agent/ports.js'
import { idFor } from '../helpers/records.js'

export interface LogHarness {
  readonly log: Log
  /** This machine: whose announcements and reports these are. */
  readonly machine: string
  /** Resolves once all that was handed over is durable and folded. */
  flushed(): Promise<void>
  /** Calls `hear` each time that a change is told, instead of what it called before. */
  onChanged(hear: () => void): void
  /** Closes the log in order and opens it again. */
  reopen(): Promise<LogHarness>
  /** Leaves the log as a crash does, as far as a test can, and opens it again. */
  crash(): Promise<LogHarness>
}

const SWEEP = idFor('contract')

/** Checks one kind of log. `name` says which, in the titles. */
export function logContract(t: Test, name: string, open: (t: Test) => Promise<LogHarness>): void {
  t.test(`log contract: ${name}`, async t => {
    t.test('append returns at once; what it was given is folded once it is durable, and told', async t => {
      const harness = await open(t)
      let told = 0
      harness.onChanged(() => told++)
      harness.log.append([named('one')])
      t.notOk(harness.log.pool().machines.has(harness.machine), 'not folded inside the call')
      await harness.flushed()
      t.equal(nameIn(harness), 'one')
      t.ok(told > 0)
    })

    t.test('records are folded in the order in which they were handed over, each once, across calls', async t => {
      const harness = await open(t)
      harness.log.append([report(1), report(2)])
      harness.log.append([])
      for (let step = 3; step <= 300; step++) harness.log.append([report(step)])
      await harness.flushed()
      t.same(
        stepsIn(harness),
        Array.from({ length: 300 }, (_, index) => index + 1)
      )
    })

    t.test('a record that is handed over while others are written is not forgotten', async t => {
      const harness = await open(t)
      for (let turns = 0; turns < 20; turns++) {
        await new Promise<void>(resolve => {
          harness.onChanged(async () => {
            harness.onChanged(() => undefined)
            // As many turns after the first is folded as it takes to meet the end of the writing in each of its states.
            for (let turn = 0; turn < turns; turn++) await Promise.resolve()
            harness.log.append([report(2 * turns + 1)])
            resolve(harness.flushed())
          })
          harness.log.append([report(2 * turns)])
        })
        t.equal(stepsIn(harness).length, 2 * turns + 2, `${turns} turns later`)
      }
    })

    t.test('what is durable is there after an orderly end and after a crash, and writing goes on', async t => {
      const harness = await open(t)
      harness.log.append([report(1)])
      await harness.flushed()
      const again = await harness.reopen()
      t.same(stepsIn(again), [1])
      again.log.append([report(2)])
      await again.flushed()
      const later = await again.crash()
      t.same(stepsIn(later), [1, 2])
      later.log.append([report(3)])
      await later.flushed()
      t.same(stepsIn(later), [1, 2, 3])
    })

    t.test('a record that is too large is left out; those with which it came are written', async t => {
      const harness = await open(t)
      harness.log.append([report(1), tooLarge(), report(2)])
      harness.log.append([report(3)])
      await harness.flushed()
      t.same(stepsIn(harness), [1, 2, 3])
    })
  })
}

function named(name: string): Draft {
  return { kind: 'machine-announced', name, version: '1', platform: 'test', devices: [] }
}

function report(step: number): Draft {
  return { kind: 'attempt-reported', sweep: SWEEP, trial: 0, attempt: 1, step, value: 1 }
}

/** Each of its parts is within its limit, all together are not. */
function tooLarge(): Draft {
  return {
    kind: 'trial-claimed',
    sweep: SWEEP,
    trial: 0,
    attempt: 1,
    device: 'cpu',
    parameters: Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`p${index}`, 'v'.repeat(1000)]))
  }
}

function nameIn({ log, machine }: LogHarness): string | undefined {
  return log.pool().machines.get(machine)?.name
}

/** The reported steps in the order of their clocks. */
function stepsIn({ log, machine }: LogHarness): number[] {
  const reports = log.pool().sweeps.get(SWEEP)?.trials.get(0)?.attempts.get(1)?.reports.get(machine) ?? new Map()
  return [...reports].sort((a, b) => a[1].clock - b[1].clock).map(([step]) => step)
}
