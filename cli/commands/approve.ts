/**
 * `approve`: let this machine run a friend's sweep, after its owner saw what it is.
 */
import { EXIT, type LocalSweepView, PoolError } from '#protocol'
import { type Cli, type CommonFlags, jsonLine } from '../cli.js'
import type { Ask } from '../client.js'
import { withAgent } from '../client.js'
import { type ConfirmFlags, isConfirmed } from '../confirm.js'
import { drawApproval, drawFiles } from '../screens/approval-screen.js'
import { afterSweep, isOver } from '../screens/sweep-advice.js'
import { plain, plainView } from '../terminal/plain.js'

export interface ApproveFlags extends CommonFlags, ConfirmFlags {}

export async function approve(this: Cli, flags: ApproveFlags, sweep: string): Promise<void> {
  await withAgent(this, flags, async ask => {
    const view = await ask({ method: 'sweep', sweep })
    this.say(drawApproval(plainView(view), this.messageSheet))
    // By its id: a name could mean another sweep by now.
    this.say(await filesText(ask, view.sweep))
    const isNew = view.approval === 'waiting'
    if (isNew && !(await isConfirmed(this, flags, 'Run this command with these files on this machine?'))) {
      this.say('Nothing was approved.')
      return this.exitWith(EXIT.refused)
    }
    const isAgain = !isNew && isStuck(view)
    const approved = isNew || isAgain ? await ask({ method: 'approve', sweep: view.sweep }) : view
    if (flags.json) return this.out(jsonLine(approved))
    this.out(
      isAgain ? 'It is approved already; what was missing is looked for again.' : outcome(isNew, isOver(approved))
    )
    this.next(...afterSweep(plainView(approved), 'approve'))
  })
}

/** Whoever holds the bundle may be away: that is no reason to refuse an approval, but one to know of. */
async function filesText(ask: Ask, sweep: string): Promise<string> {
  try {
    return drawFiles(plainView(await ask({ method: 'files', sweep })))
  } catch (error) {
    if (!(error instanceof PoolError)) throw error
    return `The files cannot be listed now: ${plain(error.message)}`
  }
}

/** True when the agent could not get something that may be there by now: another approval makes it look again. */
function isStuck({ unmet, bundleState }: LocalSweepView): boolean {
  return unmet !== undefined || (bundleState !== undefined && bundleState !== 'wanted' && bundleState !== 'ready')
}

function outcome(isNew: boolean, over: boolean): string {
  if (!isNew) return 'It is approved already.'
  return over ? 'Approved; the sweep is over already.' : 'Approved: this machine runs it now.'
}
