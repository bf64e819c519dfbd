/**
 * The agent's process: started, waited for until it is ready, stopped.
 *
 * Never imports the agent: it is a program of its own, told what it needs by its environment. The agent prints one
 * line when it is ready or cannot be; everything else goes to its log.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { LIMITS, PoolError, type StartLine } from '#protocol'
import type { Cli, Environment } from './cli.js'
import { type Ask, openClient } from './client.js'
import { addressOf, homeOf, logPathOf } from './home.js'

/** How long an agent may take to open a large pool on a slow disk, in ms. */
const START_MS = 120_000
/** How long a temporary agent may take to end: its attempts get their grace, then it closes its store. */
const END_MS = LIMITS.stopGraceMs + 15_000
const AGENT = fileURLToPath(new URL('../agent/main.js', import.meta.url))

/** What flags tell an agent; each is a variable of its environment. */
export interface AgentSettings {
  readonly bootstrap?: readonly string[]
  readonly port?: number
  readonly machine?: string
  readonly member?: string
  readonly approve?: 'ask' | 'all'
  /** Why it takes no work: for an agent that serves one command and ends. */
  readonly serveOnly?: string
}

export interface AgentProcess {
  readonly pid: number
  /** Of the DHT node, where it runs one. */
  readonly address?: string
  /** Its exit status, once it ended. */
  readonly ended: Promise<number>
  kill(signal: NodeJS.Signals): void
  /** Lets this command end while the agent goes on. */
  release(): void
}

export interface StartOptions {
  readonly home: string
  readonly command: 'run' | 'bootstrap'
  readonly environment: Environment
  readonly signal: AbortSignal
  /** The program to start; the agent of this package. */
  readonly program?: string
}

/** Returns the environment that carries settings to an agent. */
export function agentEnvironment(settings: AgentSettings): Environment {
  const { bootstrap, port, machine, member, approve, serveOnly } = settings
  return {
    ...(bootstrap?.length ? { HYPERSWEEP_BOOTSTRAP: bootstrap.join(',') } : {}),
    ...(port === undefined ? {} : { HYPERSWEEP_PORT: `${port}` }),
    ...(machine === undefined ? {} : { HYPERSWEEP_MACHINE_NAME: machine }),
    ...(member === undefined ? {} : { HYPERSWEEP_MEMBER_NAME: member }),
    ...(approve === undefined ? {} : { HYPERSWEEP_APPROVE: approve }),
    ...(serveOnly === undefined ? {} : { HYPERSWEEP_SERVE_ONLY: serveOnly })
  }
}

/**
 * Starts an agent and waits until it is ready.
 *
 * In a process group of its own, so that Ctrl-C reaches the command alone, which then ends the agent in order.
 * Errors: the agent's own reason; `AGENT_FAILED` when it ends or hangs without one; the signal's reason.
 */
export async function startAgent(options: StartOptions): Promise<AgentProcess> {
  options.signal.throwIfAborted()
  const { home, command, program = AGENT } = options
  mkdirSync(home, { recursive: true, mode: 0o700 })
  // What crashes before the logger works is told here, or nowhere.
  const log = openSync(logPathOf(home), 'a', 0o600)
  const child = spawn(process.execPath, [...process.execArgv, program, command], {
    env: { ...process.env, ...options.environment, HYPERSWEEP_HOME: home },
    stdio: ['ignore', 'pipe', log],
    detached: true,
    windowsHide: true
  })
  closeSync(log)
  const ended = new Promise<number>(resolve => child.once('exit', status => resolve(status ?? 1)))
  try {
    const line = startLine(await firstLine(child, options), home)
    return {
      pid: line.pid,
      ...(line.address === undefined ? {} : { address: line.address }),
      ended,
      kill: signal => void child.kill(signal),
      release() {
        child.stdout?.destroy()
        child.unref()
      }
    }
  } catch (error) {
    child.kill('SIGTERM')
    child.stdout?.destroy()
    child.unref()
    throw error
  }
}

/**
 * Does work with the running agent of a home, or with one that is started for it and takes no trials.
 *
 * @param settings  For the agent that is started; one that runs keeps its own.
 */
export async function withAnyAgent<T>(
  cli: Cli,
  flags: { readonly home?: string },
  settings: AgentSettings & { readonly serveOnly: string; readonly program?: string },
  work: (ask: Ask, isTemporary: boolean) => Promise<T>
): Promise<T> {
  const home = homeOf(flags, cli.environment)
  const place = { home, address: addressOf(home) }
  const running = await openClient({ ...place, signal: cli.signal }).catch(none)
  if (running) return await work(running.ask, false).finally(() => running.close())
  const agent = await startAgent({
    home,
    command: 'run',
    environment: agentEnvironment(settings),
    signal: cli.signal,
    ...(settings.program === undefined ? {} : { program: settings.program })
  })
  try {
    const client = await openClient({ ...place, signal: cli.signal })
    return await work(client.ask, true).finally(() => client.close())
  } finally {
    await stopAgent(agent, place)
  }
}

/** Asks for an end, also after an interruption; a process that does not end is killed. */
async function stopAgent(agent: AgentProcess, place: { home: string; address: string }): Promise<void> {
  const stop = new AbortController()
  try {
    const client = await openClient({ ...place, answerMs: END_MS })
    await client.ask({ method: 'down' }).finally(() => client.close())
  } catch {
    agent.kill('SIGTERM')
  }
  const isEnded = await Promise.race([
    agent.ended,
    wait(END_MS, undefined, { signal: stop.signal }).catch(() => undefined)
  ])
  stop.abort()
  if (isEnded === undefined) agent.kill('SIGKILL')
  agent.release()
}

function none(error: unknown): undefined {
  if (error instanceof PoolError && error.code === 'AGENT_NOT_RUNNING') return undefined
  throw error
}

/** The child's first line; nothing when it ended without one. */
async function firstLine(child: ChildProcess, { signal, home }: StartOptions): Promise<string> {
  const limit = new AbortController()
  const tooLate = wait(START_MS, undefined, { signal: AbortSignal.any([limit.signal, signal]) }).then(() => {
    throw new PoolError('AGENT_FAILED', 'The agent does not get ready.', {
      hint: `Its log may tell why: ${logPathOf(home)}`
    })
  })
  tooLate.catch(() => undefined)
  const line = child.stdout === null ? Promise.resolve('') : lineOf(child.stdout, child)
  try {
    return await Promise.race([line, tooLate])
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    limit.abort()
  }
}

function lineOf(stream: Readable, child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.once('error', reject)
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => {
      text += chunk
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')))
    })
    stream.once('end', () => resolve(text))
  })
}

function startLine(text: string, home: string): Extract<StartLine, { ready: true }> {
  let line: StartLine | undefined
  try {
    line = JSON.parse(text) as StartLine
  } catch {
    // Told below: it ended without a line, or printed something else first.
  }
  if (line && 'ready' in line) return line
  if (line && 'error' in line) {
    const { code, message, hint } = line.error
    throw new PoolError(code, message, hint === undefined ? {} : { hint })
  }
  throw new PoolError('AGENT_FAILED', 'The agent ended before it was ready.', {
    hint: `Its log tells why: ${logPathOf(home)}`
  })
}
