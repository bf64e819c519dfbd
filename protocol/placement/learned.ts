/**
 * Learned demand: what the pool's results tell about the memory of a trial that is to run.
 *
 * Owns which results are observations, and which of them tell about which trial: those of the same program, on the
 * same class of device. Computed from the pool, never stored in it: what is kept between calls only saves work.
 * Asking again costs a look at each trial of the program, and the rest only for those that changed.
 */

import { canonicalJson } from '../hash.js'
import type { Pool, Result, Standing, Submission, Sweep } from '../pool/pool.js'
import type { OomKind, ResultClass } from '../records/record.js'
import { approvalOf, isUnproposed, parametersOf, searchOf } from '../searches.js'
import type { Parameters, SweepSpec } from '../sweep-spec.js'
import type { Vendor } from '../vendors.js'
import { type Demand, predict } from './demand.js'
import { effectOf } from './effects.js'
import type { Observation } from './evidence.js'
import { estimateBytes } from './formula.js'

/** A GPU's memory and a computer's are taken differently: neither tells about the other. */
export type VendorClass = 'gpu' | 'cpu'

/** An observation, and the result that it was made of. */
interface Told {
  readonly result: Result
  readonly vendorClass: VendorClass
  readonly observation: Observation
}

/** What a sweep's trials told, in the order in which the pool came to know of them. */
interface SweepLog {
  readonly standings: Standing[]
  readonly told: Told[][]
  readonly indices: number[]
}

/** What all sweeps of one program told. */
interface ProgramLog {
  entries: number
  observations: Readonly<Record<VendorClass, readonly Observation[]>>
}

interface Learned {
  entries: number
  byApproval: ReadonlyMap<string, readonly Sweep[]>
  readonly programs: Map<string, ProgramLog>
}

/** How a trained attempt may have ended: it had what memory it needed, for as long as it ran. */
const RAN: readonly ResultClass[] = ['complete', 'stopped', 'diverged', 'timeout']
const UNKNOWN: Demand = { bytes: 0, basis: 'unknown', observations: 0 }
const NOTHING: readonly Told[] = []

const programs = new WeakMap<Submission, string>()
const pools = new WeakMap<Pool, Learned>()
const sweepLogs = new WeakMap<Sweep, SweepLog>()
/** By the observations on which they rest: new ones come as a new list. */
const demands = new WeakMap<readonly Observation[], Map<string, Demand>>()

/**
 * Returns what all sweeps of a sweep's program observed on a class of devices, by sweep and trial. The same list
 * until one of these results changes.
 *
 * Left out are results whose program did otherwise than its parameters say: they tell about other parameters.
 */
export function observationsOf(pool: Pool, sweep: Sweep, vendorClass: VendorClass): readonly Observation[] {
  if (!sweep.submission) return []
  const learned = learnedIn(pool)
  const approval = programOf(sweep.submission)
  const known = learned.programs.get(approval)
  if (known?.entries === pool.entries) return known.observations[vendorClass]
  const sweeps = learned.byApproval.get(approval) ?? []
  // All of them are brought up to date before anything is decided.
  const isChanged = sweeps.map(update).includes(true) || known === undefined
  const observations = isChanged ? collect(sweeps) : known.observations
  learned.programs.set(approval, { entries: pool.entries, observations })
  return observations[vendorClass]
}

/**
 * Returns what a trial needs of memory on a device: as its sweep declares, else as the pool learned, else by formula.
 *
 * The same object until an observation changes. Never fails: a trial that the sweep does not have is unknown.
 */
export function demandOf(
  pool: Pool,
  sweep: Sweep,
  index: number,
  device: { readonly vendor: Vendor; readonly model: string }
): Demand {
  if (!sweep.submission) return UNKNOWN
  const observations = observationsOf(pool, sweep, device.vendor === 'cpu' ? 'cpu' : 'gpu')
  const kept = demands.get(observations) ?? new Map<string, Demand>()
  demands.set(observations, kept)
  // Of an index that is to be proposed another trial may come.
  const isAddressed = searchOf(sweep.submission).proposer === undefined
  const parameters = isAddressed ? undefined : parametersOf(sweep, index)
  const key = `${sweep.id} ${parameters ? canonicalJson(parameters) : index} ${device.model}`
  const known = kept.get(key)
  if (known) return known
  if (isUnproposed(sweep, index)) return undemanded(sweep.submission.spec)
  const demand = demandFor(pool, sweep, parameters ?? parametersOf(sweep, index), device)
  kept.set(key, demand)
  return demand
}

/** Of a trial that is to be proposed only what its sweep declares is known: whoever proposes it sees to the rest. */
function undemanded({ requires }: SweepSpec): Demand {
  return predict({}, [], { declaredBytes: requires?.memoryBytes })
}

/** Returns the same for parameters that no trial has yet. */
export function demandFor(
  pool: Pool,
  sweep: Sweep,
  parameters: Parameters,
  device: { readonly vendor: Vendor; readonly model: string }
): Demand {
  const { requires } = sweep.submission?.spec ?? {}
  return predict(parameters, observationsOf(pool, sweep, device.vendor === 'cpu' ? 'cpu' : 'gpu'), {
    effects: requires?.memoryEffects,
    declaredBytes: requires?.memoryBytes,
    formulaBytes: requires?.model && estimateBytes(requires.model, parameters),
    model: device.model
  })
}

/**
 * Sweeps that tell about each other: of one program, with the same parameters that matter to memory. Others cannot be
 * compared, and any member can submit a thousand of them.
 */
function programOf(submission: Submission): string {
  const known = programs.get(submission)
  if (known !== undefined) return known
  const { parameters, requires } = submission.spec
  const effects = requires?.memoryEffects ?? {}
  const matters = (name: string) => effectOf(name, Object.hasOwn(effects, name) ? effects[name] : undefined) !== 'none'
  const program = JSON.stringify([approvalOf(submission), ...Object.keys(parameters).filter(matters).sort()])
  programs.set(submission, program)
  return program
}

function learnedIn(pool: Pool): Learned {
  const known = pools.get(pool)
  if (known?.entries === pool.entries) return known
  const byApproval = new Map<string, Sweep[]>()
  for (const sweep of pool.sweeps.values()) {
    if (!sweep.submission) continue
    const approval = programOf(sweep.submission)
    const sweeps = byApproval.get(approval)
    if (sweeps) sweeps.push(sweep)
    else byApproval.set(approval, [sweep])
  }
  for (const sweeps of byApproval.values()) sweeps.sort((a, b) => (a.id < b.id ? -1 : 1))
  const learned = { entries: pool.entries, byApproval, programs: known?.programs ?? new Map() }
  pools.set(pool, learned)
  return learned
}

/** Takes in what changed in a sweep, and says whether that told anything. A standing is replaced, never changed. */
function update(sweep: Sweep): boolean {
  const log = sweepLogs.get(sweep) ?? { standings: [], told: [], indices: [] }
  sweepLogs.set(sweep, log)
  let isChanged = false
  let at = 0
  // Trials are only ever added, so that each keeps its place in this order.
  for (const { index, standing } of sweep.trials.values()) {
    if (log.standings[at] !== standing) {
      const told = toldBy(sweep, standing)
      if (!areSame(log.told[at] ?? NOTHING, told)) isChanged = true
      log.standings[at] = standing
      log.told[at] = told
      log.indices[at] = index
    }
    at++
  }
  return isChanged
}

function areSame(a: readonly Told[], b: readonly Told[]): boolean {
  return a.length === b.length && a.every((each, at) => each.result === b[at]?.result)
}

function collect(sweeps: readonly Sweep[]): ProgramLog['observations'] {
  const told = sweeps.flatMap(sweep => {
    const log = sweepLogs.get(sweep)
    const trials = log?.told.map((each, at) => ({ told: each, index: log.indices[at] ?? 0 })) ?? []
    return trials
      .filter(each => each.told.length > 0)
      .sort((a, b) => a.index - b.index)
      .flatMap(each => each.told)
  })
  const of = (vendorClass: VendorClass) =>
    told.filter(each => each.vendorClass === vendorClass).map(each => each.observation)
  return { gpu: of('gpu'), cpu: of('cpu') }
}

function toldBy(sweep: Sweep, { result, replicates, failures }: Standing): Told[] {
  // A result says itself what it was trained with: what the sweep does not have nobody trained.
  const isKnown = (name: string) =>
    sweep.submission !== undefined && Object.hasOwn(sweep.submission.spec.parameters, name)
  const results = [...(result ? [result] : []), ...replicates, ...failures]
  return results.flatMap(each => {
    const observation = Object.keys(each.parameters).every(isKnown) ? observationOf(each) : undefined
    return observation ? [{ result: each, vendorClass: classOf(each.device), observation }] : []
  })
}

/** Results of older releases name no vendor; the processor has always been called `cpu`. */
function classOf({ id, vendor }: Result['device']): VendorClass {
  return (vendor === undefined ? id : vendor) === 'cpu' ? 'cpu' : 'gpu'
}

function observationOf(result: Result): Observation | undefined {
  const { parameters, device, usage, oom, changed = [] } = result
  const { model, memoryBytes: deviceBytes } = device
  if (result.class === 'oom') {
    const bytes = tooLittleBytes(oom?.kind ?? 'intrinsic', { device: device.memoryBytes, free: oom?.bytes ?? 0 })
    return bytes > 0 ? { parameters, outcome: 'oom', bytes, model } : undefined
  }
  if (!RAN.includes(result.class) || usage?.peakBytes === undefined || changed.length > 0) return undefined
  // No attempt takes more than its device has, whatever is said.
  const bytes = deviceBytes > 0 ? Math.min(usage.peakBytes, deviceBytes) : usage.peakBytes
  return { parameters, outcome: 'ok', bytes, model, ...(deviceBytes > 0 ? { deviceBytes } : {}) }
}

/** How much memory was certainly too little; 0 where that is not known. */
function tooLittleBytes(kind: OomKind, bytes: { readonly device: number; readonly free: number }): number {
  switch (kind) {
    case 'intrinsic':
      return bytes.device
    case 'contention':
      return bytes.free
    case 'host':
      return 0
  }
}
