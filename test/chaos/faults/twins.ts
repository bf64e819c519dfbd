/**
 * Twins: two agents are started on one home.
 *
 * One has to be refused with a clear message, and the other must not notice: it answers, and its attempts end well.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { healOwn } from '../checks.js'
import type { ChaosPool } from '../pool.js'
import { attemptsBelow, isRunning, type RunningProgram } from '../programs.js'
import { answered, Violation, waitUntil } from '../wait.js'
import { comeBack, type Fault, type Scene, strikeDown } from './fault.js'

/** What a second agent may say. */
const REFUSALS: readonly string[] = ['AGENT_RUNNING', 'STORE_IN_USE']
const START_MS = 60_000
const PROGRAM_MS = 20_000

export const twins: Fault = {
  name: 'twins',
  says: 'two agents started on one home',
  rounds: 20,
  roundsPerCheck: 5,
  roundsPerPool: 20,
  mayLoseSweeps: false,
  async strike(scene) {
    const { pool, stream, chance } = scene
    const victim = chance.pick(pool.names)
    const how = chance.pick(['later', 'unseen', 'at once'] as const)
    await pool.noteLog(victim, stream.recent())
    const beganMs =
      how === 'at once' ? await startTogether(scene, victim) : await startSecond(scene, victim, how === 'unseen')
    await healOwn(pool, stream, [victim])
    return { healedMs: performance.now() - beganMs, story: `${victim}, ${how}` }
  }
}

/**
 * Starts a second agent beside one that works. Returns when, in ms.
 *
 * @param isUnseen  The socket is gone, as after a clean-up of old files: then only the store tells that it is in use.
 */
async function startSecond(scene: Scene, victim: string, isUnseen: boolean): Promise<number> {
  const { pool } = scene
  const home = pool.lab.home(victim)
  // Without one there is less to harm, but the round still counts.
  await waitUntil('a program ran', async () => attemptsBelow(home).length > 0, PROGRAM_MS).catch(() => 0)
  const attempts = attemptsBelow(home)
  const pid = pool.pid(victim)
  if (isUnseen) rmSync(join(home, 'agent.sock'))
  const beganMs = performance.now()
  const second = pool.lab.launch(victim)
  const status = new Promise<number | null>(resolve => second.process.once('exit', resolve))
  const { line } = await answered('a second agent', second.ready, START_MS)
  if (!('error' in line)) {
    second.process.kill('SIGKILL')
    throw new Violation(`two agents run on the home of ${victim}`)
  }
  mustRefuse(line.error, await answered('the end of a second agent', status, START_MS))
  if (!isRunning(pid)) throw new Violation(`the first agent of ${victim} ended when a second was started`)
  await mustEndWell(pool, victim, attempts)
  if (!isUnseen) {
    await pool.ask(victim, { method: 'status' })
    return beganMs
  }
  // Nobody can ask an agent without a socket: its owner ends it and starts it again.
  await comeBack(scene, [victim], { programs: await strikeDown(scene, victim), showAll: [] })
  return beganMs
}

function mustRefuse({ code, message }: { code: string; message: string }, status: number | null): void {
  if (!REFUSALS.includes(code)) throw new Violation(`the second agent said ${code}: ${message}`)
  if (status === 0) throw new Violation('the second agent was refused with exit status 0')
}

/** The attempts that ran when the second agent came: their machine's peers hear that they are complete. */
async function mustEndWell(pool: ChaosPool, victim: string, attempts: readonly RunningProgram[]): Promise<void> {
  const peer = pool.up().find(name => name !== victim) ?? victim
  for (const { sweep, trial, attempt } of attempts) {
    const stateOf = async () => {
      const view = await pool.ask(peer, { method: 'trial', sweep, trial })
      return view.attempts.find(each => each.attempt === attempt && each.machine === pool.machine(victim))?.state
    }
    await waitUntil(
      `the attempt ${sweep}-${trial}-${attempt} ended after a second agent was started on the home of ${victim}`,
      async () => !['claimed', 'running', 'silent', undefined].includes(await stateOf()),
      START_MS
    )
    const state = await stateOf()
    // It may also have been given up to a machine that took the trial over before.
    if (state !== 'complete' && state !== 'released')
      throw new Violation(`a second agent harmed the first: its attempt ${sweep}-${trial}-${attempt} is ${state}`)
  }
}

/** Two agents start on a home where none runs: one is ready, the other is refused. Returns when they began, in ms. */
async function startTogether(scene: Scene, victim: string): Promise<number> {
  const { pool, chance } = scene
  if (chance.happens(0.5)) await pool.stop(victim)
  else await strikeDown(scene, victim)
  const beganMs = performance.now()
  const both = [pool.lab.launch(victim), pool.lab.launch(victim)]
  const agents = await answered('two agents', Promise.all(both.map(each => each.ready)), START_MS)
  const ready = agents.filter(agent => 'ready' in agent.line)
  const [first] = ready
  if (!first || ready.length > 1) {
    for (const agent of agents) agent.process.kill('SIGKILL')
    const said = agents.map(({ line }) => ('error' in line ? line.error.code : 'ready')).join(' and ')
    throw new Violation(`two agents started at once on the home of ${victim} said ${said}`)
  }
  pool.adopt(victim, first)
  for (const { line } of agents) if ('error' in line) mustRefuse(line.error, 1)
  const { pid } = await pool.ask(victim, { method: 'status' })
  if (pid !== first.process.pid) throw new Violation(`the socket of ${victim} leads to another process than its agent`)
  return beganMs
}
