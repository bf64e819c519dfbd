/**
 * Pairing: how a new machine gets into the pool.
 *
 * An invite carries a one-time key; inviter and joiner find each other through it in the DHT and exchange two sealed
 * messages there, so no stranger ever gets a connection. blind-pairing brings them together; that an invite works once
 * and for a day only is ours to enforce (rule M4), in the `admit` that is handed in.
 */
import b4a from 'b4a'
import BlindPairing from 'blind-pairing'
import Hyperswarm from 'hyperswarm'
import z32 from 'z32'
import { z } from 'zod'
import { keyHex, LIMITS, PoolError } from '#protocol'
import { isDhtAddress, openDht } from './dht.js'
import type { OpenMesh } from './mesh.js'

/** blind-pairing's reasons for a refusal. */
const STATUS = { refused: 1, used: 2, expired: 3 } as const

/** Who asks to be let in. */
const candidateSchema = z.object({
  member: keyHex,
  machine: keyHex,
  memberName: z.string().min(1).max(LIMITS.nameChars),
  machineName: z.string().min(1).max(LIMITS.nameChars),
  /** The member's signature that the machine is theirs. It names no pool: the joiner knows none yet. */
  signature: z.string().regex(/^[0-9a-f]{128}$/)
})
export type Candidate = z.infer<typeof candidateSchema>

/** What a joiner is told: all that a machine must know to be in the pool. */
export interface Welcome {
  readonly pool: string
  readonly secret: string
  /** JSON that the inviter hands over: the founding and the inviter's own key. */
  readonly data: string
}

export interface OpenInvite {
  /** 32 hex digits. */
  readonly id: string
  readonly seed: string
  readonly expiresAt: number
  /** Present once somebody came with it. */
  readonly usedBy?: string | undefined
}

/** An invite's text: the code, and where the pool's DHT is when it is not the public one. */
export interface InviteText {
  readonly id: string
  readonly expiresAt: number
  readonly bytes: Uint8Array
  readonly bootstrap: readonly string[]
}

/** Returns an invite's id and its text for the friend. Source: blind-pairing's invite, as z-base-32. */
export function inviteText(
  pool: string,
  invite: { seed: string; expiresAt: number },
  bootstrap: readonly string[]
): { id: string; text: string } {
  const made = BlindPairing.createInvite(b4a.from(pool, 'hex'), {
    seed: b4a.from(invite.seed, 'hex'),
    expires: invite.expiresAt
  })
  const at = bootstrap.length > 0 ? `@${bootstrap.join(',')}` : ''
  return { id: shortId(made.id), text: `${z32.encode(made.invite)}${at}` }
}

/**
 * Reads an invite's text.
 *
 * Errors: `INVITE_INVALID` when it is none; `INVITE_REFUSED` when its time is over by this machine's clock.
 */
export function readInvite(text: string, wallMs: number): InviteText {
  const [code = '', at = ''] = text.trim().split('@')
  const bootstrap = at === '' ? [] : at.split(',')
  if (!bootstrap.every(isDhtAddress)) throw noInvite(text)
  let decoded: ReturnType<typeof BlindPairing.decodeInvite>
  let bytes: Uint8Array
  try {
    bytes = z32.decode(code)
    decoded = BlindPairing.decodeInvite(bytes)
  } catch (cause) {
    throw noInvite(text, cause)
  }
  if (decoded.expires > 0 && decoded.expires < wallMs) throw refusal('expired')
  return { id: shortId(decoded.id), expiresAt: decoded.expires, bytes, bootstrap }
}

function noInvite(text: string, cause?: unknown): PoolError {
  const start = JSON.stringify(text.trim().slice(0, 40))
  return new PoolError('INVITE_INVALID', `This is no invite: ${start}${text.length > 40 ? ' …' : ''}`, {
    hint: 'Copy the whole line that `hypersweep invite` printed.',
    cause
  })
}

export interface InviteServer {
  /** The list of open invites changed. */
  update(): Promise<void>
  close(): Promise<void>
}

export interface InviteServerOptions {
  readonly mesh: Pick<OpenMesh, 'swarm'>
  readonly pool: string
  readonly secret: string
  readonly data: string
  readonly invites: () => readonly OpenInvite[]
  /** Decides and records. Resolves once the admission is durable. */
  readonly admit: (invite: string, candidate: Candidate) => Promise<'admitted' | keyof typeof STATUS>
  readonly note: (message: string, fields: Readonly<Record<string, unknown>>) => void
}

/** Answers those who come with one of the open invites, as long as there is one. */
export function openInviteServer(options: InviteServerOptions): InviteServer {
  const poolKey = b4a.from(options.pool, 'hex')
  let pairing: BlindPairing | undefined
  let pollMs = 0
  let member: { close(): Promise<void> } | undefined

  const answer: Parameters<BlindPairing['addMember']>[0]['onadd'] = async request => {
    const id = shortId(request.inviteId)
    const invite = options.invites().find(each => each.id === id)
    if (!invite) return
    const made = BlindPairing.createInvite(poolKey, {
      seed: b4a.from(invite.seed, 'hex'),
      expires: invite.expiresAt,
      data: b4a.from(options.data)
    })
    request.open(made.publicKey)
    const candidate = readCandidate(request.userData)
    const verdict = candidate ? await options.admit(id, candidate) : 'refused'
    if (verdict !== 'admitted' || !made.additional) {
      options.note('refused a machine that came with an invite', { invite: id, verdict })
      return request.deny({ status: verdict === 'admitted' ? STATUS.refused : STATUS[verdict] })
    }
    request.confirm({ key: poolKey, encryptionKey: b4a.from(options.secret, 'hex'), additional: made.additional })
  }

  async function close(): Promise<void> {
    const closing = [member?.close(), pairing?.close()]
    member = undefined
    pairing = undefined
    await Promise.all(closing)
  }

  return {
    async update() {
      const invites = options.invites()
      if (invites.length === 0) return close()
      const nextMs = invites.some(invite => invite.usedBy === undefined)
        ? LIMITS.pairingPollMs
        : LIMITS.pairingIdlePollMs
      if (pairing && pollMs === nextMs) return
      await close()
      pollMs = nextMs
      pairing = new BlindPairing(options.mesh.swarm, { poll: pollMs })
      const { discoveryKey } = BlindPairing.decodeInvite(BlindPairing.createInvite(poolKey, {}).invite)
      member = pairing.addMember({ discoveryKey, onadd: answer })
    },
    close
  }
}

/**
 * Comes with an invite and waits to be let in.
 *
 * @param options.bootstrap  Where to begin; those named in the invite come first.
 * Errors: `INVITE_REFUSED` when it was used or is over; `NETWORK_UNREACHABLE` when no DHT node answers; `TIMED_OUT`
 *         when the machine that made the invite does not come in `LIMITS.joinMs`.
 */
export async function comeWith(
  invite: InviteText,
  candidate: Candidate,
  options: { bootstrap: readonly string[]; port?: number; signal?: AbortSignal }
): Promise<Welcome> {
  const bootstrap = invite.bootstrap.length > 0 ? invite.bootstrap : options.bootstrap
  const dht = openDht({ ...options, bootstrap })
  // Both messages travel as sealed records in the DHT: this machine lets nobody connect before it is in the pool.
  const swarm = new Hyperswarm({ dht, firewall: () => true })
  const pairing = new BlindPairing(swarm, { poll: LIMITS.pairingPollMs })
  try {
    const answer = await Promise.race([
      askedFor(pairing, invite, candidate),
      unreachable(dht, bootstrap),
      late(options.signal)
    ])
    return {
      pool: b4a.toString(answer.key, 'hex'),
      secret: b4a.toString(answer.encryptionKey, 'hex'),
      data: answer.data ? b4a.toString(answer.data) : ''
    }
  } finally {
    // The answer is here or never comes; a failed clean-up changes neither.
    await pairing.close().catch(() => undefined)
    await swarm.destroy()
  }
}

type Answer = { readonly key: Uint8Array; readonly encryptionKey: Uint8Array; readonly data: Uint8Array | null }

function askedFor(pairing: BlindPairing, invite: InviteText, candidate: Candidate): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { request } = pairing.addCandidate({
      invite: invite.bytes,
      userData: b4a.from(JSON.stringify(candidate)),
      onadd: resolve
    })
    request.on('rejected', error => {
      const reasons: Readonly<Record<string, 'used' | 'expired'>> = { INVITE_USED: 'used', INVITE_EXPIRED: 'expired' }
      reject(refusal(reasons[error.code ?? ''] ?? 'refused'))
    })
  })
}

function unreachable(dht: { toArray(): readonly unknown[] }, bootstrap: readonly string[]): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => {
      if (dht.toArray().length > 0) return
      reject(
        new PoolError(
          'NETWORK_UNREACHABLE',
          `No DHT node answers at ${bootstrap.length > 0 ? bootstrap.join(', ') : 'the public addresses'}.`,
          {
            hint: "Check this machine's network and firewall (UDP). A pool with its own DHT: is `hypersweep bootstrap` running there?"
          }
        )
      )
    }, LIMITS.bootstrapMs).unref()
  })
}

function late(signal?: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () =>
      reject(
        new PoolError('TIMED_OUT', 'The machine that made the invite did not answer.', {
          hint: 'Ask your friend to keep `hypersweep invite` or `hypersweep up` running, then run the same `join` again.'
        })
      )
    setTimeout(fail, LIMITS.joinMs).unref()
    signal?.addEventListener('abort', fail)
  })
}

function refusal(reason: 'refused' | 'used' | 'expired'): PoolError {
  const what = {
    refused: 'The pool refused this invite.',
    used: 'This invite was used already: an invite lets in one machine.',
    expired: 'This invite is over: an invite lives for a day.'
  }[reason]
  return new PoolError('INVITE_REFUSED', what, { hint: 'Ask your friend for a new one: `hypersweep invite`.' })
}

function readCandidate(bytes: Uint8Array): Candidate | undefined {
  try {
    return candidateSchema.safeParse(JSON.parse(b4a.toString(bytes))).data
  } catch {
    return undefined // A stranger who found the invite sent something else.
  }
}

/** An invite's id in our records: half of blind-pairing's. */
function shortId(id: Uint8Array): string {
  return b4a.toString(id, 'hex').slice(0, 32)
}
