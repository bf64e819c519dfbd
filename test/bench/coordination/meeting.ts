/**
 * Meeting: how the workers of one run find each other with nothing but the run's name.
 *
 * Founding, keys and the pool's secret all follow from the name, so that no invite is needed. Worker 0 founds the pool
 * and runs a private DHT; its address stands in a folder named by the run. For benches alone: who knows the name has
 * every key.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { digestOf, idOf, poolIdOf } from '#protocol'
import { openPrivateDht } from '../../../agent/mesh/dht.js'
import { writeJson } from '../../../agent/store/files.js'
import { type Identity, type Membership, openIdentity } from '../../../agent/store/identity.js'

const ADDRESS_WAIT_MS = 60_000
const POLL_MS = 20

export interface Meeting {
  readonly home: string
  readonly membership: Membership
  /** Of every worker of the run, by its index. */
  readonly identities: readonly Identity[]
  /** `host:port` of the run's DHT. */
  readonly bootstrap: string
  /** Tells the next worker that this one can be reached by now. */
  arrive(): void
  /** Removes what this worker left behind, and the folder with the last one. */
  leave(isKept: boolean): Promise<void>
}

/** Returns the folder of a run and of one worker's home in it. */
export function folderOf(run: string): { readonly folder: string; homeOf(index: number): string } {
  const folder = join(tmpdir(), `hypersweep-coordination-${idOf('coordination', run)}`)
  return { folder, homeOf: index => join(folder, `${index}`) }
}

/**
 * Brings one worker to where the others of its run meet, after those with a smaller index.
 *
 * One after the other, as friends' machines come: of eight that look each other up in the same moment most miss each
 * other, and look again only seconds later.
 * Errors: the worker before this one does not arrive within a minute.
 */
export async function meet(run: string, index: number, count: number): Promise<Meeting> {
  const { folder, homeOf } = folderOf(run)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const home = homeOf(index)
  const identities = Array.from({ length: count }, (_, each) => identityOf(run, each, folder))
  writeJson(join(home, 'identity.json'), keptOf(run, index))
  const [founder] = identities
  if (!founder) throw new Error('A run has at least one worker.')
  const { member, memberName, machine } = founder
  const founding = { name: 'coordination', member, memberName, machine, nonce: idOf('coordination/nonce', run) }
  const membership = { pool: poolIdOf(founding), secret: digestOf(`coordination/secret/${run}`), founding }
  const file = join(folder, 'dht')
  const dht = index === 0 ? await openPrivateDht('127.0.0.1', 0) : undefined
  if (dht) writeWhole(file, dht.address)
  const arrival = (each: number) => join(folder, `arrived-${each}`)
  const bootstrap = dht?.address ?? (await textIn(file))
  if (index > 0) await textIn(arrival(index - 1))
  return {
    home,
    membership,
    identities,
    bootstrap,
    arrive: () => writeWhole(arrival(index), 'here'),
    async leave(isKept) {
      await dht?.close()
      if (isKept) return
      rmSync(arrival(index), { force: true })
      if (index === 0) rmSync(file, { force: true })
      rmSync(home, { recursive: true, force: true })
      try {
        rmdirSync(folder)
      } catch {
        // Others are still there: the last one removes it.
      }
    }
  }
}

function keptOf(run: string, index: number) {
  const seed = (of: string) => digestOf(`coordination/${of}/${index}/${run}`)
  return {
    memberSeed: seed('member'),
    machineSeed: seed('machine'),
    memberName: `member-${index}`,
    machineName: `machine-${index}`
  }
}

/** Every worker knows the keys of all: an identity is read from a file, which is gone at once. */
function identityOf(run: string, index: number, folder: string): Identity {
  const home = join(folder, `keys-${process.pid}-${index}`)
  writeJson(join(home, 'identity.json'), keptOf(run, index))
  const identity = openIdentity(home, { member: 'member', machine: 'machine' })
  rmSync(home, { recursive: true, force: true })
  return identity
}

function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.partial`, text)
  renameSync(`${file}.partial`, file)
}

async function textIn(file: string): Promise<string> {
  const deadline = performance.now() + ADDRESS_WAIT_MS
  while (!existsSync(file)) {
    if (performance.now() > deadline) throw new Error(`${file} did not appear: a worker of this run did not start.`)
    await wait(POLL_MS)
  }
  return readFileSync(file, 'utf8')
}
