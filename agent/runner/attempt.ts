/**
 * Attempt: one attempt on this machine, from an empty folder to its result.
 *
 * Owns the order of things: prepare, start, listen, end, clear, judge. Decides nothing that `judge` can decide.
 * Invariant: `exit` resolves exactly once, whatever fails on the way, and only after the process tree is gone.
 */
import { type Bulk, type BulkPlace, type Bundle, configurationOf, LIMITS, PoolError, valuesOf } from '#protocol'
import type { AttemptSpec, Exit, Report, StopReason } from '../ports.js'
import { type Changes, createChanges } from './changes.js'
import { expandCommand } from './command.js'
import { allowedOf, type Environment, programEnvironment } from './environment.js'
import { createHistory, type History, isDiverged, note } from './history.js'
import { findInterpreter } from './interpreter.js'
import { type Ending, judge } from './judge.js'
import { createLineSplitter, endOf, type Line } from './lines.js'
import { createMetricsReader, type MetricsReader } from './metrics.js'
import { type OutputFile, openOutput, readOutput } from './output.js'
import { type Program, type ProgramEnd, startProgram } from './program.js'
import { createReportReader, type ReportReader } from './reports.js'
import { createWandbReader, type WandbReader } from './wandb-reader.js'
import { clearWorkspace, prepareWorkspace, type Workspace, workspaceOf } from './workspace.js'

/** The end of the output in which a cause of failure is looked for: launchers print much after the true one. */
const RECENT_CHARS = 64 * 1024
/** How often the metrics file is read. */
const METRICS_POLL_MS = 250
/** Longest delay of a Node timer, 24.8 days; a longer one would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1

export interface AttemptContext {
  readonly folder: string
  readonly bundleFolder: (name: string) => string
  readonly stopGraceMs: number
  readonly onReport: (report: Report) => void
  readonly onOutput: (text: string) => void
  /** Writes down what is too much for a result, before its end is told. Never rejects. */
  readonly keep: (bulk: Bulk) => Promise<BulkPlace | undefined>
  /** Packs a checkpoint folder for others; nothing when it is empty or cannot be sent. Soon done, never rejects. */
  readonly pack: (folder: string) => Promise<Bundle | undefined>
  /** The disk took something not. */
  readonly onDiskFault: (error: unknown) => void
  readonly log: (message: string, fields: object) => void
}

export interface RunningAttempt {
  /** Undefined before the program runs and when it could not be started. */
  program(): Program | undefined
  /** The first reason counts; after the program's end there is nothing to stop. */
  stop(reason: StopReason, graceMs?: number): void
  readonly exit: Promise<Exit>
}

/** Starts an attempt. Returns at once; nothing is told to the context before this call has returned. */
export function runAttempt(attempt: AttemptSpec, context: AttemptContext): RunningAttempt {
  const workspace = workspaceOf(context.folder, attempt.id)
  const state: State = {
    attempt,
    context,
    workspace,
    history: createHistory(
      attempt.spec.metric,
      (attempt.spec.furtherMetrics ?? []).map(({ name }) => name)
    ),
    printed: createReportReader(),
    written: createMetricsReader(workspace.metrics),
    logged: createWandbReader(workspace.wandbFolder),
    isPrinted: false,
    changes: createChanges(attempt.parameters),
    recent: '',
    seconds: 0,
    hasEnded: false
  }
  return {
    program: () => state.program,
    stop: (reason, graceMs) => stop(state, reason, graceMs),
    exit: live(state)
  }
}

interface State {
  readonly attempt: AttemptSpec
  readonly context: AttemptContext
  readonly workspace: Workspace
  readonly history: History
  readonly printed: ReportReader
  readonly written: MetricsReader
  readonly logged: WandbReader
  /** True once the program told its objective itself: then W&B's file, which says the same, is not listened to. */
  isPrinted: boolean
  readonly changes: Changes
  output?: OutputFile
  program?: Program
  reason?: NonNullable<Ending['reason']>
  recent: string
  seconds: number
  hasEnded: boolean
}

type Fault = NonNullable<Ending['fault']>

async function live(state: State): Promise<Exit> {
  const { attempt, context, workspace } = state
  // Also when nothing can be prepared, the caller has its call back before it hears of the end.
  await Promise.resolve()
  const end = await run(state).catch((error: unknown) => {
    if (isDiskFault(error)) context.onDiskFault(error)
    return { fault: faultOf(error) }
  })
  state.hasEnded = true
  state.output?.close()
  await clearWorkspace(workspace).catch((error: unknown) => {
    context.log('An attempt left files that cannot be removed.', { attempt: attempt.id, error })
  })
  const { history, recent, seconds, reason } = state
  const { timeLimitMs } = attempt.spec
  const exit = judge({
    history,
    output: recent,
    seconds,
    ...end,
    ...(reason === undefined ? {} : { reason }),
    ...(timeLimitMs === undefined ? {} : { timeLimitMs })
  })
  const changed = state.changes.found()
  const said = { ...exit, ...(changed.length === 0 ? {} : { changed }) }
  if (exit.class === 'released') {
    const checkpoint = await pack(state)
    return { ...said, ...(checkpoint === undefined ? {} : { checkpoint }) }
  }
  const bulk = await keep(state)
  return { ...said, ...(bulk === undefined ? {} : { bulk }) }
}

/** What the owner's wish ended is worth going on with; what another machine trains, or the disk ended, is not. */
async function pack({ context, workspace, reason }: State): Promise<Bundle | undefined> {
  return reason === 'owner' || reason === 'agent-closing' ? context.pack(workspace.checkpoint) : undefined
}

/** The result names its bulk block, so that is written first; an attempt that said nothing leaves none. */
async function keep({ attempt, context, history, recent }: State): Promise<BulkPlace | undefined> {
  if (history.curve.length === 0 && recent === '') return undefined
  const curve = history.curve.map(([step, value]): [number, number] => [step, value])
  const { sweep, trial, attempt: number } = attempt
  return context.keep({ sweep, trial, attempt: number, curve, tail: endOf(recent, LIMITS.bulkTailChars) })
}

type RunEnd = Pick<Ending, 'exitCode' | 'signal' | 'fault'>

async function run(state: State): Promise<RunEnd> {
  const { attempt, context, workspace } = state
  if (state.reason !== undefined) return {}
  const bundle = context.bundleFolder(attempt.bundleDigest)
  const checkpoint = attempt.checkpoint === undefined ? undefined : context.bundleFolder(attempt.checkpoint)
  const configuration = configurationOf(attempt.spec, attempt.parameters)
  const { resume } = attempt
  await prepareWorkspace(workspace, { bundle, configuration, resume, ...(checkpoint ? { checkpoint } : {}) })
  if (attempt.resume) await recall(state)
  const allowed = allowedOf(process.env)
  const environment = programEnvironment(allowed, workspace, attempt)
  const command = await commandOf(state, environment)
  state.output = openOutput(workspace.output, error => {
    context.log('The disk takes no more output.', { attempt: attempt.id, error })
    context.onDiskFault(error)
  })
  // A stop may have come while the bundle was copied.
  if (state.reason !== undefined) return {}
  const { fault, ...end } = await attend(state, command, environment)
  return fault === undefined ? end : { fault: startFault(fault, command[0]) }
}

/** Lets the program run, listening to it, until it has ended and everything that it said is read. */
async function attend(state: State, command: [string, ...string[]], environment: Environment): Promise<ProgramEnd> {
  const { workspace, context, attempt } = state
  const stdout = createLineSplitter()
  const stderr = createLineSplitter()
  const began = performance.now()
  const program = startProgram({
    command,
    folder: workspace.work,
    environment,
    mark: `HYPERSWEEP_METRICS=${workspace.metrics}`,
    stopGraceMs: context.stopGraceMs,
    onStdout: chunk => hearLines(state, stdout.push(chunk)),
    onStderr: chunk => hearLines(state, stderr.push(chunk))
  })
  state.program = program
  const { timeLimitMs } = attempt.spec
  const limit = timeLimitMs && setTimeout(() => stop(state, 'time-limit'), Math.min(timeLimitMs, TIMER_MAX_MS))
  const following = follow(state)
  const end = await program.end
  // From here on nothing can be stopped: a report read late must not turn an end into a stop.
  state.hasEnded = true
  state.seconds = (performance.now() - began) / 1000
  clearTimeout(limit)
  hearLines(state, [...stderr.end(), ...stdout.end()])
  await following.close()
  await readRest(state.written, report => hear(state, report))
  for (const report of await state.written.end()) hear(state, report)
  await readRest(state.logged, report => hearLogged(state, report))
  return end
}

/** Reads the metrics file again and again until closed; one reading at a time. */
function follow(state: State): { close(): Promise<void> } {
  let reading: Promise<void> | undefined
  const read = async () => {
    for (const report of (await state.written.next()) ?? []) hear(state, report)
    for (const report of (await state.logged.next()) ?? []) hearLogged(state, report)
    reading = undefined
  }
  const timer = setInterval(() => {
    reading ??= read()
  }, METRICS_POLL_MS)
  return {
    async close() {
      clearInterval(timer)
      await reading
    }
  }
}

/** Piece by piece, so that a large file does not hold up the other attempts. */
async function readRest(reader: Pick<MetricsReader, 'next'>, onReport: (report: Report) => void): Promise<void> {
  for (let some = await reader.next(); some !== undefined; some = await reader.next()) some.forEach(onReport)
}

/**
 * Takes up what an earlier start of this attempt reported, so that a best value survives a restart.
 *
 * The objective must still be reported anew: a program that ends at once has not completed anything.
 */
async function recall(state: State): Promise<void> {
  const { workspace, history, printed, written, logged } = state
  const lines = ((await readOutput(workspace.output)) ?? '').split('\n')
  for (const text of lines) {
    const report = printed.read({ text, isCut: false })
    if (report !== undefined) recallReport(state, report)
  }
  await readRest(written, report => recallReport(state, report))
  for (const report of await written.end()) recallReport(state, report)
  await readRest(logged, report => {
    if (!state.isPrinted) note(history, report)
  })
  history.isReported = false
  history.brokenSteps = []
}

function recallReport(state: State, report: Report): void {
  state.isPrinted ||= tellsObjective(state, report)
  note(state.history, report)
}

function hearLines(state: State, lines: readonly Line[]): void {
  if (lines.length === 0) return
  const text = lines.map(line => `${line.text}${line.isCut ? '…' : ''}\n`).join('')
  state.output?.append(text)
  state.recent = endOf(state.recent + text, RECENT_CHARS)
  state.context.onOutput(text)
  for (const line of lines) {
    state.changes.read(line.text)
    const report = state.printed.read(line)
    if (report !== undefined) hear(state, report)
  }
}

function hear(state: State, report: Report): void {
  state.isPrinted ||= tellsObjective(state, report)
  take(state, report)
}

/** A program that prints what it logs, too, must not be heard twice. */
function hearLogged(state: State, report: Report): void {
  if (!state.isPrinted) take(state, report)
}

function tellsObjective({ history }: State, { metrics, nonFinite }: Report): boolean {
  const { name } = history.metric
  return metrics[name] !== undefined || nonFinite.includes(name)
}

function take(state: State, report: Report): void {
  note(state.history, report)
  state.context.onReport(report)
  // What will never be a number again only costs electricity.
  if (isDiverged(state.history)) stop(state, 'diverged')
}

function stop(state: State, reason: NonNullable<Ending['reason']>, graceMs?: number): void {
  if (state.hasEnded || state.program?.stop(graceMs) === false) return
  state.reason ??= reason
}

async function commandOf({ attempt, workspace }: State, environment: Environment): Promise<[string, ...string[]]> {
  const { spec, parameters, seed } = attempt
  return expandCommand(spec.command, {
    ...(spec.program === undefined ? {} : { program: spec.program }),
    parameters: valuesOf(spec, parameters),
    configuration: configurationOf(spec, parameters),
    parametersFile: workspace.parameters,
    checkpoint: workspace.checkpoint,
    seed,
    interpreter: await findInterpreter(environment),
    environment,
    isWindows: process.platform === 'win32'
  })
}

/** What the sweep got wrong is an error on every machine; all else is this machine's trouble. */
function faultOf(error: unknown): Fault {
  if (!(error instanceof Error) || error.name === 'InvariantError') throw error
  if (error instanceof PoolError && error.code === 'SWEEP_INVALID') {
    return { class: 'error', message: [error.message, error.hint].join(' ') }
  }
  const message = `This machine could not prepare the attempt: ${error.message}`
  // A full disk says nothing against the trial, nor against this machine once there is room.
  return { class: isDiskFault(error) ? 'released' : 'environment', message }
}

/** True when there is no room on the disk, none for this person, or no writing to it at all. */
function isDiskFault(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EROFS'
}

/** A bare name is looked for on the machine, a path in the bundle. */
function startFault({ code, message }: { code: string; message: string }, file: string): Fault {
  if (code === 'ENOENT' && /[\\/]/.test(file)) {
    return { class: 'error', message: `The sweep's command starts ${file}, which is not there.` }
  }
  if (code === 'ENOENT') return { class: 'environment', message: `This machine has no program named ${file}.` }
  const isMachine = ['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE'].includes(code)
  return { class: isMachine ? 'environment' : 'error', message: `${file} could not be started: ${message}` }
}
