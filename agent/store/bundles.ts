/**
 * Bundles on this machine: packed from a folder, carried by a Hyperdrive, checked by hash, unpacked to be copied.
 *
 * In a drive a file's content stands once, at `/files/<digest>`, whatever bundles hold it; a bundle is its manifest at
 * `/bundles/<digest>`. Nothing is unpacked before its hash is right, and nothing runs that was not unpacked here.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { mkdir, open, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import b4a from 'b4a'
import Hyperdrive from 'hyperdrive'
import {
  type Bundle,
  type BundleFile,
  bundleProblems,
  bytesIn,
  decodeManifest,
  digestOf,
  encodeManifest,
  LIMITS,
  type Manifest,
  PoolError
} from '#protocol'
import type { BundleState } from '../local.js'
import { diskError, diskFaultOf } from './disk-fault.js'
import { makeFolder, syncFolder } from './files.js'
import { bytesOf, hexOf, type Store } from './store.js'

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
/** How long a person who asks what is in a bundle waits for its list, in ms. */
const LIST_MS = 5000
/** How often a drive that has not arrived yet is asked again, in ms. */
const RETRY_MS = 1000
/** The largest manifest: every path at its longest. */
const MANIFEST_BYTES = 4 * 2 ** 20

export interface BundlesOptions {
  readonly store: Store
  readonly secret: string
  /** Where bundles are unpacked: one folder for each digest. */
  readonly folder: string
  readonly onBundle: (digest: string, state: BundleState) => void
}

export type BundleStore = Awaited<ReturnType<typeof openBundles>>

/** Opens this machine's drive. Drives of others are opened when a bundle of theirs is wanted. */
export async function openBundles(options: BundlesOptions) {
  const encryptionKey = bytesOf(options.secret)
  const own = new Hyperdrive(options.store.namespace('bundles'), null, { encryptionKey })
  await own.ready()
  const drives = new Map<string, Hyperdrive>([[hexOf(own.key), own]])
  const wanted = new Set<string>()
  let isClosed = false
  makeFolder(options.folder)

  const folderOf = (digest: string) => join(options.folder, digest)

  async function driveOf(key: string): Promise<Hyperdrive> {
    const known = drives.get(key)
    if (known) return known
    const drive = new Hyperdrive(options.store.session(), bytesOf(key), { encryptionKey })
    drives.set(key, drive)
    await drive.ready()
    return drive
  }

  /** Waits until the drive has a path: its first blocks may still be on their way. Nothing larger is ever fetched. */
  async function arrived(drive: Hyperdrive, path: string, bytesMax: number): Promise<Uint8Array> {
    for (;;) {
      if (isClosed) throw new PoolError('BUNDLE_UNAVAILABLE', 'The agent is closing.')
      const entry = drive.core.length > 0 ? await drive.entry(path) : null
      const bytes = entry?.value.blob?.byteLength ?? 0
      if (bytes > bytesMax) throw damaged(`${path} has ${bytes} bytes; ${bytesMax} is the most that it may have`)
      const content = entry ? await drive.get(path) : null
      if (content) return content
      await changed(drive)
    }
  }

  async function manifestOf(drive: Hyperdrive, bundle: Bundle): Promise<Manifest> {
    const manifest = await arrived(drive, `/bundles/${bundle.digest}`, MANIFEST_BYTES)
    const read = decodeManifest(b4a.toString(manifest), bundle.digest)
    if ('problem' in read) throw damaged(read.problem)
    return read.files
  }

  async function fetch(bundle: Bundle): Promise<void> {
    const target = folderOf(bundle.digest)
    if (isUnpacked(target)) return
    const drive = await driveOf(bundle.drive)
    const files = await manifestOf(drive, bundle)
    const partial = `${target}.partial`
    try {
      await unpack(partial, drive, files)
      await rename(partial, target)
    } catch (error) {
      // Half a bundle on a full disk only takes room from what matters more.
      rmSync(partial, { recursive: true, force: true })
      throw error
    }
    syncFolder(options.folder)
  }

  /** Every file and every folder is on disk when this ends: the rename that follows says that all is there. */
  async function unpack(folder: string, drive: Hyperdrive, files: Manifest): Promise<void> {
    rmSync(folder, { recursive: true, force: true })
    const folders = new Set([folder])
    await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const file of files) {
      await unpackFile(folder, file, await arrived(drive, `/files/${file.digest}`, file.bytes))
      for (let path = dirname(file.path); path !== '.'; path = dirname(path)) folders.add(join(folder, path))
    }
    for (const path of folders) syncFolder(path)
  }

  /** What is content-addressed is the same for ever: it is put once. */
  async function put(path: string, content: Uint8Array): Promise<void> {
    if ((await own.entry(path)) === null) await own.put(path, content)
  }

  return {
    folderOf,

    /** Fetches, checks and unpacks a bundle in the background; `onBundle` tells of the end. */
    want(bundle: Bundle): void {
      const { digest } = bundle
      if (wanted.has(digest)) return
      wanted.add(digest)
      const tell = (state: BundleState) => {
        // First it may be asked for again, then its end is told: who hears of it may ask at once.
        wanted.delete(digest)
        if (!isClosed) options.onBundle(digest, state)
      }
      fetch(bundle).then(
        () => tell('ready'),
        error => tell(faultStateOf(error))
      )
    },

    /**
     * Returns the files of a bundle, without fetching them.
     *
     * Errors: `BUNDLE_UNAVAILABLE` when its list is not here and no machine that has it is, or when it is damaged.
     */
    async list(bundle: Bundle): Promise<Manifest> {
      const found = driveOf(bundle.drive).then(drive => manifestOf(drive, bundle))
      found.catch(() => undefined) // It may end long after nobody waits for it.
      const files = await Promise.race([
        found,
        new Promise<undefined>(resolve => setTimeout(() => resolve(undefined), LIST_MS))
      ])
      if (files) return files
      throw new PoolError('BUNDLE_UNAVAILABLE', 'The list of files has not arrived yet.', {
        hint: 'A machine that has it must be on: its author, or one that approved it.'
      })
    },

    /**
     * Packs a folder into this machine's drive.
     *
     * Errors: `BUNDLE_INVALID` with every problem at once, when one is a link, has an odd name, or all are too large;
     *         `DISK_FULL` when this machine has no room for it.
     */
    async pack(folder: string): Promise<Bundle> {
      const { files, contents } = readFolder(folder)
      const manifest = encodeManifest(files)
      const digest = digestOf(manifest)
      try {
        for (const [name, content] of contents) await put(`/files/${name}`, content)
        await put(`/bundles/${digest}`, b4a.from(manifest))
      } catch (error) {
        const fault = diskFaultOf(error)
        throw fault === undefined ? error : diskError(options.folder, fault, error)
      }
      return { digest, drive: hexOf(own.key), bytes: bytesIn(files), files: files.length }
    },

    async close(): Promise<void> {
      isClosed = true
      await Promise.all([...drives.values()].map(drive => drive.close()))
    }
  }
}

/** Reads the files of a folder that make up its bundle, each content once. */
function readFolder(folder: string): { files: Manifest; contents: Map<string, Uint8Array> } {
  const found = listFolder(folder)
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

interface Found {
  readonly path: string
  readonly bytes: number
  readonly executable: boolean
  readonly problem?: string
}

function listFolder(root: string): Found[] {
  const isIgnored = ignoreRules(root)
  const found: Found[] = []
  const visit = (folder: string) => {
    for (const name of readdirSync(join(root, folder)).sort()) {
      const path = folder === '' ? name : `${folder}/${name}`
      if (LEFT_OUT.has(name) || name === IGNORE_FILE || isIgnored(path)) continue
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

async function unpackFile(folder: string, file: BundleFile, content: Uint8Array): Promise<void> {
  if (content.length !== file.bytes || digestOf(content) !== file.digest)
    throw damaged(`${file.path} does not have the content that was approved`)
  const path = join(folder, file.path)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  // `wx`: a path that is there already would be a link or a clash; neither can be in a fresh folder.
  const handle = await open(path, 'wx', file.executable ? 0o700 : 0o600)
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function faultStateOf(error: unknown): BundleState {
  const fault = error instanceof Error ? error.message : String(error)
  return diskFaultOf(error) === undefined ? { fault } : { fault, isDiskFault: true }
}

function isUnpacked(folder: string): boolean {
  try {
    return lstatSync(folder).isDirectory()
  } catch {
    return false
  }
}

/** Resolves when the drive grew, or after a while: peers may come at any time. */
function changed(drive: Hyperdrive): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer)
      drive.core.off('append', done)
      resolve()
    }
    const timer = setTimeout(done, RETRY_MS)
    drive.core.on('append', done)
  })
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

function damaged(what: string): PoolError {
  return new PoolError('BUNDLE_UNAVAILABLE', `The bundle is damaged: ${what}`, {
    hint: 'Ask its author to submit the sweep again.'
  })
}
