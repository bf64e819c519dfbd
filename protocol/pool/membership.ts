/**
 * Membership: who may write what, and how much of a former member's logs counts (docs/protocol.md, rules M1 to M15).
 *
 * A pure function of the set of all records about membership; what it keeps between records only saves work. Never
 * looks at any other record. Invariant: the order of arrival cannot matter, and nobody's own clock decides who is
 * senior to whom outside of what they themselves granted.
 */
import { LIMITS } from '../limits.js'
import type { Draft, Entry, LogRecord, RecordOf, Role } from '../records/record.js'
import {
  comparePlaces,
  type Founding,
  type Member,
  type Membership,
  type MembershipEntry,
  placeOf,
  type Removal
} from './pool.js'

type MembershipRecord = MembershipEntry['record']
interface EntryOf<K extends MembershipRecord['kind']> extends Entry {
  readonly record: RecordOf<K>
}

const ROLE_RANK: Readonly<Record<Role, number>> = { viewer: 1, member: 2, owner: 3 }
const NO_ENTRIES: ReadonlyMap<string, MembershipEntry> = new Map()

/** True for records of the kinds that decide who is a member. */
export function isAboutMembership(record: LogRecord): record is MembershipRecord {
  return record.kind === 'pool-founded' || record.kind === 'member-admitted' || record.kind === 'member-removed'
}

/** True when a member was removed, by an owner or by itself (rule M8). It stays true for ever. */
export function isRemoved(pool: Pick<Membership, 'removed'>, member: string): boolean {
  return pool.removed.has(member)
}

/** Returns how many blocks of a log count, from its first one: `Infinity` unless its member was removed (rule M9). */
export function cutOf(pool: Pick<Membership, 'removed'>, { member, log }: Pick<Entry, 'member' | 'log'>): number {
  const removal = pool.removed.get(member)
  return removal === undefined ? Number.POSITIVE_INFINITY : (removal.cuts.get(log) ?? 0)
}

/**
 * Returns how many blocks of a log are worth having: those that count, and of who left by itself all of them, since
 * another removal of its own may stand behind the cut that is known, and let more count (rule M9).
 */
export function reachOf(pool: Pick<Membership, 'removed'>, log: Pick<Entry, 'member' | 'log'>): number {
  const hasLeft = pool.removed.get(log.member)?.by === log.member
  return hasLeft ? Number.POSITIVE_INFINITY : cutOf(pool, log)
}

/** Returns what a member may write, or might before it was removed; nothing for strangers. */
export function roleOf(pool: Pick<Membership, 'members' | 'removed'>, member: string): Role | undefined {
  return everMember(pool, member)?.role
}

/** Returns the same as a number that grows with the role; 0 for strangers. */
export function roleRank(pool: Pick<Membership, 'members' | 'removed'>, member: string): number {
  const role = roleOf(pool, member)
  return role === undefined ? 0 : ROLE_RANK[role]
}

/** Returns the rank that a record's author needs, as `roleRank` gives it (rule M2). */
export function rankNeeded(record: LogRecord): number {
  switch (record.kind) {
    case 'pool-founded':
      return 0
    case 'writer-opened':
    case 'machine-announced':
      return ROLE_RANK.viewer
    case 'member-admitted':
      // Nobody grants more than they have.
      return Math.max(ROLE_RANK.member, ROLE_RANK[record.role])
    case 'member-removed':
      return ROLE_RANK.viewer
    case 'sweep-submitted':
    case 'sweep-stopped':
    case 'sweep-expired':
    case 'trial-claimed':
    case 'trial-released':
    case 'attempt-reported':
    case 'attempt-finished':
      return ROLE_RANK.member
  }
}

/** True when a removal of `member` by `by` would count: its own, or of whoever is no owner or a junior one (M10). */
export function mayRemove(pool: Membership, { by, member }: { by: string; member: string }): boolean {
  if (isRemoved(pool, by)) return false
  if (by === member) return roleRank(pool, by) > 0
  const { founder, ranked } = ruleOwners(pool.said.byAuthor)
  if (founder === undefined || !ranked.has(by)) return false
  const order = [...ranked]
  return !ranked.has(member) || order.indexOf(by) < order.indexOf(member)
}

/**
 * Returns the drafts that remove a member: more than one when it has more logs than a record can name.
 *
 * @param logs  How many blocks of each of its logs count: those that this machine has. To be written at once, since
 *              until the last one is folded, logs that it names count for nothing.
 */
export function removalDrafts(removed: {
  member: string
  logs: readonly { log: string; length: number }[]
  reason?: string
}): Draft[] {
  const { member, logs, reason } = removed
  const records = Math.max(1, Math.ceil(logs.length / LIMITS.cutsPerRemoval))
  return Array.from({ length: records }, (_, n) => {
    const named = logs.slice(n * LIMITS.cutsPerRemoval, (n + 1) * LIMITS.cutsPerRemoval)
    const cuts = named.map(({ log, length }) => ({ log, length }))
    return { kind: 'member-removed', member, cuts, ...(reason === undefined ? {} : { reason }) }
  })
}

/**
 * Takes in one record about membership, whoever wrote it: what does not count now may count later.
 *
 * @returns  The members whose rights grew, or `all` when everybody's may have changed; none when nothing did.
 */
export function learn(pool: Membership, entry: MembershipEntry): readonly string[] | 'all' {
  if (!remember(pool, entry)) return []
  const grown = grantFrom(pool, [entry])
  if (grown) return grown
  rule(pool)
  return 'all'
}

/** Computes members and removals anew from all that was ever said about membership. */
export function rule(pool: Membership): void {
  const { founding, members, removed } = membershipOf(pool.said.byAuthor)
  if (founding) pool.founding = founding
  replace(pool.members, members)
  replace(pool.removed, removed)
}

/** Returns what a set of records about membership comes to: the law itself; everything else here only saves work. */
export function membershipOf(
  byAuthor: Membership['said']['byAuthor']
): Pick<Membership, 'founding' | 'members' | 'removed'> {
  const { founder, ranked, counted, removed } = ruleOwners(byAuthor)
  const ruled = { members: new Map<string, Member>(), removed }
  if (founder === undefined) return ruled
  for (const key of new Set([...counted.keys(), ...byAuthor.keys()])) {
    if (!ranked.has(key)) settle({ key, byAuthor, counted, removed })
  }
  const founding = foundingOf(byAuthor.get(founder) ?? NO_ENTRIES, removed)
  grant(ruled, founderOf(founding))
  const queue = [founder]
  // A loop, not a recursion: a chain of admissions is as long as a liar likes. It grows while it is walked.
  for (const author of queue) {
    for (const entry of byAuthor.get(author)?.values() ?? []) {
      if (isOf(entry, 'member-admitted') && mayAdmit(ruled, entry) && grant(ruled, memberOf(entry)))
        queue.push(entry.record.member)
    }
  }
  // Whoever has nothing to leave cannot leave.
  for (const [key, { by, former }] of removed) if (by === key && !former) removed.delete(key)
  return { founding, ...ruled }
}

interface Ruling {
  readonly founder: string | undefined
  /** Every owner there ever was, the most senior one first. */
  readonly ranked: ReadonlySet<string>
  /** Removals by owners that count, by the member that they remove. */
  readonly counted: ReadonlyMap<string, readonly EntryOf<'member-removed'>[]>
  readonly removed: Map<string, Removal>
}

/**
 * Goes through the owners from the most senior to the most junior one (rules M10 and M11): when an owner's turn comes,
 * all who may remove it have had theirs, so that it is known how much of what it wrote counts.
 */
function ruleOwners(byAuthor: Membership['said']['byAuthor']): Ruling {
  const founder = founderIn(byAuthor)
  const ranked = new Set<string>()
  const counted = new Map<string, EntryOf<'member-removed'>[]>()
  const removed = new Map<string, Removal>()
  let level = founder === undefined ? [] : [founder]
  while (level.length > 0) {
    /** The owners that this level grants, each by the grant with the smallest place. */
    const next = new Map<string, EntryOf<'member-admitted'>>()
    for (const key of level) {
      ranked.add(key)
      settle({ key, byAuthor, counted, removed })
      for (const entry of byAuthor.get(key)?.values() ?? []) {
        if (entry.block >= cutOf({ removed }, entry)) continue
        if (isOf(entry, 'member-removed') && !ranked.has(entry.record.member)) {
          const others = counted.get(entry.record.member) ?? []
          others.push(entry)
          counted.set(entry.record.member, others)
        } else if (isOf(entry, 'member-admitted') && entry.record.role === 'owner') {
          const known = next.get(entry.record.member)
          if (!known || comparePlaces(placeOf(entry), placeOf(known)) < 0) next.set(entry.record.member, entry)
        }
      }
    }
    level = [...next]
      .filter(([key]) => !ranked.has(key))
      .sort(([a, first], [b, second]) => comparePlaces(placeOf(first), placeOf(second)) || (a < b ? -1 : 1))
      .map(([key]) => key)
  }
  return { founder, ranked, counted, removed }
}

/**
 * Decides whether a member is removed, and where its logs are cut (rule M9).
 *
 * Removals by owners who are members still decide before those by owners who were removed since, and both before its
 * own: else who is about to be removed, or a friend of theirs, could write a removal without any cut beforehand.
 */
function settle(facts: { key: string } & Pick<Ruling, 'counted' | 'removed'> & { byAuthor: Said }): void {
  const { key, byAuthor, counted, removed } = facts
  const byOwners = counted.get(key) ?? []
  const byMembers = byOwners.filter(({ member }) => !removed.has(member))
  const own = [...(byAuthor.get(key)?.values() ?? [])].flatMap(entry =>
    isOf(entry, 'member-removed') && entry.record.member === key ? [entry] : []
  )
  const deciding = [byMembers, byOwners, own].find(entries => entries.length > 0)
  const [first] = [...(deciding ?? [])].sort((a, b) => comparePlaces(placeOf(a), placeOf(b)))
  if (!deciding || !first) return
  const cuts = new Map<string, number>()
  for (const { log, length } of deciding.flatMap(cutsOf)) cuts.set(log, Math.max(length, cuts.get(log) ?? 0))
  const { reason } = first.record
  removed.set(key, { ...placeOf(first), by: first.member, cuts, ...(reason === undefined ? {} : { reason }) })
}

type Said = Membership['said']['byAuthor']

/** What a removal names; and who leaves cannot cut away the very record by which it leaves. */
function cutsOf({ record, member, log, block }: EntryOf<'member-removed'>): { log: string; length: number }[] {
  return record.member === member ? [...record.cuts, { log, length: block + 1 }] : record.cuts
}

/** Any founding names the same founder: the pool's name is the digest of it. */
function founderIn(byAuthor: Said): string | undefined {
  for (const [author, entries] of byAuthor) {
    for (const entry of entries.values()) if (entry.record.kind === 'pool-founded') return author
  }
  return undefined
}

/** The founding with the smallest place; one behind a cut of its founder only where there is no other. */
function foundingOf(entries: ReadonlyMap<string, MembershipEntry>, removed: Membership['removed']): Founding {
  const foundings = [...entries.values()].flatMap(entry => {
    if (!isOf(entry, 'pool-founded')) return []
    const { name, member, memberName, machine } = entry.record
    return [{ isCut: entry.block >= cutOf({ removed }, entry), ...placeOf(entry), name, member, memberName, machine }]
  })
  foundings.sort((a, b) => Number(a.isCut) - Number(b.isCut) || comparePlaces(a, b))
  const { isCut, ...founding } = foundings[0] as (typeof foundings)[number]
  return founding
}

function founderOf({ memberName, member, name, ...place }: Founding): Member {
  return { ...place, key: member, name: memberName, role: 'owner', invite: '' }
}

function memberOf(entry: EntryOf<'member-admitted'>): Member {
  const { member, name, role, machine, invite } = entry.record
  return { ...placeOf(entry), key: member, name, role, machine, invite }
}

/** Returns a name for an entry's place that no other entry has. */
export function nameOfPlace({ log, block, index }: Pick<Entry, 'log' | 'block' | 'index'>): string {
  return `${log}/${block}/${index}`
}

/** Keeps a record for ever. False when it is known already. */
function remember({ said }: Membership, entry: MembershipEntry): boolean {
  const entries = said.byAuthor.get(entry.member) ?? new Map<string, MembershipEntry>()
  const place = nameOfPlace(entry)
  if (entries.has(place)) return false
  said.byAuthor.set(entry.member, entries.set(place, entry))
  if (entry.record.kind === 'member-removed') said.removals++
  return true
}

/**
 * Grants what records grant, and what waited for that. Without removals this is all there is to membership.
 *
 * @returns  The members whose role rose; nothing when only the whole law can tell.
 */
function grantFrom(pool: Membership, entries: readonly MembershipEntry[]): string[] | undefined {
  const grown = new Set<string>()
  const queue = [...entries]
  for (const entry of queue) {
    const effect = effectOf(pool, entry)
    if (effect === 'everything') return undefined
    if (effect === 'nothing' || !isOf(entry, 'member-admitted') || !grant(pool, memberOf(entry))) continue
    grown.add(entry.record.member)
    for (const waiting of pool.said.byAuthor.get(entry.record.member)?.values() ?? []) queue.push(waiting)
  }
  return [...grown]
}

function effectOf(pool: Membership, entry: MembershipEntry): 'nothing' | 'grant' | 'everything' {
  if (isOf(entry, 'pool-founded')) return 'everything'
  if (isOf(entry, 'member-admitted')) {
    if (!mayAdmit(pool, entry)) return 'nothing'
    // A new owner may be senior to others, whose removals then count no more.
    return entry.record.role === 'owner' && pool.said.removals > 0 ? 'everything' : 'grant'
  }
  const { member, record } = entry
  // Who left by itself may say more about it later, wherever its logs are cut.
  const hasLeft = pool.removed.get(member)?.by === member && record.kind === 'member-removed'
  if (entry.block >= cutOf(pool, entry) && !(hasLeft && record.member === member)) return 'nothing'
  const mayCount = record.kind === 'member-removed' && record.member === member ? 1 : ROLE_RANK.owner
  return roleRank(pool, member) >= mayCount ? 'everything' : 'nothing'
}

function mayAdmit(pool: Pick<Membership, 'members' | 'removed'>, entry: EntryOf<'member-admitted'>): boolean {
  return roleRank(pool, entry.member) >= rankNeeded(entry.record) && entry.block < cutOf(pool, entry)
}

/** The first admission names the member, the highest role counts (rule M5). True when the role rose. */
function grant(pool: Pick<Membership, 'members' | 'removed'>, granted: Member): boolean {
  const known = everMember(pool, granted.key)
  const first = known && comparePlaces(known, granted) <= 0 ? known : granted
  const role = known && ROLE_RANK[known.role] > ROLE_RANK[granted.role] ? known.role : granted.role
  const removal = pool.removed.get(granted.key)
  if (removal) pool.removed.set(granted.key, { ...removal, former: { ...first, role } })
  else pool.members.set(granted.key, { ...first, role })
  return known?.role !== role
}

function everMember(pool: Pick<Membership, 'members' | 'removed'>, member: string): Member | undefined {
  return pool.members.get(member) ?? pool.removed.get(member)?.former
}

function isOf<K extends MembershipRecord['kind']>(entry: MembershipEntry, kind: K): entry is EntryOf<K> {
  return entry.record.kind === kind
}

function replace<V>(kept: Map<string, V>, by: ReadonlyMap<string, V>): void {
  kept.clear()
  for (const [key, value] of by) kept.set(key, value)
}
