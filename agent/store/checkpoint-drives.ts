/**
 * Checkpoint drives: what programs had saved when their attempts were given back, for whoever goes on with them (C7).
 *
 * Owns one drive for each checkpoint, so that an old one is given up as a whole and none is written to after a crash.
 * Never holds up a release: packing never rejects and has a limit of time. Invariant: every drive is in the list on
 * disk before anything is in the drive.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type Hypercore from 'hypercore'
import Hyperdrive from 'hyperdrive'
import { z } from 'zod'
import type { Bundle } from '#protocol'
import { putFolder, readFolder } from './bundle-folder.js'
import { readJson, writeJson } from './files.js'
import { bytesOf, freshName, type Store } from './store.js'

/** How many are kept: with 64 MiB each, half a GiB. Whoever goes on from one fetches it within a minute. */
const KEPT = 8
/** How long a release waits for its checkpoint, in ms: 64 MiB take some 2 s. */
const PACK_MS = 8000
/** What was packed before that was fetched, or nobody wants it, in ms. */
const FRESH_MS = 15_000
const POLL_MS = 50

const listSchema = z.array(z.string().regex(/^checkpoint-[0-9a-f]{32}$/))

export interface CheckpointDrivesOptions {
  readonly store: Store
  readonly secret: string
  /** The home: the list of drives is in its `keeper` folder. */
  readonly home: string
  readonly note: (message: string, fields: Readonly<Record<string, unknown>>) => void
  readonly packMs?: number
}

export interface CheckpointDrives {
  /** Packs a checkpoint folder. Nothing when it is empty, cannot be sent or takes too long. Never rejects. */
  pack(folder: string): Promise<Bundle | undefined>
  /** Waits until others have what was packed just now, but not for longer than `limitMs`. */
  handOver(limitMs: number): Promise<void>
  close(): Promise<void>
}

/** Returns the checkpoint drives of a home; those of earlier runs are opened when somebody asks for them. */
export function openCheckpointDrives(options: CheckpointDrivesOptions): CheckpointDrives {
  const { store, packMs = PACK_MS } = options
  const list = join(options.home, 'keeper', 'checkpoint-drives.json')
  const encryptionKey = bytesOf(options.secret)
  const open = new Set<Hyperdrive>()
  /** The logs with the contents of what was packed in this run: they tell who has them. */
  let packed: readonly { readonly contents: Hypercore; readonly atMs: number }[] = []
  let names = readList(list)
  let isClosed = false

  /** A drive is open while something is put into it or cleared: nobody else on this machine could read it. */
  async function withDrive<T>(name: string, work: (drive: Hyperdrive) => Promise<T>): Promise<T> {
    const drive = new Hyperdrive(store.namespace(name), null, { encryptionKey })
    open.add(drive)
    try {
      await drive.ready()
      return await work(drive)
    } finally {
      open.delete(drive)
      await drive.close()
    }
  }

  async function put(folder: string): Promise<Bundle | undefined> {
    if (isClosed || isEmpty(folder)) return undefined
    const read = readFolder(folder, 'data')
    const name = freshName('checkpoint')
    const all = [...names, name]
    names = all.slice(-KEPT)
    writeJson(list, all)
    const bundle = await withDrive(name, async drive => {
      const made = await putFolder(drive, read)
      if (drive.contentKey && !isClosed) await watch(drive.contentKey)
      return made
    })
    for (const old of all.slice(0, -KEPT)) giveUp(old)
    return bundle
  }

  async function watch(key: Uint8Array): Promise<void> {
    const contents = store.get({ key, encryption: { key: encryptionKey } })
    await contents.ready()
    const all = [...packed, { contents, atMs: performance.now() }]
    packed = all.slice(-KEPT)
    await Promise.all(all.slice(0, -KEPT).map(old => old.contents.close()))
  }

  /** Nobody waits for this: what is not cleared costs room, and nothing else. */
  function giveUp(name: string): void {
    withDrive(name, drive => drive.clearAll()).catch(tell('an old checkpoint stays'))
  }

  function tell(message: string, fields: Readonly<Record<string, unknown>> = {}): (error: unknown) => undefined {
    return error => {
      options.note(message, { ...fields, error: String(error) })
      return undefined
    }
  }

  return {
    async pack(folder) {
      // Too large, with a link in it, or the disk is full: the trial begins anew elsewhere.
      const packing = put(folder).catch(tell('a checkpoint cannot be sent', { folder }))
      return await Promise.race([packing, wait(packMs, undefined, { ref: false })])
    },
    async handOver(limitMs) {
      const beganMs = performance.now()
      const fresh = packed.filter(({ atMs }) => atMs > beganMs - FRESH_MS)
      for (const { contents } of fresh)
        while (performance.now() < beganMs + limitMs && !isTaken(contents)) await wait(POLL_MS)
    },
    async close() {
      isClosed = true
      await Promise.all([...open].map(drive => drive.close()))
      await Promise.all(packed.map(({ contents }) => contents.close()))
    }
  }
}

/** True when another machine has all of it now. */
function isTaken({ peers, length }: Hypercore): boolean {
  return peers.some(peer => peer.remoteContiguousLength >= length)
}

/** A list that cannot be read costs the room of what it named. */
function readList(path: string): string[] {
  try {
    return listSchema.parse(readJson(path) ?? [])
  } catch {
    return []
  }
}

function isEmpty(folder: string): boolean {
  try {
    return readdirSync(folder).length === 0
  } catch {
    return true // The program never began.
  }
}
