/**
 * Bundle folders: what of a folder goes into a bundle, and into which drive it is put.
 *
 * Owns which files are left out and why a folder is refused; links and special files always are. Reads, and changes
 * nothing in the folder.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import b4a from 'b4a'
import type Hyperdrive from 'hyperdrive'
import {
  type Bundle,
  bundleProblems,
  bytesIn,
  digestOf,
  encodeManifest,
  LIMITS,
  type Manifest,
  PoolError,
  type SweepFiles
} from '#protocol'
import { hexOf } from './store.js'

/** Folders and files that are never code: what tools leave behind, and what would carry secrets. */
const LEFT_OUT = new Set([
  '.git',
  '.hg',
  '.svn',
  'node_modules',
  '__pycache__',
  '.venv',
  'venv',
  '.env',
  '.mypy_cache',
  '.pytest_cache',
  '.ruff_cache',
  '.ipynb_checkpoints',
  '.idea',
  '.vscode',
  '.DS_Store',
  'wandb',
  'mlruns',
  'lightning_logs',
  '.hypersweep',
  '.cache'
])
const IGNORE_FILE = '.hypersweepignore'

/** `code` leaves out what tools leave behind and what the folder's own list names; of `data` everything goes. */
export type FolderKind = 'code' | 'data'

/** The files of a folder, and each content once, by its digest. */
export interface FolderRead {
  readonly files: Manifest
  readonly contents: ReadonlyMap<string, Uint8Array>
}

/**
 * Puts what was read of a folder into a drive: what is content-addressed is the same for ever, and is put once.
 *
 * @returns  The bundle, as records name it. Errors: those of the disk.
 */
export async function putFolder(drive: Hyperdrive, { files, contents }: FolderRead): Promise<Bundle> {
  const put = async (path: string, content: Uint8Array) => {
    if ((await drive.entry(path)) === null) await drive.put(path, content)
  }
  const manifest = encodeManifest(files)
  const digest = digestOf(manifest)
  for (const [name, content] of contents) await put(`/files/${name}`, content)
  await put(`/bundles/${digest}`, b4a.from(manifest))
  return { digest, drive: hexOf(drive.key), bytes: bytesIn(files), files: files.length }
}

/** Returns the digest that the bundle of what was read has. */
export function digestOfFolder({ files }: FolderRead): string {
  return digestOf(encodeManifest(files))
}

/**
 * Reads the files of a folder that make up its bundle.
 *
 * Errors: `BUNDLE_INVALID` with every problem at once, when one is a link, has an odd name, or all are too large.
 */
export function readFolder(folder: string, kind: FolderKind): FolderRead {
  const found = listFolder(folder, kind)
  if (found.length === 0) throw invalid(folder, ['It holds no files.'])
  const sizes = found.map(({ path, bytes }) => ({ path, bytes, executable: false, digest: '' }))
  const problems = [
    ...found.flatMap(file => (file.problem ? [`${JSON.stringify(file.path)} ${file.problem}.`] : [])),
    ...bundleProblems(sizes)
  ]
  if (problems.length > 0) throw invalid(folder, problems, largest(sizes))
  const contents = new Map<string, Uint8Array>()
  const files = found.map(({ path, executable }) => {
    const content = readFileSync(join(folder, path))
    const digest = digestOf(content)
    contents.set(digest, content)
    return { path, executable, bytes: content.length, digest }
  })
  return { files, contents }
}

/** Files whose mention of another does not mean that the program reads it. */
const DOCUMENT = /\.(?:md|rst|txt)$/i

/**
 * Returns what was read of a folder without its sweep files: a sweep is in the log, and its code stays the same code,
 * approved and known, when a range changes.
 *
 * One that the command or another file names is kept, as the program may read it; so are all where nothing else is.
 */
export function withoutSweepFiles({ files, contents }: FolderRead, { names, command }: SweepFiles): FolderRead {
  const others = files.filter(({ path }) => !names.includes(path))
  const texts = others.flatMap(({ path, digest }) => (DOCUMENT.test(path) ? [] : (contents.get(digest) ?? [])))
  const isRead = (name: string) =>
    command.some(each => each.includes(name)) || texts.some(text => b4a.includes(text, name))
  const kept = others.length === 0 ? files : files.filter(each => others.includes(each) || isRead(each.path))
  const digests = new Set(kept.map(({ digest }) => digest))
  return { files: kept, contents: new Map([...contents].filter(([digest]) => digests.has(digest))) }
}

interface Found {
  readonly path: string
  readonly bytes: number
  readonly executable: boolean
  readonly problem?: string
}

function listFolder(root: string, kind: FolderKind): Found[] {
  const isNamed = ignoreRules(root)
  const isIgnored = (path: string, name: string) =>
    kind === 'code' && (LEFT_OUT.has(name) || name === IGNORE_FILE || isNamed(path))
  const found: Found[] = []
  const visit = (folder: string) => {
    for (const name of readdirSync(join(root, folder)).sort()) {
      const path = folder === '' ? name : `${folder}/${name}`
      if (isIgnored(path, name)) continue
      const stat = lstatSync(join(root, path))
      if (stat.isDirectory()) visit(path)
      else if (stat.isFile()) found.push({ path, bytes: stat.size, executable: (stat.mode & 0o100) !== 0 })
      else if (stat.isSymbolicLink())
        found.push({
          path,
          bytes: 0,
          executable: false,
          problem: `is a link (to ${JSON.stringify(readlinkSync(join(root, path)))}); copy the file itself into the folder`
        })
      else found.push({ path, bytes: 0, executable: false, problem: 'is no ordinary file' })
      // Far beyond the limit there is nothing more to say, and a home folder could hold millions.
      if (found.length > 4 * LIMITS.bundleFiles) return
    }
  }
  visit('')
  return found
}

/** `.hypersweepignore`: one path, folder or `*.ending` a line; `#` begins a comment. */
function ignoreRules(root: string): (path: string) => boolean {
  let text = ''
  try {
    text = readFileSync(join(root, IGNORE_FILE), 'utf8')
  } catch {
    return () => false // Most folders have none.
  }
  const rules = text
    .split(/\r?\n/)
    .map(line => line.trim().replace(/\/$/, ''))
    .filter(line => line !== '' && !line.startsWith('#'))
  return path =>
    rules.some(rule =>
      rule.startsWith('*') ? path.endsWith(rule.slice(1)) : path === rule || path.startsWith(`${rule}/`)
    )
}

function largest(files: Manifest): string {
  return [...files]
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, 5)
    .map(file => `${file.path} (${(file.bytes / 2 ** 20).toFixed(1)} MiB)`)
    .join(', ')
}

function invalid(folder: string, problems: readonly string[], biggest = ''): PoolError {
  const shown = problems.slice(0, 20)
  const more = problems.length > shown.length ? [`… and ${problems.length - shown.length} more.`] : []
  return new PoolError(
    'BUNDLE_INVALID',
    [`The folder ${folder} cannot be sent to the pool:`, ...shown, ...more].join('\n  '),
    {
      hint: `Leave out what is no code: list paths in ${join(folder, IGNORE_FILE)}, one a line.${biggest ? ` The largest files: ${biggest}.` : ''}`
    }
  )
}
