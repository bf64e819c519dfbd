/**
 * Real agents for tests: processes of their own, with homes of their own, over a private DHT on loopback.
 *
 * They run what was built (`npm run build`), as users do. Each test gets a folder of its own, and every process that it
 * started ends with it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
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

export interface Lab {
  readonly folder: string
  readonly bootstrap: string
  home(name: string): string
  /** Starts an agent. `environment` adds to what every agent of the lab has. */
  start(name: string, environment?: Readonly<Record<string, string>>): Promise<RunningAgent>
  /** Types a command as a user would. */
  type(name: string, words: readonly string[], environment?: Readonly<Record<string, string>>): Promise<Typed>
  close(): Promise<void>
}

export interface Typed {
  readonly status: number
  readonly out: string
  readonly err: string
}

/** Opens a lab: a folder and a private DHT. Whoever opens it closes it. */
export async function openLab(): Promise<Lab> {
  const folder = mkdtempSync(join(tmpdir(), 'hypersweep-lab-'))
  const running = new Set<ChildProcess>()
  const dht = spawnAgent('bootstrap', {}, running)
  const line = await firstLine(dht)
  const bootstrap = 'ready' in line ? (line.address ?? '') : ''
  const home = (name: string) => join(folder, name)
  const environmentOf = (name: string, more: Readonly<Record<string, string>> = {}) => ({
    HYPERSWEEP_HOME: home(name),
    HYPERSWEEP_BOOTSTRAP: bootstrap,
    HYPERSWEEP_MACHINE_NAME: name,
    HYPERSWEEP_MEMBER_NAME: name,
    HYPERSWEEP_NVML_LIBRARY: 'none',
    NO_COLOR: '1',
    ...more
  })

  return {
    folder,
    bootstrap,
    home,
    async start(name, environment) {
      const child = spawnAgent('run', environmentOf(name, environment), running)
      const started = await firstLine(child)
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
    },
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
    async close() {
      for (const child of running) child.kill('SIGKILL')
      await Promise.all([...running].map(ended))
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/**
 * Makes a pool of the named machines and starts their agents: the first founds it, the others join.
 *
 * @returns  The agents, in the order of their names, each connected to all others.
 */
export async function makePool(
  lab: Lab,
  names: readonly string[],
  environment: Readonly<Record<string, string>> = {}
): Promise<RunningAgent[]> {
  const [first = '', ...others] = names
  const founder = await lab.start(first, { ...environment, HYPERSWEEP_SERVE_ONLY: 'making a pool' })
  await founder.ask({ method: 'found', pool: 'lab' })
  for (const name of others) {
    const { text = '' } = await founder.ask({ method: 'invite' })
    const joiner = await lab.start(name, { ...environment, HYPERSWEEP_SERVE_ONLY: 'joining' })
    await joiner.ask({ method: 'join', invite: text })
    await joiner.down()
  }
  await founder.down()
  const agents = await Promise.all(names.map(name => lab.start(name, environment)))
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

function spawnAgent(
  command: string,
  environment: Readonly<Record<string, string>>,
  running: Set<ChildProcess>
): ChildProcess {
  const child = spawn(process.execPath, [AGENT, command], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit']
  })
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
