/**
 * Trainers: simulated programs, and the runner that runs them.
 *
 * Owns what a program would do from its start on, in ms of its own running time; a program that stands still loses no
 * time of it. Invariant: each start ends exactly once, unless the machine dies under it.
 */
import type { AttemptSpec, Exit, Report, Runner, StopReason } from '../../agent/ports.js'
import type { World } from './world.js'

export type Ending = Pick<Exit, 'class' | 'message' | 'value' | 'usage'>

/** What a program does when nobody stops it. */
export interface Script {
  /** Each at a time since the start, in order. */
  readonly reports: readonly { readonly atMs: number; readonly report: Report }[]
  readonly end: { readonly atMs: number } & Ending
  /** From the request to stop to the end, in ms. */
  readonly graceMs: number
}

export interface Run {
  readonly attempt: AttemptSpec
  /** Ms that it has trained so far. */
  readonly ranMs: number
}

interface Running {
  readonly attempt: AttemptSpec
  readonly script: Script
  readonly told: Report[]
  ranMs: number
  sinceMs: number
  stopped?: { readonly reason: StopReason; readonly atMs: number }
  /** What is planned under an older number is void. */
  turn: number
}

const STOPPED: Readonly<Record<StopReason, Ending>> = {
  'sweep-stopped': { class: 'stopped', message: 'The sweep was stopped.' },
  early: { class: 'stopped', message: 'The sweep’s rule stopped it.' },
  'agent-closing': { class: 'released', message: 'The agent stops.' },
  'lost-claim': { class: 'released', message: 'Another machine trains it.' },
  released: { class: 'released', message: 'The attempt was given back.' },
  owner: { class: 'released', message: 'Its owner wants the device.' },
  'over-memory': { class: 'oom', message: 'It took more memory than it was promised.' },
  'time-limit': { class: 'timeout', message: 'It ran longer than it may.' }
}

export interface RunnerParts {
  readonly world: World
  readonly scriptOf: (attempt: AttemptSpec) => Script
  readonly onReport: (id: string, report: Report) => void
  readonly onExit: (id: string, exit: Exit, run: Run) => void
}

export type SimulatedRunner = ReturnType<typeof createSimulatedRunner>

export function createSimulatedRunner(parts: RunnerParts) {
  const { world, onReport, onExit } = parts
  const runs = new Map<string, Running>()
  let isPaused = false

  const ranMs = (run: Running) => run.ranMs + (isPaused ? 0 : world.now() - run.sinceMs)

  /** Plans the next thing that a program does: a report, or its end. */
  function plan(run: Running): void {
    const turn = ++run.turn
    const next = run.script.reports[run.told.length]
    const endMs = Math.min(run.script.end.atMs, run.stopped?.atMs ?? Number.POSITIVE_INFINITY)
    const dueMs = next && next.atMs <= endMs ? next.atMs : endMs
    world.after(dueMs - ranMs(run), () => {
      if (turn !== run.turn) return
      if (next && next.atMs <= endMs) {
        run.told.push(next.report)
        onReport(run.attempt.id, next.report)
        if (turn === run.turn) plan(run)
      } else end(run)
    })
  }

  function end(run: Running): void {
    const { attempt, script, stopped, told } = run
    run.turn++
    runs.delete(attempt.id)
    const ending = stopped && stopped.atMs <= script.end.atMs ? STOPPED[stopped.reason] : script.end
    const metric = attempt.spec.metric.name
    const seconds = ranMs(run) / 1000
    const last = told.at(-1)
    const exit: Exit = {
      class: ending.class,
      ...(ending.message === undefined ? {} : { message: ending.message }),
      ...(ending.value === undefined ? {} : { value: ending.value }),
      ...(ending.usage === undefined ? {} : { usage: ending.usage }),
      ...(last ? { step: last.step } : {}),
      metrics: last?.metrics ?? {},
      curve: told.flatMap(({ step, metrics }) => {
        const value = metrics[metric]
        return value === undefined ? [] : [[step, value] as const]
      }),
      seconds,
      tail: ending.class === 'complete' ? '' : 'Traceback (most recent call last): …'
    }
    onExit(attempt.id, exit, { attempt, ranMs: ranMs(run) })
  }

  const runner: Runner = {
    start(attempt) {
      const run: Running = {
        attempt,
        script: parts.scriptOf(attempt),
        told: [],
        ranMs: 0,
        sinceMs: world.now(),
        turn: 0
      }
      runs.set(attempt.id, run)
      plan(run)
    },
    stop(id, reason) {
      const run = runs.get(id)
      if (!run || run.stopped) return
      run.stopped = { reason, atMs: ranMs(run) + run.script.graceMs }
      plan(run)
    }
  }

  return {
    ...runner,
    running: (): Run[] => [...runs.values()].map(run => ({ attempt: run.attempt, ranMs: ranMs(run) })),

    /** Everything stands still, or goes on where it stood. */
    pause(shouldPause: boolean): void {
      if (shouldPause === isPaused) return
      for (const run of runs.values()) {
        if (shouldPause) {
          run.ranMs = ranMs(run)
          run.turn++
        } else run.sinceMs = world.now()
      }
      isPaused = shouldPause
      if (!isPaused) for (const run of runs.values()) plan(run)
    },

    /** Every program dies, and nobody is told. */
    kill(): void {
      for (const run of runs.values()) run.turn++
      runs.clear()
      isPaused = false
    }
  }
}
