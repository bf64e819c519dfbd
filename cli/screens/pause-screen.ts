/**
 * Pauses: what the owner of this machine took, until when, and what becomes of what ran.
 */
import { formatDuration, type PauseHow, type PausesView } from '#protocol'
import { plural } from '../terminal/format.js'
import type { Sheet } from '../terminal/sheet.js'

type Pause = PausesView['pauses'][number]

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

/** Returns what is paused now, one line each, and what happens to attempts that run. */
export function drawPaused(view: PausesView, how: PauseHow, { now, style }: Sheet): string {
  const lines = view.pauses.map(pause => style.warn(`${subject(view, pause)} takes no work ${untilText(pause, now)}.`))
  const fate = fateText(view.ending, how)
  return [...lines, ...(fate === undefined ? [] : [fate])].join('\n')
}

/** Returns what works again, and what is still paused. */
export function drawResumed(view: PausesView, { now, style }: Sheet): string {
  if (view.pauses.length === 0) return style.good(`${view.machineName} takes work again.`)
  return view.pauses
    .map(pause => style.warn(`${subject(view, pause)} is still paused, ${untilText(pause, now)}.`))
    .join('\n')
}

/** Returns the command that ends the pause. */
export function afterPause({ pauses }: PausesView): readonly [command: string, why: string] {
  const [only] = pauses
  if (pauses.length === 1 && only?.device !== undefined) return [resumeCommand(only), 'let it work again']
  return ['hypersweep resume', 'let it work again']
}

/** Returns the command that ends what is still paused; else the one that shows the work. */
export function afterResume({ pauses }: PausesView): readonly [command: string, why: string] {
  const [first] = pauses
  return first === undefined ? ['hypersweep watch', 'see it work'] : [resumeCommand(first), 'end this pause, too']
}

/** Returns `until 16:22, for 2h`, on the clock of whoever looks; with its day where that is not today. */
export function untilText({ untilMs }: { readonly untilMs?: number }, now: number): string {
  if (untilMs === undefined) return 'until it is resumed'
  const left = Math.max(MINUTE_MS, Math.round((untilMs - now) / MINUTE_MS) * MINUTE_MS)
  return `until ${clockText(untilMs, now)}, for ${formatDuration(left)}`
}

function clockText(at: number, now: number): string {
  const [then, today] = [new Date(at), new Date(now)]
  const two = (value: number) => `${value}`.padStart(2, '0')
  const clock = `${two(then.getHours())}:${two(then.getMinutes())}`
  if (then.toDateString() === today.toDateString() && at - now < DAY_MS) return clock
  return `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())} ${clock}`
}

function subject({ machineName }: PausesView, { device }: Pause): string {
  return device === undefined ? machineName : `${device} of ${machineName}`
}

function fateText(ending: number, how: PauseHow): string | undefined {
  if (how === 'finish') return 'What runs there ends by itself; nothing new begins.'
  if (ending === 0) return 'Nothing was running there.'
  const [attempts, trials] = [plural(ending, 'attempt'), ending === 1 ? 'its trial goes' : 'their trials go']
  const ends = ending === 1 ? 'ends' : 'end'
  if (how === 'now') return `${attempts} ${ends} at once; ${trials} back to the pool.`
  return `${attempts} ${ends} after ${ending === 1 ? 'its' : 'their'} time for a checkpoint; ${trials} back to the pool.`
}

function resumeCommand({ device }: Pause): string {
  return device === undefined ? 'hypersweep resume' : `hypersweep resume --device ${quoted(device)}`
}

/** An id comes from a driver: most are plain words. */
function quoted(device: string): string {
  return /^[A-Za-z0-9_.:-]+$/.test(device) ? device : `'${device.replaceAll("'", `'\\''`)}'`
}
