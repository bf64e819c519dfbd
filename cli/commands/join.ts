/**
 * `join`: come into a friend's pool with the text that the friend sent.
 */
import { text as readText } from 'node:stream/consumers'
import { formatDuration, LIMITS, PoolError } from '#protocol'
import { withAnyAgent } from '../agent-process.js'
import { type Cli, present } from '../cli.js'
import { drawEntered } from '../screens/status-screen.js'
import { type EnterFlags, settingsOf } from './init.js'

/** A wait that is shorter needs no word. */
const QUIET_MS = 1000

export type JoinFlags = EnterFlags

export async function join(this: Cli, flags: JoinFlags, argument: string): Promise<void> {
  const invite = (argument === '-' ? await read(this) : argument).trim()
  if (invite === '') {
    throw new PoolError('INVITE_INVALID', 'The invite is empty.', {
      hint: 'A member makes one with `hypersweep invite`.'
    })
  }
  const settings = { ...settingsOf(flags), serveOnly: 'joining a pool' }
  const view = await withAnyAgent(this, flags, settings, ask => patient(this, ask({ method: 'join', invite })))
  present(this, flags, view, drawEntered)
  if (!flags.json) this.next('hypersweep up', 'put this machine to work')
}

/** Says what is waited for, unless the answer is there at once: a bad invite is refused on this machine. */
async function patient<T>(cli: Cli, answer: Promise<T>): Promise<T> {
  const timer = setTimeout(() => {
    const most = formatDuration(LIMITS.joinMs)
    cli.say(`No answer yet from the machine that made the invite. It must be on; it is waited for up to ${most}.`)
  }, QUIET_MS)
  return await answer.finally(() => clearTimeout(timer))
}

async function read(cli: Cli): Promise<string> {
  if (cli.input.isTTY) cli.say('Paste the invite, then press Enter and Ctrl-D.')
  const stop = () => cli.input.destroy()
  cli.signal.addEventListener('abort', stop, { once: true })
  return await readText(cli.input).finally(() => cli.signal.removeEventListener('abort', stop))
}
