/**
 * Bugs: deliberate ones, to show that the simulator finds them.
 *
 * Owns a table of patches, which are applied to a copy of the sources and never to the sources themselves. Invariant:
 * a patch that does not fit the sources any more is an error, so that no bug is "found" that was never there.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Profile } from './rates.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** What the simulator is made of. */
const PARTS = ['package.json', 'tsconfig.json', 'protocol', 'agent', 'test/helpers', 'test/simulation'] as const

export interface Bug {
  readonly name: string
  /** What is wrong with it, for people. */
  readonly what: string
  readonly file: string
  readonly find: string
  readonly replace: string
  /** A schedule that finds it, and by which checker. */
  readonly caught: { readonly seed: number; readonly profile: Profile; readonly invariant: string }
}

export const BUGS: readonly Bug[] = [
  {
    name: 'broken-tie-break',
    what: 'of two claims on one attempt the one that arrived first holds, not the one with the smaller hash (C3)',
    file: 'protocol/claims.ts',
    find: '  return smallest(',
    replace: '  if (attempt.claims.size > 0) return [...attempt.claims.keys()][0]\n  return smallest(',
    caught: { seed: 54, profile: 'heavy', invariant: 'one canonical result for each trial' }
  },
  {
    name: 'last-arrival-wins',
    what: 'of two records with the same meaning the one that arrived last counts, not the one with the smaller place (F2)',
    file: 'protocol/pool/fold.ts',
    find: 'if (known && comparePlaces(known, value) <= 0)',
    replace: 'if (known && Object.is(known, value))',
    caught: { seed: 3, profile: 'hostile', invariant: 'equal records give equal pools' }
  },
  {
    name: 'first-result-counts',
    what: 'the result that arrived first is canonical, not the one that comes first in order (C8)',
    file: 'protocol/claims.ts',
    find: '  ranked.sort((a, b) => a.order',
    replace: '  Array.from(ranked).sort((a, b) => a.order',
    caught: { seed: 5, profile: 'heavy', invariant: 'one canonical result for each trial' }
  },
  {
    name: 'cut-ignored',
    what: 'what a removed member writes behind its cut still counts (M9)',
    file: 'protocol/pool/membership.ts',
    find: '  return removal === undefined ?',
    replace: '  return removal !== null ?',
    caught: { seed: 2, profile: 'hostile', invariant: 'records behind a cut change nothing' }
  },
  {
    name: 'result-saved-late',
    what: 'a result goes to the log without being written down first (L8)',
    file: 'agent/agent.ts',
    find: '      ports.keeper.saveResult(charge.id, draft)\n',
    replace: '      ports.keeper.saveResult(charge.id, draft)\n      ports.keeper.dropResult(charge.id)\n',
    caught: { seed: 68, profile: 'heavy', invariant: 'no acknowledged result is lost' }
  },
  {
    name: 'wall-clock',
    what: 'time is taken from the wall clock, which jumps by a day (C6)',
    file: 'agent/agent.ts',
    find: 'ports.clock.now()',
    replace: 'ports.clock.wall()',
    caught: { seed: 7, profile: 'heavy', invariant: 'every trial ends and everybody knows' }
  },
  {
    name: 'log-goes-on',
    what: 'after a power cut the own log is written on, though its tail may be unknown (L6)',
    file: 'test/simulation/replica.ts',
    find: 'if (wasClean && latest &&',
    replace: 'if ((wasClean || latest) && latest &&',
    caught: { seed: 2, profile: 'heavy', invariant: 'a log has one history' }
  },
  {
    name: 'last-attempt-held',
    what: 'a trial whose last attempt is claimed waits for it for ever (C9)',
    file: 'protocol/claims.ts',
    find: 'facts.attempts >= LIMITS.attemptsPerTrial',
    replace: 'facts.attempts > LIMITS.attemptsPerTrial',
    caught: { seed: 1, profile: 'hostile', invariant: 'every trial ends and everybody knows' }
  },
  {
    name: 'no-settling',
    what: 'a claim is started at once, before a rival one can arrive (C3)',
    file: 'protocol/claims.ts',
    find: '  if (roundTripsMs.length === 0) return 0\n',
    replace: '  if (roundTripsMs.length >= 0) return 0\n',
    caught: { seed: 48, profile: 'calm', invariant: 'without faults nothing is trained twice' }
  }
]

/** Copies what the simulator is made of, with a bug in it. Errors: when the patch does not fit the sources. */
export function buggyTree(name: string): { readonly root: string; remove(): void } {
  const bug = BUGS.find(each => each.name === name)
  if (!bug) throw new Error(`There is no bug named ${name}.`)
  const root = mkdtempSync(join(tmpdir(), 'simulated-bug-'))
  for (const part of PARTS) cpSync(join(ROOT, part), join(root, part), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  const file = join(root, bug.file)
  const text = readFileSync(file, 'utf8')
  if (!text.includes(bug.find)) throw new Error(`The bug ${name} does not fit ${bug.file} any more.`)
  writeFileSync(file, text.replaceAll(bug.find, bug.replace))
  return { root, remove: () => rmSync(root, { recursive: true, force: true }) }
}
