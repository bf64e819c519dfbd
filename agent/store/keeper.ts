/**
 * The keeper: what must survive a crash of this machine.
 *
 * Approvals, results on their way to the log, invites, and the logs that this machine
 * knows of. Each call is on disk, fsynced, when it returns (rule L8).
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { type Attestation, attestationSchema, type Draft, idHex, keyHex, LIMITS } from '#protocol'
import type { Keeper, KeptPause } from '../ports.js'
import { makeFolder, readJson, removeFile, writeJson } from './files.js'
import type { Level } from './quota.js'

export const inviteSchema = z.object({
  id: idHex,
  /** The invite's key pair comes from it; whoever has it can answer the invite. */
  seed: keyHex,
  expiresAt: z.number(),
  /** The machine that came with it. An invite works once (rule M4). */
  usedBy: keyHex.optional(),
  usedByName: z.string().max(LIMITS.nameChars).optional()
})
export type KeptInvite = z.infer<typeof inviteSchema>

const pauseSchema = z.object({ device: z.string().optional(), untilWallMs: z.number().optional() })

const levelSchema = z.object({ bytes: z.number().min(0), atMs: z.number() })

export const resultSchema = z.object({ id: z.string(), draft: z.object({ kind: z.string() }).loose() })

export type FileKeeper = ReturnType<typeof openKeeper>

export interface KeeperOptions {
  /** Returns the ids of attempts that left a checkpoint: the runner's folder knows. */
  readonly checkpoints: () => readonly string[]
  /** Carries out a write that must succeed also when the disk is full, as far as that is possible. */
  readonly write?: <T>(action: () => T) => T
}

/** Opens the keeper of a home. A write that fails leaves what was kept before. */
export function openKeeper(home: string, options: KeeperOptions) {
  const write = options.write ?? (action => action())
  const at = (...parts: string[]) => join(home, 'keeper', ...parts)
  write(() => makeFolder(at('results')))
  const approved = new Set(read(at('approved.json'), z.array(keyHex), []))
  const invites = new Map(read(at('invites.json'), z.array(inviteSchema), []).map(invite => [invite.id, invite]))

  const keeper: Keeper = {
    load: () => ({
      approved: [...approved],
      results: readdirSync(at('results'))
        .filter(file => file.endsWith('.json'))
        .sort()
        .flatMap(file => readResult(at('results', file))),
      checkpoints: options.checkpoints(),
      pauses: read(at('pauses.json'), z.array(pauseSchema), []) as KeptPause[]
    }),
    saveApproval(digest) {
      write(() => writeJson(at('approved.json'), [...new Set([...approved, digest])].sort()))
      approved.add(digest)
    },
    saveResult: (id, draft) => write(() => writeJson(at('results', `${id}.json`), { id, draft })),
    dropResult: id => removeFile(at('results', `${id}.json`)),
    savePauses: pauses => write(() => writeJson(at('pauses.json'), pauses))
  }

  return {
    ...keeper,
    invites: (): readonly KeptInvite[] => [...invites.values()],
    saveInvite(invite: KeptInvite): void {
      const all = new Map(invites).set(invite.id, invite)
      write(() => writeJson(at('invites.json'), [...all.values()]))
      invites.set(invite.id, invite)
    },
    loadLogs: (): Attestation[] => read(at('logs.json'), z.array(attestationSchema), []),
    saveLogs: (logs: readonly Attestation[]): void => writeJson(at('logs.json'), logs),
    /** How much each member made this machine download lately (rule L3). */
    loadQuotas: (): Readonly<Record<string, Level>> => read(at('quotas.json'), z.record(keyHex, levelSchema), {}),
    saveQuotas: (levels: Readonly<Record<string, Level>>): void => writeJson(at('quotas.json'), levels)
  }
}

/** A file that does not have its shape was not written by us: nothing in it can be trusted, so it counts as absent. */
function read<T>(path: string, schema: z.ZodType<T>, absent: T): T {
  const parsed = schema.safeParse(readJson(path))
  return parsed.success ? parsed.data : absent
}

function readResult(path: string): { id: string; draft: Draft }[] {
  const parsed = resultSchema.safeParse(readJson(path))
  // The codec checks the draft once more before it goes to the log.
  return parsed.success ? [{ id: parsed.data.id, draft: parsed.data.draft as unknown as Draft }] : []
}
