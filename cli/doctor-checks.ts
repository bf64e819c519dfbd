/**
 * Checks that need no agent: Node, the C library, the home, Python.
 *
 * Each returns a finding and never throws: a check that cannot be made is itself a finding.
 */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import type { DoctorCheck } from '#protocol'

/** Source: `engines` in package.json. */
const NODE_MIN: readonly [number, number] = [20, 20]
/** A Python that takes longer to tell its version is not usable. */
const PYTHON_MS = 10_000
/** Bits of a mode that let others in. */
const OTHERS = 0o077

/** Returns the findings about this machine, in a fixed order. */
export async function localChecks(home: string): Promise<DoctorCheck[]> {
  return [checkNode(process.versions.node), checkLibrary(process.platform), await checkHome(home), await checkPython()]
}

/** Judges a version of Node such as `20.20.2`. */
export function checkNode(version: string): DoctorCheck {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isEnough = major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])
  if (isEnough) return { name: 'node', verdict: 'ok', detail: `Node.js ${version}.` }
  return {
    name: 'node',
    verdict: 'problem',
    detail: `Node.js ${version} is too old.`,
    hint: `Install Node.js ${NODE_MIN.join('.')} or later.`
  }
}

/** Judges the C library: the native parts of the store and the network are built for glibc alone. */
export function checkLibrary(
  platform: string,
  header: Readonly<Record<string, unknown>> = reportHeader()
): DoctorCheck {
  const name = 'system'
  if (platform !== 'linux') return { name, verdict: 'ok', detail: `${platform}, ${process.arch}.` }
  const glibc = header['glibcVersionRuntime']
  if (typeof glibc === 'string') return { name, verdict: 'ok', detail: `linux, ${process.arch}, glibc ${glibc}.` }
  return {
    name,
    verdict: 'problem',
    detail: 'This Linux has no glibc (Alpine has musl); the store and the network are built for glibc.',
    hint: 'Use a distribution with glibc, such as Debian, or an image such as node:20-slim.'
  }
}

/** Judges the home: absent is fine, readable by others is not. */
export async function checkHome(home: string): Promise<DoctorCheck> {
  const name = 'home'
  const found = await stat(home).catch(() => undefined)
  if (!found) {
    const parent = await nearestFolder(home)
    if (await isWritable(parent)) return { name, verdict: 'ok', detail: `${home} is made when it is needed.` }
    return {
      name,
      verdict: 'problem',
      detail: `${home} cannot be made: ${parent} is not writable.`,
      hint: ANOTHER_HOME
    }
  }
  if (!found.isDirectory()) return { name, verdict: 'problem', detail: `${home} is no folder.`, hint: ANOTHER_HOME }
  if (!(await isWritable(home))) {
    return { name, verdict: 'problem', detail: `${home} is not writable.`, hint: 'It must belong to you.' }
  }
  if (process.platform !== 'win32' && (found.mode & OTHERS) !== 0) {
    return {
      name,
      verdict: 'warning',
      detail: `${home} can be read by others on this machine; it holds your keys.`,
      hint: `chmod 700 ${home}`
    }
  }
  return { name, verdict: 'ok', detail: `${home} is yours alone.` }
}

async function checkPython(): Promise<DoctorCheck> {
  for (const program of process.platform === 'win32' ? ['python', 'python3'] : ['python3', 'python']) {
    try {
      const { stdout, stderr } = await promisify(execFile)(program, ['--version'], { timeout: PYTHON_MS })
      return { name: 'python', verdict: 'ok', detail: `${(stdout || stderr).trim()} (${program}).` }
    } catch {
      // The next name may be there.
    }
  }
  return {
    name: 'python',
    verdict: 'warning',
    detail: 'There is no python3 on the path; programs in Python cannot run here.',
    hint: 'Install Python 3, or start the agent from a shell in which `python3` works.'
  }
}

const ANOTHER_HOME = 'Name another folder by HYPERSWEEP_HOME.'

function reportHeader(): Readonly<Record<string, unknown>> {
  const report = process.report?.getReport() as { header?: Record<string, unknown> } | undefined
  return report?.header ?? {}
}

async function isWritable(path: string): Promise<boolean> {
  return await access(path, constants.R_OK | constants.W_OK | constants.X_OK).then(
    () => true,
    () => false
  )
}

async function nearestFolder(path: string): Promise<string> {
  const parent = dirname(path)
  if (parent === path) return path
  return (await stat(parent).catch(() => undefined)) ? parent : await nearestFolder(parent)
}
