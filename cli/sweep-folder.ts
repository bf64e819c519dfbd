/**
 * The folder of a sweep file: the file itself, and the program beside it.
 *
 * Owns what is said when one of them is not there: mostly a slip of the hand, so it names what is.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { didYouMean, LIMITS, PoolError, type SweepSpec } from '#protocol'

/** Files that a message names; more are no help. */
const FILES_SHOWN_MAX = 8

/**
 * Returns the text of a sweep file.
 *
 * @param file  As it was typed, so that a suggestion can be typed like it.
 * Errors:      `SWEEP_INVALID` when it cannot be read.
 */
export async function readSweepFile(file: string): Promise<string> {
  const path = resolve(file)
  try {
    // A wrong path may name a data set: what is too large to be a sweep file is not read.
    if ((await stat(path)).size > LIMITS.sweepFileBytes) throw new Error('it is too large to be a sweep file')
    return await readFile(path, 'utf8')
  } catch (cause) {
    if (codeOf(cause) === 'EISDIR') throw folderGiven(file, await yamlFilesIn(path), cause)
    const near = await yamlFilesIn(dirname(path))
    const why = codeOf(cause) === 'ENOENT' ? 'there is none' : String(cause instanceof Error ? cause.message : cause)
    throw new PoolError('SWEEP_INVALID', `The sweep file ${path} cannot be read: ${why}.`, {
      hint: near.length > 0 ? `In that folder: ${listed(near)}.` : 'An example is in docs/examples of this package.',
      cause
    })
  }
}

function folderGiven(folder: string, files: readonly string[], cause: unknown): PoolError {
  const [first] = files
  const best = files.includes('sweep.yaml') ? 'sweep.yaml' : first
  return new PoolError('SWEEP_INVALID', `${folder} is a folder, not a sweep file.`, {
    hint:
      best === undefined
        ? 'It has no sweep file. An example is in docs/examples of this package.'
        : `Did you mean ${join(folder, best)}?`,
    cause
  })
}

/** Errors: `SWEEP_INVALID` when the program is not in the folder that would travel. */
export async function findProgram({ program }: SweepSpec, folder: string): Promise<void> {
  if (program === undefined) return
  const found = await stat(join(folder, program)).catch(() => undefined)
  if (found?.isFile()) return
  const near = await filesIn(join(folder, dirname(program)), () => true)
  throw new PoolError(
    'SWEEP_INVALID',
    `The program "${program}" is not a file in ${folder}.${didYouMean(basename(program), near)}`,
    {
      hint: near.length > 0 ? `There is: ${listed(near)}.` : 'Put the program beside the sweep file.'
    }
  )
}

/** Returns the names of a folder's files that may be sweep files; none where it cannot be read. */
export function yamlFilesIn(folder: string): Promise<string[]> {
  return filesIn(folder, isYaml)
}

async function filesIn(folder: string, isShown: (name: string) => boolean): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  const names = entries.filter(entry => entry.isFile() && isShown(entry.name)).map(entry => entry.name)
  return names.sort()
}

function listed(names: readonly string[]): string {
  const rest = names.length - FILES_SHOWN_MAX
  return `${names.slice(0, FILES_SHOWN_MAX).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`
}

function isYaml(name: string): boolean {
  return /\.ya?ml$/i.test(name)
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
