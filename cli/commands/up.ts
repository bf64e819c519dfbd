/**
 * `up`: start the agent, in the background or attached.
 */
import { EXIT, PoolError, type StatusView } from '#protocol'
import { type AgentProcess, agentEnvironment, startAgent } from '../agent-process.js'
import { type Cli, type CommonFlags, type Environment, present } from '../cli.js'
import { openClient, withAgent } from '../client.js'
import { addressOf, homeOf, logPathOf } from '../home.js'
import { followLog } from '../log-follower.js'
import { drawLogLine } from '../screens/log-line.js'
import { afterStatus, drawStatus } from '../screens/status-screen.js'

export interface UpFlags extends CommonFlags {
  readonly foreground?: boolean
  readonly approve?: 'ask' | 'all'
  readonly bootstrap?: readonly string[]
  readonly port?: number
}

export async function up(this: Cli, flags: UpFlags): Promise<void> {
  const home = homeOf(flags, this.environment)
  await refuseSecondAgent(this, home)
  const { approve, bootstrap, port } = flags
  const environment = agentEnvironment({
    ...(approve === undefined ? {} : { approve }),
    ...(bootstrap === undefined ? {} : { bootstrap }),
    ...(port === undefined ? {} : { port })
  })
  if (!flags.foreground) {
    const { agent, view } = await readyAgent(this, home, environment)
    agent.release()
    present(this, flags, view, drawStatus)
    if (!flags.json) this.next(...afterStatus(view))
    return
  }
  const log = followLog(logPathOf(home), line => this.say(drawLogLine(line, this.sheet.style)))
  try {
    const { agent, view } = await readyAgent(this, home, environment)
    log.read()
    present(this, flags, view, drawStatus)
    this.exitWith(await attached(this, agent))
  } finally {
    log.close()
  }
}

/** Starts an agent and asks it how it is. One that does not answer, or that nobody wants any more, is ended again. */
async function readyAgent(
  cli: Cli,
  home: string,
  environment: Environment
): Promise<{ agent: AgentProcess; view: StatusView }> {
  const agent = await startAgent({ home, command: 'run', environment, signal: cli.signal })
  try {
    return { agent, view: await withAgent(cli, { home }, ask => ask({ method: 'status' })) }
  } catch (error) {
    agent.kill('SIGTERM')
    agent.release()
    throw error
  }
}

/** Errors: `AGENT_RUNNING`, which names the process, since it may be one that only serves an invite. */
async function refuseSecondAgent(cli: Cli, home: string): Promise<void> {
  const running = await statusOf(cli, home)
  if (!running) return
  const what = running.paused === undefined ? '' : `, ${running.paused}`
  throw new PoolError('AGENT_RUNNING', `An agent is running on this home already (pid ${running.pid}${what}).`, {
    hint: 'Look at it with `hypersweep status`, or stop it with `hypersweep down`.'
  })
}

async function statusOf(cli: Cli, home: string): Promise<StatusView | undefined> {
  try {
    const client = await openClient({ home, address: addressOf(home), signal: cli.signal })
    return await client.ask({ method: 'status' }).finally(() => client.close())
  } catch (error) {
    if (error instanceof PoolError && error.code === 'AGENT_NOT_RUNNING') return undefined
    throw error
  }
}

/** Returns the exit status for an agent that somebody waits for: ending it on purpose is no failure. */
async function attached(cli: Cli, agent: AgentProcess): Promise<number> {
  const stop = () => agent.kill('SIGTERM')
  cli.signal.addEventListener('abort', stop, { once: true })
  if (cli.signal.aborted) stop()
  const status = await agent.ended
  return status === 0 ? EXIT.done : EXIT.failed
}
