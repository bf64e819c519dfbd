/**
 * Programs: which processes of attempts run below a home, as the system itself tells.
 *
 * Linux only: elsewhere there is no looking into a process. Invariant: none of ours is missed, nobody else's is taken.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { sep } from 'node:path'

/** Returns the pids of programs whose metrics file is below a folder, and of all their children. */
export function programsBelow(folder: string): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter(name => environmentOf(name).includes(`HYPERSWEEP_METRICS=${folder}${sep}`))
    .map(Number)
}

export interface RunningProgram {
  readonly pid: number
  readonly sweep: string
  readonly trial: number
  readonly attempt: number
}

/** Returns the programs below a folder together with the attempts that they are. */
export function attemptsBelow(folder: string): RunningProgram[] {
  return programsBelow(folder).flatMap(pid => {
    const [, sweep, trial, attempt] = /HYPERSWEEP_ATTEMPT_ID=(\w+)-(\d+)-(\d+)\0/.exec(environmentOf(String(pid))) ?? []
    return sweep === undefined ? [] : [{ pid, sweep, trial: Number(trial), attempt: Number(attempt) }]
  })
}

/** True while a process runs: one that has ended and was not collected yet does not. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Sends a signal to each process; those that are gone are passed over. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch {
      // It ended by itself.
    }
  }
}

function environmentOf(name: string): string {
  try {
    return readFileSync(`/proc/${name}/environ`, 'utf8')
  } catch {
    return '' // It ended, or is not ours to see.
  }
}
