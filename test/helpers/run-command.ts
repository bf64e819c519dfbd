/**
 * One command line, run inside the test's process with streams that remember.
 */
import { PassThrough } from 'node:stream'
import { runCli } from '../../cli/app.js'

export interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly home?: string
  readonly signal?: AbortSignal
  readonly stdin?: string
  /** Called with what standard output holds so far, each time that something was written. */
  readonly onOutput?: (text: string) => void
  /** The same of standard error. */
  readonly onMessage?: (text: string) => void
}

/** Runs a command as from a script: no stream is a terminal. */
export async function runCommand(inputs: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const {
    home = '/nonexistent/hypersweep-home',
    signal = new AbortController().signal,
    stdin,
    onOutput,
    onMessage
  } = options
  let [stdout, stderr] = ['', '']
  const output = new PassThrough().on('data', chunk => {
    stdout += chunk
    onOutput?.(stdout)
  })
  const messages = new PassThrough().on('data', chunk => {
    stderr += chunk
    onMessage?.(stderr)
  })
  const input = new PassThrough()
  if (stdin !== undefined) input.end(stdin)
  const streams = { stdin: input, stdout: output, stderr: messages, env: { HYPERSWEEP_HOME: home } }
  const status = await runCli(inputs, streams as unknown as NodeJS.Process, signal)
  return { status, stdout, stderr }
}
