/**
 * Sleep: a machine stops for a while and goes on as if nothing had been.
 *
 * SIGSTOP for the agent, and in half of the rounds for its programs as well, as when a laptop is closed; meanwhile the
 * others wait for its leases and take its trials over.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { heal } from '../checks.js'
import { programsBelow, signalAll } from '../programs.js'
import type { Fault } from './fault.js'

const SLEEP_MS = 60_000

export const sleep: Fault = {
  name: 'sleep',
  says: 'SIGSTOP for a minute',
  rounds: 10,
  roundsPerCheck: 5,
  roundsPerPool: 10,
  mayLoseSweeps: false,
  async strike({ pool, stream, chance }) {
    const victim = chance.pick(pool.names)
    await pool.noteLog(victim, stream.recent())
    const programs = chance.happens(0.5) ? programsBelow(pool.lab.home(victim)) : []
    const asleep = [pool.pid(victim), ...programs]
    pool.expectNothing(victim)
    signalAll(asleep, 'SIGSTOP')
    pool.noteSpool(victim)
    await pause(SLEEP_MS)
    // What the others did meanwhile is what it has to catch up with.
    for (const name of pool.up()) await pool.noteLog(name, stream.recent())
    signalAll(asleep, 'SIGCONT')
    pool.expectAgain(victim)
    const healedMs = await heal(pool, stream, pool.names)
    return { healedMs, story: `${victim}${programs.length > 0 ? ' with its programs' : ''}` }
  }
}
