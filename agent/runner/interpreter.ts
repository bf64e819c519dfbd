/**
 * Interpreter: which Python `${interpreter}` stands for on this machine.
 *
 * Looks only where a program's own environment would look.
 */
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import type { Environment } from './environment.js'

// On Windows `python3` is often a stub that opens a shop.
const NAMES = process.platform === 'win32' ? ['python', 'python3'] : ['python3', 'python']
const SUFFIX = process.platform === 'win32' ? '.exe' : ''

/** Returns the name of the first Python in the environment's PATH; the usual name when there is none. */
export async function findInterpreter(environment: Environment): Promise<string> {
  const path = Object.entries(environment).find(([name]) => name.toUpperCase() === 'PATH')?.[1] ?? ''
  const folders = path.split(delimiter).filter(folder => folder !== '')
  for (const name of NAMES) {
    for (const folder of folders) if (await isProgram(join(folder, `${name}${SUFFIX}`))) return name
  }
  return NAMES[0] ?? 'python3'
}

async function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false
  )
}
