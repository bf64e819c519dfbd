/**
 * `doctor`: what is wrong with this machine, its home and its agent.
 */
import { type DoctorCheck, EXIT, PoolError } from '#protocol'
import { type Cli, type CommonFlags, present } from '../cli.js'
import { withAgent } from '../client.js'
import { localChecks } from '../doctor-checks.js'
import { homeOf } from '../home.js'
import { drawDoctor } from '../screens/doctor-screen.js'

export async function doctor(this: Cli, flags: CommonFlags): Promise<void> {
  const own = await localChecks(homeOf(flags, this.environment))
  const theirs = await agentChecks(this, flags)
  // The agent knows its own better: what both check is told once, by it.
  const told = new Set(theirs.map(check => check.name))
  const checks = [...own.filter(check => !told.has(check.name)), ...theirs]
  present(this, flags, checks, drawDoctor)
  if (checks.some(check => check.verdict === 'problem')) this.exitWith(EXIT.failed)
}

/** What the agent finds; a machine without one is no broken machine. */
async function agentChecks(cli: Cli, flags: CommonFlags): Promise<readonly DoctorCheck[]> {
  try {
    return await withAgent(cli, flags, ask => ask({ method: 'doctor' }))
  } catch (error) {
    if (!(error instanceof PoolError)) throw error
    const verdict = error.code === 'AGENT_NOT_RUNNING' ? 'warning' : 'problem'
    return [
      { name: 'agent', verdict, detail: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) }
    ]
  }
}
