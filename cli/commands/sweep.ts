/**
 * `sweep list`, `sweep view`, `sweep stop`.
 */
import { EXIT, type LocalSweepView } from '#protocol'
import { type Cli, type CommonFlags, present } from '../cli.js'
import { type Ask, withAgent } from '../client.js'
import { type ConfirmFlags, isAsked, isConfirmed } from '../confirm.js'
import { afterSweep } from '../screens/sweep-advice.js'
import { drawSweep, drawSweeps } from '../screens/sweep-screen.js'
import { plural, shortId } from '../terminal/format.js'
import { plainView } from '../terminal/plain.js'

export interface StopFlags extends CommonFlags, ConfirmFlags {}

export async function sweepList(this: Cli, flags: CommonFlags): Promise<void> {
  const sweeps = await withAgent(this, flags, ask => ask({ method: 'sweeps' }))
  present(this, flags, sweeps, drawSweeps)
  if (flags.json) return
  const waiting = sweeps.find(sweep => sweep.state === 'running' && sweep.approval === 'waiting')
  const first = waiting ?? sweeps[0]
  if (first) this.next(...afterSweep(plainView(first), 'list'))
  else this.next('hypersweep submit sweep.yaml', 'start one')
}

export async function sweepView(this: Cli, flags: CommonFlags, sweep: string): Promise<void> {
  const view = await withAgent(this, flags, ask => ask({ method: 'sweep', sweep }))
  present(this, flags, view, drawSweep)
  if (!flags.json) this.next(...afterSweep(plainView(view), 'view'))
}

export async function sweepStop(this: Cli, flags: StopFlags, sweep: string): Promise<void> {
  const view = await withAgent(this, flags, async ask => {
    const id = isAsked(this, flags) ? await confirmedId(this, flags, ask, sweep) : sweep
    return id === undefined ? undefined : await ask({ method: 'stop', sweep: id })
  })
  if (!view) {
    this.say('Nothing was stopped.')
    return this.exitWith(EXIT.refused)
  }
  present(this, flags, view, drawStopped)
  if (!flags.json) this.next(...afterSweep(plainView(view), 'list'))
}

/** Returns the id of the sweep that was shown, since its name could mean another by the time of the answer. */
async function confirmedId(cli: Cli, flags: StopFlags, ask: Ask, sweep: string): Promise<string | undefined> {
  const view = await ask({ method: 'sweep', sweep })
  const { name, submittedBy, trials } = plainView(view)
  const ends = trials.running > 0 ? ` ${plural(trials.running, 'trial')} that run now would end without a result.` : ''
  cli.say(
    `${name} (${shortId(view.sweep)}), submitted by ${submittedBy}: ${trials.done} of ${trials.total} done.${ends}`
  )
  return (await isConfirmed(cli, flags, 'Stop it on every machine, for good?')) ? view.sweep : undefined
}

function drawStopped({ name, sweep, state, trials }: LocalSweepView): string {
  const what = state === 'stopped' ? 'stopped' : `was over before, and is ${state}`
  return `${name} (${shortId(sweep)}) ${what}: ${trials.done} of ${trials.total} had a result.`
}
