/**
 * The list of logs: whose logs this machine knows of, whether it may read them yet or not.
 *
 * Owns the attestations, on disk and in memory. Whoever is in the pool can attest any number of logs: each member has
 * room for so many, and so have all together.
 */
import { type Attestation, type Gossip, LIMITS } from '#protocol'
import { isAttested } from './identity.js'
import type { FileKeeper } from './keeper.js'

export type LogList = ReturnType<typeof createLogList>

/** Returns the list of a pool's logs as far as it was kept. `note`: what could not be written now is told. */
export function createLogList(options: {
  readonly pool: string
  readonly keeper: Pick<FileKeeper, 'loadLogs' | 'saveLogs'>
  readonly note: (message: string, fields: Readonly<Record<string, unknown>>) => void
}) {
  /** By log and by who is said to write it: until a log is read, more than one machine may be said to. */
  const known = new Map<string, Attestation>()
  const disowned = new Set<string>()
  for (const attestation of options.keeper.loadLogs())
    if (attestation.pool === options.pool) known.set(nameOf(attestation), attestation)

  /** What a full disk does not take now is written with the next change, or is found again in the logs. */
  function save(): void {
    try {
      options.keeper.saveLogs([...known.values()])
    } catch (error) {
      options.note('the list of logs could not be saved', { error: String(error) })
    }
  }

  function hasRoom(member: string): boolean {
    let count = 0
    for (const each of known.values()) if (each.member === member) count++
    return count < LIMITS.logsPerMember && known.size < LIMITS.logsKnown
  }

  return {
    all: (): Attestation[] => [...known.values()],

    /** Adds logs that this machine knows for certain. */
    add(attestations: readonly Attestation[]): void {
      for (const attestation of attestations) known.set(nameOf(attestation), attestation)
      save()
    },

    /** Adds what a peer tells, as far as it is attested and there is room. True when anything was new. */
    learn(gossip: Gossip): boolean {
      let isNews = false
      for (const { attestation } of gossip) {
        const name = nameOf(attestation)
        if (attestation.pool !== options.pool || known.has(name) || disowned.has(name)) continue
        if (!hasRoom(attestation.member) || !isAttested(attestation)) continue
        known.set(name, attestation)
        isNews = true
      }
      if (isNews) save()
      return isNews
    },

    /** Forgets a log that is not whose it was said to be, for as long as this agent runs. */
    disown(attestation: Attestation): void {
      disowned.add(nameOf(attestation))
      known.delete(nameOf(attestation))
      save()
    }
  }
}

function nameOf({ log, member, machine }: Attestation): string {
  return `${log}/${member}/${machine}`
}
