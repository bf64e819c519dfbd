/**
 * The shared log: one Hypercore per machine incarnation, folded into one pool.
 *
 * Brings together which logs are known and open, the fold, the checkpoint and the writing of this machine's own log. It
 * writes to one of its own logs; the others, and those that it retired, are read like everybody's.
 */
import {
  type Attestation,
  canonicalJson,
  type Draft,
  decodeBlock,
  type Gossip,
  type Place,
  type Pool,
  reachOf,
  roleOf
} from '#protocol'
import type { Log } from '../ports.js'
import { createCheckpoints, loadCheckpoint } from './checkpoint.js'
import { createFolding, type Folding } from './folding.js'
import type { FollowedLog } from './followed-log.js'
import type { Identity, Membership } from './identity.js'
import type { FileKeeper } from './keeper.js'
import { createLogList } from './log-list.js'
import { createWriter, type LogWriter } from './log-writer.js'
import { aboutLog, createOpenLogs, type OpenLogs } from './open-logs.js'
import { draftOf, type Outbox, openOutbox } from './outbox.js'
import { logsInStore, makeFreshLog, openingIn } from './own-logs.js'
import { createQuota, type Quota } from './quota.js'
import type { Store } from './store.js'

/** How often logs that will not grow are looked for, in ms. */
const SEAL_MS = 30_000
/** What the outbox holds stands in so many last blocks of the log, if it is there. */
const OUTBOX_BLOCKS = 64
/** Logs over quota are asked for again after this time, in ms: by then some room is there. */
const QUOTA_RETRY_MS = 10 * 60_000

export interface SharedLogOptions {
  readonly home: string
  readonly store: Store
  readonly membership: Membership
  readonly identity: Identity
  readonly keeper: Pick<FileKeeper, 'loadLogs' | 'saveLogs' | 'loadQuotas' | 'saveQuotas'>
  /** The log that may be gone on with, by `takeCleanStop`; a fresh one is opened when absent. */
  readonly lastLog: string | undefined
  /** What each member's logs may grow by in a day, in bytes. */
  readonly quotaBytesPerDay: number
  readonly wall: () => number
  readonly note: (message: string, fields: Readonly<Record<string, unknown>>) => void
  /** New entries are folded into the pool; `writers` are the machines that wrote them. */
  readonly onChanged: (writers: readonly string[], pool: Pool) => void
  /** A record is too large for the log: it is not written, now or later. */
  readonly onDropped: (draft: Draft) => void
  /** The disk did not take an append; it is tried again. */
  readonly onFailed: (error: unknown) => void
  /** This machine knows more logs than it told its peers. */
  readonly onHeads: () => void
}

/** What is odd about the logs, for `doctor`. */
export interface LogFaults {
  /** Places that did not decode, by log (rule L4). */
  readonly holes: Readonly<Record<string, number>>
  /** Logs that are not downloaded further, since their member wrote too much (rule L3). */
  readonly overQuota: readonly Attestation[]
  /** Logs with two histories: they stay as they were when that was found. */
  readonly frozen: readonly Attestation[]
}

export interface SharedLog extends Log {
  /** The logs that this machine knows, for its peers. */
  heads(): Gossip
  /** Takes up logs that a peer knows. Those that are not attested are refused, silently. */
  learn(gossip: Gossip): void
  faults(): LogFaults
  /** Resolves once everything handed to `append` so far is written and folded. */
  flushed(): Promise<void>
  /** Tries at once what waits for the disk to have room. */
  retry(): void
  /** Closes the logs. Returns the one that may be gone on with, if the store is closed in order after it. */
  close(): Promise<string | undefined>
}

/** Opens the log of this machine and every log that it knows, and folds what is on this disk before it returns. */
export async function openSharedLog(options: SharedLogOptions): Promise<SharedLog> {
  const { home, store, membership, identity, keeper, note } = options
  const list = createLogList({ pool: membership.pool, keeper, note })
  const quota = createQuota({ bytesPerDay: options.quotaBytesPerDay, levels: keeper.loadQuotas(), wall: options.wall })
  const checkpoint = loadCheckpoint(home, membership.pool)
  let writer: LogWriter | undefined
  let [hasBelieved, isClosed] = [false, false]
  const isOwn = ({ machine }: Attestation) => machine === identity.machine

  const logs = makeLogs()
  const folding = makeFolding()
  const checkpoints = createCheckpoints({
    home,
    saved: checkpoint?.pool.entries ?? 0,
    state: () => ({ ...folding.state(), whole: logs.whole() }),
    note
  })
  let memberships = membershipOf(folding.pool())

  // Should the list be lost, the logs themselves say whose they are.
  if (list.all().length === 0) list.add(await logsInStore({ store, membership }))
  await foldAll()
  await startWriting()
  const timers = [setInterval(wantAll, QUOTA_RETRY_MS).unref(), setInterval(logs.sealWhole, SEAL_MS).unref()]

  function makeLogs(): OpenLogs {
    return createOpenLogs({
      store,
      secret: membership.secret,
      list,
      quota,
      isOwn,
      isAdmitted,
      reachOf: attestation => reachOf(folding.pool(), attestation),
      isDone: log => log !== writer?.log() && folding.cursor(log) >= log.length(),
      // After a stop in order the store is as the checkpoint says; after any other each log must be looked at.
      wholeSince: log =>
        writer || options.lastLog === undefined || options.lastLog === log ? undefined : checkpoint?.whole.get(log),
      note,
      onGrown,
      onArrived: log => void inBackground(folding.fold(log), log),
      onConflict
    })
  }

  function makeFolding(): Folding {
    return createFolding({
      pool: membership.pool,
      checkpoint,
      logs: logs.all,
      isClosed: () => isClosed,
      isTheirs,
      onFolded,
      onRefolded,
      onRejected: rejection => {
        if (rejection.machine === identity.machine) note('a record of this machine has no effect', { ...rejection })
      }
    })
  }

  /** A log counts while its writer is a member, and up to the cut afterwards. The founder is one by the pool's name. */
  function isAdmitted(attestation: Attestation): boolean {
    const pool = folding.pool()
    if (isOwn(attestation)) return true
    const isKnown = roleOf(pool, attestation.member) !== undefined || attestation.member === membership.founding.member
    return isKnown && reachOf(pool, attestation) > 0
  }

  /** Opens what is on this disk and folds it: that may admit the writers of more. */
  async function foldAll(): Promise<void> {
    await logs.openAdmitted()
    // A power cut may have made a log shorter than it was: then the checkpoint tells of records that are no more.
    const cursors = [...(checkpoint?.cursors ?? [])]
    if (!cursors.every(([key, cursor]) => (logs.get(key)?.onDisk() ?? 0) >= cursor)) folding.restart()
    for (let opened = 0; opened < logs.all().length; ) {
      opened = logs.all().length
      await Promise.all(logs.all().map(takeUp))
      await logs.openAdmitted()
    }
    await folding.settle()
  }

  function takeUp(log: FollowedLog): Promise<void> {
    logs.want(log)
    return inBackground(folding.fold(log), log)
  }

  /** Opens the logs of new members, tells peers of them, and folds what of them is here. */
  async function openMore(): Promise<void> {
    if (!writer) return
    const opened = await logs.openAdmitted()
    if (opened.length > 0) options.onHeads()
    await Promise.all(opened.map(takeUp))
  }

  function inBackground(work: Promise<void>, log: FollowedLog): Promise<void> {
    return work.catch(error => {
      if (!isClosed) note('a log could not be read', { ...aboutLog(log), error: String(error) })
    })
  }

  function onGrown(log: FollowedLog): void {
    if (writer?.log() === log) writer.hearsOf(log.length())
    else logs.want(log)
  }

  /** True when the first block of a log names its writer as the attestation does; else the log is given up. */
  function isTheirs(log: FollowedLog, firstBlock: Uint8Array): boolean {
    const { attestation } = log
    const opened = openingIn(firstBlock)
    if (opened?.member === attestation.member && opened.machine === attestation.machine) return true
    note('a machine attested a log that is not its own', aboutLog(log))
    void inBackground(logs.disown(log).then(openMore), log)
    return false
  }

  function onFolded(log: FollowedLog): Promise<void> | undefined {
    if (!isClosed) options.onChanged([log.attestation.machine], folding.pool())
    checkpoints.onFolded()
    if (membershipOf(folding.pool()) === memberships) return undefined
    memberships = membershipOf(folding.pool())
    return openMore()
  }

  function onRefolded(): void {
    memberships = membershipOf(folding.pool())
    options.onChanged([...new Set(logs.all().map(log => log.attestation.machine))].sort(), folding.pool())
    openMore().catch(error => note('a log could not be opened', { error: String(error) }))
  }

  /** Hypercore closes a log with two histories for good. What this machine had written there it writes again. */
  function onConflict(log: FollowedLog): void {
    log.freeze()
    note('a log has two histories; it is frozen', aboutLog(log))
    if (writer?.log() === log) writer.retire('it has two histories')
    void inBackground(isOwn(log.attestation) ? carryOver(log) : log.seal(), log)
  }

  async function carryOver(log: FollowedLog): Promise<void> {
    await log.seal()
    for (let block = 1; block < log.onDisk() && !isClosed; block++) {
      for (const bytes of await log.read(block, block + 1))
        writer?.append(decodeBlock(bytes).flatMap(item => ('record' in item ? [draftOf(item.record)] : [])))
    }
  }

  async function startWriting(): Promise<void> {
    let fail: () => void = () => undefined
    const failed = new Promise<void>(resolve => {
      fail = resolve
    })
    const outbox = openOutbox(home)
    const left = await missingOf(
      outbox.left,
      list
        .all()
        .filter(isOwn)
        .map(({ log }) => logs.get(log))
    )
    writer = createWriter(
      {
        pool: folding.pool,
        wall: options.wall,
        outbox,
        openFresh,
        fold: folding.foldWritten,
        note,
        onDropped: options.onDropped,
        onFailed: error => {
          fail()
          options.onFailed(error)
        },
        onRetired: log => void takeUp(log)
      },
      lastLogIn(logs, options)
    )
    writer.append(left)
    // A full disk must not hold up the start: the agent says so, and goes on when there is room.
    await Promise.race([writer.begin(), failed])
  }

  async function openFresh(): Promise<FollowedLog> {
    const mine = list.all().filter(isOwn)
    const incarnation = 1 + Math.max(0, ...mine.map(each => each.incarnation))
    if (incarnation > 1) note('opens a fresh log: the end of the last one is not certain', { incarnation })
    const { attestation, core } = await makeFreshLog({ store, membership, identity }, incarnation)
    list.add([attestation])
    const log = await logs.follow(attestation, core)
    options.onHeads()
    return log
  }

  function wantAll(): void {
    for (const log of logs.all()) logs.want(log)
    saveQuotas(options, quota)
  }

  async function close(): Promise<string | undefined> {
    for (const timer of timers) clearInterval(timer)
    await writer?.close()
    checkpoints.close()
    isClosed = true
    saveQuotas(options, quota)
    const current = writer?.log()
    await current?.close()
    return current?.attestation.log
  }

  function learn(gossip: Gossip): void {
    const current = writer?.log()
    const told = gossip.find(each => each.attestation.log === current?.attestation.log)
    // No more than once: whoever says so need not prove it. A longer log that is proven arrives by itself.
    if (told && current && told.length > current.length() && !hasBelieved) {
      hasBelieved = true
      writer?.hearsOf(told.length)
    }
    const work = list.learn(gossip) ? openMore() : Promise.resolve()
    Promise.all([work, logs.reopenGrown(gossip)]).catch(error =>
      note('a log could not be opened', { error: String(error) })
    )
  }

  return {
    pool: folding.pool,
    append: drafts => writer?.append(drafts),
    isHeldByPeer: place => isHeld(logs, place),
    heads: () => logs.all().map(log => ({ attestation: log.attestation, length: log.length() })),
    learn,
    faults: () => faultsOf(logs, folding),
    flushed: async () => writer?.flushed(),
    retry: () => writer?.retry(),
    close
  }
}

/** Members only ever come or are removed: their numbers tell whether anything changed. */
function membershipOf({ members, removed }: Pool): string {
  return `${members.size} ${removed.size}`
}

/** True when another machine has a block on its disk, or nobody ever will. */
function isHeld(logs: OpenLogs, { log: key, block }: Pick<Place, 'log' | 'block'>): boolean {
  const log = logs.get(key)
  return log !== undefined && (log.isFrozen() || log.heldByPeers() > block)
}

function faultsOf(logs: OpenLogs, folding: Folding): LogFaults {
  return {
    holes: Object.fromEntries(folding.holes()),
    overQuota: attestationsOf(logs.all().filter(log => log.isOverQuota())),
    frozen: attestationsOf(logs.all().filter(log => log.isFrozen()))
  }
}

/** Returns the records of an outbox that stand at the end of none of some logs. */
async function missingOf(left: Outbox['left'], own: readonly (FollowedLog | undefined)[]): Promise<Draft[]> {
  if (left.length === 0) return []
  const known = new Set<string>()
  for (const log of own) {
    const end = log?.onDisk() ?? 0
    for (const bytes of (await log?.read(Math.max(0, end - OUTBOX_BLOCKS), end)) ?? [])
      for (const item of decodeBlock(bytes)) if ('record' in item) known.add(canonicalJson(draftOf(item.record)))
  }
  return left.filter(draft => {
    const text = canonicalJson(draft)
    return !known.has(text) && known.add(text)
  })
}

/** The log of the last run, when it may be gone on with (rule L6). */
function lastLogIn(logs: OpenLogs, { lastLog, identity }: SharedLogOptions): FollowedLog | undefined {
  const log = lastLog === undefined ? undefined : logs.get(lastLog)
  return log?.attestation.machine === identity.machine && log.isWritable() && log.length() > 0 ? log : undefined
}

function saveQuotas({ keeper, note }: SharedLogOptions, quota: Quota): void {
  try {
    keeper.saveQuotas(quota.levels())
  } catch (error) {
    note('the quotas could not be saved', { error: String(error) })
  }
}

function attestationsOf(logs: readonly FollowedLog[]): Attestation[] {
  return logs.map(log => log.attestation)
}
