/**
 * Identity: who this machine is, and which pool it is in.
 *
 * Owns `identity.json` (the member's and the machine's keys) and `pool.json` (the pool's name, secret and founding).
 * Secrets leave this folder in one way only: the pool's secret, inside an accepted invite.
 */

import { join } from 'node:path'
import b4a from 'b4a'
import crypto from 'hypercore-crypto'
import { z } from 'zod'
import { type Attestation, canonicalJson, LIMITS, PoolError, poolIdOf } from '#protocol'
import { readJson, writeJson } from './files.js'

const seed = z.string().regex(/^[0-9a-f]{64}$/)
const name = z.string().min(1).max(LIMITS.nameChars)
const identitySchema = z.object({ memberSeed: seed, machineSeed: seed, memberName: name, machineName: name })
/** What a pool's name is the hash of, as it is kept and handed over. */
export const foundingSchema = z.object({
  name,
  member: seed,
  memberName: name,
  machine: seed,
  nonce: z.string().regex(/^[0-9a-f]{32}$/)
})
const membershipSchema = z.object({ pool: seed, secret: seed, founding: foundingSchema, inviter: seed.optional() })

export type Founding = z.infer<typeof foundingSchema>
/** What a machine must know to be in a pool. `inviter`: the machine that let it in, known before the log is. */
export type Membership = z.infer<typeof membershipSchema>

export interface Identity {
  readonly member: string
  readonly machine: string
  readonly memberName: string
  readonly machineName: string
  /** The machine's key pair: its address in the mesh. */
  readonly machineKeyPair: { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array }
  /** The member vouches for this machine in this pool. */
  signMachine(pool: string): string
  /** The machine vouches for one of its logs (rule L7). */
  attest(pool: string, incarnation: number, log: string): Attestation
}

/** Returns the identity kept in a home; makes one, with the given names, when there is none. */
export function openIdentity(home: string, names: { member: string; machine: string }): Identity {
  const path = join(home, 'identity.json')
  const kept = readJson(path)
  if (kept === undefined) {
    const fresh = {
      memberSeed: hex(crypto.randomBytes(32)),
      machineSeed: hex(crypto.randomBytes(32)),
      memberName: names.member,
      machineName: names.machine
    }
    writeJson(path, fresh)
    return identityFrom(fresh)
  }
  const parsed = identitySchema.safeParse(kept)
  if (!parsed.success)
    throw new PoolError('STORE_DAMAGED', `The identity in ${path} is damaged.`, {
      hint: 'Restore it from a backup, or move the whole folder away and join the pool anew.'
    })
  return identityFrom(parsed.data)
}

function identityFrom(kept: z.infer<typeof identitySchema>): Identity {
  const member = crypto.keyPair(b4a.from(kept.memberSeed, 'hex'))
  const machine = crypto.keyPair(b4a.from(kept.machineSeed, 'hex'))
  const memberKey = hex(member.publicKey)
  const machineKey = hex(machine.publicKey)
  const signMachine = (pool: string) =>
    hex(crypto.sign(machineMessage({ pool, member: memberKey, machine: machineKey }), member.secretKey))
  return {
    member: memberKey,
    machine: machineKey,
    memberName: kept.memberName,
    machineName: kept.machineName,
    machineKeyPair: machine,
    signMachine,
    attest(pool, incarnation, log) {
      const about = { pool, member: memberKey, machine: machineKey, incarnation, log }
      return {
        ...about,
        memberSignature: signMachine(pool),
        machineSignature: hex(crypto.sign(logMessage(about), machine.secretKey))
      }
    }
  }
}

/** True when the member vouches for the machine, and the machine for the log (rule L7). Nothing else is checked. */
export function isAttested(attestation: Attestation): boolean {
  const { member, machine, memberSignature, machineSignature } = attestation
  return (
    verify(machineMessage(attestation), memberSignature, member) &&
    verify(logMessage(attestation), machineSignature, machine)
  )
}

/** True when a member's key signed that the machine is theirs in this pool. */
export function isMembersMachine(claim: { pool: string; member: string; machine: string }, signature: string): boolean {
  return verify(machineMessage(claim), signature, claim.member)
}

/** Each kind of signature covers its own domain, so that none can be taken for another. */
function machineMessage(about: { pool: string; member: string; machine: string }): Uint8Array {
  return b4a.from(
    `hypersweep/machine\n${canonicalJson({ pool: about.pool, member: about.member, machine: about.machine })}`
  )
}

/** Names the member, too: else another member could vouch for a machine that is not theirs and have its log counted. */
function logMessage(about: Pick<Attestation, 'pool' | 'member' | 'machine' | 'incarnation' | 'log'>): Uint8Array {
  const { pool, member, machine, incarnation, log } = about
  return b4a.from(`hypersweep/log\n${canonicalJson({ pool, member, machine, incarnation, log })}`)
}

function verify(message: Uint8Array, signature: string, key: string): boolean {
  return crypto.verify(message, b4a.from(signature, 'hex'), b4a.from(key, 'hex'))
}

/** Returns the pool that a home is in; nothing when it is in none. */
export function readMembership(home: string): Membership | undefined {
  const kept = readJson(join(home, 'pool.json'))
  if (kept === undefined) return undefined
  const parsed = membershipSchema.safeParse(kept)
  if (parsed.success && poolIdOf(parsed.data.founding) === parsed.data.pool) return parsed.data
  throw new PoolError('STORE_DAMAGED', `The pool's description in ${join(home, 'pool.json')} is damaged.`, {
    hint: 'Restore it from a backup, or move the whole folder away and join the pool anew.'
  })
}

export function writeMembership(home: string, membership: Membership): void {
  writeJson(join(home, 'pool.json'), membership)
}

/** Returns a new pool: its founding is this machine's, its secret is fresh chance. */
export function foundPool(identity: Identity, poolName: string): Membership {
  const { member, memberName, machine } = identity
  const founding = { name: poolName, member, memberName, machine, nonce: hex(crypto.randomBytes(16)) }
  return { pool: poolIdOf(founding), secret: hex(crypto.randomBytes(32)), founding }
}

function hex(bytes: Uint8Array): string {
  return b4a.toString(bytes, 'hex')
}
