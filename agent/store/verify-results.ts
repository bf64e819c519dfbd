/**
 * Verifying the results that wait beside the log (rule L8): each can be read, and the log has it or will get it.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  canonicalJson,
  type Draft,
  decodeBlock,
  encodeBlock,
  type LogRecord,
  type Pool,
  PoolError,
  type RecordOf,
  type VerifyCheck
} from '#protocol'
import { readJson } from './files.js'
import { resultSchema } from './keeper.js'
import { shown } from './verify-files.js'
import type { VerifyParts } from './verify-logs.js'

type Kept = RecordOf<'attempt-finished'> | RecordOf<'trial-released'>

/** Looks at every result that is kept beside the log. */
export function checkResults({ home, identity }: VerifyParts, pool: Pool): VerifyCheck[] {
  const name = 'results'
  const folder = join(home, 'keeper', 'results')
  const files = list(folder)
  const damaged: string[] = []
  const differing: string[] = []
  let waiting = 0
  for (const file of files) {
    const record = resultIn(join(folder, file))
    if (!record) damaged.push(file)
    else {
      const logged = loggedOf(pool, identity.machine, record)
      if (!logged) waiting++
      else if (!isSame(record, logged)) differing.push(file)
    }
  }
  const checks: VerifyCheck[] = []
  if (damaged.length > 0)
    checks.push({
      name,
      verdict: 'wrong',
      detail: `${damaged.length} results that are kept beside the log cannot be read: ${shown(damaged)}.`,
      hint: 'If the log lacks them their trials are run again. Move the files out of keeper/results, and keep them.'
    })
  if (differing.length > 0)
    checks.push({
      name,
      // A home that came back from a backup runs an attempt again whose first end is still in its log.
      verdict: 'found',
      detail: `${differing.length} results that are kept beside the log differ from what the log says: ${shown(differing)}.`,
      hint: 'The log counts. After a restored backup attempts may have run twice; else something changed the files.'
    })
  if (waiting > 0)
    checks.push({ name, verdict: 'found', detail: `${waiting} results wait for the log; the next agent writes them.` })
  if (checks.length > 0) return checks
  return [{ name, verdict: 'ok', detail: `${files.length} kept beside the log, which has them too.` }]
}

/** The kept result as a record; nothing when it is none, or is kept under another attempt's name. */
function resultIn(path: string): Kept | undefined {
  try {
    const { id, draft } = resultSchema.parse(readJson(path))
    const record = { ...(draft as unknown as Draft), clock: 0, at: 0 } as LogRecord
    const [item] = decodeBlock(encodeBlock([record]))
    if (!item || !('record' in item)) return undefined
    const { record: read } = item
    if (read.kind !== 'attempt-finished' && read.kind !== 'trial-released') return undefined
    const name = `${read.sweep}-${read.trial}-${read.attempt}`
    return name === id && path.endsWith(`${name}.json`) ? read : undefined
  } catch (error) {
    // No JSON, no result, or one that is too large: whatever it is, no log will take it.
    if (error instanceof PoolError || (error instanceof Error && error.name === 'ZodError')) return undefined
    throw error
  }
}

function loggedOf(pool: Pool, machine: string, { sweep, trial, attempt, kind }: Kept): object | undefined {
  const known = pool.sweeps.get(sweep)?.trials.get(trial)?.attempts.get(attempt)
  return kind === 'attempt-finished' ? known?.results.get(machine) : known?.releases.get(machine)
}

/** Compares every field that both have: the pool keeps a record's place where the record has its subject. */
function isSame(record: Kept, logged: object): boolean {
  const { kind, clock, at, sweep, trial, ...fields } = record
  return Object.entries(fields).every(([field, value]) => {
    const other = (logged as Readonly<Record<string, unknown>>)[field]
    return field === 'attempt' || canonicalJson(value) === canonicalJson(other ?? null)
  })
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter(file => file.endsWith('.json'))
      .sort()
  } catch {
    return [] // It is made when the agent runs for the first time.
  }
}
