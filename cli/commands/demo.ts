/**
 * `demo`: the whole of it at work on this machine, without friends and without internet.
 */
import { EXIT, type OverviewView } from '#protocol'
import { type Cli, jsonLine } from '../cli.js'
import { type DemoFacts, play } from '../demo/play.js'
import { openStage } from '../demo/stage.js'
import { createCurveMemory } from '../screens/curve-memory.js'
import { drawDemo, promisesOf } from '../screens/demo-screen.js'
import { drawWatch, summaryLine } from '../screens/watch-screen.js'
import { plainView } from '../terminal/plain.js'
import { openScreen, type Screen } from '../terminal/screen.js'

/** Ends with 0 only if everything that the demo promises held. */
export async function demo(this: Cli, flags: { readonly json?: boolean; readonly keep?: boolean }): Promise<void> {
  const startedMs = Date.now()
  const progress = createProgress(this, flags.json ?? false)
  const stage = await openStage(this, (name, words) =>
    progress.say(`  ${name}$ hypersweep ${words.map(shortened).join(' ')}`)
  )
  let facts: DemoFacts
  try {
    facts = await play({ stage, signal: this.signal, onAct: progress.act, onOverview: progress.overview })
  } finally {
    progress.close()
    await stage.close(flags.keep ?? false)
  }
  const isKept = promisesOf(facts).every(promise => promise.isKept)
  const seconds = (Date.now() - startedMs) / 1000
  if (flags.json) this.out(jsonLine(summary(facts, isKept, seconds)))
  else this.out(`\n${drawDemo(plainView(facts), this.sheet)}\n`)
  if (flags.keep) this.say(`Everything is kept in ${stage.folder}.`)
  if (!flags.json) this.say(`The demo took ${seconds.toFixed(0)} s.`)
  if (!isKept) return this.exitWith(EXIT.failed)
  if (!flags.json) this.next('hypersweep init', 'make a pool of your own')
}

/** One object with all facts: what `--json` prints. */
function summary(facts: DemoFacts, isKept: boolean, seconds: number) {
  const { sweep, trials, best, machines, killed, finishedBy, poolHash } = facts
  return {
    ok: isKept,
    seconds,
    sweep: { sweep: sweep.sweep, name: sweep.name, state: sweep.state, metric: sweep.metric },
    trials: trials.map(({ trial, state, parameters, attempts }) => ({
      trial,
      state,
      parameters,
      attempts: attempts.length
    })),
    results: trials.flatMap(({ trial, state, value, metrics, machineName, seconds: trained }) =>
      state === 'waiting' || state === 'running'
        ? []
        : [{ trial, state, value, metrics, machine: machineName, seconds: trained }]
    ),
    best: best.trials[0],
    machines: machines.map(({ machine, name, isHere, trialsFinished, secondsTrained }) => ({
      machine,
      name,
      isHere,
      trialsFinished,
      secondsTrained
    })),
    poolHash,
    killed,
    killedTrialRecovered: promisesOf(facts)[1]?.isKept ?? false,
    finishedBy
  }
}

/** Shows the play as it goes: a live screen on a terminal, else a line for each change; with `--json` on stderr. */
function createProgress(cli: Cli, isJson: boolean) {
  const remember = createCurveMemory()
  let screen: Screen | undefined
  let onScreen: OverviewView | undefined
  let last = ''
  const close = () => {
    // No key is listened to below the frame that stays.
    if (screen && onScreen) screen.show(drawWatch(onScreen, cli.sheet, screen.rows, ''))
    screen?.close()
    screen = undefined
  }
  return {
    say: (text: string) => cli.say(text),
    act(text: string): void {
      close()
      cli.say(`${isJson ? '' : '\n'}${text}`)
    },
    overview(view: OverviewView): void {
      const shown = remember(plainView(view))
      if (cli.isInteractive && !isJson) {
        screen ??= openScreen({
          output: cli.output,
          input: cli.input,
          onKey: name => (name === 'ctrl+c' || name === 'q') && process.kill(process.pid, 'SIGINT'),
          onResize: () => undefined
        })
        onScreen = shown
        screen.show(drawWatch(shown, cli.sheet, screen.rows))
        return
      }
      const line = summaryLine(shown)
      if (line !== last) cli.say(`  ${line}`)
      last = line
    },
    close
  }
}

/** An invite is a line of its own; here its start tells enough. */
function shortened(word: string): string {
  return word.length > 60 ? `${word.slice(0, 24)}…` : word
}
