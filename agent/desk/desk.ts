/**
 * The desk: what the owner of this computer does with it, beside its devices.
 *
 * Owns looking: at the clock on the wall, the battery, the programs that run, the last touch of a key. Decides nothing.
 * Invariant: what cannot be told is absent, and a look never fails.
 */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import type { DeskNews } from '../owner.js'
import { minuteOfWeek } from './schedule.js'

/** How often it is looked at, in ms: a game that starts has the card to itself soon after. */
const POLL_MS = 2000
/** Asking the system when a key was last touched starts a process: this often is enough, in ms. */
const TOUCH_POLL_MS = 30_000
const ANSWER_MS = 5000

export interface DeskOptions {
  /** Names of programs beside which nothing else runs, without case. */
  readonly exclusivePrograms: readonly string[]
  readonly needsTouch: boolean
  readonly onNews: (news: DeskNews) => void
  readonly date: () => Date
  /** Monotonic ms. */
  readonly now: () => number
  /** Where the system keeps what it tells of itself; `/` but in tests. */
  readonly root?: string
}

/** Looks now, and again every few seconds, until closed. */
export function watchDesk(options: DeskOptions): { close(): void } {
  const root = options.root ?? '/'
  let touch: { readonly atMs: number; readonly untouchedMs: number | undefined } | undefined
  let isAsking = false
  let isClosed = false

  function look(): void {
    if (options.needsTouch) askForTouch()
    const isOnBattery = batteryIn(root)
    const exclusiveProgram = runningAmong(options.exclusivePrograms, root)
    options.onNews({
      minuteOfWeek: minuteOfWeek(options.date()),
      ...(isOnBattery === undefined ? {} : { isOnBattery }),
      ...(exclusiveProgram === undefined ? {} : { exclusiveProgram }),
      ...(touch?.untouchedMs === undefined ? {} : { untouchedMs: touch.untouchedMs + options.now() - touch.atMs })
    })
  }

  function askForTouch(): void {
    if (isAsking || (touch && options.now() - touch.atMs < TOUCH_POLL_MS)) return
    isAsking = true
    void untouchedMs(options.date().getTime()).then(untouched => {
      isAsking = false
      touch = { atMs: options.now(), untouchedMs: untouched }
      if (!isClosed) look()
    })
  }

  look()
  const timer = setInterval(look, POLL_MS).unref()
  return {
    close() {
      isClosed = true
      clearInterval(timer)
    }
  }
}

/** True on its battery, false on the mains; absent for a computer without one. Source: Linux, power supplies. */
export function batteryIn(root: string): boolean | undefined {
  const folder = join(root, 'sys/class/power_supply')
  const supplies = listed(folder).map(name => {
    const of = (file: string) => textIn(join(folder, name, file))
    return { type: of('type'), isOnline: of('online') === '1', status: of('status'), scope: of('scope') }
  })
  // A mouse has a battery, too.
  const batteries = supplies.filter(({ type, scope }) => type === 'Battery' && scope !== 'Device')
  if (batteries.length === 0) return undefined
  const mains = supplies.filter(({ type }) => type === 'Mains' || type === 'USB')
  if (mains.length > 0) return !mains.some(({ isOnline }) => isOnline)
  return batteries.some(({ status }) => status === 'Discharging')
}

/** Returns the first of some programs that runs now, by the name of its file. Linux only. */
export function runningAmong(programs: readonly string[], root: string): string | undefined {
  if (programs.length === 0) return undefined
  const wanted = new Map(programs.map(name => [name.toLowerCase(), name]))
  for (const pid of listed(join(root, 'proc'))) {
    if (!/^\d+$/.test(pid)) continue
    const [command = ''] = (textIn(join(root, 'proc', pid, 'cmdline')) ?? '').split('\0')
    // Windows programs under Wine name themselves with a backslash.
    const names = [basename(command.replaceAll('\\', '/')), textIn(join(root, 'proc', pid, 'comm')) ?? '']
    const found = names.map(name => wanted.get(name.toLowerCase())).find(name => name !== undefined)
    if (found !== undefined) return found
  }
  return undefined
}

/** Returns for how long nobody touched the computer, as its session manager knows. `wallMs`: now, since 1970. */
async function untouchedMs(wallMs: number): Promise<number | undefined> {
  try {
    if (process.platform === 'darwin')
      return untouchedByIoreg(await answerOf('ioreg', ['-c', 'IOHIDSystem', '-d', '4']))
    const text = await answerOf('loginctl', ['show-seat', 'seat0', '-p', 'IdleHint', '-p', 'IdleSinceHint'])
    return untouchedByLogind(text, wallMs)
  } catch {
    return undefined
  }
}

/** Reads `IdleHint=yes` and `IdleSinceHint=<µs since 1970>`. Source: systemd, org.freedesktop.login1. */
export function untouchedByLogind(text: string, wallMs: number): number | undefined {
  const isIdle = /^IdleHint=(yes|no)$/m.exec(text)?.[1]
  const sinceUs = Number(/^IdleSinceHint=(\d+)$/m.exec(text)?.[1])
  if (isIdle === undefined) return undefined
  if (isIdle === 'no') return 0
  return sinceUs > 0 ? Math.max(0, wallMs - sinceUs / 1000) : undefined
}

/** Reads `"HIDIdleTime" = <ns>`. */
export function untouchedByIoreg(text: string): number | undefined {
  const ns = Number(/"HIDIdleTime"\s*=\s*(\d+)/.exec(text)?.[1])
  return Number.isFinite(ns) ? ns / 1e6 : undefined
}

async function answerOf(command: string, args: readonly string[]): Promise<string> {
  return (await promisify(execFile)(command, [...args], { timeout: ANSWER_MS, killSignal: 'SIGKILL' })).stdout
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function textIn(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}
