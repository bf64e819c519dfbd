/**
 * This machine's own logs: which one it writes, and finding again those that it wrote (rules L6 and L7).
 *
 * One incarnation is written by one run of the agent after the other, and never again once its tail may be unknown. The
 * key of each comes from fresh chance: two copies of one home never write the same log.
 */
import b4a from 'b4a'
import type Hypercore from 'hypercore'
import { type Attestation, decodeBlock } from '#protocol'
import { type Identity, isAttested, type Membership } from './identity.js'
import { bytesOf, freshName, hexOf, type Store } from './store.js'

export interface OwnLogsOptions {
  readonly store: Store
  readonly membership: Membership
  readonly identity: Identity
}

/**
 * Makes a log that nobody ever wrote to.
 *
 * @param incarnation  Larger than that of any known log of this machine.
 */
export async function makeFreshLog(
  options: OwnLogsOptions,
  incarnation: number
): Promise<{ attestation: Attestation; core: Hypercore }> {
  const { store, membership, identity } = options
  const core = store.get({ name: freshName(`log-${incarnation}`), encryption: { key: bytesOf(membership.secret) } })
  await core.ready()
  return { core, attestation: identity.attest(membership.pool, incarnation, hexOf(core.key)) }
}

/**
 * Returns the logs in the store whose first block says whose they are: should the list of logs be lost, the logs
 * themselves still tell.
 */
export async function logsInStore({ store, membership }: Omit<OwnLogsOptions, 'identity'>): Promise<Attestation[]> {
  const found: Attestation[] = []
  for await (const discoveryKey of store.list()) {
    const core = store.get({ discoveryKey, encryption: { key: bytesOf(membership.secret) } })
    try {
      await core.ready()
      const first = core.contiguousLength > 0 ? await core.get(0, { wait: false }) : null
      const attestation = first ? openingIn(first) : undefined
      const isOurs = attestation?.pool === membership.pool && attestation.log === b4a.toString(core.key, 'hex')
      if (isOurs && isAttested(attestation)) found.push(attestation)
    } catch {
      // A drive or another pool's log: its blocks cannot be read with this pool's key.
    } finally {
      await core.close()
    }
  }
  return found
}

/** Returns what the first block of a log says about its writer; nothing when it says nothing. */
export function openingIn(firstBlock: Uint8Array): Attestation | undefined {
  const [first] = decodeBlock(firstBlock)
  if (!first || !('record' in first) || first.record.kind !== 'writer-opened') return undefined
  const { kind, clock, at, ...attestation } = first.record
  return attestation
}
