/**
 * Verifying each log: whose it is, whether its blocks are those that were signed, and what cannot be read of it.
 */
import type Hypercore from 'hypercore'
import crypto from 'hypercore-crypto'
import { type Attestation, type Decoded, decodeBlock, LIMITS, type VerifyCheck } from '#protocol'
import type { Identity, Membership } from './identity.js'
import { logsInStore } from './own-logs.js'
import { bytesOf, hexOf, type Store } from './store.js'
import { shown } from './verify-files.js'

/** Blocks that are read at once. */
const READ_BLOCKS = 64

/** What is verified, and who is told how far it is. */
export interface VerifyParts {
  readonly home: string
  readonly store: Store
  readonly identity: Identity
  readonly membership: Membership
  readonly onProgress: (what: string) => void
}

/** A log that is open to be read. */
export interface ReadLog {
  readonly attestation: Attestation
  readonly core: Hypercore
  readonly isOwn: boolean
  /** False when its first block says that somebody else writes it: nothing of it is folded. */
  isTheirs: boolean
  records: number
}

/** One block with its place in its log. */
export interface ReadBlock {
  readonly block: number
  readonly items: readonly Decoded[]
}

/** Opens the logs of the list, and those in the store that are missing in it. */
export async function openLogs(
  { store, identity, membership }: VerifyParts,
  listed: readonly Attestation[]
): Promise<{ checks: VerifyCheck[]; logs: ReadLog[] }> {
  const stored = new Set<string>()
  for await (const discoveryKey of store.list()) stored.add(hexOf(discoveryKey))
  const found = await logsInStore({ store, membership })
  const unlisted = found.filter(each => !listed.some(known => known.log === each.log))
  const known = [...listed, ...unlisted]
  const [here, away] = [
    known.filter(({ log }) => stored.has(discoveryOf(log))),
    known.filter(({ log }) => !stored.has(discoveryOf(log)))
  ]
  const logs = here
    .sort((a, b) => (a.log < b.log ? -1 : 1))
    .map(attestation => ({
      attestation,
      core: store.get({ key: bytesOf(attestation.log), encryption: { key: bytesOf(membership.secret) } }),
      isOwn: attestation.machine === identity.machine,
      isTheirs: true,
      records: 0
    }))
  await Promise.all(logs.map(({ core }) => core.ready()))
  return { checks: listChecks(unlisted, away, identity.machine), logs }
}

/** Checks every log on its own, block by block. */
export async function checkLogs({ onProgress }: VerifyParts, logs: readonly ReadLog[]): Promise<VerifyCheck[]> {
  const findings = { holes: 0, unknown: 0, missing: 0, late: 0 }
  const checks: VerifyCheck[] = []
  for (const [index, log] of logs.entries()) {
    onProgress(`Reading log ${index + 1} of ${logs.length} …`)
    checks.push(...(await checkLog(log, findings)))
  }
  const { holes, unknown, missing, late } = findings
  const records = logs.reduce((sum, log) => sum + log.records, 0)
  return [...checks, ...summary({ logs: logs.length, records, holes, unknown, missing, late })]
}

/** Compares what else is in the store, bundles and curves, with the Merkle trees that were signed. */
export async function checkRest({ store, onProgress }: VerifyParts, logs: readonly ReadLog[]): Promise<VerifyCheck> {
  const read = new Set(logs.map(({ attestation }) => discoveryOf(attestation.log)))
  const damaged: string[] = []
  let count = 0
  for await (const discoveryKey of store.list()) {
    const name = hexOf(discoveryKey)
    if (read.has(name)) continue
    onProgress(`Reading bundles and curves, ${++count} …`)
    const core = store.get({ discoveryKey })
    await core.ready()
    if ((await damageOf(core)) !== undefined) damaged.push(hexOf(core.key).slice(0, 8))
    await core.close()
  }
  const name = 'bundles, curves'
  if (damaged.length === 0)
    return { name, verdict: 'ok', detail: `${count} parts of the store are as they were signed.` }
  const detail = `${damaged.length} of ${count} parts of the store are damaged: ${shown(damaged)}.`
  return { name, verdict: 'wrong', detail, hint: REPLACE }
}

/** Reads the blocks of a log that are here, from the first on, up to `end`. */
export async function* blocksOf({ core }: ReadLog, end = Number.POSITIVE_INFINITY): AsyncGenerator<ReadBlock> {
  const last = Math.min(end, core.contiguousLength)
  for (let start = 0; start < last; start += READ_BLOCKS) {
    const count = Math.min(READ_BLOCKS, last - start)
    const blocks = await Promise.all(
      Array.from({ length: count }, (_, offset) => core.get(start + offset, { wait: false }))
    )
    for (const [offset, bytes] of blocks.entries())
      yield { block: start + offset, items: bytes ? decodeBlock(bytes) : [{ hole: 'a block that is not here' }] }
  }
}

interface Findings {
  holes: number
  unknown: number
  missing: number
  late: number
}

async function checkLog(log: ReadLog, findings: Findings): Promise<VerifyCheck[]> {
  const { core, attestation, isOwn } = log
  const wrong = (detail: string, hint: string): VerifyCheck => ({ name: nameOf(log), verdict: 'wrong', detail, hint })
  const checks: VerifyCheck[] = []
  if (core.fork !== 0) checks.push(wrong('Its writer wrote its past anew.', REPLACE))
  findings.missing += core.length - core.contiguousLength
  const damage = await damageOf(core)
  if (damage !== undefined) checks.push(wrong(damage, isOwn ? FRESH : REPLACE))
  let clock = 0
  let late = 0
  for await (const { block, items } of blocksOf(log)) {
    if (block === 0 && !isOpenedBy(attestation, items)) {
      log.isTheirs = false
      checks.push(wrong('Its first block does not say what it is attested to be.', REPLACE))
    }
    for (const item of items) {
      if ('hole' in item) findings.holes++
      else if ('unknownKind' in item) findings.unknown++
      else {
        log.records++
        if (item.record.clock <= clock && clock < LIMITS.clockMax) late++
        clock = Math.max(clock, item.record.clock)
      }
    }
  }
  if (late > 0 && isOwn) checks.push(wrong(`${late} records have a clock that is not larger than those before.`, FRESH))
  else findings.late += late
  return checks
}

/** Returns what is wrong with what is stored of a log; nothing when it is what its writer signed. */
async function damageOf(core: Hypercore): Promise<string | undefined> {
  const audit = await core.core.audit({ dryRun: true })
  if (!audit || audit.corrupt) return 'Its Merkle tree is broken.'
  const { droppedTreeNodes, droppedBlocks, droppedBits } = audit
  if (droppedBlocks > 0) return `${droppedBlocks} of its blocks are not those that were signed.`
  if (droppedTreeNodes > 0) return `${droppedTreeNodes} nodes of its Merkle tree are wrong.`
  if (droppedBits > 0) return `${droppedBits} of its blocks are gone although they were here.`
  if (core.length === 0) return undefined
  const { signature } = core.core.header.tree
  const isSigned = signature !== null && core.core.verifier.verify(core.core.state.createTreeBatch(), signature)
  return isSigned ? undefined : 'It is not signed by its key.'
}

const FRESH = 'Move keeper/clean-stop.json away: the next agent then opens a fresh log, and this one stays as it is.'
const REPLACE =
  'What others have comes back: with the agent down, move the folder `store` away, then `hypersweep up`. Keep the copy.'

function isOpenedBy(attestation: Attestation, items: readonly Decoded[]): boolean {
  const [first] = items
  if (!first || !('record' in first)) return false
  const { record } = first
  if (record.kind !== 'writer-opened') return false
  const { pool, member, machine, log } = attestation
  return record.pool === pool && record.member === member && record.machine === machine && record.log === log
}

function listChecks(unlisted: readonly Attestation[], away: readonly Attestation[], machine: string): VerifyCheck[] {
  const checks: VerifyCheck[] = []
  if (unlisted.length > 0)
    checks.push({
      name: 'logs',
      verdict: 'found',
      detail: `${unlisted.length} logs in the store are not in the list: ${shown(unlisted.map(each => each.log.slice(0, 8)))}.`,
      hint: 'Peers tell of them again, once the agent runs.'
    })
  const own = away.filter(each => each.machine === machine)
  if (own.length > 0)
    checks.push({
      name: 'logs',
      verdict: 'found',
      detail: `${own.length} logs of this machine are not in the store: a power cut took them, or the store was replaced.`,
      hint: 'What others have of them comes back, once the agent runs.'
    })
  return checks
}

function summary(of: Findings & { logs: number; records: number }): VerifyCheck[] {
  const found = (name: string, detail: string): VerifyCheck => ({ name, verdict: 'found', detail })
  return [
    { name: 'logs', verdict: 'ok', detail: `${of.logs} logs with ${of.records} records read.` },
    ...(of.missing > 0 ? [found('logs', `${of.missing} blocks are known of and not here yet.`)] : []),
    ...(of.holes > 0 ? [found('holes', `${of.holes} places cannot be read; they are skipped.`)] : []),
    ...(of.unknown > 0 ? [found('kinds', `${of.unknown} records are of kinds that this release does not know.`)] : []),
    ...(of.late > 0 ? [found('clocks', `${of.late} records of others have a clock that does not grow.`)] : [])
  ]
}

function nameOf({ attestation, isOwn }: ReadLog): string {
  return `${isOwn ? 'own ' : ''}log ${attestation.log.slice(0, 8)}`
}

function discoveryOf(log: string): string {
  return hexOf(crypto.discoveryKey(bytesOf(log)))
}
