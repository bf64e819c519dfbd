/**
 * The open logs: which of the known logs are open, asked for, or sealed.
 *
 * A log is opened only if its writer is or was a member (rule L7). One that a later log of its machine followed, and
 * that is whole here, will not grow: it is sealed, since each open log costs memory and machines crash every other day.
 */
import type Hypercore from 'hypercore'
import type { Attestation, Gossip } from '#protocol'
import { type FollowedLog, followLog } from './followed-log.js'
import type { LogList } from './log-list.js'
import type { Quota } from './quota.js'
import { bytesOf, type Store } from './store.js'

export type OpenLogs = ReturnType<typeof createOpenLogs>

export interface OpenLogsOptions {
  readonly store: Store
  /** The pool's secret: what every log is encrypted with. */
  readonly secret: string
  readonly list: LogList
  readonly quota: Quota
  readonly isOwn: (attestation: Attestation) => boolean
  readonly isAdmitted: (attestation: Attestation) => boolean
  /** How many blocks of a log are worth having. */
  readonly reachOf: (attestation: Attestation) => number
  /** True when this machine needs nothing more of a log: it is folded to its end, and not written to. */
  readonly isDone: (log: FollowedLog) => boolean
  /** Blocks of a log that is known to be whole since the last run; nothing when it must be looked at. */
  readonly wholeSince: (log: string) => number | undefined
  readonly note: (message: string, fields: Readonly<Record<string, unknown>>) => void
  /** A log is longer than this machine knew. */
  readonly onGrown: (log: FollowedLog) => void
  /** More of a log is on this disk. */
  readonly onArrived: (log: FollowedLog) => void
  /** Two histories of a log are known; its Hypercore closes. */
  readonly onConflict: (log: FollowedLog) => void
}

/** Returns an empty set of open logs. */
export function createOpenLogs(options: OpenLogsOptions) {
  const { store, list, note } = options
  const encryption = { key: bytesOf(options.secret) }
  const opening = new Set<string>()
  const open = new Map<string, FollowedLog>()

  /** `made`: the Hypercore of a log that was made just now. */
  async function follow(attestation: Attestation, made?: Hypercore): Promise<FollowedLog> {
    const key = attestation.log
    opening.add(key)
    try {
      const sealedLength = !made && isFollowed(attestation, list.all()) ? options.wholeSince(key) : undefined
      const log: FollowedLog = await followLog({
        attestation,
        quota: options.isOwn(attestation) ? undefined : options.quota,
        openCore: () => openCore(key, made),
        ...(sealedLength === undefined ? {} : { sealedLength })
      })
      open.set(key, log)
      return log
    } finally {
      opening.delete(key)
    }
  }

  async function openCore(key: string, made: Hypercore | undefined): Promise<Hypercore> {
    // A writer may shorten its log and write it anew; what was read once would then differ from what is there.
    const core = made?.closed === false ? made : store.get({ key: bytesOf(key), encryption, allowFork: false })
    await core.ready()
    const tell = (hear: (log: FollowedLog) => void) => () => {
      const log = open.get(key)
      if (log) hear(log)
    }
    core.on('append', tell(options.onGrown))
    core.on('download', tell(options.onArrived))
    core.on('conflict', tell(options.onConflict))
    return core
  }

  function isWhole(log: FollowedLog): boolean {
    const isHeld = !options.isOwn(log.attestation) || log.heldByPeers() >= log.length()
    const begun = [...open.values()].filter(each => each.length() > 0).map(each => each.attestation)
    return isHeld && !log.isFrozen() && options.isDone(log) && isFollowed(log.attestation, begun)
  }

  return {
    all: (): FollowedLog[] => [...open.values()],
    get: (key: string): FollowedLog | undefined => open.get(key),
    follow,

    /** Opens every log that may be opened and is not. Returns those. */
    openAdmitted(): Promise<FollowedLog[]> {
      const closed = list.all().filter(({ log }) => !open.has(log) && !opening.has(log))
      return Promise.all(closed.filter(options.isAdmitted).map(attestation => follow(attestation)))
    },

    /** Asks peers for what a log has more, as far as its member's quota has room. */
    want(log: FollowedLog): void {
      const wasOver = log.isOverQuota()
      log.want(options.reachOf(log.attestation))
      if (log.isOverQuota() && !wasOver) note('a log is over its quota; it is not downloaded further', aboutLog(log))
    },

    /** Gives a log up that is not whose it was said to be. */
    async disown(log: FollowedLog): Promise<void> {
      list.disown(log.attestation)
      open.delete(log.attestation.log)
      await log.close()
    },

    /** By log: how many blocks those have that will not grow. */
    whole: (): ReadonlyMap<string, number> =>
      new Map([...open.values()].filter(isWhole).map(log => [log.attestation.log, log.length()])),

    sealWhole(): void {
      for (const log of open.values()) {
        if (log.isSealed() || !isWhole(log)) continue
        log.seal().catch(error => note('a log could not be closed', { ...aboutLog(log), error: String(error) }))
      }
    },

    /** Opens sealed logs again of which a peer knows more than there was. */
    async reopenGrown(gossip: Gossip): Promise<void> {
      const grown = gossip.flatMap(({ attestation, length }) => {
        const log = open.get(attestation.log)
        return log?.isSealed() && length > log.length() ? [log] : []
      })
      await Promise.all(grown.map(log => log.open()))
    }
  }
}

/** True when the log's machine has opened a later one. */
function isFollowed({ machine, incarnation }: Attestation, among: readonly Attestation[]): boolean {
  return among.some(each => each.machine === machine && each.incarnation > incarnation)
}

/** Names a log in notes. */
export function aboutLog({ attestation }: FollowedLog): Readonly<Record<string, unknown>> {
  return { log: attestation.log, machine: attestation.machine, incarnation: attestation.incarnation }
}
