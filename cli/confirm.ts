/**
 * Confirmation: a question before a command does what cannot be undone.
 *
 * Owns who is asked: a person at a terminal. A script is not, since nobody is there to answer.
 */
import { createInterface } from 'node:readline/promises'
import type { Cli } from './cli.js'

export interface ConfirmFlags {
  readonly yes?: boolean
}

/** Says whether somebody would have to answer. */
export function isAsked(cli: Cli, flags: ConfirmFlags): boolean {
  return cli.isInteractive && !flags.yes
}

/** Returns whether to go on; nothing but a yes is one. `question` ends with its question mark. */
export async function isConfirmed(cli: Cli, flags: ConfirmFlags, question: string): Promise<boolean> {
  if (!isAsked(cli, flags)) return true
  const lines = createInterface({ input: cli.input, output: cli.messages })
  try {
    const answer = await lines.question(`${question} [y/N] `, { signal: cli.signal })
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    lines.close()
  }
}
