/**
 * Whose a process is: from a pid on a device to the attempt whose program started it.
 *
 * Owns the reading of `/proc`. Signals nothing; agent/runner/orphans.ts ends processes.
 * Invariant: a process that cannot be traced to a program of ours is nobody's.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Every program has this in its environment, and so have its children. */
const ATTEMPT = 'HYPERSWEEP_ATTEMPT_ID='
/** Deeper than any launcher of launchers; a bound in case the tree changes while it is climbed. */
const GENERATIONS = 32
/** Processes whose environment is remembered; then all are forgotten. */
const REMEMBERED = 1024

/** A running program, the leader of its process group. */
export interface TreeProgram {
  /** Of its attempt. */
  readonly id: string
  readonly pid: number
}

export interface ProcessTree {
  /** Returns the attempt that a process belongs to; undefined when to none. Elsewhere than on Linux: by pid alone. */
  readonly attemptOf: (pid: number, programs: readonly TreeProgram[]) => string | undefined
  /**
   * Returns the memory of a program and its process group, in bytes; undefined when it is gone, or not on Linux.
   *
   * Pages that processes share count once for each: more than they take, never less.
   */
  readonly residentBytesOf: (pid: number) => number | undefined
}

export interface ProcessTreeOptions {
  /** In place of `/proc`. */
  readonly folder?: string
  readonly platform?: NodeJS.Platform
}

/** Returns what tells whose a process is. */
export function createProcessTree(options: ProcessTreeOptions = {}): ProcessTree {
  const { folder = '/proc', platform = process.platform } = options
  const byPid = (pid: number, programs: readonly TreeProgram[]) => programs.find(program => program.pid === pid)?.id
  if (platform !== 'linux') return { attemptOf: byPid, residentBytesOf: () => undefined }
  const tree = new LinuxTree(folder)
  return {
    attemptOf: (pid, programs) => byPid(pid, programs) ?? tree.attemptOf(pid, programs),
    residentBytesOf: pid => tree.residentBytesOf(pid)
  }
}

export interface ProcessFacts {
  readonly parent: number
  readonly group: number
  /** Ticks since the system started: with the pid it names a process for good. */
  readonly started: number
}

/** Returns what a text of `/proc/<pid>/stat` says; undefined when it is none. Source: proc_pid_stat(5). */
export function parseStat(text: string): ProcessFacts | undefined {
  // A command may be named anything, `) S 1` too: what follows its last parenthesis is the system's.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [parent, group, started] = [Number(fields[1]), Number(fields[2]), Number(fields[19])]
  const areNumbers = [parent, group, started].every(Number.isSafeInteger)
  return areNumbers ? { parent, group, started } : undefined
}

class LinuxTree {
  readonly #folder: string
  /** Process -> the attempt that its environment names. A look each second at each process would cost too much. */
  readonly #named = new Map<string, string | undefined>()

  constructor(folder: string) {
    this.#folder = folder
  }

  attemptOf(pid: number, programs: readonly TreeProgram[]): string | undefined {
    if (programs.length === 0) return undefined
    const facts = this.#factsOf(pid)
    if (facts === undefined) return undefined
    return this.#attemptAbove(facts, programs) ?? this.#attemptNamed(pid, facts, programs)
  }

  residentBytesOf(pid: number): number | undefined {
    const members = namesIn(this.#folder).filter(name => this.#factsOf(name)?.group === pid)
    const resident = members.map(name => /^VmRSS:\s+(\d+) kB$/m.exec(this.#text(name, 'status'))?.[1])
    const known = resident.filter(text => text !== undefined)
    return known.length === 0 ? undefined : known.reduce((sum, text) => sum + Number(text) * 1024, 0)
  }

  /** By the process group of the process, then by those of its ancestors, nearest first. */
  #attemptAbove(facts: ProcessFacts, programs: readonly TreeProgram[]): string | undefined {
    let each: ProcessFacts | undefined = facts
    for (let n = 0; n < GENERATIONS && each !== undefined; n++) {
      const { group, parent }: ProcessFacts = each
      const found = programs.find(({ pid }) => pid === group || pid === parent)
      if (found !== undefined) return found.id
      each = parent > 1 ? this.#factsOf(parent) : undefined
    }
    return undefined
  }

  /** One that made itself a daemon has left group and parent, but kept its environment. */
  #attemptNamed(pid: number, { started }: ProcessFacts, programs: readonly TreeProgram[]): string | undefined {
    const key = `${pid} ${started}`
    if (this.#named.size >= REMEMBERED) this.#named.clear()
    if (!this.#named.has(key)) this.#named.set(key, this.#nameIn(this.#text(pid, 'environ')))
    const id = this.#named.get(key)
    return programs.some(program => program.id === id) ? id : undefined
  }

  #nameIn(environment: string): string | undefined {
    const variable = environment.split('\0').find(each => each.startsWith(ATTEMPT))
    return variable?.slice(ATTEMPT.length)
  }

  #factsOf(pid: number | string): ProcessFacts | undefined {
    return parseStat(this.#text(pid, 'stat'))
  }

  /** Returns nothing for a process that has ended, or that is another person's. */
  #text(pid: number | string, file: string): string {
    try {
      return readFileSync(join(this.#folder, String(pid), file), 'utf8')
    } catch {
      return ''
    }
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter(name => /^\d+$/.test(name))
  } catch {
    return []
  }
}
