/**
 * `init`: found a pool. A temporary agent does it, so that the store has one keeper.
 */
import { userInfo } from 'node:os'
import { LIMITS } from '#protocol'
import { withAnyAgent } from '../agent-process.js'
import { type Cli, type CommonFlags, present } from '../cli.js'
import { drawEntered } from '../screens/status-screen.js'

/** What the commands that come into a pool share. */
export interface EnterFlags extends CommonFlags {
  readonly as?: string
  readonly machine?: string
  readonly bootstrap?: readonly string[]
  readonly port?: number
}

export interface InitFlags extends EnterFlags {
  readonly name?: string
}

export async function init(this: Cli, flags: InitFlags): Promise<void> {
  const pool = flags.name ?? `${flags.as ?? userName()}'s pool`.slice(0, LIMITS.nameChars)
  const settings = { ...settingsOf(flags), serveOnly: 'founding a pool' }
  const view = await withAnyAgent(this, flags, settings, ask => ask({ method: 'found', pool }))
  present(this, flags, view, drawEntered)
  if (flags.json) return
  this.next('hypersweep invite', 'let a friend in')
  this.next('hypersweep up', 'put this machine to work')
}

/** Returns what the flags tell an agent. */
export function settingsOf({ as, machine, bootstrap, port }: EnterFlags) {
  return {
    ...(as === undefined ? {} : { member: as }),
    ...(machine === undefined ? {} : { machine }),
    ...(bootstrap === undefined ? {} : { bootstrap }),
    ...(port === undefined ? {} : { port })
  }
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    return 'my' // A container may have a user without a name.
  }
}
