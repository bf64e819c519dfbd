/**
 * Fitting: which trials of a sweep that is not submitted fit which devices of the pool.
 *
 * Owns which trials are looked at, and which devices are counted. A fit is judged by the function that machines claim
 * by, on a device as if it were idle and empty.
 */
import { idOf } from '../hash.js'
import { neededBytes } from '../placement/demand.js'
import { demandOf } from '../placement/learned.js'
import { fitOfTrial } from '../placement/place.js'
import type { Pool, Submission, Sweep } from '../pool/pool.js'
import type { Device } from '../presence.js'
import { searchOf } from '../searches.js'
import type { Parameters } from '../sweep-spec.js'
import type { Live } from '../view/live.js'
import { machinesView } from '../view/machine-view.js'

/** Trials that are looked at one by one: of a larger sweep so many stand for all. It takes the agent half a second. */
const LOOKED_MAX = 400
/** Trials that are named. */
const NAMED_MAX = 5

/** A sweep as if it were submitted. */
export type SupposedSweep = Sweep & { readonly submission: Submission }

export interface LookedTrial {
  readonly trial: number
  readonly parameters: Parameters
}

/** A device of the pool, as if it were idle and empty. */
export interface FoundDevice {
  readonly machineName: string
  readonly device: Device
  /** Why it is not counted, as a clause. */
  readonly leftOut?: string
}

/** Trials that fit the same devices. */
export interface FitGroup {
  readonly trials: number
  /** What the least and the most demanding of them need, where anything is known. */
  readonly bytes?: { readonly low: number; readonly high: number }
  /** Places in the list of devices; empty: no device. */
  readonly devices: readonly number[]
  /** Of trials that fit no device the first ones, with what the device with most memory says. */
  readonly named: readonly (LookedTrial & { readonly text: string })[]
}

/** Returns the sweep as if it were submitted; what would be proposed is drawn from the same parameters. */
export function supposedSweep({ spec, bundle }: Pick<Submission, 'spec' | 'bundle'>, isDrawn: boolean): SupposedSweep {
  const place = { clock: 0, log: '', block: 0, index: 0, at: 0 }
  return {
    id: idOf('forecast', spec),
    submission: { ...place, member: '', machine: '', bundle, spec: isDrawn ? { ...spec, method: 'random' } : spec },
    trials: new Map(),
    byPhase: { open: new Set(), claimed: new Set(), done: new Set(), quarantined: new Set() },
    environmentFailures: new Map()
  }
}

/** Returns how many trials are trained, and the first of them. */
export function trialsOf({ submission }: SupposedSweep): { trials: number; looked: readonly LookedTrial[] } {
  const search = searchOf(submission)
  const looked: LookedTrial[] = []
  for (let trial = 0; trial < search.trials; trial++) {
    const chosen = search.trialAt(trial)
    // Of equal configurations the others take the result of the first.
    const isTrained = submission.spec.onDuplicate !== 'reuse' || chosen?.duplicateOf === undefined
    if (!chosen || !isTrained) continue
    if (looked.length === LOOKED_MAX) return { trials: search.trials, looked }
    looked.push({ trial, parameters: chosen.parameters })
  }
  return { trials: looked.length, looked }
}

/**
 * Returns the devices of all machines, this machine's first.
 *
 * @param unmet  Why this machine would take no trial, whatever its devices.
 */
export function devicesFound(pool: Pool, live: Live, unmet: string | undefined): FoundDevice[] {
  return machinesView(pool, live).flatMap(({ name: machineName, isHere, isThisMachine, paused, devices }) =>
    devices.map(({ freeBytes: _, foreignBytes: _bytes, foreignUtilisation: _busy, fault, hold, ...device }: Device) => {
      const own = isThisMachine ? unmet : undefined
      const leftOut = isHere ? (own ?? paused ?? fault ?? hold) : 'its machine is away'
      return { machineName, device, ...(leftOut === undefined ? {} : { leftOut }) }
    })
  )
}

/** Returns the places of the trials that fit a device, the largest first, as machines take them. */
export function placesFitting(
  pool: Pool,
  sweep: Sweep,
  { device, leftOut }: FoundDevice,
  looked: readonly LookedTrial[]
): number[] {
  if (leftOut !== undefined) return []
  const needs = looked.map(({ trial }) => demandOf(pool, sweep, trial, device).bytes)
  const places = [...looked.keys()].filter(at => fitOfTrial(pool, sweep, looked[at]?.trial ?? 0, device).fits)
  return places.sort((a, b) => (needs[b] ?? 0) - (needs[a] ?? 0) || a - b)
}

/** Returns the trials by who takes them, those that most devices take first. */
export function fitGroups(
  pool: Pool,
  sweep: Sweep,
  looked: readonly LookedTrial[],
  devices: readonly (FoundDevice & { readonly fits: readonly number[] })[]
): FitGroup[] {
  const fits = devices.map(each => new Set(each.fits))
  const counted = devices.filter(({ leftOut }) => leftOut === undefined).map(({ device }) => device)
  const groups = new Map<string, { readonly places: number[]; readonly trials: LookedTrial[] }>()
  for (const [at, each] of looked.entries()) {
    const places = fits.flatMap((those, place) => (those.has(at) ? [place] : []))
    const group = groups.get(places.join()) ?? { places, trials: [] }
    groups.set(places.join(), group)
    group.trials.push(each)
  }
  const found = [...groups.values()].map(({ places, trials }): FitGroup => {
    const device = devices[places[0] ?? -1]?.device ?? counted[0]
    const needs = device ? trials.flatMap(({ trial }) => needIn(pool, sweep, trial, device)) : []
    return {
      trials: trials.length,
      ...(needs.length === 0 ? {} : { bytes: { low: Math.min(...needs), high: Math.max(...needs) } }),
      devices: places,
      named: places.length > 0 ? [] : refused(pool, sweep, trials, counted)
    }
  })
  return found.sort((a, b) => b.devices.length - a.devices.length || (b.bytes?.low ?? 0) - (a.bytes?.low ?? 0))
}

function needIn(pool: Pool, sweep: Sweep, trial: number, device: Device): number[] {
  const demand = demandOf(pool, sweep, trial, device)
  return demand.basis === 'unknown' && demand.bytes === 0 ? [] : [neededBytes(demand)]
}

function refused(pool: Pool, sweep: Sweep, trials: readonly LookedTrial[], counted: readonly Device[]) {
  const largest = [...counted].sort((a, b) => b.memoryBytes - a.memoryBytes)[0]
  if (!largest) return []
  return trials.slice(0, NAMED_MAX).flatMap(each => {
    const fit = fitOfTrial(pool, sweep, each.trial, largest)
    return fit.fits ? [] : [{ ...each, text: fit.text }]
  })
}
