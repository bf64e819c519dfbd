/**
 * The verifying process: the agent's program, which looks at a store that no agent has open.
 *
 * Never opens the store itself. Invariant: it ends with what was found, or with an error that says why not.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { PoolError, type VerifyLine, type VerifyView } from '#protocol'

const AGENT = fileURLToPath(new URL('../agent/main.js', import.meta.url))
/** Of what a crash printed, in characters. */
const LAST_WORDS = 2000

export interface VerifyOptions {
  readonly home: string
  readonly signal: AbortSignal
  readonly onProgress: (what: string) => void
  /** The program to start; the agent of this package. */
  readonly program?: string
}

/**
 * Verifies a home, and returns what was found.
 *
 * Errors: the program's own, such as `STORE_IN_USE`; `AGENT_FAILED` when it ends without one; the signal's reason.
 */
export async function runVerify({ home, signal, onProgress, program = AGENT }: VerifyOptions): Promise<VerifyView> {
  signal.throwIfAborted()
  const child = spawn(process.execPath, [...process.execArgv, program, 'verify'], {
    env: { ...process.env, HYPERSWEEP_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true
  })
  const stop = () => void child.kill('SIGTERM')
  signal.addEventListener('abort', stop, { once: true })
  let [last, words]: [VerifyLine | undefined, string] = [undefined, '']
  child.stderr.setEncoding('utf8').on('data', text => {
    words = (words + text).slice(-LAST_WORDS)
  })
  const lines = createInterface({ input: child.stdout }).on('line', text => {
    last = lineIn(text) ?? last
    if (last && 'progress' in last) onProgress(last.progress)
  })
  const ended = new Promise<void>(resolve => lines.once('close', resolve))
  await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  await ended
  signal.removeEventListener('abort', stop)
  signal.throwIfAborted()
  return foundIn(last, words)
}

function foundIn(last: VerifyLine | undefined, words: string): VerifyView {
  if (last && 'found' in last) return last.found
  if (last && 'error' in last) {
    const { code, message, hint } = last.error
    throw new PoolError(code, message, hint === undefined ? {} : { hint })
  }
  throw new PoolError('AGENT_FAILED', 'The store could not be verified to its end.', {
    hint: words.trim() === '' ? 'Run it again; memory or the disk may have been full.' : words.trim()
  })
}

/** Nothing for what is no such line: a library may have printed it. */
function lineIn(text: string): VerifyLine | undefined {
  try {
    const line: unknown = JSON.parse(text)
    const isLine =
      typeof line === 'object' && line !== null && ('progress' in line || 'found' in line || 'error' in line)
    return isLine ? (line as VerifyLine) : undefined
  } catch {
    return undefined
  }
}
