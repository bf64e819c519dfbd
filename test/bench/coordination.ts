/**
 * Bench: the program for outside comparison, started as 1, 2, 4 and 8 workers on this machine.
 *
 * Owns the start, the signal to begin, and the check that at most 1 % of the trials ran twice: it reads the results
 * from the logs that the workers left.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { folderOf, meet } from './coordination/meeting.js'
import { benchSweep, type Figures, openMachine, quantile, rounded, submissionOf } from './rig.js'

const WORKERS = [1, 2, 4, 8] as const
const CAP_SECONDS = 15
const TRIALS = 20_000
const AIM = 500
const TWICE_MAX = 0.01
const PROGRAM = fileURLToPath(new URL('coordination/worker.ts', import.meta.url))

interface Line {
  readonly n: number
  readonly cpu_s: number
  readonly ask_ms: readonly number[]
  readonly report_ms: readonly number[]
  readonly tell_ms: readonly number[]
  readonly start: number
  readonly end: number
  readonly rss_mb: number
}

/** Returns trials a second, the times of ask, report and tell, and CPU seconds of 1,000 trials, by workers. */
export async function benchCoordination(): Promise<Figures> {
  const runs = []
  for (const count of WORKERS) runs.push(await runOf(count))
  const rows = runs.map(each => ({
    what: `trials a second, ${each.workers} worker${each.workers === 1 ? '' : 's'}`,
    measured: `${each.trialsPerSecond} (report p99 ${each.reportMs.p99} ms, ${each.cpuSecondsPer1000} CPU s per 1,000)`,
    aim: each.workers === 1 ? `${AIM}, at most 1 % twice` : 'at most 1 % twice',
    isMet: each.twiceShare <= TWICE_MAX && (each.workers > 1 || each.trialsPerSecond >= AIM)
  }))
  const figures = { bench: 'coordination', capSeconds: CAP_SECONDS, runs, rows }
  return figures
}

async function runOf(count: number) {
  const run = `bench-${process.pid}-${count}-${Date.now()}`
  const { folder } = folderOf(run)
  try {
    const children = Array.from({ length: count }, (_, index) => start(run, index, count))
    const lines = children.map(child =>
      createInterface({ input: child.stdout ?? process.stdin })[Symbol.asyncIterator]()
    )
    for (const each of lines) if ((await each.next()).value !== 'ready') throw new Error('A worker did not get ready.')
    const ended = children.map(child => once(child, 'exit'))
    for (const child of children) child.stdin?.write('go\n')
    const said: Line[] = []
    for (const each of lines) said.push(JSON.parse(String((await each.next()).value)) as Line)
    await Promise.all(ended)
    return figuresOf(said, await runTwice(run, count))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function start(run: string, index: number, count: number): ChildProcess {
  const environment = {
    W_INDEX: `${index}`,
    W_COUNT: `${count}`,
    W_TRIALS: `${TRIALS}`,
    W_CAP: `${CAP_SECONDS}`,
    W_RUN: run,
    W_KEEP: '1'
  }
  return spawn(process.execPath, [...process.execArgv, PROGRAM], {
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'pipe', 'inherit']
  })
}

function figuresOf(lines: readonly Line[], counted: { readonly trials: number; readonly twice: number }) {
  const all = lines.reduce((sum, line) => sum + line.n, 0)
  const seconds = Math.max(...lines.map(line => line.end)) - Math.min(...lines.map(line => line.start))
  const times = (of: 'ask_ms' | 'report_ms' | 'tell_ms') => {
    const samples = lines.flatMap(line => line[of])
    return { p50: rounded(quantile(samples, 0.5)), p99: rounded(quantile(samples, 0.99)) }
  }
  return {
    workers: lines.length,
    trials: all,
    trialsPerSecond: rounded(all / seconds, 1),
    least: Math.min(...lines.map(line => line.n)),
    askMs: times('ask_ms'),
    reportMs: times('report_ms'),
    tellMs: times('tell_ms'),
    cpuSecondsPer1000: rounded(lines.reduce((sum, line) => sum + line.cpu_s, 0) / (all / 1000)),
    twiceShare: rounded(counted.twice / Math.max(1, counted.trials), 4),
    residentMB: Math.max(...lines.map(line => line.rss_mb))
  }
}

/** Counts trials with a result, and those with more than one, over the logs of all workers. */
async function runTwice(run: string, count: number): Promise<{ trials: number; twice: number }> {
  const results = new Map<number, Set<string>>()
  for (let index = 0; index < count; index++) {
    const meeting = await meet(run, 0, count)
    await meeting.leave(true)
    const { membership } = meeting
    const machine = await openMachine({ home: folderOf(run).homeOf(index), membership })
    const { sweep } = submissionOf(benchSweep(TRIALS), membership.founding.member, run)
    for (const trial of machine.log.pool().sweeps.get(sweep)?.trials.values() ?? [])
      for (const attempt of trial.attempts.values())
        for (const result of attempt.results.keys())
          results.set(trial.index, (results.get(trial.index) ?? new Set()).add(`${attempt.number}/${result}`))
    await machine.close()
  }
  return { trials: results.size, twice: [...results.values()].filter(each => each.size > 1).length }
}
