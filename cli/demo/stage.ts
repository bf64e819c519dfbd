/**
 * The demo's stage: a private DHT and three machines, each an agent of its own with a home of its own.
 *
 * Everything is done with the very commands that a person would type, in processes of their own; nothing leaves this
 * machine. The stage owns its folder and every process on it, and leaves neither behind.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { PoolError } from '#protocol'
import { type AgentProcess, startAgent } from '../agent-process.js'
import type { Cli, Environment } from '../cli.js'
import { type Client, openClient } from '../client.js'
import { addressOf } from '../home.js'

export const NAMES = ['alice', 'bob', 'carol'] as const
export type Name = (typeof NAMES)[number]

const COMMAND = fileURLToPath(new URL('../main.js', import.meta.url))
/** The example that the demo trains: shipped with the package. */
export const SWEEP_FILE = fileURLToPath(new URL('../../../docs/examples/digits/sweep.yaml', import.meta.url))
/** No step of the demo takes this long unless it hangs, in ms. */
const COMMAND_MS = 60_000

export interface Stage {
  readonly folder: string
  /** Types a command on one machine. Returns what it printed. Errors: `DEMO_FAILED` with what it said. */
  type(name: Name, ...words: readonly string[]): Promise<string>
  client(name: Name): Promise<Client>
  close(keep: boolean): Promise<void>
}

/** Makes an empty stage: the DHT runs, no machine does. */
export async function openStage(cli: Cli, onCommand: (name: Name, words: readonly string[]) => void): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'hypersweep-demo-'))
  const dht = await startDht(cli, folder)
  const homeOf = (name: Name) => join(folder, name)
  const environment: Environment = {
    // The demo is about the pool: every machine on it is one processor core or two, never this computer's GPU.
    HYPERSWEEP_NVML_LIBRARY: 'none',
    HYPERSWEEP_RESERVE: '0',
    HYPERSWEEP_BOOTSTRAP: dht.address ?? ''
  }

  async function type(name: Name, ...words: readonly string[]): Promise<string> {
    onCommand(name, words)
    const env = {
      ...environment,
      HYPERSWEEP_HOME: homeOf(name),
      HYPERSWEEP_MACHINE_NAME: name,
      HYPERSWEEP_MEMBER_NAME: name,
      NO_COLOR: '1'
    }
    const done = await execa(process.execPath, [...process.execArgv, COMMAND, ...words], {
      env,
      reject: false,
      timeout: COMMAND_MS,
      cancelSignal: cli.signal,
      stdin: 'ignore'
    })
    if (done.exitCode === 0) return done.stdout
    cli.signal.throwIfAborted()
    throw new PoolError(
      'DEMO_FAILED',
      `On ${name}, \`hypersweep ${words.join(' ')}\` failed:\n${done.stderr || done.stdout || done.shortMessage}`,
      {
        hint: `The agents' logs are in ${folder}; keep them with --keep.`
      }
    )
  }

  return {
    folder,
    type,
    client: name => openClient({ home: homeOf(name), address: addressOf(homeOf(name)), signal: cli.signal }),
    async close(keep) {
      await Promise.all(NAMES.map(name => end(homeOf(name))))
      dht.kill('SIGTERM')
      await dht.ended
      dht.release()
      if (!keep) await rm(folder, { recursive: true, force: true })
    }
  }
}

function startDht(cli: Cli, folder: string): Promise<AgentProcess> {
  return startAgent({ home: join(folder, 'dht'), command: 'bootstrap', environment: {}, signal: cli.signal })
}

/** Ends an agent that may or may not be there, also when the demo itself was interrupted. */
async function end(home: string): Promise<void> {
  try {
    const client = await openClient({ home, address: addressOf(home) })
    const { pid } = await client.ask({ method: 'status' })
    await client.ask({ method: 'down' }).finally(() => client.close())
    await gone(pid)
  } catch {
    // There is no agent: it was killed, or never started.
  }
}

/** Resolves when a process has ended. It is none of ours to wait for, so it is looked for. */
async function gone(pid: number): Promise<void> {
  const deadline = Date.now() + COMMAND_MS
  while (Date.now() < deadline) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}
