/**
 * Scripts: what a simulated program does on a machine, from what is true of its trial.
 *
 * Owns how truth becomes an attempt: memory that does not suffice, luck that runs out, a checkpoint that saves time.
 */
import type { AttemptSpec, Report } from '../../agent/ports.js'
import type { Chance } from './chance.js'
import type { Disk } from './disk.js'
import type { MachinePlan, Scenario, Truth } from './scenario.js'
import type { Ending, Script } from './trainer.js'

const REPORTS = 3

export interface ScriptParts {
  readonly scenario: Scenario
  readonly plan: MachinePlan
  readonly chance: Chance
  readonly disk: Disk
}

/** Returns what an attempt will do on this machine. */
export function scriptFor(attempt: AttemptSpec, { scenario, plan, chance, disk }: ScriptParts): Script {
  const truth = scenario.sweeps.find(sweep => sweep.id === attempt.sweep)?.truths[attempt.trial]
  if (!truth) throw new Error(`Nobody submitted the trial of ${attempt.id}.`)
  const device = plan.devices.find(each => each.id === attempt.device)
  const graceMs = chance.happens(0.1) ? 10_000 : Math.round(chance.spread(20, 3000))
  const quick = (ending: Ending, atMs = Math.round(chance.spread(1000, 20_000))): Script => ({
    reports: [],
    end: { atMs, ...ending },
    graceMs
  })
  if (chance.happens(plan.sickness)) return quick({ class: 'environment', message: 'ModuleNotFoundError' })
  if (truth.needBytes > (device?.memoryBytes ?? 0)) {
    return quick({ class: 'oom', message: 'CUDA out of memory.' }, truth.oomMs)
  }
  const savedMs = attempt.resume ? (disk.checkpoints.get(attempt.id) ?? 0) : 0
  const wholeMs = Math.max(1, Math.round((truth.workMs - savedMs) / plan.speed))
  const limitMs = attempt.spec.timeLimitMs ?? Number.POSITIVE_INFINITY
  const fails = chance.happens(scenario.rates.failing)
  const endMs = Math.min(limitMs, fails ? Math.round(wholeMs * chance.fraction()) : wholeMs)
  const end = endMs === limitMs ? timeout() : fails ? failure() : endingOf(truth)
  return { reports: reportsOf(truth, wholeMs, endMs), end: { atMs: endMs, ...end }, graceMs }
}

function timeout(): Ending {
  return { class: 'timeout', message: 'It ran longer than it may.' }
}

function failure(): Ending {
  return { class: 'error', message: 'The program ended with exit code 1.' }
}

function endingOf(truth: Truth): Ending {
  switch (truth.fate) {
    case 'complete':
      return { class: 'complete', value: truth.value, ...usageOf(truth) }
    case 'diverged':
      return { class: 'diverged', message: 'The loss was no number twice in a row.' }
    case 'error':
      return failure()
  }
}

function usageOf({ peakBytes }: Truth): Pick<Ending, 'usage'> {
  return peakBytes === undefined ? {} : { usage: { peakBytes, peakSource: 'process' } }
}

/** A report at each step, up to the attempt's end; steps take equally long. */
function reportsOf(truth: Truth, wholeMs: number, endMs: number): { atMs: number; report: Report }[] {
  return Array.from({ length: REPORTS }, (_, n) => {
    const step = n + 1
    const report = { step, metrics: { loss: truth.value + 1 / step }, nonFinite: [], steps: REPORTS + 1 }
    return { atMs: Math.round((wholeMs * step) / (REPORTS + 1)), report }
  }).filter(({ atMs }) => atMs < endMs)
}
