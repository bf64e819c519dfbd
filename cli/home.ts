/**
 * The home: the folder in which this machine keeps its keys, its logs and its socket.
 *
 * Owns where it is. What is in it belongs to the agent.
 */
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import envPaths from 'env-paths'
import { controlPath } from '#protocol'
import type { Environment } from './cli.js'

/** Returns the absolute path of the home: the flag, else `HYPERSWEEP_HOME`, else the system's folder for data. */
export function homeOf(flags: { readonly home?: string }, environment: Environment): string {
  return resolve(flags.home || environment['HYPERSWEEP_HOME'] || envPaths('hypersweep', { suffix: '' }).data)
}

/** Returns the address at which the agent of a home listens. */
export function addressOf(home: string): string {
  return controlPath({ home, platform: process.platform, temporary: tmpdir() })
}

/** Returns the path of the agent's log. */
export function logPathOf(home: string): string {
  return join(home, 'agent.log')
}
