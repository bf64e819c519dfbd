/**
 * `sweep list`, `sweep view`, `sweep stop`.
 */
import { type Cli, type CommonFlags, present } from '../cli.js'
import { withAgent } from '../client.js'
import { drawSweep, drawSweeps, progressText } from '../screens/sweep-screen.js'
import { shortId } from '../terminal/format.js'

export async function sweepList(this: Cli, flags: CommonFlags): Promise<void> {
  const sweeps = await withAgent(this, flags, ask => ask({ method: 'sweeps' }))
  present(this, flags, sweeps, drawSweeps)
  if (flags.json) return
  const waiting = sweeps.find(sweep => sweep.state === 'running' && sweep.approval === 'waiting')
  if (waiting) this.next(`hypersweep approve ${shortId(waiting.sweep)}`, 'see what it would run here')
  else if (sweeps[0]) this.next(`hypersweep best ${shortId(sweeps[0].sweep)}`, 'see what it found')
  else this.next('hypersweep submit sweep.yaml', 'start one')
}

export async function sweepView(this: Cli, flags: CommonFlags, sweep: string): Promise<void> {
  const view = await withAgent(this, flags, ask => ask({ method: 'sweep', sweep }))
  present(this, flags, view, drawSweep)
  if (!flags.json) this.next(`hypersweep trial list ${shortId(view.sweep)}`, 'see its trials')
}

export async function sweepStop(this: Cli, flags: CommonFlags, sweep: string): Promise<void> {
  const view = await withAgent(this, flags, ask => ask({ method: 'stop', sweep }))
  present(
    this,
    flags,
    view,
    stopped => `Stopped ${stopped.name} (${shortId(stopped.sweep)}): ${progressText(stopped)}.`
  )
  if (!flags.json) this.next(`hypersweep best ${shortId(view.sweep)}`, 'see what it found')
}
