/**
 * Invites: who may come in, and only once.
 *
 * Owns the rules about invites (M3, M4): an invite lets in one machine, for a day, by the clock of the machine that
 * made it. The admission is durable, in the log, before the joiner hears of it.
 */
import { randomBytes } from 'node:crypto'
import { type Draft, type InviteView, isRemoved, LIMITS, type Pool } from '#protocol'

/** An invite as it is kept: its seed makes the key pair that the friend's text carries. */
export interface Invite {
  readonly id: string
  readonly seed: string
  readonly expiresAt: number
  readonly usedBy?: string | undefined
  readonly usedByName?: string | undefined
}

export interface InvitesOptions {
  readonly keeper: { invites(): readonly Invite[]; saveInvite(invite: Invite): void }
  readonly log: { pool(): Pool; append(drafts: readonly Draft[]): void; flushed(): Promise<void> }
  /** Returns the id and the friend's text of an invite. */
  readonly textOf: (invite: { seed: string; expiresAt: number }) => { id: string; text: string }
  readonly isMembersMachine: (claim: { pool: string; member: string; machine: string }, signature: string) => boolean
  /** The list of open invites changed. */
  readonly onChange: () => void
  readonly wall: () => number
}

export interface Candidate {
  readonly member: string
  readonly machine: string
  readonly memberName: string
  readonly machineName: string
  readonly signature: string
}

export type Verdict = 'admitted' | 'used' | 'expired' | 'refused'

export function createInvites(options: InvitesOptions) {
  const { keeper, log } = options

  /** Anybody can name a machine, so its member must be the one that came first; and the log must tell of it. */
  async function wasAdmitted(invite: Invite, { member, machine }: Candidate): Promise<boolean> {
    await log.flushed() // The admission may be on its way right now.
    return invite.usedBy === machine && log.pool().members.get(member)?.machine === machine
  }

  return {
    create(): InviteView {
      const draft = { seed: randomBytes(32).toString('hex'), expiresAt: options.wall() + LIMITS.inviteMs }
      const { id, text } = options.textOf(draft)
      keeper.saveInvite({ id, ...draft })
      options.onChange()
      return { id, text, expiresAt: draft.expiresAt }
    },

    list(): InviteView[] {
      return keeper.invites().map(({ id, expiresAt, usedByName }) => ({
        id,
        expiresAt,
        ...(usedByName === undefined ? {} : { usedByName })
      }))
    },

    /** Those that are answered. Used ones are, too: their machine may ask again, and others are told why not. */
    open: (): readonly Invite[] => keeper.invites().filter(invite => invite.expiresAt > options.wall()),

    /** Lets a machine in, or says why not. The same machine may ask twice: the first answer may have been lost. */
    async admit(id: string, candidate: Candidate): Promise<Verdict> {
      const invite = keeper.invites().find(each => each.id === id)
      const { member, machine, memberName, machineName, signature } = candidate
      if (!invite || !options.isMembersMachine({ pool: '', member, machine }, signature)) return 'refused'
      // A removal holds for ever: an admission would have no effect, and use the invite up.
      if (isRemoved(log.pool(), member)) return 'refused'
      if (invite.usedBy !== undefined) return (await wasAdmitted(invite, candidate)) ? 'admitted' : 'used'
      if (invite.expiresAt <= options.wall()) return 'expired'
      // Marked before anything else: a crash right here costs an invite, never lets in a second machine.
      keeper.saveInvite({ ...invite, usedBy: machine, usedByName: `${memberName} (${machineName})` })
      log.append([{ kind: 'member-admitted', member, name: memberName, role: 'member', machine, invite: id }])
      await log.flushed()
      return 'admitted'
    }
  }
}
