/**
 * `watch`: the pool and a sweep, live.
 *
 * A screen for a terminal; for a pipe a line each time that something changed; with `--json` an object a line.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { EXIT, type LocalSweepView, type OverviewView } from '#protocol'
import { type Cli, type CommonFlags, jsonLine } from '../cli.js'
import { type Ask, withAgent } from '../client.js'
import { createCurveMemory } from '../screens/curve-memory.js'
import { afterSweep } from '../screens/sweep-advice.js'
import { drawWatch, summaryLine } from '../screens/watch-screen.js'
import { plainView } from '../terminal/plain.js'
import { openScreen } from '../terminal/screen.js'

/** Twice a second is live to the eye, and costs the agent next to nothing. */
const POLL_MS = 500

export interface WatchFlags extends CommonFlags {
  readonly untilDone?: boolean
}

/** Something that shows overviews as they come. */
interface Show {
  readonly show: (view: OverviewView) => void
  readonly close: () => void
}

export async function watch(this: Cli, flags: WatchFlags, sweep?: string): Promise<void> {
  await withAgent(this, flags, ask => watchSweep(this, flags, ask, sweep))
}

/** Shows a sweep until the person quits or, if wanted, it has ended. `sweep`: absent for the newest that runs. */
export async function watchSweep(cli: Cli, flags: WatchFlags, ask: Ask, sweep?: string): Promise<void> {
  const quit = new AbortController()
  const show = flags.json ? showJson(cli) : cli.isInteractive ? showScreen(cli, quit) : showLines(cli)
  const signal = AbortSignal.any([quit.signal, cli.signal])
  let watched = sweep
  let seen: LocalSweepView | undefined
  try {
    while (!signal.aborted) {
      const view = await ask({ method: 'overview', ...(watched === undefined ? {} : { sweep: watched }) })
      // It stays with the sweep that it began with, so that the end of that one is seen.
      if (flags.untilDone) watched ??= view.focus?.sweep.sweep
      seen = view.focus?.sweep ?? seen
      show.show(view)
      if (flags.untilDone && hasEnded(view)) break
      await wait(POLL_MS, undefined, { signal }).catch(() => undefined)
    }
  } finally {
    show.close()
  }
  if (cli.signal.aborted) return cli.exitWith(EXIT.interrupted)
  if (flags.json) return
  if (seen) cli.next(...afterSweep(plainView(seen), 'watch'))
  else cli.next('hypersweep sweep list', 'see all sweeps')
}

function hasEnded({ focus }: OverviewView): boolean {
  switch (focus?.sweep.state) {
    case undefined:
    case 'arriving':
    case 'running':
      return false
    case 'done':
    case 'stopped':
    case 'failed':
      return true
  }
}

function showScreen(cli: Cli, quit: AbortController): Show {
  const remember = createCurveMemory()
  let last: OverviewView | undefined
  const draw = () => {
    if (last !== undefined) screen.show(drawWatch(last, cli.sheet, screen.rows))
  }
  const screen = openScreen({
    output: cli.output,
    input: cli.input,
    onResize: draw,
    onKey: name => {
      // The keyboard is in raw mode, so Ctrl-C is a key like others; a watch that is left has done its work.
      if (name === 'q' || name === 'escape' || name === 'ctrl+c') quit.abort()
    }
  })
  return {
    show: view => {
      last = remember(plainView(view))
      draw()
    },
    close() {
      // What stays on the terminal is read when no key is listened to any more.
      if (last !== undefined) screen.show(drawWatch(last, cli.sheet, screen.rows, ''))
      screen.close()
    }
  }
}

function showLines(cli: Cli): Show {
  return onChange(cli, view => summaryLine(plainView(view)))
}

function showJson(cli: Cli): Show {
  return onChange(cli, jsonLine)
}

function onChange(cli: Cli, textOf: (view: OverviewView) => string): Show {
  let last = ''
  return {
    show: view => {
      const text = textOf(view)
      if (text !== last) cli.out(text)
      last = text
    },
    close: () => undefined
  }
}
