/**
 * Verify: does a home keep what it should? Every invariant of its store, checked while no agent runs.
 *
 * Opens the store to read alone, and changes no byte of the home: the clean-stop mark must hold as it did before.
 * Never throws for what it finds: a check that cannot be made is itself a finding.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import Corestore from 'corestore'
import { PoolError, type VerifyCheck, type VerifyView } from '#protocol'
import { type Identity, type Membership, openIdentity, readMembership } from './identity.js'
import type { Store } from './store.js'
import { checkFiles, checkLogList, sizesOf } from './verify-files.js'
import { checkLogs, checkRest, openLogs, type ReadLog, type VerifyParts } from './verify-logs.js'
import { checkPool } from './verify-pool.js'
import { checkResults } from './verify-results.js'

/**
 * Checks a home, and returns what it found.
 *
 * Errors: `POOL_MISSING` when the home is in no pool; `STORE_DAMAGED` when the store cannot be opened at all.
 */
export async function verifyHome(home: string, onProgress: (what: string) => void): Promise<VerifyView> {
  if (!existsSync(join(home, 'pool.json')) && !existsSync(join(home, 'identity.json'))) {
    throw new PoolError('POOL_MISSING', `There is no pool in ${home}.`, {
      hint: 'Another home is named by --home or HYPERSWEEP_HOME.'
    })
  }
  onProgress('Looking at the files …')
  const checks = [...checkFiles(home)]
  const keys = readKeys(home)
  if ('name' in keys) return report(home, [...checks, keys], [])
  const list = checkLogList(home, keys.membership)
  checks.push(...list.checks)
  if (!existsSync(join(home, 'store'))) {
    checks.push({ name: 'store', verdict: 'found', detail: 'There is no store yet: no agent ran here.' })
    return report(home, checks, [])
  }
  const store = await openToRead(home)
  try {
    return await verifyStore({ home, store, checks, ...keys, listed: list.logs, onProgress })
  } finally {
    await store.close()
  }
}

async function verifyStore(
  parts: VerifyParts & {
    readonly checks: readonly VerifyCheck[]
    readonly listed: ReturnType<typeof checkLogList>['logs']
  }
): Promise<VerifyView> {
  const { home } = parts
  const opened = await openLogs(parts, parts.listed)
  try {
    const logs = await checkLogs(parts, opened.logs)
    const folded = await checkPool(parts, opened.logs)
    const rest = await checkRest(parts, opened.logs)
    const results = checkResults(parts, folded.pool)
    const checks = [...parts.checks, ...opened.checks, ...logs, ...folded.checks, ...results, rest]
    return report(home, checks, opened.logs, folded.digest)
  } finally {
    await Promise.all(opened.logs.map(({ core }) => core.close()))
  }
}

function report(home: string, checks: readonly VerifyCheck[], logs: readonly ReadLog[], digest?: string): VerifyView {
  return {
    home,
    ...(digest === undefined ? {} : { digest }),
    logs: logs.length,
    records: logs.reduce((sum, log) => sum + log.records, 0),
    checks,
    bytes: sizesOf(home)
  }
}

/** The keys of the home, or the finding that they cannot be read: without them no log can. */
function readKeys(home: string): { identity: Identity; membership: Membership } | VerifyCheck {
  const name = 'keys'
  const hint = 'Restore identity.json and pool.json from a backup, or move the home away and join the pool anew.'
  try {
    const membership = readMembership(home)
    // Without the file this would make a new identity.
    if (!membership || !existsSync(join(home, 'identity.json')))
      return { name, verdict: 'wrong', detail: 'pool.json or identity.json is missing.', hint }
    return { membership, identity: openIdentity(home, { member: '', machine: '' }) }
  } catch (error) {
    if (!(error instanceof PoolError)) throw error
    return { name, verdict: 'wrong', detail: error.message, hint }
  }
}

/** Opened to read, a store has no lock: whoever calls this sees to it that no agent runs. */
async function openToRead(home: string): Promise<Store> {
  const store = new Corestore(join(home, 'store'), { readOnly: true })
  try {
    await store.ready()
    return store
  } catch (cause) {
    throw new PoolError('STORE_DAMAGED', `The store in ${home} cannot be opened: ${String(cause)}.`, {
      hint: 'Check the disk. What the pool has comes back from the others: move the folder `store` away, then `hypersweep up`.',
      cause
    })
  }
}
