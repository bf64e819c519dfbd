#!/usr/bin/env node
/**
 * The command `hypersweep`: the process around one command line.
 *
 * Owns signals and the exit status. Decides nothing else.
 */
import process from 'node:process'
import { runCli } from './app.js'

/** As a shell would say it of a program that Ctrl-C ended; `EXIT.interrupted` is the same. */
const INTERRUPTED = 130

const ending = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // The first one lets a command end in order; whoever insists is obeyed.
    if (ending.signal.aborted) process.exit(INTERRUPTED)
    ending.abort()
  })
}
// A reader such as `head` that has enough is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

process.exitCode = await runCli(process.argv.slice(2), process, ending.signal)
