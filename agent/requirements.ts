/**
 * Requirements: what a sweep asks of a machine beside its devices, and whether this machine has it.
 *
 * Owns the words for what is missing, and when packages are looked for. Looks at nothing itself: the agent notes what
 * was found. What a sweep asks of a device is judged in protocol/placement.
 */
import { formatBytes, type Sweep, type SweepSpec } from '#protocol'
import { isApproved, type Local } from './local.js'
import type { Clock } from './ports.js'

/** How long an owner who installs a package waits at most until this machine sees it, in ms. */
export const PACKAGES_AGAIN_MS = 10 * 60_000

/** Returns why this machine takes no trial of a sweep, in words for its owner; nothing when it has what it takes. */
export function unmet(local: Local, spec: SweepSpec): string | undefined {
  return lacking(local, spec) ?? roomless(local, spec)
}

/** The same without the disk: what an attempt must find when it starts, whatever it has written before. */
export function lacking(local: Local, { requires }: SweepSpec): string | undefined {
  const packages = requires?.packages?.filter(name => local.packages.get(name)?.isFound === false) ?? []
  if (packages.length > 0) return `it lacks the ${counted('package', packages)}`
  const assets = requires?.assets?.filter(name => local.assets && !local.assets.has(name)) ?? []
  if (assets.length > 0) return `it knows no ${counted('asset', assets)}`
  if (requires?.packages?.some(name => local.packages.get(name)?.isFound === undefined))
    return 'its packages have not been looked at yet'
  return requires?.assets?.length && !local.assets ? 'its assets have not been looked at yet' : undefined
}

/** True when everything that a sweep requires was looked at, so that what is missing is known. */
export function isLookedAt(local: Local, { requires }: SweepSpec): boolean {
  if (requires?.assets?.length && !local.assets) return false
  return requires?.packages?.every(name => local.packages.get(name)?.isFound !== undefined) ?? true
}

/** Returns the packages to look for now, sorted: those of approved sweeps, and after a while the missing ones again. */
export function packagesToLookFor(running: readonly Sweep[], local: Local, nowMs: number): string[] {
  const names = running.flatMap(({ submission }) => {
    const packages = submission?.spec.requires?.packages ?? []
    return submission && packages.length > 0 && isApproved(local, submission) ? packages : []
  })
  return [...new Set(names)].filter(name => isDue(local, name, nowMs)).sort()
}

/** Forgets which packages of a sweep were missing: its owner may have installed them, and they are looked for anew. */
export function forgetMissing(local: Local, { requires }: SweepSpec): void {
  for (const name of requires?.packages ?? [])
    if (local.packages.get(name)?.isFound === false) local.packages.delete(name)
}

export interface RequirementParts {
  readonly clock: Pick<Clock, 'now'>
  readonly local: Local
  readonly note: (message: string, fields: Readonly<Record<string, unknown>>) => void
  readonly step: () => void
}

/** Returns the agent's events about what this machine has. */
export function requirementEvents({ clock, local, note, step }: RequirementParts) {
  return {
    /** Python was asked for packages. */
    onPackages(found: Readonly<Record<string, boolean>>): void {
      const sinceMs = clock.now()
      for (const [name, isFound] of Object.entries(found)) local.packages.set(name, { isFound, sinceMs })
      note('packages', { found })
      step()
    },

    /** The assets that the owner named were looked at: where those are that are there. */
    onAssets(present: ReadonlyMap<string, string>): void {
      // What it changes is seen to at the next tick.
      local.assets = present
    }
  }
}

/** Returns where the assets are that a sweep requires, by name: no program learns of others. */
export function assetsFor(local: Local, { requires }: SweepSpec): Readonly<Record<string, string>> {
  return Object.fromEntries(
    (requires?.assets ?? []).flatMap(name => {
      const path = local.assets?.get(name)
      return path === undefined ? [] : [[name, path]]
    })
  )
}

function roomless({ freeBytes }: Local, { requires }: SweepSpec): string | undefined {
  const neededBytes = requires?.diskBytes ?? 0
  if (neededBytes === 0 || (freeBytes ?? 0) >= neededBytes) return undefined
  const needs = `the sweep needs ${formatBytes(neededBytes)}`
  return freeBytes === undefined
    ? `it cannot tell what is free on its disk, ${needs}`
    : `it has ${formatBytes(freeBytes)} free on its disk, ${needs}`
}

/** Found packages stay found: one that is removed later shows when a program fails. */
function isDue(local: Local, name: string, nowMs: number): boolean {
  const known = local.packages.get(name)
  return known === undefined || (known.isFound !== true && nowMs - known.sinceMs >= PACKAGES_AGAIN_MS)
}

/** Returns `package peft`, `packages peft and trl`. */
function counted(noun: string, names: readonly string[]): string {
  if (names.length === 1) return `${noun} ${names[0]}`
  return `${noun}s ${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}
