/**
 * Placement as people see it: for each device of the pool, whether it takes a trial, and why.
 *
 * Owns the words. Whether a trial fits a device is decided in placement/place.ts, by the same function that machines
 * claim by.
 */
import { LIMITS } from '../limits.js'
import type { Demand } from '../placement/demand.js'
import { demandOf } from '../placement/learned.js'
import { fitOfTrial } from '../placement/place.js'
import { machineOf, type Pool, type Sweep } from '../pool/pool.js'
import type { Beat, Device } from '../presence.js'
import { environmentFailures } from '../sweeps.js'
import { formatBytes } from '../units.js'
import type { Live, LiveMachine } from './live.js'

export interface PlacementView {
  readonly machineName: string
  /** Its model; empty for a machine without devices. */
  readonly device: string
  readonly fits: boolean
  /** A clause without a full stop. */
  readonly text: string
}

/** Where a demand comes from, for people. */
const BASES: Readonly<Record<Demand['basis'], string>> = {
  declared: 'as its sweep says',
  observed: 'seen before',
  scaled: 'judged by others like it',
  raised: 'more than was too little',
  formula: 'by a formula, nothing like it has run',
  unknown: 'nothing like it has run'
}

/** Returns what each device of each machine of the pool says to a trial, by machine and then by device. */
export function placementView(pool: Pool, sweep: Sweep, index: number, live: Live): PlacementView[] {
  const keys = [...new Set([...pool.machines.keys(), ...live.machines.keys()])]
  const named = keys.map(key => ({ key, name: live.machines.get(key)?.beat.name ?? nameOf(pool, key) }))
  named.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.key < b.key ? -1 : 1))
  return named.flatMap(({ key, name }) => {
    const about = { pool, sweep, index, key }
    const now = live.machines.get(key)
    const devices = isHere(now) ? now.beat.devices : (pool.machines.get(key)?.devices ?? [])
    const reason = isHere(now) ? machineReason(about, now.beat) : 'its machine is away'
    return devices.map((device): PlacementView => {
      const fit = fitOfTrial(pool, sweep, index, device)
      const base = { machineName: name, device: device.model }
      if (!fit.fits) return { ...base, fits: false, text: fit.text }
      if (reason !== undefined) return { ...base, fits: false, text: reason }
      return { ...base, fits: true, text: `${roomText(about, device)}${busyText(now?.beat, device)}` }
    })
  })
}

interface About {
  readonly pool: Pool
  readonly sweep: Sweep
  readonly index: number
  readonly key: string
}

function isHere(machine: LiveMachine | undefined): machine is LiveMachine {
  return machine !== undefined && machine.ageSeconds * 1000 <= LIMITS.presenceAwayMs
}

/** Why a machine takes no trial of the sweep, whatever its devices. */
function machineReason({ sweep, index, key }: About, beat: Beat): string | undefined {
  if (beat.paused !== undefined) return `its machine takes no work now: ${beat.paused}`
  if (environmentFailures(sweep, key) >= LIMITS.environmentFailuresMax) return 'its machine could not run the program'
  const { failures = [] } = sweep.trials.get(index)?.standing ?? {}
  if (failures.some(each => each.machine === key && each.oom?.kind === 'host'))
    return "its machine's own memory ran out in this trial"
  if (!beat.accepts.includes(sweep.id))
    return 'its owner has not approved the sweep, its files are not there yet, or it lacks what the sweep requires'
  return undefined
}

function roomText({ pool, sweep, index }: About, device: Pick<Device, 'vendor' | 'model' | 'freeBytes'>): string {
  const { bytes, basis } = demandOf(pool, sweep, index, device)
  const free = device.freeBytes === undefined ? '' : `, ${formatBytes(device.freeBytes)} are free`
  if (basis === 'unknown') return `nobody knows what it needs${free}`
  return `needs about ${formatBytes(bytes)} (${BASES[basis]})${free}`
}

function busyText(beat: Beat | undefined, { id }: { readonly id: string }): string {
  const isBusy = beat?.running.some(each => each.device === id) === true
  return isBusy ? '; it trains another trial now' : ''
}

function nameOf(pool: Pool, key: string): string {
  return machineOf(pool, key)?.name ?? key.slice(0, 8)
}
