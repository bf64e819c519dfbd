/**
 * Tell: what people and programs are told of many schedules.
 *
 * Owns the words and the sums. Never plays anything.
 */
import { PROFILES, type Profile, RATES } from './rates.js'
import type { Replay } from './replay.js'
import { SIZES } from './scenario.js'
import type { Verdict } from './simulate.js'

const HOUR_MS = 3_600_000

/** What all schedules of a kind come to. Times in ms, shares from 0 to 1. */
export interface Sum {
  readonly schedules: number
  readonly virtualHours: number
  readonly results: number
  readonly duplicated: number
  readonly backups: number
  readonly lost: number
}

/** The figures of a run. */
export interface Totals {
  readonly schedules: number
  readonly violations: number
  readonly seconds: number
  readonly cpuSeconds: number
  readonly events: number
  readonly machinesMax: number
  readonly sizes: Readonly<Record<string, number>>
  readonly profiles: Readonly<Record<string, Sum>>
  readonly faults: Readonly<Record<string, number>>
}

/** Returns the figures of schedules that were played. */
export function totalsOf(verdicts: readonly Verdict[], seconds: number): Totals {
  const faults = new Map<string, number>()
  for (const verdict of verdicts)
    for (const [name, count] of Object.entries(verdict.faults)) faults.set(name, count + (faults.get(name) ?? 0))
  const having = (of: (verdict: Verdict) => string, names: readonly string[]) =>
    names.flatMap(name => {
      const found = verdicts.filter(verdict => of(verdict) === name)
      return found.length > 0 ? [[name, found] as const] : []
    })
  return {
    schedules: verdicts.length,
    violations: verdicts.filter(({ violation }) => violation).length,
    seconds,
    cpuSeconds: total(verdicts, each => each.cpuMs) / 1000,
    events: total(verdicts, each => each.events),
    machinesMax: Math.max(0, ...verdicts.map(({ machines }) => machines)),
    sizes: Object.fromEntries(having(({ size }) => size, SIZES).map(([name, found]) => [name, found.length])),
    profiles: Object.fromEntries(having(({ profile }) => profile, PROFILES).map(([name, of]) => [name, sumOf(of)])),
    faults: Object.fromEntries([...faults].sort())
  }
}

function sumOf(verdicts: readonly Verdict[]): Sum {
  const gpuMs = Math.max(
    1,
    total(verdicts, each => each.gpuMs)
  )
  return {
    schedules: verdicts.length,
    virtualHours: total(verdicts, each => each.virtualMs) / HOUR_MS,
    results: total(verdicts, each => each.results),
    duplicated: total(verdicts, each => each.duplicatedMs) / gpuMs,
    backups: total(verdicts, each => each.backupMs) / gpuMs,
    lost: total(verdicts, each => each.lostMs) / gpuMs
  }
}

function total(verdicts: readonly Verdict[], of: (verdict: Verdict) => number): number {
  return verdicts.reduce((sum, each) => sum + of(each), 0)
}

/** Returns how often things go wrong in a kind of pool, as text. */
export function ratesText(profile: Profile): string {
  const rates = Object.entries(RATES[profile]).filter(([, rate]) => rate > 0 || rate === true)
  return `${profile}: ${rates.map(([name, rate]) => `${name} ${rate}`).join(', ')}`
}

/** Returns what was found in one schedule, and what replays it. */
export function verdictText(verdict: Verdict, { size, machines, bug, learns }: Replay): string {
  const { seed, profile, trials, violation, trace, events, virtualMs } = verdict
  const about = `${verdict.size}, ${verdict.machines} machines, ${trials} trials, ${(virtualMs / HOUR_MS).toFixed(1)} h`
  const lines = [`seed ${seed} (${profile}, ${about}): trace ${trace}, ${events} events`]
  if (!violation) return lines[0] ?? ''
  // A profile that was drawn is the same when it is given: only what has an influence on what is drawn is repeated.
  const flags = Object.entries({ profile, size, machines, bug }).flatMap(([name, value]) =>
    value === undefined ? [] : [` --${name} ${value}`]
  )
  return [
    ...lines,
    `  ${violation.kind}: ${violation.invariant}`,
    `  ${violation.message}`,
    `  replay: npm run simulate -- --seed ${seed} --schedules 1${flags.join('')}${learns ? ' --learns' : ''} --lines`
  ].join('\n')
}

/** Returns the figures as text. */
export function totalsText(totals: Totals): string {
  const { schedules, violations, seconds, cpuSeconds, events, machinesMax } = totals
  const rate = `${seconds.toFixed(1)} s, ${(schedules / Math.max(seconds, 0.001)).toFixed(2)} schedules/s`
  const lines = [
    `${violations} violations in ${schedules} schedules; ${rate}, ${cpuSeconds.toFixed(0)} s of processor time, ${events} events`,
    `sizes: ${countsText(totals.sizes)}; up to ${machinesMax} machines`,
    ...Object.entries(totals.profiles).map(([name, sum]) => `${name}: ${sumText(sum)}`)
  ]
  const faults = countsText(totals.faults)
  return [...lines, ...(faults ? [`faults: ${faults}`] : [])].join('\n')
}

function sumText({ schedules, virtualHours, results, duplicated, backups, lost }: Sum): string {
  const share = (part: number) => `${(100 * part).toFixed(2)} %`
  return (
    `${schedules} schedules, ${virtualHours.toFixed(0)} virtual h, ${results} results, GPU time duplicated ` +
    `${share(duplicated)}, in backups ${share(backups)}, lost to crashes ${share(lost)}`
  )
}

function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}
