/**
 * Judge: how an attempt ended, from what its process did and said.
 *
 * Owns the class of an end and the sentence that explains it. Pure: no clock, no process, no file.
 * Invariant: `complete` only for exit code 0 with the objective reported, finite at the end, and no stop asked for.
 */
import { didYouMean, type FailureClass, LIMITS } from '#protocol'
import type { Exit, StopReason } from '../ports.js'
import { type Cause, causeOf, lastWordsOf } from './causes.js'
import { type History, thin } from './history.js'
import { clean, endOf, startOf } from './lines.js'
import { oomOf } from './oom.js'

/** What is known of an attempt that has ended. */
export interface Ending {
  readonly history: History
  readonly exitCode?: number
  readonly signal?: string
  /** Why the runner ended it, if it did. */
  readonly reason?: StopReason | 'diverged'
  /** Why it never ran. */
  readonly fault?: { readonly class: FailureClass; readonly message: string }
  /** The end of its output, more of it than travels in a result. */
  readonly output: string
  readonly seconds: number
  readonly timeLimitMs?: number
}

interface Verdict {
  readonly class: Exit['class']
  readonly message?: string
  readonly oom?: Exit['oom']
}

/** Returns how an attempt ended. */
export function judge(ending: Ending): Exit {
  const { history } = ending
  const verdict = verdictOf(ending)
  const value = verdict.class === 'complete' ? objectiveOf(history) : undefined
  return {
    class: verdict.class,
    ...(verdict.message === undefined ? {} : { message: sentence(verdict.message) }),
    ...(verdict.oom === undefined ? {} : { oom: verdict.oom }),
    ...(value === undefined ? {} : { value }),
    ...(history.step === undefined ? {} : { step: history.step }),
    metrics: metricsOf(history),
    curve: thin(history.curve, LIMITS.curvePoints, history.metric.goal),
    seconds: ending.seconds,
    tail: endOf(ending.output, LIMITS.tailChars)
  }
}

function verdictOf(ending: Ending): Verdict {
  const { fault, reason, history, exitCode } = ending
  if (reason !== undefined && reason !== 'diverged') return stopped(reason, ending)
  if (fault !== undefined) return fault
  if (reason === 'diverged' || history.brokenSteps.length > 0) return diverged(ending)
  if (exitCode !== 0) return failed(ending)
  if (history.isReported) return { class: 'complete' }
  return { class: 'error', message: missing(history) }
}

function stopped(reason: StopReason, ending: Ending): Verdict {
  switch (reason) {
    case 'sweep-stopped':
      return { class: 'stopped', message: 'The sweep was stopped while this attempt ran.' }
    case 'early':
      return { class: 'stopped', message: "The sweep's rule stopped this attempt." }
    case 'agent-closing':
      return { class: 'released', message: 'The agent was closed while this attempt ran.' }
    case 'lost-claim':
      return { class: 'released', message: 'Another machine trains this trial, or has trained it.' }
    case 'released':
      return { class: 'released', message: 'This machine gave the trial back.' }
    case 'owner':
      return { class: 'released', message: 'Its owner wanted the device for something else.' }
    case 'over-memory':
      return {
        class: 'oom',
        message: 'It took more memory than it was promised, beside others on its device.',
        oom: { kind: 'contention' }
      }
    case 'time-limit':
      return { class: 'timeout', message: `The program ran longer than ${limitOf(ending)}, so it was stopped.` }
  }
}

function limitOf({ timeLimitMs }: Ending): string {
  return timeLimitMs === undefined ? 'it may' : `the sweep's time limit of ${timeLimitMs / 1000} s`
}

function diverged({ history, reason }: Ending): Verdict {
  const { name } = history.metric
  const step = history.brokenSteps[0] ?? history.step ?? 0
  const message =
    reason === 'diverged'
      ? `${name} was not a number from step ${step} on, so the program was stopped.`
      : `${name} was not a number at the end, from step ${step} on.`
  return { class: 'diverged', message }
}

/** Exit code of a process that was killed, as a shell between it and us reports it. */
const KILLED = 137
/** Signals that a person or a closing system sends: nothing that the trial did. */
const ENDED_FROM_OUTSIDE = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']

function failed(ending: Ending): Verdict {
  const { signal, exitCode, output } = ending
  if (signal === 'SIGKILL' || exitCode === KILLED) {
    const message = "The program was killed from outside, most likely because the machine's memory ran out."
    return { class: 'oom', message, oom: { kind: 'host' } }
  }
  if (signal !== undefined && ENDED_FROM_OUTSIDE.includes(signal)) {
    return { class: 'environment', message: `Something on this machine ended the program with ${signal}.` }
  }
  const how = signal === undefined ? `with exit code ${exitCode ?? 'unknown'}` : `by ${signal}`
  const cause = causeOf(output)
  if (cause !== undefined) return causedBy(cause)
  const words = lastWordsOf(output)
  return { class: 'error', message: `The program ended ${how}${words === undefined ? '.' : `: ${words}`}` }
}

function causedBy({ class: kind, isHost, line }: Cause): Verdict {
  const message = causeMessage(kind, isHost, line)
  return kind === 'oom' ? { class: kind, message, oom: oomOf(line, isHost) } : { class: kind, message }
}

function causeMessage(kind: 'oom' | 'environment', isHost: boolean, line: string): string {
  if (kind === 'environment') return `This machine cannot run the program: ${line}`
  return `${isHost ? "The machine's own memory" : "The device's memory"} ran out: ${line}`
}

/** Metrics named in a message. */
const NAMES_SHOWN_MAX = 12

/** Says what a program printed in place of its objective, or how to print it. */
function missing({ metric, names }: History): string {
  if (names.size === 0) {
    const line = `print(json.dumps({"step": step, "${metric.name}": value}), flush=True)`
    return `The program ended well but printed no metrics. Let it print one JSON object a line, such as ${line}`
  }
  const sorted = [...names].sort()
  const shown = [...sorted.slice(0, NAMES_SHOWN_MAX), ...(sorted.length > NAMES_SHOWN_MAX ? ['others'] : [])]
  return `The program printed ${listed(shown)}, but never "${metric.name}".${didYouMean(metric.name, sorted)}`
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

function objectiveOf(history: History): number | undefined {
  switch (history.metric.summary) {
    case 'best':
      return history.best?.[1]
    case 'last':
      return history.last?.[1]
  }
}

/** Objectives come first, so that none is among those that the limit leaves out. */
function metricsOf({ latest, metric, kept }: History): Readonly<Record<string, number>> {
  const objectives = [metric.name, ...kept]
  const first = objectives.flatMap((name): [string, number][] => {
    const value = latest.get(name)
    return value === undefined ? [] : [[name, value]]
  })
  const all = [...first, ...[...latest].filter(([name]) => !objectives.includes(name))]
  return Object.fromEntries(all.slice(0, LIMITS.metricsPerResult))
}

/** One line, of a length that a record takes. */
function sentence(text: string): string {
  return startOf(clean(text.replace(/\s+/g, ' ')).trim(), LIMITS.messageChars)
}
