/**
 * The pool under chaos: real agents with real stores, which are ended and started again and again.
 *
 * Owns which agent should run now, so that one which ends by itself is noticed, and what they acknowledged. Does harm
 * only as it is told to.
 */
import { cpSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { ControlAnswers, ControlMethod, ControlRequest } from '#protocol'
import {
  type Lab,
  type LabOptions,
  makePool,
  openLab,
  type RunningAgent,
  type StartingAgent
} from '../helpers/agents.js'
import { createLedger, type Ledger } from './ledger.js'
import { isFatal, type LogReader, openLogReader } from './log-lines.js'
import { programsBelow, signalAll } from './programs.js'
import type { Syncs } from './syncs.js'
import { answered, Violation } from './wait.js'

const ENVIRONMENT = { HYPERSWEEP_APPROVE: 'all' }
/** A start reads the whole store; on a busy machine with many logs it takes seconds. */
const START_MS = 60_000
/** An ordinary stop: programs get their grace, then everything is closed. */
const STOP_MS = 30_000

export interface PoolOptions {
  readonly names: readonly string[]
  readonly network?: Pick<LabOptions, 'prefix' | 'dhtAddress'>
  /** Prepares a home before its agent first starts. Returns what undoes that, after all agents have ended. */
  readonly prepare?: (name: string, home: string) => (() => void) | undefined
  /** Watches what agents have the disk take. */
  readonly syncs?: Syncs
}

export interface ChaosPool {
  readonly lab: Lab
  readonly names: readonly string[]
  readonly ledger: Ledger
  /** Agents that should be at work now. */
  up(): readonly string[]
  pid(name: string): number
  /** The key of the machine: it is one for its life. */
  machine(name: string): string
  ask<M extends ControlMethod>(
    name: string,
    request: Extract<ControlRequest, { method: M }>
  ): Promise<ControlAnswers[M]>
  /** Starts an agent without waiting for it; whoever does so may kill it before it is ready. */
  launch(name: string): StartingAgent
  /** Errors: a violation when it does not start. */
  start(name: string): Promise<void>
  /** Takes an agent that was started otherwise and is ready. */
  adopt(name: string, agent: RunningAgent): void
  kill(name: string): Promise<void>
  /** Stops an agent as its owner would. */
  stop(name: string): Promise<void>
  /** From now on the agent is asked nothing, and its end is no surprise. */
  expectNothing(name: string): void
  /** The agent is back; it was never ended. */
  expectAgain(name: string): void
  /** Notes what an agent acknowledged in its log for these sweeps. One that is away has nothing to say. */
  noteLog(name: string, sweeps: readonly string[]): Promise<void>
  noteSpool(name: string): void
  /** What went wrong since the last call that no fault explains, and how often each alarming line came. */
  troubles(): { readonly fatal: readonly string[]; readonly lines: ReadonlyMap<string, number> }
  trouble(what: string): void
  /** Ends everything. `keepIn`: a folder that is not there yet, for all homes and logs. */
  close(keepIn?: string): Promise<void>
}

/** Founds a pool of these machines, connected to each other. Whoever opens it closes it. */
export async function openPool(options: PoolOptions): Promise<ChaosPool> {
  const { names } = options
  const errors = mkdtempSync(join(tmpdir(), 'hypersweep-chaos-errors-'))
  const errorsOf = (name: string) => join(errors, `${name}.stderr`)
  const lab = await openLab({ ...options.network, stderr: errorsOf })
  const undo = names.flatMap(name => {
    mkdirSync(lab.home(name), { mode: 0o700 })
    return options.prepare?.(name, lab.home(name)) ?? []
  })
  const environmentOf = (name: string) => ({ ...ENVIRONMENT, ...options.syncs?.environment(name) })
  const ledger = createLedger()
  const agents = new Map<string, RunningAgent>()
  const expected = new Set<string>()
  const found: string[] = []
  const machines = new Map<string, string>()
  const readers = new Map<string, LogReader>()

  async function begin(): Promise<void> {
    const running = await makePool(lab, names, environmentOf)
    for (const [index, name] of names.entries()) {
      const agent = running[index]
      if (!agent) throw new Error('Every machine has an agent.')
      machines.set(name, (await agent.ask({ method: 'status' })).machine)
      readers.set(name, openLogReader(join(lab.home(name), 'agent.log')))
      watch(name, agent.process)
      agents.set(name, agent)
    }
  }

  function watch(name: string, child: StartingAgent['process']): void {
    expected.add(name)
    child.once('exit', (code, signal) => {
      if (current(name) !== child || !expected.delete(name)) return
      found.push(`the agent of ${name} ended by itself (${signal ?? code})`)
    })
    children.set(name, child)
  }

  const children = new Map<string, StartingAgent['process']>()
  const current = (name: string) => children.get(name)

  function agentOf(name: string): RunningAgent {
    const agent = agents.get(name)
    if (!agent) throw new Error(`The agent of ${name} is away.`)
    return agent
  }

  function expectNothing(name: string): void {
    expected.delete(name)
  }

  function ask<M extends ControlMethod>(
    name: string,
    request: Extract<ControlRequest, { method: M }>
  ): Promise<ControlAnswers[M]> {
    return answered(`the agent of ${name}, asked for ${request.method},`, agentOf(name).ask(request))
  }

  function launch(name: string): StartingAgent {
    const starting = lab.launch(name, environmentOf(name))
    watch(name, starting.process)
    return starting
  }

  async function kill(name: string): Promise<void> {
    expectNothing(name)
    agents.delete(name)
    const child = current(name)
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }

  async function stop(name: string): Promise<void> {
    const agent = agentOf(name)
    expectNothing(name)
    agents.delete(name)
    await answered(`the agent of ${name}, told to stop,`, agent.down(), STOP_MS)
  }

  function troubles() {
    const lines = new Map<string, number>()
    for (const [name, reader] of readers) {
      for (const [line, count] of reader.read()) {
        lines.set(line, (lines.get(line) ?? 0) + count)
        if (isFatal(line)) found.push(`${name} noted: ${line}`)
      }
    }
    return { fatal: [...found.splice(0), ...printed()], lines }
  }

  /** What an agent prints on standard error is told nowhere else: it failed. */
  const printedBytes = new Map<string, number>()
  function printed(): string[] {
    return names.flatMap(name => {
      const text = textOf(errorsOf(name))
      const news = text.slice(printedBytes.get(name) ?? 0)
      printedBytes.set(name, text.length)
      return news === '' ? [] : [`the agent of ${name} printed: ${news.slice(0, 400)}`]
    })
  }

  async function close(keepIn?: string): Promise<void> {
    const left = keepIn === undefined ? [...expected] : []
    expected.clear()
    await Promise.all(
      left.map(name => answered('a stop', agents.get(name)?.down() ?? pause(0), STOP_MS).catch(() => 0))
    )
    await lab.close(true)
    signalAll(programsBelow(lab.folder), 'SIGKILL')
    if (keepIn !== undefined) {
      copyAll(lab.folder, keepIn)
      copyAll(errors, keepIn)
    }
    for (const each of undo) each()
    rmSync(errors, { recursive: true, force: true })
    await lab.close()
  }

  try {
    await begin()
  } catch (error) {
    await close()
    throw error
  }

  return {
    lab,
    names,
    ledger,
    up: () => [...expected].sort(),
    pid: name => agentOf(name).process.pid ?? 0,
    machine: name => machines.get(name) ?? '',
    ask,
    launch,
    async start(name) {
      const starting = launch(name)
      const agent = await answered(`the start of ${name}`, starting.ready, START_MS)
      const { line } = agent
      if ('error' in line) {
        expectNothing(name)
        throw new Violation(`the agent of ${name} did not start: ${line.error.code}: ${line.error.message}`)
      }
      agents.set(name, agent)
    },
    adopt(name, agent) {
      watch(name, agent.process)
      agents.set(name, agent)
    },
    kill,
    stop,
    expectNothing,
    expectAgain: name => expected.add(name),
    async noteLog(name, sweeps) {
      for (const sweep of sweeps) {
        const trials = await ask(name, { method: 'trials', sweep, limit: 100 }).catch(() => [])
        ledger.noteTrials(name, trials)
      }
    },
    noteSpool: name => ledger.noteSpool(name, lab.home(name), machines.get(name) ?? ''),
    troubles,
    trouble: what => found.push(what),
    close
  }
}

/** Sockets are no files: nobody can copy them. */
function copyAll(from: string, to: string): void {
  cpSync(from, to, { recursive: true, filter: path => !lstatSync(path).isSocket() })
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
