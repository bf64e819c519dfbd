/**
 * The surroundings of a command: its streams, its environment, its end.
 *
 * Data goes to standard output, all else to standard error: `hypersweep best --json > best.json` holds JSON alone.
 */
import type { ReadStream, WriteStream } from 'node:tty'
import type { CommandContext } from '@stricli/core'
import { streamColumns, wrapMessage } from './terminal/message.js'
import { plainView } from './terminal/plain.js'
import type { Sheet } from './terminal/sheet.js'
import { COLOUR_STYLE, hasColours, PLAIN_STYLE, type Style } from './terminal/style.js'

export type Environment = Readonly<Record<string, string | undefined>>

/** Flags that nearly every command has. */
export interface CommonFlags {
  readonly home?: string
  readonly json?: boolean
}

export interface Cli extends CommandContext {
  readonly environment: Environment
  readonly input: ReadStream
  readonly output: WriteStream
  readonly messages: WriteStream
  /** Aborted when the person or the system asks for an end. */
  readonly signal: AbortSignal
  /** What standard output is now: a terminal may change its size. */
  readonly sheet: Sheet
  /** The same of standard error. */
  readonly messageSheet: Sheet
  /** True when a person sits at both ends. */
  readonly isInteractive: boolean
  /** Writes data to standard output, a line end added. */
  out(text: string): void
  /** Writes a message to standard error, broken between words where the terminal is narrower. */
  say(text: string): void
  /** Names the command that is useful next. */
  next(command: string, why: string): void
  /** Makes the command end with this status although nothing was thrown. */
  exitWith(status: number): void
}

export interface CliOptions {
  readonly process: NodeJS.Process
  readonly signal: AbortSignal
  readonly exitWith: (status: number) => void
}

export function createCli({ process, signal, exitWith }: CliOptions): Cli {
  const { stdin, stdout, stderr, env } = process
  const styleOf = (stream: WriteStream): Style => (hasColours(stream, env) ? COLOUR_STYLE : PLAIN_STYLE)
  const sheetOf = (stream: WriteStream): Sheet => ({
    columns: streamColumns(stream),
    style: styleOf(stream),
    now: Date.now()
  })
  const say = (text: string) => void stderr.write(`${wrapMessage(text, streamColumns(stderr))}\n`)
  return {
    // The parser would print each failure here too; it is told once, at the edge.
    process: { stdout, stderr: { write: () => undefined } },
    environment: env,
    input: stdin,
    output: stdout,
    messages: stderr,
    signal,
    isInteractive: stdin.isTTY === true && stdout.isTTY === true,
    get sheet() {
      return sheetOf(stdout)
    },
    get messageSheet() {
      return sheetOf(stderr)
    },
    out: text => void stdout.write(`${text}\n`),
    say,
    next: (command, why) => {
      const { dim, accent } = styleOf(stderr)
      const isWide = `next: ${command}  ${why}`.length > streamColumns(stderr)
      say(`${dim('next:')} ${accent(command)}${isWide ? '\n' : '  '}${dim(why)}`)
    },
    exitWith
  }
}

/**
 * Prints a view: as it is with `--json`, else drawn from a copy in which every text is plain.
 *
 * The one way of views to a screen, so that nothing that a peer wrote gets there unchecked.
 */
export function present<V>(cli: Cli, flags: CommonFlags, view: V, draw: (view: V, sheet: Sheet) => string): void {
  cli.out(flags.json === true ? jsonLine(view) : draw(plainView(view), cli.sheet))
}

/** Returns JSON on one line; characters that a terminal would obey are escaped, which changes no value. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  )
}
