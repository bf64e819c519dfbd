/**
 * `simulate`: what a sweep would take of this pool, before it is submitted.
 */
import { dirname, resolve } from 'node:path'
import { type Cli, type CommonFlags, present } from '../cli.js'
import { withAgent } from '../client.js'
import { drawForecast, runsSomewhere } from '../screens/forecast-screen.js'
import { readSweepText } from '../sweep-file.js'
import { findProgram, readSweepFile } from '../sweep-folder.js'
import { describeIssue } from '../sweep-issues.js'

export interface SimulateFlags extends CommonFlags {
  /** In ms. */
  readonly trialTime?: number
  readonly watts?: number
}

export async function simulate(this: Cli, flags: SimulateFlags, file: string): Promise<void> {
  const path = resolve(file)
  const folder = dirname(path)
  // The whole path, since a file called sweep.yaml is named after its folder.
  const { spec, warnings, source } = readSweepText(await readSweepFile(file), path)
  for (const warning of warnings) this.say(`warning: ${describeIssue(warning, file, source)}`)
  await findProgram(spec, folder)
  const { trialTime, watts } = flags
  const told = {
    ...(trialTime === undefined ? {} : { trialSeconds: trialTime / 1000 }),
    ...(watts === undefined ? {} : { watts })
  }
  const view = await withAgent(this, flags, ask => ask({ method: 'simulate', spec, folder, ...told }))
  present(this, flags, view, drawForecast)
  if (flags.json) return
  if (!runsSomewhere(view)) return this.next(`hypersweep check ${file}`, 'see what it asks for')
  if (!view.need)
    return this.next(`hypersweep simulate ${file} --trial-time 20m`, 'if one training takes 20 minutes here')
  this.next(`hypersweep submit ${file}`, 'start it')
}
