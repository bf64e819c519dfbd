/**
 * `pause`, `resume`: the owner takes this machine, or one of its devices, back for a while.
 */
import { formatDuration, LIMITS, type PauseHow, PoolError, parseDuration } from '#protocol'
import { type Cli, type CommonFlags, present } from '../cli.js'
import { withAgent } from '../client.js'
import { afterPause, afterResume, drawPaused, drawResumed } from '../screens/pause-screen.js'
import { plainView } from '../terminal/plain.js'

/** A shorter pause is over before anybody has read of it. */
const PAUSE_MIN_MS = 1000

export interface ResumeFlags extends CommonFlags {
  readonly device?: string
}

export interface PauseFlags extends ResumeFlags {
  readonly now?: boolean
  readonly finish?: boolean
}

export async function pause(this: Cli, flags: PauseFlags, duration?: string): Promise<void> {
  const how = howOf(flags)
  const { device } = flags
  const what = {
    ...(device === undefined ? {} : { device }),
    ...(duration === undefined ? {} : { forMs: pauseMs(duration) })
  }
  const view = await withAgent(this, flags, ask => ask({ method: 'pause', how, ...what }))
  present(this, flags, view, (shown, sheet) => drawPaused(shown, how, sheet))
  if (!flags.json) this.next(...afterPause(plainView(view)))
}

export async function resume(this: Cli, flags: ResumeFlags): Promise<void> {
  const { device } = flags
  const what = device === undefined ? {} : { device }
  const view = await withAgent(this, flags, ask => ask({ method: 'resume', ...what }))
  present(this, flags, view, drawResumed)
  if (!flags.json) this.next(...afterResume(plainView(view)))
}

/** Returns a pause's length in ms. Errors: `REQUEST_INVALID` when it is no duration, or one that nobody means. */
function pauseMs(input: string): number {
  const ms = parseDuration(input)
  if (ms !== undefined && ms >= PAUSE_MIN_MS && ms <= LIMITS.pauseMaxMs) return ms
  const bounds = `from ${formatDuration(PAUSE_MIN_MS)} to ${formatDuration(LIMITS.pauseMaxMs)}`
  throw new PoolError('REQUEST_INVALID', `"${input}" is no duration ${bounds}.`, {
    hint: 'Write 90m or 2h; without a duration the pause lasts until `hypersweep resume`.'
  })
}

/** Errors: `REQUEST_INVALID` when both ways are asked for. */
function howOf({ now, finish }: PauseFlags): PauseHow {
  if (now && finish) {
    throw new PoolError('REQUEST_INVALID', 'What runs is killed --now, or left to --finish; not both.', {
      hint: 'Without either it gets time for a checkpoint.'
    })
  }
  if (now) return 'now'
  return finish ? 'finish' : 'stop'
}
