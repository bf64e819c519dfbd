/**
 * `simulate`: what a sweep would take of this pool, before it is submitted.
 */
import { type Cli, type CommonFlags, present } from '../cli.js'
import { withAgent } from '../client.js'
import { drawForecast, runsSomewhere } from '../screens/forecast-screen.js'
import { openSweepFile } from '../sweep-opening.js'

export interface SimulateFlags extends CommonFlags {
  /** In ms. */
  readonly trialTime?: number
  readonly watts?: number
}

export async function simulate(this: Cli, flags: SimulateFlags, file: string): Promise<void> {
  const { spec, folder, sweepFiles } = await openSweepFile(this, file)
  const { trialTime, watts } = flags
  const told = {
    ...(trialTime === undefined ? {} : { trialSeconds: trialTime / 1000 }),
    ...(watts === undefined ? {} : { watts })
  }
  const view = await withAgent(this, flags, ask => ask({ method: 'simulate', spec, folder, sweepFiles, ...told }))
  present(this, flags, view, drawForecast)
  if (flags.json) return
  if (!runsSomewhere(view)) return this.next(`hypersweep check ${file}`, 'see what it asks for')
  if (!view.need)
    return this.next(`hypersweep simulate ${file} --trial-time 20m`, 'if one training takes 20 minutes here')
  this.next(`hypersweep submit ${file}`, 'start it')
}
