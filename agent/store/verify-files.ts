/**
 * Verifying the small files of a home: who may read them, whether each has its shape, and what all takes on the disk.
 */
import { existsSync, lstatSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { z } from 'zod'
import { type Attestation, attestationSchema, keyHex, PoolError, type VerifyCheck } from '#protocol'
import { loadCheckpoint } from './checkpoint.js'
import { readCleanStop } from './clean-stop.js'
import { readJson } from './files.js'
import { isAttested, type Membership } from './identity.js'
import { inviteSchema } from './keeper.js'

/** Files with secrets, or with what others must not change. */
const PRIVATE = ['identity.json', 'pool.json']
/** Bits of a mode that let others in. */
const OTHERS = 0o077
/** Findings of one kind that are told one by one. */
const SHOWN = 5
/** Parts of a home whose size is told. */
const PARTS = ['store', 'bundles', 'attempts', 'keeper']

/** Looks at modes and at the keeper's files. */
export function checkFiles(home: string): VerifyCheck[] {
  return [checkModes(home), checkList(home, 'approved.json', keyHex), checkList(home, 'invites.json', inviteSchema)]
}

/** Looks at the list of known logs. Returns those that are soundly attested for this pool. */
export function checkLogList(
  home: string,
  membership: Membership
): { checks: VerifyCheck[]; logs: readonly Attestation[] } {
  const path = join(home, 'keeper', 'logs.json')
  const parsed = z.array(attestationSchema).safeParse(contentOf(path))
  if (existsSync(path) && !parsed.success) {
    const detail = 'keeper/logs.json is damaged: it is no list of attested logs.'
    const hint =
      'The next agent finds the logs again in the store and asks the others: remove the file, then `hypersweep up`.'
    return { checks: [{ name: 'list of logs', verdict: 'wrong', detail, hint }], logs: [] }
  }
  const listed = parsed.success ? parsed.data : []
  const forged = listed.filter(each => each.pool !== membership.pool || !isAttested(each))
  const checks = [cleanStopCheck(home), checkpointCheck(home, membership.pool)]
  const logs = listed.filter(each => !forged.includes(each))
  if (forged.length === 0)
    return {
      checks: [{ name: 'list of logs', verdict: 'ok', detail: `${logs.length} logs, attested.` }, ...checks],
      logs
    }
  const detail = `${forged.length} of ${listed.length} logs are not attested by who should have written them: ${shown(
    forged.map(({ log }) => log.slice(0, 8))
  )}.`
  const hint = 'Somebody changed keeper/logs.json. Remove the file: the logs say themselves whose they are.'
  return { checks: [{ name: 'list of logs', verdict: 'wrong', detail, hint }, ...checks], logs }
}

/** Returns what each part of a home takes on the disk, in bytes. */
export function sizesOf(home: string): Record<string, number> {
  return Object.fromEntries(PARTS.map(part => [part, bytesIn(join(home, part))]))
}

/** Names at most a few of many. */
export function shown(names: readonly string[]): string {
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : ''
  return names.slice(0, SHOWN).join(', ') + more
}

function checkModes(home: string): VerifyCheck {
  const name = 'modes'
  if (process.platform === 'win32') return { name, verdict: 'ok', detail: 'Windows has no modes.' }
  const keeper = join(home, 'keeper')
  const paths = [home, ...PRIVATE.map(file => join(home, file)), ...filesIn(keeper)].filter(existsSync)
  const open = paths.filter(path => (lstatSync(path).mode & OTHERS) !== 0)
  if (open.length === 0) return { name, verdict: 'ok', detail: `${paths.length} files are for their owner alone.` }
  return {
    name,
    verdict: 'wrong',
    detail: `Others can read ${shown(open.map(path => relative(home, path) || '.'))}.`,
    hint: `chmod -R go= ${home}`
  }
}

function checkList(home: string, file: string, schema: z.ZodType): VerifyCheck {
  const path = join(home, 'keeper', file)
  const name = file.replace('.json', '')
  if (!existsSync(path)) return { name, verdict: 'ok', detail: 'None.' }
  const parsed = z.array(schema).safeParse(contentOf(path))
  if (parsed.success) return { name, verdict: 'ok', detail: `${parsed.data.length} in order.` }
  return {
    name,
    verdict: 'wrong',
    detail: `keeper/${file} is damaged: it is not what an agent writes.`,
    hint: 'The agent takes it for empty. Remove it, then approve or invite again.'
  }
}

function cleanStopCheck(home: string): VerifyCheck {
  const name = 'clean stop'
  if (readCleanStop(home) !== undefined)
    return { name, verdict: 'ok', detail: 'The last agent stopped in order; the next one goes on in its log.' }
  const detail = 'The last agent did not stop in order, or its files were copied; the next one opens a fresh log.'
  return { name, verdict: 'found', detail }
}

function checkpointCheck(home: string, pool: string): VerifyCheck {
  const name = 'checkpoint'
  if (!existsSync(join(home, 'keeper', 'checkpoint'))) return { name, verdict: 'ok', detail: 'None.' }
  if (loadCheckpoint(home, pool)) return { name, verdict: 'ok', detail: 'Whole, and of this release.' }
  const detail = 'It is torn, or another release made it; the next agent folds all logs from their beginnings.'
  return { name, verdict: 'found', detail }
}

/** The content, unchecked; nothing when it is absent or no JSON, which no schema takes. */
function contentOf(path: string): unknown {
  try {
    return readJson(path)
  } catch (error) {
    if (error instanceof PoolError) return undefined
    throw error
  }
}

function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? filesIn(path) : [path]
  })
}

/** Links are not followed: what they point at is not the home's. */
function bytesIn(path: string): number {
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (!status) return 0
  if (!status.isDirectory()) return status.size
  return readdirSync(path).reduce((sum, name) => sum + bytesIn(join(path, name)), 0)
}
