/**
 * The stream: small sweeps, one after the other, so that there is always something to lose.
 *
 * Owns which sweeps were submitted and which of them still run. Whatever agent is up gets the next one.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { readSweepText } from '../../cli/sweep-file.js'
import type { Chance } from '../simulation/chance.js'
import type { ChaosPool } from './pool.js'
import { Violation } from './wait.js'

/** Enough for every machine to have work, few enough to end soon. */
const SWEEPS_OPEN = 2
const TRIALS = 6
const LOOK_MS = 400

/** Trains for one to three seconds. Its loss at the end is known, wherever it was interrupted. */
const PROGRAM = `
import { readFileSync, writeFileSync } from 'node:fs'
const { x, pause, keeps } = JSON.parse(readFileSync(process.env.HYPERSWEEP_PARAMETERS, 'utf8'))
const path = process.env.HYPERSWEEP_CHECKPOINT + '/step'
let from = 0
try { from = Number(readFileSync(path, 'utf8')) || 0 } catch {}
for (let step = Math.min(from + 1, 10); step <= 10; step++) {
  await new Promise(resolve => setTimeout(resolve, pause))
  console.log(JSON.stringify({ step, steps: 10, loss: (x - 3) ** 2 + 1 / step }))
  if (keeps) writeFileSync(path, String(step))
}
`

/** The loss of a trial that was trained to its end, by its parameters. */
export function lossOf(parameters: Readonly<Record<string, unknown>>): number {
  return (Number(parameters['x']) - 3) ** 2 + 1 / 10
}

export interface Stream {
  /** Sweeps that may still run, or were not checked since they ended. */
  recent(): readonly string[]
  /** Every sweep that was submitted. */
  all(): readonly string[]
  /** No more sweeps until `resume`; resolves when none is on its way. */
  pause(): Promise<void>
  resume(): void
  /** The recent ones have been checked: nothing of them can change any more. */
  forget(sweeps: readonly string[]): void
  /** One is gone for good, together with the disk that had it: its author knew alone. */
  drop(sweep: string): void
  /** A program that keeps a checkpoint or not, from a bundle that is new or not. */
  submit(author: string): Promise<string>
  /** Until told otherwise an agent may refuse a sweep with this code: it has no room for it, say. */
  mayRefuse(code: string | undefined): void
  close(): Promise<void>
}

/** Begins to submit sweeps to a pool. */
export function openStream(pool: ChaosPool, chance: Chance): Stream {
  const recent = new Set<string>()
  const all = new Set<string>()
  let count = 0
  let bundle = 0
  let isPaused = false
  let isClosed = false
  let refusal: string | undefined
  let working: Promise<void> = Promise.resolve()

  function writeFolder(): string {
    if (bundle === 0 || chance.happens(0.5)) bundle = ++count
    const folder = join(pool.lab.folder, 'sweeps', String(bundle))
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'train.mjs'), `// ${bundle}\n${PROGRAM}`)
    return folder
  }

  async function submit(author: string): Promise<string> {
    const folder = writeFolder()
    const path = join(folder, '..', `${++count}.yaml`)
    const pauseMs = Math.round(chance.between(80, 280))
    const x = Array.from({ length: TRIALS }, (_, index) => index).join(', ')
    writeFileSync(
      path,
      `name: chaos-${count}\ncommand: [node, "\${program}"]\nprogram: train.mjs\nmethod: grid\nlease: 4s\n` +
        `metric: {name: loss, goal: minimize}\nparameters:\n  x: {values: [${x}]}\n  pause: {value: ${pauseMs}}\n` +
        `  keeps: {value: ${chance.happens(0.5)}}\n`
    )
    const { spec } = readSweepText(readFileSync(path, 'utf8'), path)
    const { sweep } = await pool.ask(author, { method: 'submit', spec, folder })
    recent.add(sweep)
    all.add(sweep)
    return sweep
  }

  /** A sweep that an agent says to be over leaves room for the next one. */
  async function look(): Promise<void> {
    const up = pool.up()
    if (up.length === 0) return
    const author = chance.pick(up)
    const views = await pool.ask(author, { method: 'sweeps' })
    const isOver = new Set(views.filter(view => view.state !== 'running').map(view => view.sweep))
    if ([...recent].filter(sweep => !isOver.has(sweep)).length < SWEEPS_OPEN) await submit(author)
  }

  async function work(): Promise<void> {
    while (!isClosed) {
      if (!isPaused) {
        working = look().catch(error => {
          // An agent that is killed while it is asked cannot answer; one that refuses has lost something.
          if (error instanceof Violation || 'code' in error === false || isAway(error)) return
          if (error.code === refusal) return
          pool.trouble(`a sweep was refused: ${error.code}: ${error.message}`)
        })
        await working
      }
      await pause(LOOK_MS)
    }
  }
  const ended = work()

  return {
    recent: () => [...recent],
    all: () => [...all],
    async pause() {
      isPaused = true
      await working
    },
    resume() {
      isPaused = false
    },
    forget(sweeps) {
      for (const sweep of sweeps) recent.delete(sweep)
    },
    drop(sweep) {
      recent.delete(sweep)
      all.delete(sweep)
    },
    submit,
    mayRefuse(code) {
      refusal = code
    },
    async close() {
      isClosed = true
      await ended
    }
  }
}

/** The socket's own errors: nobody listens there now. */
function isAway(error: { code?: unknown }): boolean {
  return ['ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'EPIPE'].includes(String(error.code))
}
