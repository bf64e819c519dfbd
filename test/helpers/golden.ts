/**
 * Golden logs: logs as a release wrote them, with what they must fold to for ever (rule L5).
 *
 * Owns the form in which they are kept and how they are read back: through the codec, as from a disk. Never writes.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decodeBlock, type Entry, type Pool } from '#protocol'

export const GOLDEN = fileURLToPath(new URL('../golden/', import.meta.url))

/** The blocks of one log as text: they are JSON, or meant to be. */
export interface GoldenLog {
  readonly log: string
  readonly member: string
  readonly machine: string
  readonly blocks: readonly string[]
}

/** What the logs come to, for people: it must hold even where a later release computes digests otherwise. */
export interface GoldenMeaning {
  readonly members: Readonly<Record<string, string>>
  readonly removed: Readonly<Record<string, number>>
  readonly machines: Readonly<Record<string, string>>
  readonly sweeps: Readonly<Record<string, Readonly<Record<string, string>>>>
}

export interface GoldenSet {
  readonly name: string
  readonly digest: string
  readonly meaning: GoldenMeaning
  readonly logs: readonly GoldenLog[]
}

/** Returns the sets of all releases, sorted by name: `0.1.0/everything`. */
export function goldenSets(): GoldenSet[] {
  const releases = readdirSync(GOLDEN, { withFileTypes: true }).filter(each => each.isDirectory())
  const names = releases.flatMap(({ name }) => readdirSync(join(GOLDEN, name)).map(file => `${name}/${file}`))
  return names.sort().map(name => {
    const set = JSON.parse(readFileSync(join(GOLDEN, name), 'utf8')) as Omit<GoldenSet, 'name'>
    return { ...set, name: name.replace(/\.json$/, '') }
  })
}

/** Reads logs back, log after log: their entries, and how many places hold something else. */
export function readGolden(logs: readonly GoldenLog[]): { entries: Entry[]; holes: number; unknownKinds: number } {
  const entries: Entry[] = []
  let holes = 0
  let unknownKinds = 0
  for (const { blocks, ...writer } of logs) {
    blocks.forEach((text, block) => {
      decodeBlock(new TextEncoder().encode(text)).forEach((item, index) => {
        if ('record' in item) entries.push({ ...writer, block, index, record: item.record })
        if ('hole' in item) holes++
        if ('unknownKind' in item) unknownKinds++
      })
    })
  }
  return { entries, holes, unknownKinds }
}

/** Returns what a pool means, in few words, sorted. */
export function meaningOf(pool: Pool): GoldenMeaning {
  const sorted = <V>(pairs: Iterable<readonly [string, V]>): Record<string, V> =>
    Object.fromEntries([...pairs].sort(([a], [b]) => (a < b ? -1 : 1)))
  const trialsOf = (id: string) => [...(pool.sweeps.get(id)?.trials.values() ?? [])]
  return {
    members: sorted([...pool.members.values()].map(({ key, name, role }) => [key, `${name}, ${role}`] as const)),
    removed: sorted([...pool.removed].map(([key, { cuts }]) => [key, cuts.size] as const)),
    machines: sorted([...pool.machines.values()].map(({ key, name }) => [key, name] as const)),
    sweeps: sorted(
      [...pool.sweeps.values()].map(({ id }) => {
        const trials = trialsOf(id).map(({ index, standing: { phase, attempt, held, result } }) => {
          const words = [phase, attempt, held?.attempt, held?.holder, result?.class, result?.value, result?.machine]
          return [String(index), words.filter(word => word !== undefined).join(' ')] as const
        })
        return [id, sorted(trials)] as const
      })
    )
  }
}
