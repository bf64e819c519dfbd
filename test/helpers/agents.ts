/**
 * Real agents for tests: processes of their own, with homes of their own, over a private DHT on loopback.
 *
 * They run what was built (`npm run build`), as users do. Each test gets a folder of its own, and every process that it
 * started ends with it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  type ControlAnswers,
  type ControlMethod,
  type ControlReply,
  type ControlRequest,
  controlPath,
  type StartLine
} from '#protocol'

const AGENT = fileURLToPath(new URL('../../dist/agent/main.js', import.meta.url))
export const COMMAND = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const POLL_MS = 25

export interface RunningAgent {
  readonly home: string
  readonly process: ChildProcess
  readonly line: StartLine
  ask<M extends ControlMethod>(request: Extract<ControlRequest, { method: M }>): Promise<ControlAnswers[M]>
  /** Asks it to stop, or kills it, and waits for its end. */
  down(): Promise<void>
  kill(): Promise<void>
}

/** An agent that was just started and may still end before it is ready. */
export interface StartingAgent {
  readonly process: ChildProcess
  readonly ready: Promise<RunningAgent>
}

export interface LabOptions {
  /** Words before each command: in which network it lives. The DHT is asked for by the name `dht`. */
  readonly prefix?: (name: string) => readonly string[]
  /** `ip:port` at which the DHT listens, when not on loopback. */
  readonly dhtAddress?: string
  /** The file to which an agent's standard error goes, when not to the test's own. */
  readonly stderr?: (name: string) => string
}

export interface Lab {
  readonly folder: string
  readonly bootstrap: string
  home(name: string): string
  /** Starts an agent and does not wait for it. */
  launch(name: string, environment?: Readonly<Record<string, string>>): StartingAgent
  /** Starts an agent. `environment` adds to what every agent of the lab has. */
  start(name: string, environment?: Readonly<Record<string, string>>): Promise<RunningAgent>
  /** Types a command as a user would. */
  type(name: string, words: readonly string[], environment?: Readonly<Record<string, string>>): Promise<Typed>
  /** Ends every process; `keep` leaves the homes where they are. */
  close(keep?: boolean): Promise<void>
}

export interface Typed {
  readonly status: number
  readonly out: string
  readonly err: string
}

/** Opens a lab: a folder and a private DHT. Whoever opens it closes it. */
export async function openLab(options: LabOptions = {}): Promise<Lab> {
  const folder = mkdtempSync(join(tmpdir(), 'hypersweep-lab-'))
  const running = new Set<ChildProcess>()
  const spawnIn = (name: string, command: string, environment: Readonly<Record<string, string>>) =>
    spawnAgent({ command, environment, running, prefix: options.prefix?.(name), stderr: options.stderr?.(name) })
  const [host = '', port = ''] = options.dhtAddress?.split(':') ?? []
  const dht = spawnIn('dht', 'bootstrap', { HYPERSWEEP_BOOTSTRAP_ADDRESS: host, HYPERSWEEP_BOOTSTRAP_PORT: port })
  const line = await firstLine(dht)
  const bootstrap = 'ready' in line ? (line.address ?? '') : ''
  const home = (name: string) => join(folder, name)
  const environmentOf = (name: string, more: Readonly<Record<string, string>> = {}) => ({
    HYPERSWEEP_HOME: home(name),
    HYPERSWEEP_BOOTSTRAP: bootstrap,
    HYPERSWEEP_MACHINE_NAME: name,
    HYPERSWEEP_MEMBER_NAME: name,
    HYPERSWEEP_NVML_LIBRARY: 'none',
    // Dozens of homes: what their disk has free is another test.
    HYPERSWEEP_RESERVE: '0',
    HYPERSWEEP_FREE_SPACE: '0',
    NO_COLOR: '1',
    ...more
  })

  function launch(name: string, environment?: Readonly<Record<string, string>>): StartingAgent {
    const child = spawnIn(name, 'run', environmentOf(name, environment))
    return { process: child, ready: firstLine(child).then(started => agentOf(name, child, started)) }
  }

  function agentOf(name: string, child: ChildProcess, started: StartLine): RunningAgent {
    return {
      home: home(name),
      process: child,
      line: started,
      ask: request => ask(home(name), request),
      async down() {
        await ask(home(name), { method: 'down' })
        await ended(child)
      },
      async kill() {
        child.kill('SIGKILL')
        await ended(child)
      }
    }
  }

  return {
    folder,
    bootstrap,
    home,
    launch,
    start: (name, environment) => launch(name, environment).ready,
    async type(name, words, environment) {
      const child = spawn(process.execPath, [COMMAND, ...words], {
        env: { ...process.env, ...environmentOf(name, environment) },
        stdio: ['ignore', 'pipe', 'pipe']
      })
      running.add(child)
      const texts = { out: '', err: '' }
      child.stdout.setEncoding('utf8').on('data', text => {
        texts.out += text
      })
      child.stderr.setEncoding('utf8').on('data', text => {
        texts.err += text
      })
      const status = await new Promise<number>(resolve => child.once('close', code => resolve(code ?? -1)))
      running.delete(child)
      return { status, ...texts }
    },
    async close(keep = false) {
      for (const child of running) child.kill('SIGKILL')
      await Promise.all([...running].map(ended))
      if (!keep) rmSync(folder, { recursive: true, force: true })
    }
  }
}

type Environment = Readonly<Record<string, string>>

/**
 * Makes a pool of the named machines and starts their agents: the first founds it, the others join.
 *
 * @returns  The agents, in the order of their names, each connected to all others.
 */
export async function makePool(
  lab: Lab,
  names: readonly string[],
  environment: Environment | ((name: string) => Environment) = {}
): Promise<RunningAgent[]> {
  const environmentOf = typeof environment === 'function' ? environment : () => environment
  const [first = '', ...others] = names
  const founder = await lab.start(first, { ...environmentOf(first), HYPERSWEEP_SERVE_ONLY: 'making a pool' })
  await founder.ask({ method: 'found', pool: 'lab' })
  for (const name of others) {
    const { text = '' } = await founder.ask({ method: 'invite' })
    const joiner = await lab.start(name, { ...environmentOf(name), HYPERSWEEP_SERVE_ONLY: 'joining' })
    await joiner.ask({ method: 'join', invite: text })
    await joiner.down()
  }
  await founder.down()
  const agents = await Promise.all(names.map(name => lab.start(name, environmentOf(name))))
  await until('all are connected', async () => {
    const all = await Promise.all(agents.map(agent => agent.ask({ method: 'status' })))
    return all.every(status => status.connected === names.length - 1 && status.machines === names.length)
  })
  return agents
}

/** Waits for something to become true, by asking. Errors: when it does not in `limitMs`. */
export async function until(what: string, isTrue: () => Promise<boolean>, limitMs = 60_000): Promise<void> {
  const deadline = Date.now() + limitMs
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`It did not come true in ${limitMs} ms that ${what}.`)
    await wait(POLL_MS)
  }
}

interface SpawnOptions {
  readonly command: string
  readonly environment: Readonly<Record<string, string>>
  readonly running: Set<ChildProcess>
  readonly prefix: readonly string[] | undefined
  readonly stderr: string | undefined
}

function spawnAgent({ command, environment, running, prefix = [], stderr }: SpawnOptions): ChildProcess {
  const [file = '', ...words] = [...prefix, process.execPath, AGENT, command]
  const errors = stderr === undefined ? 'inherit' : openSync(stderr, 'a')
  const child = spawn(file, words, { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', errors] })
  if (errors !== 'inherit') closeSync(errors)
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

function firstLine(child: ChildProcess): Promise<StartLine> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.once('exit', code => reject(new Error(`The agent ended with ${code} before it said anything.`)))
    child.stdout?.setEncoding('utf8').on('data', chunk => {
      text += chunk
      if (text.includes('\n')) resolve(JSON.parse(text.slice(0, text.indexOf('\n'))) as StartLine)
    })
  })
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise(resolve => child.once('exit', () => resolve()))
}

function ask<M extends ControlMethod>(
  home: string,
  request: Extract<ControlRequest, { method: M }>
): Promise<ControlAnswers[M]> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = createConnection(controlPath({ home, platform: process.platform, temporary: tmpdir() }))
    socket.on('error', reject)
    // An agent that is killed while it is asked answers nothing; after an answer this changes nothing.
    socket.on('close', () => reject(new Error(`The agent of ${home} ended before it answered.`)))
    socket.on('connect', () => socket.write(`${JSON.stringify({ id: 1, ...request })}\n`))
    socket.setEncoding('utf8').on('data', chunk => {
      text += chunk
      if (!text.includes('\n')) return
      socket.end()
      const reply = JSON.parse(text) as ControlReply
      if ('answer' in reply) resolve(reply.answer as ControlAnswers[M])
      else reject(Object.assign(new Error(reply.error.message), reply.error))
    })
  })
}
