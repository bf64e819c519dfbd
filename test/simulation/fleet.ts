/**
 * The fleet: worker processes that play many schedules at once.
 *
 * Owns processes, and who plays which seed. Which worker plays a schedule makes no difference to it. Invariant: each
 * seed is played once; a worker that dies is told as the end of all.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Answer, Task } from './replay.js'
import type { Verdict } from './simulate.js'

export interface FleetOptions {
  readonly tasks: readonly Task[]
  readonly workers: number
  /** The tree whose simulator is to be played, when it is not this one. */
  readonly root?: string
  readonly onVerdict: (verdict: Verdict) => void
}

/** Plays all tasks. Errors: when a worker ends before its work does. */
export async function playAll({ tasks, workers, root, onVerdict }: FleetOptions): Promise<void> {
  const queue = [...tasks]
  const crew = Array.from({ length: Math.min(workers, tasks.length) }, () => startWorker(root))
  try {
    await Promise.all(crew.map(worker => keepBusy(worker, () => queue.shift(), onVerdict)))
  } finally {
    for (const worker of crew) if (worker.connected) worker.disconnect()
  }
}

function keepBusy(
  worker: ChildProcess,
  next: () => Task | undefined,
  onVerdict: (verdict: Verdict) => void
): Promise<void> {
  return new Promise((resolve, reject) => {
    let isDone = false
    worker.on('message', (answer: Answer) => {
      if ('verdict' in answer) onVerdict(answer.verdict)
      const task = next()
      if (task) return void worker.send(task)
      isDone = true
      resolve()
    })
    worker.once('error', reject)
    worker.once('exit', code => {
      if (!isDone) reject(new Error(`A worker of the simulation ended with ${code}.`))
    })
  })
}

function startWorker(root: string | undefined): ChildProcess {
  const here = new URL('worker.ts', import.meta.url)
  const file = root === undefined ? fileURLToPath(here) : `${root}/test/simulation/worker.ts`
  return fork(file, {
    execArgv: ['--conditions=typescript', '--import', 'tsx'],
    cwd: root ?? process.cwd(),
    env: plainEnvironment()
  })
}

/**
 * Returns the environment without what a test runner adds: it would watch each worker, slow it down, and take its lines
 * for those of the sources.
 */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(_?TAP|NODE_OPTIONS|NODE_V8_COVERAGE)/.test(name))
  // The runner puts its own part back whenever a process is made; with this it counts nothing there.
  return { ...Object.fromEntries(kept), _TAPJS_PROCESSINFO_COVERAGE_: '0' }
}
