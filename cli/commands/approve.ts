/**
 * `approve`: let this machine run a friend's sweep, after its owner saw what it is.
 */
import { createInterface } from 'node:readline/promises'
import { EXIT } from '#protocol'
import { type Cli, type CommonFlags, jsonLine } from '../cli.js'
import { withAgent } from '../client.js'
import { drawApproval } from '../screens/sweep-screen.js'
import { plainView } from '../terminal/plain.js'

export interface ApproveFlags extends CommonFlags {
  readonly yes?: boolean
}

export async function approve(this: Cli, flags: ApproveFlags, sweep: string): Promise<void> {
  await withAgent(this, flags, async ask => {
    const view = await ask({ method: 'sweep', sweep })
    this.say(drawApproval(plainView(view), this.sheet))
    if (view.approval === 'waiting' && !(await isWanted(this, flags))) {
      this.say('Nothing was approved.')
      return this.exitWith(EXIT.refused)
    }
    // By its id: a name could mean another sweep by now.
    const approved = view.approval === 'waiting' ? await ask({ method: 'approve', sweep: view.sweep }) : view
    if (flags.json) return this.out(jsonLine(approved))
    this.out(view.approval === 'waiting' ? 'Approved: this machine runs it now.' : 'It is approved already.')
    this.next('hypersweep watch', 'see it run')
  })
}

async function isWanted(cli: Cli, flags: ApproveFlags): Promise<boolean> {
  if (flags.yes || !cli.isInteractive) return true
  const lines = createInterface({ input: cli.input, output: cli.messages })
  try {
    const answer = await lines.question('Run this program on this machine? [y/N] ', { signal: cli.signal })
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    lines.close()
  }
}
