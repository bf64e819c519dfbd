/**
 * Runner: the attempts that run on this machine.
 *
 * Owns which attempts run, their folders and their ends. Knows nothing of trials to come or of other machines.
 * Invariant: each start has exactly one `onExit`, after which nothing more is told of that attempt.
 */
import { type Bulk, type BulkPlace, type Bundle, invariant, LIMITS, PoolError } from '#protocol'
import type { AttemptSpec, Exit, Report, Runner } from '../ports.js'
import { type RunningAttempt, runAttempt } from './attempt.js'
import { readOutput } from './output.js'
import { forgetOldest, workspaceOf } from './workspace.js'

export { killOrphans } from './orphans.js'

export interface RunnerOptions {
  /** Holds one folder for each attempt. */
  readonly folder: string
  /** Returns the folder with a bundle's files: verified, unpacked, not to be written. A checkpoint's is taken away. */
  readonly bundleFolder: (name: string) => string
  readonly onReport: (id: string, report: Report) => void
  readonly onExit: (id: string, exit: Exit) => void
  /** Told of whole lines, clean of control characters. */
  readonly onOutput?: (id: string, text: string) => void
  /** Writes down an attempt's full curve and more of its output, before its end is told. Never rejects. */
  readonly keep?: (bulk: Bulk) => Promise<BulkPlace | undefined>
  /** Packs the checkpoint of an attempt that is given back, before its end is told. Soon done, never rejects. */
  readonly pack?: (folder: string) => Promise<Bundle | undefined>
  /** The disk took something not: an attempt could not be prepared, or its output not be kept. */
  readonly onDiskFault?: (error: unknown) => void
  readonly log?: (message: string, fields: object) => void
  /** From SIGTERM to SIGKILL, in ms. */
  readonly stopGraceMs?: number
}

export interface MachineRunner extends Runner {
  /** Returns the programs that run now, and the device that each was given. */
  running(): readonly { readonly id: string; readonly device: string; readonly pid: number }[]
  /**
   * Returns the end of an attempt's output that is kept here, at most `LIMITS.outputBytes`, also after its end.
   *
   * Errors: `NOT_FOUND` when this machine keeps no output of it.
   */
  tail(id: string): Promise<string>
  /** Stops all attempts and waits for their ends. An attempt that is started later ends as released. */
  close(): Promise<void>
}

/** An id becomes the name of a folder. */
const ID = /^[A-Za-z0-9-]{1,128}$/

/** Returns a runner of real programs on this machine. */
export function createRunner(options: RunnerOptions): MachineRunner {
  const attempts = new Map<string, { run: RunningAttempt; device: string; end: Promise<void> }>()
  const log = options.log ?? (() => undefined)
  let isClosed = false
  let forgetting = Promise.resolve()

  function start(attempt: AttemptSpec): void {
    const { id } = attempt
    invariant(ID.test(id), 'an attempt is named by letters, digits and dashes')
    invariant(!attempts.has(id), 'an attempt is started once at a time')
    const run = runAttempt(attempt, {
      folder: options.folder,
      bundleFolder: options.bundleFolder,
      stopGraceMs: options.stopGraceMs ?? LIMITS.stopGraceMs,
      onReport: report => options.onReport(id, report),
      onOutput: text => options.onOutput?.(id, text),
      keep: async bulk => await options.keep?.(bulk),
      pack: async folder => await options.pack?.(folder),
      onDiskFault: error => options.onDiskFault?.(error),
      log
    })
    attempts.set(id, { run, device: attempt.device, end: run.exit.then(exit => finish(id, exit)) })
    if (isClosed) run.stop('agent-closing')
  }

  function finish(id: string, exit: Exit): void {
    attempts.delete(id)
    forgetting = forgetting
      .then(() => forgetOldest(options.folder, name => attempts.has(name)))
      .catch((error: unknown) => log('Old attempts could not be removed.', { error }))
    options.onExit(id, exit)
  }

  async function tail(id: string): Promise<string> {
    // Ids come from people here: one that is no id must not become a path.
    const text = ID.test(id) ? await readOutput(workspaceOf(options.folder, id).output) : undefined
    if (text === undefined) throw new PoolError('NOT_FOUND', `This machine keeps no output of attempt ${id}.`)
    return text
  }

  async function close(): Promise<void> {
    isClosed = true
    for (const { run } of attempts.values()) run.stop('agent-closing')
    await Promise.all([...attempts.values()].map(({ end }) => end))
    await forgetting
  }

  return {
    start,
    stop: (id, reason, graceMs) => attempts.get(id)?.run.stop(reason, graceMs),
    running: () =>
      [...attempts].flatMap(([id, { run, device }]) => {
        const pid = run.program()?.pid
        return pid === undefined ? [] : [{ id, device, pid }]
      }),
    tail,
    close
  }
}
