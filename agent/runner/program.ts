/**
 * Program: one process tree, from its start until nothing of it is left.
 *
 * Owns starting without a shell, the polite and the forced stop, and the end. Judges nothing.
 * Invariant: `end` resolves exactly once, never rejects, and by then no process of the tree runs (on Linux also none
 * that left its group), so that the device's memory is free again.
 */
import { execa } from 'execa'
import type { Environment } from './environment.js'
import { killGroup, killStrays } from './orphans.js'

/** How long output may still come after the end: what lies in the pipe, unless a stray holds the pipe open. */
const DRAIN_MS = 500

export interface ProgramOptions {
  readonly command: readonly [string, ...string[]]
  readonly folder: string
  readonly environment: Environment
  /** `NAME=value` of the environment that no other attempt has. */
  readonly mark: string
  readonly stopGraceMs: number
  readonly onStdout: (chunk: Uint8Array) => void
  readonly onStderr: (chunk: Uint8Array) => void
}

export interface ProgramEnd {
  readonly exitCode?: number
  readonly signal?: string
  /** Why it could not be started: the system's code, such as `ENOENT`, and words. */
  readonly fault?: { readonly code: string; readonly message: string }
}

export interface Program {
  /** Absent when it could not be started. */
  readonly pid?: number
  readonly end: Promise<ProgramEnd>
  /**
   * SIGTERM to the whole tree, then SIGKILL after `graceMs`. Asking again makes it sooner, never later. Returns false
   * when it has ended already.
   */
  stop(graceMs?: number): boolean
}

/** Starts a program in a process group of its own. A program that cannot start has an `end` with a `fault`. */
export function startProgram(options: ProgramOptions): Program {
  const child = spawn(options)
  child.stdout.on('data', options.onStdout)
  child.stderr.on('data', options.onStderr)
  const { pid } = child
  let stopping: NodeJS.Timeout | undefined
  let killAtMs = Number.POSITIVE_INFINITY
  let hasExited = false

  async function live(): Promise<ProgramEnd> {
    const end = await endOf(child)
    hasExited = true
    clearTimeout(stopping)
    if (pid !== undefined) await killRest(pid, options.mark)
    await drained(child)
    return end
  }

  function stop(graceMs = options.stopGraceMs): boolean {
    if (pid === undefined || hasExited) return false
    const atMs = performance.now() + graceMs
    if (stopping === undefined) killGroup(pid, 'SIGTERM')
    if (atMs >= killAtMs) return true
    killAtMs = atMs
    clearTimeout(stopping)
    stopping = setTimeout(() => killGroup(pid), graceMs)
    return true
  }

  return {
    ...(pid === undefined ? {} : { pid }),
    end: live(),
    stop
  }
}

function spawn({ command: [file, ...args], folder, environment }: ProgramOptions) {
  return execa(file, args, {
    cwd: folder,
    env: environment,
    // The agent's own environment holds its owner's keys.
    extendEnv: false,
    // A group of its own on POSIX: killing a child alone leaves torchrun's workers with the memory.
    detached: process.platform !== 'win32',
    stdin: 'ignore',
    // Read by us as it comes; execa would keep all of it.
    buffer: false,
    reject: false,
    cleanup: false
  })
}

type Child = ReturnType<typeof spawn>

/** Waits for the main process only: execa's own promise waits for whoever still holds its output. */
function endOf(child: Child): Promise<ProgramEnd> {
  return new Promise(resolve => {
    child.once('exit', (exitCode, signal) => {
      resolve({ ...(exitCode === null ? {} : { exitCode }), ...(signal === null ? {} : { signal }) })
    })
    void child.then(result => {
      if (child.pid !== undefined) return
      resolve({ fault: { code: result.code ?? 'UNKNOWN', message: result.originalMessage ?? 'unknown reason' } })
    })
  })
}

async function killRest(pid: number, mark: string): Promise<void> {
  // Windows gives a pid anew at once, and has no group that outlives its first process.
  if (process.platform !== 'win32') killGroup(pid)
  await killStrays(mark)
}

async function drained(child: Child): Promise<void> {
  const streams = [child.stdout, child.stderr]
  const ends = streams.map(stream =>
    stream.readableEnded || stream.destroyed ? undefined : new Promise(resolve => stream.once('close', resolve))
  )
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise(resolve => {
    timer = setTimeout(resolve, DRAIN_MS)
  })
  await Promise.race([Promise.all(ends), patience])
  clearTimeout(timer)
  for (const stream of streams) stream.destroy()
}
