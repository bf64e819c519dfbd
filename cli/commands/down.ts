/**
 * `down`: stop the agent, and wait until it is gone, so that the next command may start another.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { LIMITS, PoolError } from '#protocol'
import { type Cli, type CommonFlags, present } from '../cli.js'
import { withAgent } from '../client.js'
import { homeOf, logPathOf } from '../home.js'
import { plural } from '../terminal/format.js'

/** How long its programs and its store may take, in ms. */
const END_MS = LIMITS.stopGraceMs + 15_000
const POLL_MS = 50

export async function down(this: Cli, flags: CommonFlags): Promise<void> {
  const { pid, answer } = await withAgent(this, flags, async ask => {
    const { pid } = await ask({ method: 'status' })
    return { pid, answer: await ask({ method: 'down' }) }
  })
  await gone(this, pid, flags)
  present(this, flags, answer, ({ attempts }) =>
    attempts === 0 ? 'The agent stopped.' : `The agent stopped; ${plural(attempts, 'trial')} went back to the pool.`
  )
  if (!flags.json) this.next('hypersweep up', 'start it again')
}

/** Errors: `TIMED_OUT` when the process lives on. */
async function gone(cli: Cli, pid: number, flags: CommonFlags): Promise<void> {
  const deadline = Date.now() + END_MS
  while (isAlive(pid)) {
    if (Date.now() > deadline) {
      throw new PoolError('TIMED_OUT', `The agent (pid ${pid}) does not end.`, {
        hint: `Its log may tell why: ${logPathOf(homeOf(flags, cli.environment))}. As a last resort, kill the process.`
      })
    }
    await wait(POLL_MS, undefined, { signal: cli.signal })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
