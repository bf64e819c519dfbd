/**
 * `invite`: a text for one friend. Without a running agent this command serves it until the friend has come.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { EXIT, formatDuration, type InviteView, type MachineView, PoolError } from '#protocol'
import { withAnyAgent } from '../agent-process.js'
import { type Cli, type CommonFlags, jsonLine } from '../cli.js'
import type { Ask } from '../client.js'
import { plain } from '../terminal/plain.js'

/** How often it is looked whether the friend came, in ms. */
const POLL_MS = 500
const MINUTE_MS = 60_000
/** A little longer than a joiner waits for the log. */
const HAND_OVER_MS = 35_000
/** From a newcomer's first record to the end of what it has to fetch, in a pool of ordinary size. */
const SETTLED_MS = 5000

export interface InviteFlags extends CommonFlags {
  readonly wait?: boolean
}

export async function invite(this: Cli, flags: InviteFlags): Promise<void> {
  await withAnyAgent(this, flags, { serveOnly: 'serving an invite' }, async (ask, isTemporary) => {
    const before = await ask({ method: 'machines' })
    const view = await ask({ method: 'invite' })
    show(this, flags, view)
    if (!isTemporary && !flags.wait) return
    const must = isTemporary ? ' This machine must be on. Ctrl-C ends the wait.' : ''
    this.say(`Waiting for your friend.${must}`)
    try {
      const used = await comes(this, view, ask)
      if (flags.json) this.out(jsonLine(used))
      else this.say(`${plain(used.usedByName ?? '')} came in.`)
      if (isTemporary) await handOver(this, ask, before)
    } catch (error) {
      if (!this.signal.aborted) throw error
      this.say('The invite stays good. `hypersweep up` serves it too.')
      this.exitWith(EXIT.interrupted)
      return
    }
    if (isTemporary && !flags.json) this.next('hypersweep up', 'put this machine to work')
  })
}

function show(cli: Cli, flags: InviteFlags, view: InviteView): void {
  if (flags.json) {
    cli.out(jsonLine(view))
    return
  }
  const life = formatDuration(Math.round((view.expiresAt - Date.now()) / MINUTE_MS) * MINUTE_MS)
  cli.say(`Send this text to one friend, by a way that you trust. It lets one machine in, and is good for ${life}.`)
  cli.out(plain(view.text ?? ''))
  cli.say(`Your friend types:\n  hypersweep join ${plain(view.text ?? '')}`)
}

/** Errors: `TIMED_OUT` when the invite's day is over. */
async function comes(cli: Cli, view: InviteView, ask: Ask): Promise<InviteView> {
  for (;;) {
    const now = (await ask({ method: 'invites' })).find(each => each.id === view.id)
    if (now?.usedByName !== undefined) return now
    if (Date.now() > view.expiresAt) {
      throw new PoolError('TIMED_OUT', 'Nobody came while the invite was good.', {
        hint: 'Make another with `hypersweep invite`.'
      })
    }
    await wait(POLL_MS, undefined, { signal: cli.signal })
  }
}

/**
 * Stays until the friend's machine has the pool's log: it may know no other machine to get it from.
 *
 * That is so when a machine that was not there before has written to the log and left again, as `join` does when it is
 * done; or has been here a while.
 */
async function handOver(cli: Cli, ask: Ask, before: readonly MachineView[]): Promise<void> {
  const known = new Set(before.map(each => each.machine))
  const deadline = Date.now() + HAND_OVER_MS
  let writtenAt = Number.POSITIVE_INFINITY
  while (Date.now() < deadline) {
    const machines = await ask({ method: 'machines' })
    const newcomer = machines.find(each => !known.has(each.machine) && each.version !== '')
    if (newcomer) writtenAt = Math.min(writtenAt, Date.now())
    if (newcomer && (!newcomer.isHere || Date.now() - writtenAt > SETTLED_MS)) return
    await wait(POLL_MS, undefined, { signal: cli.signal })
  }
}
