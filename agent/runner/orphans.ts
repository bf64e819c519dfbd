/**
 * Orphans: ending whole process trees, also those that an agent which crashed left behind.
 *
 * Owns the signals that reach more than one process, and the proof that a process is ours before it is killed: a pid
 * found in an old file may by now be anybody's.
 */
import { readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { execa } from 'execa'
import { invariant } from '#protocol'

/** What is remembered of a process that was started. */
export interface Started {
  /** Its pid, which is also the id of its process group. */
  readonly pid: number
  /** What `startedAtOf` gave for it: tells it from a later process with the same pid. */
  readonly startedAt?: string
}

/** Every program of an attempt has this in its environment, and so have its children. */
const MARK = 'HYPERSWEEP_ATTEMPT_ID='

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

/** Returns when a process started, as a text to compare; undefined where that cannot be told (Linux can). */
export function startedAtOf(pid: number): string | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot}:${statOf(readFileSync(`/proc/${pid}/stat`, 'utf8')).startTicks}`
  } catch {
    return undefined
  }
}

/**
 * Ends what is left of programs that an earlier run of this agent started. Returns the groups that it ended.
 *
 * A group is ended only if a process in it carries our mark and its leader, if alive, started when we say it did.
 * On Windows nothing is ended: there is no way to see the mark.
 */
export async function killOrphans(entries: readonly Started[]): Promise<readonly number[]> {
  if (process.platform === 'win32' || entries.length === 0) return []
  const processes = await processesNow()
  const ours = entries.filter(({ pid, startedAt }) => {
    const now = startedAtOf(pid)
    if (startedAt !== undefined && now !== undefined && startedAt !== now) return false
    return pid > 1 && processes.some(other => other.group === pid && other.environment.includes(MARK))
  })
  for (const { pid } of ours) killGroup(pid)
  return ours.map(({ pid }) => pid)
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
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      invariant(isGone(error), 'a stray of ours may be signalled')
    }
  }
}

interface Process {
  readonly pid: number
  readonly group: number
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
    const { group } = statOf(await readFile(`/proc/${name}/stat`, 'utf8'))
    return { pid: Number(name), group, environment }
  } catch {
    // It ended while we looked.
    return undefined
  }
}

/** `ps` shows a process's environment after its command, to its owner. */
async function processesByPs(): Promise<readonly Process[]> {
  const { stdout } = await execa('ps', ['-A', '-E', '-ww', '-o', 'pid=,pgid=,command='], { reject: false })
  return (stdout ?? '').split('\n').flatMap(line => {
    const match = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line)
    return match === null ? [] : [{ pid: Number(match[1]), group: Number(match[2]), environment: match[3] ?? '' }]
  })
}

/** Fields 5 and 22 of `/proc/<pid>/stat`. The name, field 2, may hold spaces and brackets. Source: proc(5). */
function statOf(text: string): { group: number; startTicks: string } {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { group: Number(fields[2]), startTicks: fields[19] ?? '' }
}

function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ESRCH' || code === 'EPERM'
}
