/**
 * `submit`: a sweep file becomes a sweep of the pool.
 *
 * What can be seen wrong from here is told before the agent is asked: every problem of the file, and a missing program.
 */
import type { LocalSweepView } from '#protocol'
import { type Cli, type CommonFlags, present } from '../cli.js'
import { withAgent } from '../client.js'
import { drawDryRun, sweepCheckOf } from '../screens/check-screen.js'
import { searchText } from '../screens/sweep-screen.js'
import { openSweepFile } from '../sweep-opening.js'
import { plural, shortId } from '../terminal/format.js'
import { watchSweep } from './watch.js'

export interface SubmitFlags extends CommonFlags {
  readonly watch?: boolean
  readonly dryRun?: boolean
}

export async function submit(this: Cli, flags: SubmitFlags, file: string): Promise<void> {
  const { spec, warnings, folder, sweepFiles } = await openSweepFile(this, file)
  if (flags.dryRun) {
    present(this, flags, { ...sweepCheckOf(spec, warnings), folder, spec }, drawDryRun)
    if (!flags.json) this.next(`hypersweep submit ${file}`, 'start it')
    return
  }
  await withAgent(this, flags, async ask => {
    const view = await ask({ method: 'submit', spec, folder, sweepFiles })
    present(this, flags, view, drawSubmitted)
    if (flags.watch) return await watchSweep(this, { ...flags, untilDone: true }, ask, view.sweep)
    if (!flags.json) this.next(`hypersweep watch ${shortId(view.sweep)}`, 'see it run')
  })
}

function drawSubmitted(view: LocalSweepView): string {
  const { bundle } = view
  return (
    `Submitted ${view.name} (${shortId(view.sweep)}): ${plural(view.trials.total, 'trial')}, ${searchText(view)}; ` +
    `${plural(bundle.files, 'file')}, digest ${shortId(bundle.digest)}.`
  )
}
