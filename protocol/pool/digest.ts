/**
 * The pool's digest: one text by which two machines find out whether they agree.
 *
 * Covers what the records mean and nothing that tells of one machine: no counts of rejections, no entries that wait, no
 * order of arrival. Never asked for by the core: it costs the whole pool.
 */
import { blake2b } from '@noble/hashes/blake2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { canonicalJson } from '../hash.js'
import type { Pool, Sweep } from './pool.js'

const DIGEST_BYTES = 32
/** A pool that is asked again before anything new is folded costs nothing: every entry with an effect is counted. */
const digests = new WeakMap<Pool, { readonly entries: number; readonly digest: string }>()

/**
 * Returns the digest of what the pool means, as 64 hex digits: equal at two machines exactly when they agree.
 *
 * Cost: linear in the pool; a trial at a time, since the whole would be longer than a text may be.
 */
export function poolDigest(pool: Pool): string {
  const known = digests.get(pool)
  if (known?.entries === pool.entries) return known.digest
  const digest = digestOfParts(pool)
  digests.set(pool, { entries: pool.entries, digest })
  return digest
}

function digestOfParts(pool: Pool): string {
  const hash = blake2b.create({ dkLen: DIGEST_BYTES })
  for (const part of partsOf(pool)) hash.update(utf8ToBytes(`${canonicalJson(plain(part))}\n`))
  return bytesToHex(hash.digest())
}

function* partsOf({ id, founding, members, removed, machines, formerMachines, sweeps }: Pool): Generator<unknown> {
  yield { id, founding }
  for (const byKey of [members, removed, machines, formerMachines]) yield* inOrder<string, unknown>(byKey)
  for (const [, sweep] of inOrder(sweeps)) yield* partsOfSweep(sweep)
}

function* partsOfSweep({ id, submission, stop, expiry, trials }: Sweep): Generator<unknown> {
  // How many trials follow: else a trial of one sweep could be read as one of the next.
  yield { id, submission, stop, expiry, trials: trials.size }
  for (const [index, { attempts }] of inOrder(trials)) yield [index, attempts]
}

function inOrder<K extends string | number, V>(map: ReadonlyMap<K, V>): [K, V][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** Maps as objects, at every depth: canonical JSON sorts their keys. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [String(key), plain(item)]))
  if (Array.isArray(value)) return value.map(plain)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}
