/**
 * `trial list`, `trial view`, `trial explain`, `trial logs`.
 */
import { type Cli, type CommonFlags, jsonLine, present } from '../cli.js'
import { withAgent } from '../client.js'
import { drawExplain } from '../screens/explain-screen.js'
import { drawTrial, drawTrials } from '../screens/trial-screen.js'
import { shortId } from '../terminal/format.js'
import { plainView } from '../terminal/plain.js'

/** Longer than an agent needs that has it all. */
const AT_ONCE_MS = 400

export async function trialList(
  this: Cli,
  flags: CommonFlags & { readonly limit: number },
  sweep: string
): Promise<void> {
  const { trials, of } = await withAgent(this, flags, async ask => {
    const of = await ask({ method: 'sweep', sweep })
    return { of, trials: await ask({ method: 'trials', sweep: of.sweep, limit: flags.limit }) }
  })
  present(this, flags, trials, (views, sheet) => drawTrials(views, plainView(of).metric.name, sheet))
  if (flags.json) return
  if (of.trials.total > trials.length) this.say(`${trials.length} of ${of.trials.total} trials; --limit shows more.`)
  this.next(`hypersweep trial view ${shortId(of.sweep)} ${trials[0]?.trial ?? 0}`, 'see one with its curve')
}

export async function trialView(this: Cli, flags: CommonFlags, sweep: string, trial: number): Promise<void> {
  const { view, of } = await withAgent(this, flags, async ask => {
    const of = await ask({ method: 'sweep', sweep })
    const full = ask({ method: 'trial', sweep: of.sweep, trial, isFull: true })
    return { of, view: await patiently(this, full, 'Fetching the full curve from the machine that ran it …') }
  })
  present(this, flags, view, (shown, sheet) => drawTrial(shown, plainView(of), sheet))
  if (flags.json) return
  const { missing } = plainView(view)
  if (missing !== undefined) this.say(missing)
  this.next(`hypersweep trial explain ${shortId(of.sweep)} ${trial}`, 'see why')
  this.next(`hypersweep trial logs ${shortId(of.sweep)} ${trial}`, 'read what it printed')
}

export async function trialExplain(this: Cli, flags: CommonFlags, sweep: string, trial: number): Promise<void> {
  const { view, of } = await withAgent(this, flags, async ask => {
    const of = await ask({ method: 'sweep', sweep })
    return { of, view: await ask({ method: 'explain', sweep: of.sweep, trial }) }
  })
  present(this, flags, view, (shown, sheet) => drawExplain(shown, plainView(of), sheet))
  if (!flags.json) this.next(`hypersweep trial view ${shortId(of.sweep)} ${trial}`, 'see its curve and its attempts')
}

export async function trialLogs(this: Cli, flags: CommonFlags, sweep: string, trial: number): Promise<void> {
  const logs = await withAgent(this, flags, ask =>
    patiently(this, ask({ method: 'logs', sweep, trial }), 'Fetching the output from the machine that ran it …')
  )
  if (flags.json) return this.out(jsonLine(logs))
  const { machineName, isWhole, text, missing } = plainView(logs)
  if (!isWhole) this.say(missing ?? `Only the end of it is here; the rest is on ${machineName}.`)
  this.out(text.trimEnd())
}

/** Waits for an answer, and says what for when it is not there at once. */
async function patiently<T>(cli: Cli, answer: Promise<T>, what: string): Promise<T> {
  const timer = setTimeout(() => cli.say(what), AT_ONCE_MS)
  try {
    return await answer
  } finally {
    clearTimeout(timer)
  }
}
