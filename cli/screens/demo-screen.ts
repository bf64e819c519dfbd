/**
 * The end of the demo: the ranking, who ran what, and whether all that it promised held.
 */
import type { DemoFacts } from '../demo/play.js'
import { plural, seconds } from '../terminal/format.js'
import type { Sheet } from '../terminal/sheet.js'
import { type Cell, type Column, table } from '../terminal/table.js'
import { drawBest } from './best-screen.js'
import { titled } from './trial-screen.js'

/** The demo is about a pool that works: fewer results than this prove too little. */
export const TRIALS_MIN = 24

const MACHINES: readonly Column[] = [
  { title: 'machine' },
  { title: 'results', align: 'right' },
  { title: 'trained', align: 'right' },
  { title: 'trials that count' }
]

export interface DemoPromise {
  readonly text: string
  readonly isKept: boolean
}

/** Returns what the demo promised, and whether it held. All must, for the demo to succeed. */
export function promisesOf({ sweep, trials, killed, finishedBy, poolHash }: DemoFacts): DemoPromise[] {
  const hashes = Object.values(poolHash)
  const attempt =
    killed &&
    trials[killed.trial]?.attempts.find(each => each.attempt > killed.attempt && each.machineName === finishedBy)
  return [
    {
      text: `${sweep.trials.done} of ${plural(sweep.trials.total, 'trial')} have a result`,
      isKept: sweep.state === 'done' && sweep.trials.done === sweep.trials.total && sweep.trials.total >= TRIALS_MIN
    },
    {
      text: killed
        ? `trial #${killed.trial}, which carol held when she was killed, was finished by ${finishedBy ?? 'nobody'}${attempt ? ` as attempt ${attempt.attempt}` : ''}`
        : 'a machine was killed in the middle of a trial',
      isKept: attempt?.state === 'complete' || attempt?.state === 'diverged'
    },
    {
      text: `all ${hashes.length} agents hold the same pool: ${hashes[0]?.slice(0, 16) ?? ''}`,
      isKept: hashes.length === 3 && new Set(hashes).size === 1 && hashes[0] !== ''
    }
  ]
}

/** Returns the whole closing text. */
export function drawDemo(facts: DemoFacts, sheet: Sheet): string {
  const { style } = sheet
  const rows = facts.machines.map((machine): Cell[] => {
    const counting = facts.trials.filter(trial => trial.machineName === machine.name).map(trial => `#${trial.trial}`)
    return [machine.name, `${machine.trialsFinished}`, seconds(machine.secondsTrained), counting.join(' ')]
  })
  const promises = promisesOf(facts).map(({ text, isKept }) =>
    isKept ? `${style.good('✔')} ${text}` : `${style.bad('✘')} ${text}`
  )
  return [
    drawBest(facts.best, sheet),
    titled('Who ran what', table(MACHINES, rows, sheet), style).join('\n'),
    promises.join('\n')
  ].join('\n\n')
}
