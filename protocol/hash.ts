/**
 * Hashes and canonical JSON: how values get names that are the same on every machine.
 *
 * Pure JavaScript, so that a browser and the simulator compute what the agent computes.
 */
import { blake2b } from '@noble/hashes/blake2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { invariant } from './invariant.js'

/** Any value that JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** Bytes of a digest: 256 bits for what must resist forgery, 128 for names that people type the start of. */
const DIGEST_BYTES = 32
const ID_BYTES = 16

/**
 * Returns the one JSON text of a value: keys sorted by code unit, no spaces, absent keys left out.
 *
 * @param value  Finite numbers only; -0 is written as 0.
 * Errors:       a non-finite number is a bug here, since the codec admits none.
 * Source:       the idea of RFC 8785 (JSON Canonicalization Scheme).
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(item => canonicalJson(item === undefined ? null : item)).join(',')}]`
  if (value !== null && typeof value === 'object') {
    const fields = Object.entries(value).filter(([, item]) => item !== undefined)
    fields.sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${fields.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`
  }
  invariant(typeof value !== 'number' || Number.isFinite(value), 'only finite numbers are hashed')
  return JSON.stringify(value === undefined ? null : value)
}

/** Returns the digest of bytes, or of a text's UTF-8, as 64 hex digits. Source: BLAKE2b-256, RFC 7693. */
export function digestOf(content: Uint8Array | string): string {
  const bytes = typeof content === 'string' ? utf8ToBytes(content) : content
  return bytesToHex(blake2b(bytes, { dkLen: DIGEST_BYTES }))
}

/** Returns the 32-digit name of a value: the hash of its canonical JSON. `domain` keeps kinds of names apart. */
export function idOf(domain: string, value: unknown): string {
  return bytesToHex(blake2b(utf8ToBytes(`hypersweep/${domain}\n${canonicalJson(value)}`), { dkLen: ID_BYTES }))
}

/**
 * Returns a number from 0 (included) to 1 (excluded) with 53 random bits, drawn from the parts alone.
 *
 * The same parts give the same number on every machine: integers and a division by a power of two only.
 */
export function drawFrom(...parts: readonly (string | number)[]): number {
  const bytes = blake2b(utf8ToBytes(`hypersweep/draw\n${parts.join('\n')}`), { dkLen: 8 })
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8)
  return (view.getUint32(0) * 2 ** 21 + (view.getUint32(4) >>> 11)) / 2 ** 53
}
