/**
 * Commands of the system that a source asks for facts.
 *
 * Owns how one is run: within a time, without a shell and without a window. Reads no text.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Runs a command and returns what it prints. Rejects when it is not there, fails, or takes too long. */
export type Run = (command: string, words: readonly string[]) => Promise<string>

export interface CommandOptions {
  /** It is killed after so many ms. */
  readonly withinMs: number
  /** Ends a command that runs. */
  readonly signal: AbortSignal
}

/** Returns the way to run commands. */
export function runCommand({ withinMs, signal }: CommandOptions): Run {
  const options = { timeout: withinMs, killSignal: 'SIGKILL', signal, windowsHide: true } as const
  return async (command, words) => (await promisify(execFile)(command, words, options)).stdout
}
