/**
 * Packages: what this machine's Python finds.
 *
 * Owns asking it. Remembers nothing and decides nothing. Names are a peer's: they reach Python as data alone, and none
 * makes it import anything. Invariant: each look is answered once for each of its names; what fails finds nothing.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { Packages } from '../ports.js'

/** A Python with thousands of packages on a slow disk, in ms. */
const ANSWER_MS = 60_000
/** Names for each start of Python: they fit into one argument on every system. */
const NAMES_AT_ONCE = 64

/**
 * A name counts when it is that of a distribution (`scikit-learn`) or of a module (`sklearn`), with - and _ alike.
 *
 * The folder in which the agent was started is no place for packages, and its files must not stand in for Python's own.
 * To find a module inside a package Python would import the package: such names count as distributions only.
 */
const CODE = `
import sys
sys.path[:] = [place for place in sys.path if place]
import importlib.util, json, re

def alike(name):
    return re.sub('[-_.]+', '-', name).lower()

def distributions():
    try:
        from importlib import metadata
        for each in metadata.distributions():
            try:
                yield alike(each.metadata['Name'])
            except Exception:
                pass
    except Exception:
        pass

def is_module(name):
    try:
        return '.' not in name and importlib.util.find_spec(name.replace('-', '_')) is not None
    except Exception:
        return False

known = set(distributions())
print()
print(json.dumps([alike(name) in known or is_module(name) for name in json.loads(sys.argv[1])]))
`

const answerSchema = z.array(z.boolean())

export interface PackagesOptions {
  /** What a program of an attempt sees of the agent's environment. */
  readonly environment: Readonly<Record<string, string>>
  /** Returns the name of the Python that runs programs here. */
  readonly interpreter: () => Promise<string>
  readonly onPackages: (found: Readonly<Record<string, boolean>>) => void
  readonly note: (message: string, fields: Readonly<Record<string, unknown>>) => void
  readonly answerMs?: number
}

/** Returns what asks this machine's Python, one question after the other. Once closed, nothing more is told. */
export function openPackages(options: PackagesOptions): Packages & { close(): void } {
  const closing = new AbortController()
  let asking = Promise.resolve()

  async function ask(names: readonly string[]): Promise<void> {
    if (closing.signal.aborted) return
    const answers = await answerOf(names, options, closing.signal).catch((error: unknown) => {
      if (!closing.signal.aborted)
        options.note('Python does not tell which packages it finds', { error: String(error).slice(0, 1000) })
      return []
    })
    if (closing.signal.aborted) return
    // Not by assignment: a name such as __proto__ is to be answered, too.
    options.onPackages(Object.fromEntries(names.map((name, n) => [name, answers[n] === true])))
  }

  return {
    look(names) {
      for (let n = 0; n < names.length; n += NAMES_AT_ONCE) {
        const some = names.slice(n, n + NAMES_AT_ONCE)
        asking = asking.then(() => ask(some))
      }
    },
    close: () => closing.abort()
  }
}

/** JSON has no NUL and no `-` of an option at its start, so that any name passes as one argument. */
async function answerOf(
  names: readonly string[],
  { environment, interpreter, answerMs = ANSWER_MS }: PackagesOptions,
  signal: AbortSignal
): Promise<boolean[]> {
  const { stdout } = await promisify(execFile)(await interpreter(), ['-c', CODE, JSON.stringify(names)], {
    env: { ...environment },
    timeout: answerMs,
    killSignal: 'SIGKILL',
    signal
  })
  // What a site's own start-up prints comes first.
  return answerSchema.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''))
}
