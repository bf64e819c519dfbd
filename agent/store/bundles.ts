/**
 * Bundles on this machine: packed from a folder, carried by a Hyperdrive, checked by hash, unpacked to be copied.
 *
 * In a drive a file's content stands once, at `/files/<digest>`, whatever bundles hold it; a bundle is its manifest at
 * `/bundles/<digest>`. Nothing is unpacked before its hash is right, and nothing runs that was not unpacked here.
 * A checkpoint is a bundle for one attempt, which takes its folder away; what is left of it in the store is cleared.
 */
import { lstatSync, readdirSync, rmSync } from 'node:fs'
import { mkdir, open, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import b4a from 'b4a'
import Hyperdrive from 'hyperdrive'
import {
  type Bundle,
  type BundleFile,
  decodeManifest,
  digestOf,
  type Manifest,
  PoolError,
  type SweepFiles
} from '#protocol'
import type { BundleState } from '../local.js'
import { digestOfFolder, putFolder, readFolder, withoutSweepFiles } from './bundle-folder.js'
import { diskError, diskFaultOf } from './disk-fault.js'
import { makeFolder, syncFolder } from './files.js'
import { bytesOf, freshName, hexOf, type Store } from './store.js'

/** Of a folder that has none. */
const NO_SWEEP_FILES: SweepFiles = { names: [], command: [] }
/** How long a person who asks what is in a bundle waits for its list, in ms. */
const LIST_MS = 5000
/** How often a drive that has not arrived yet is asked again, in ms. */
const RETRY_MS = 1000
/** How long a checkpoint stays in the store once it is unpacked, in ms. */
const SEEN_MS = 2000
/** What is named otherwise is half a bundle, or a checkpoint whose attempt is no more. */
const DIGEST = /^[0-9a-f]{64}$/
/** The largest manifest: every path at its longest. */
const MANIFEST_BYTES = 4 * 2 ** 20

export interface BundlesOptions {
  readonly store: Store
  readonly secret: string
  /** Where bundles are unpacked: one folder for each digest, and one for each attempt that waits for a checkpoint. */
  readonly folder: string
  /** Has the disk take what was written to the store. */
  readonly sync: () => Promise<void>
  /** `name`: a digest; for a checkpoint the attempt's id. */
  readonly onBundle: (name: string, state: BundleState) => void
}

export type BundleStore = ReturnType<typeof openBundles>

/**
 * Returns the bundles of a home. Drives are opened when a bundle in them is wanted.
 *
 * What this machine packs goes into a drive that this run made: to write one of before would fork it if the store had
 * lost its end, or been put back, and a forked drive is dead for everybody (as a log, rule L6).
 */
export function openBundles(options: BundlesOptions) {
  const encryptionKey = bytesOf(options.secret)
  const drives = new Map<string, Hyperdrive>()
  let own: Promise<Hyperdrive> | undefined
  const wanted = new Set<string>()
  /** Checkpoints on their way, by attempt: what gives their drive up. */
  const coming = new Map<string, () => Promise<void>>()
  let isClosed = false
  makeFolder(options.folder)
  for (const name of readdirSync(options.folder)) if (!DIGEST.test(name)) removeFolder(join(options.folder, name))

  const folderOf = (name: string) => join(options.folder, name)

  async function makeDrive(): Promise<Hyperdrive> {
    const drive = new Hyperdrive(options.store.namespace(freshName('bundles')), null, { encryptionKey })
    await drive.ready()
    drives.set(hexOf(drive.key), drive)
    return drive
  }

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
      if (isClosed || drive.core.closed) throw new PoolError('BUNDLE_UNAVAILABLE', 'Nobody waits for it any more.')
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
    if (!isUnpacked(target)) await fetchFrom(await driveOf(bundle.drive), bundle, target)
  }

  async function fetchCheckpoint(bundle: Bundle, attempt: string): Promise<void> {
    // Two would wait for each other: a drive is opened once at a time.
    if (drives.has(bundle.drive)) throw damaged('a checkpoint has a drive of its own')
    const drive = new Hyperdrive(options.store.session(), bytesOf(bundle.drive), { encryptionKey })
    let isNew = false
    const giveUp = async () => {
      coming.delete(attempt)
      // The copy in the store would stay for ever. Not to clear it costs room, and nothing else.
      if (isNew && hasOwnContent(drive)) await drive.clearAll().catch(() => undefined)
      await drive.close()
    }
    coming.set(attempt, giveUp)
    try {
      await drive.ready()
      // Whatever drive or log a record may name, nothing is cleared that was here before.
      isNew = drive.core.length === 0
      await fetchFrom(drive, bundle, folderOf(attempt))
    } finally {
      // Whoever gave it waits until it sees that it is here.
      setTimeout(
        () =>
          coming
            .get(attempt)?.()
            .catch(() => undefined),
        SEEN_MS
      ).unref()
    }
  }

  async function fetchFrom(drive: Hyperdrive, bundle: Bundle, target: string): Promise<void> {
    const files = await manifestOf(drive, bundle)
    const partial = `${target}.partial`
    try {
      await unpack(partial, drive, files)
      await rename(partial, target)
    } catch (error) {
      // Half a bundle on a full disk only takes room from what matters more.
      removeFolder(partial)
      throw error
    }
    syncFolder(options.folder)
  }

  /** Every file and every folder is on disk when this ends: the rename that follows says that all is there. */
  async function unpack(folder: string, drive: Hyperdrive, files: Manifest): Promise<void> {
    removeFolder(folder)
    const folders = new Set([folder])
    await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const file of files) {
      await unpackFile(folder, file, await arrived(drive, `/files/${file.digest}`, file.bytes))
      for (let path = dirname(file.path); path !== '.'; path = dirname(path)) folders.add(join(folder, path))
    }
    for (const path of folders) syncFolder(path)
  }

  return {
    folderOf,

    /**
     * Fetches, checks and unpacks a bundle in the background; `onBundle` tells of the end. A checkpoint is unpacked for
     * the one attempt that is to go on from it.
     */
    want(bundle: Bundle, attempt?: string): void {
      const name = attempt ?? bundle.digest
      if (wanted.has(name)) return
      wanted.add(name)
      const tell = (state: BundleState) => {
        // First it may be asked for again, then its end is told: who hears of it may ask at once.
        if (!wanted.delete(name)) removeFolder(folderOf(name))
        else if (!isClosed) options.onBundle(name, state)
      }
      const fetching = attempt === undefined ? fetch(bundle) : fetchCheckpoint(bundle, attempt)
      fetching.then(
        () => tell('ready'),
        error => tell(faultStateOf(error))
      )
    },

    /** Gives up a checkpoint, on its way or here. */
    forget(attempt: string): void {
      if (!wanted.delete(attempt)) removeFolder(folderOf(attempt))
      // What waits for it fails now, and tells nobody.
      coming
        .get(attempt)?.()
        .catch(() => undefined)
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
     * Packs a folder without its sweep files into this machine's drive. It is on disk when this ends: a record that
     * names it may reach others at once, and they would wait for ever for what a power cut took back.
     *
     * Errors: `BUNDLE_INVALID` with every problem at once, when one is a link, has an odd name, or all are too large;
     *         `DISK_FULL` when this machine has no room for it.
     */
    async pack(folder: string, sweepFiles: SweepFiles = NO_SWEEP_FILES): Promise<Bundle> {
      const read = withoutSweepFiles(readFolder(folder, 'code'), sweepFiles)
      try {
        own ??= makeDrive()
        const bundle = await putFolder(await own, read)
        await options.sync()
        return bundle
      } catch (error) {
        // What such a drive holds now is unknown: the next bundle begins a fresh one.
        own = undefined
        const fault = diskFaultOf(error)
        throw fault === undefined ? error : diskError(options.folder, fault, error)
      }
    },

    /** Returns the digest of what `pack` would make of a folder, and stores nothing. Errors: `BUNDLE_INVALID`. */
    digestOf: (folder: string, sweepFiles: SweepFiles): string =>
      digestOfFolder(withoutSweepFiles(readFolder(folder, 'code'), sweepFiles)),

    async close(): Promise<void> {
      isClosed = true
      await Promise.all([own?.catch(() => undefined), ...[...coming.values()].map(giveUp => giveUp())])
      await Promise.all([...drives.values()].map(drive => drive.close()))
    }
  }
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

/** True when a drive keeps its content where nobody could have put anything else; a liar may name a log instead. */
function hasOwnContent(drive: Hyperdrive): boolean {
  const key = Hyperdrive.getContentKey(drive.core)
  return key !== null && drive.contentKey !== undefined && b4a.equals(key, drive.contentKey)
}

function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true })
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

function damaged(what: string): PoolError {
  return new PoolError('BUNDLE_UNAVAILABLE', `The bundle is damaged: ${what}`, {
    hint: 'Ask its author to submit the sweep again.'
  })
}
