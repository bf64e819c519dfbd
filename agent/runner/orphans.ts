/**
 * Orphans: ending whole process trees, also those that an agent which crashed left behind.
 *
 * Owns the signals that reach more than one process, and the proof that a process is ours before it is killed: a pid
 * found in an old file may by now be anybody's.
 */
import { readdir, readFile } from 'node:fs/promises'
import { sep } from 'node:path'
import { execa } from 'execa'
import { invariant } from '#protocol'

/** Every program of an attempt has this in its environment, and so have its children. */
const METRICS = 'HYPERSWEEP_METRICS='

/** Ends a process group. A group that is gone already is no failure. On Windows: the process tree, by force. */
export function killGroup(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  // kill(-1) would reach every process of this user, and kill(0) this agent.
  invariant(Number.isSafeInteger(pid) && pid > 1, 'a process group is named by the pid of a program')
  if (process.platform === 'win32') {
    // A tree that is gone is no failure here either; windows has no signals, so the first call ends it.
    void execa('taskkill', ['/PID', String(pid), '/T', '/F'], { reject: false, stdio: 'ignore' })
    return
  }
  try {
    process.kill(-pid, signal)
  } catch (error) {
    // ESRCH: all gone. EPERM: on macOS, what is left are zombies.
    invariant(isGone(error), 'a group that we started may be signalled')
  }
}

/**
 * Ends what is left of programs that an earlier run of this agent started. Returns their pids.
 *
 * @param folder  Holds a folder for each attempt. Only processes that were told of a file in it are ended: no list of
 *                pids has to survive the crash, and no other agent's program is touched. On Windows nothing is ended:
 *                there is no way to see what a process was told.
 */
export async function killOrphans(folder: string): Promise<readonly number[]> {
  if (process.platform === 'win32') return []
  const mark = `${METRICS}${folder}${sep}`
  const left = (await processesNow()).filter(
    ({ pid, environment }) => pid !== process.pid && environment.includes(mark)
  )
  for (const { pid } of left) endProcess(pid)
  return left.map(({ pid }) => pid)
}

/**
 * Ends the processes that left their group but still belong to an attempt: daemons that would keep a GPU's memory.
 *
 * @param variable  `NAME=value` as in the program's environment, such that no other attempt has it. Linux only.
 */
export async function killStrays(variable: string): Promise<void> {
  if (process.platform !== 'linux') return
  for (const { pid, environment } of await processesNow()) {
    if (pid === process.pid || !environment.split('\0').includes(variable)) continue
    endProcess(pid)
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    invariant(isGone(error), 'a stray of ours may be signalled')
  }
}

interface Process {
  readonly pid: number
  /** Its environment, or a text that holds it; empty when it is not ours to see. */
  readonly environment: string
}

async function processesNow(): Promise<readonly Process[]> {
  if (process.platform !== 'linux') return processesByPs()
  const names = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const all = await Promise.all(names.map(readProcess))
  return all.filter(found => found !== undefined)
}

async function readProcess(name: string): Promise<Process | undefined> {
  try {
    // A zombie's environment is empty, and so is a stranger's: neither is then ours.
    const environment = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '')
    return { pid: Number(name), environment }
  } catch {
    // It ended while we looked.
    return undefined
  }
}

/** `ps` shows a process's environment after its command, to its owner. */
async function processesByPs(): Promise<readonly Process[]> {
  const { stdout } = await execa('ps', ['-A', '-E', '-ww', '-o', 'pid=,command='], { reject: false })
  return (stdout ?? '').split('\n').flatMap(line => {
    const match = /^\s*(\d+)\s+(.*)$/.exec(line)
    return match === null ? [] : [{ pid: Number(match[1]), environment: match[2] ?? '' }]
  })
}

function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ESRCH' || code === 'EPERM'
}
