/**
 * Pick: which open trial a device takes (rule C1).
 *
 * The largest that fits comes first, so that large devices are not spent on what a small one could train. Among those
 * of about one size machines that hear each other and know the same take different ones, for each trial has one first
 * machine.
 */
import { demandOf, fitOfTrial, freshTrials, isUnproposed, LIMITS, rankOf, reopenedTrials, type Sweep } from '#protocol'
import { type Choice, fits, rivalsFor } from './choice.js'
import { trialId } from './local.js'

/** Trials whose needs differ by less count as equally large: what is learned is no more exact than that. */
const SIZE_STEP_BYTES = 2 * 2 ** 30
/** A trial that so many later ones have overtaken is the next, however small. */
const OVERTAKEN_MAX = 64

interface Candidate {
  readonly trial: number
  readonly isOvertaken: boolean
  readonly size: number
}

/** Returns the open trial to take: of the largest that fit the one for which the fewest others rank higher. */
export function bestOpenTrial(choice: Choice, sweep: Sweep): number | undefined {
  const others = rivalsFor(choice, sweep)
  const fresh = freshTrials(sweep, LIMITS.openTrialsConsidered)
  const best = bestOf(choice, sweep, [...reopenedTrials(choice.pool, sweep), ...fresh], others)
  if (best !== undefined || fresh.length < LIMITS.openTrialsConsidered) return best
  // A small device among large trials has further to look.
  return bestOf(choice, sweep, freshTrials(sweep, LIMITS.trialsPerSweep).slice(fresh.length), others)
}

function bestOf(
  choice: Choice,
  sweep: Sweep,
  trials: readonly number[],
  others: readonly string[]
): number | undefined {
  const rivals = eligibleAmong(choice, sweep, others)
  let best: (Candidate & { readonly rank: number }) | undefined
  for (const trial of trials) {
    if (!fits(choice, sweep, trial) || isBetterElsewhere(choice, sweep, trial, others)) continue
    const candidate = candidateOf(choice, sweep, trial)
    const order = best ? compare(candidate, best) : -1
    // Each rank costs a hash for every machine, and nobody is before the first.
    if (best && (order > 0 || (order === 0 && best.rank === 0))) continue
    const about = { sweep: sweep.id, trial, machine: choice.local.machine }
    const rank = rankOf(about, rivals(trial), order === 0 ? best?.rank : undefined)
    if (order < 0 || rank < (best?.rank ?? 0)) best = { ...candidate, rank }
  }
  return best?.trial
}

function candidateOf({ pool, device }: Choice, sweep: Sweep, trial: number): Candidate {
  const size = Math.floor(demandOf(pool, sweep, trial, device).bytes / SIZE_STEP_BYTES)
  const isFresh = !sweep.trials.has(trial)
  return { trial, isOvertaken: isFresh && trial + OVERTAKEN_MAX < sweep.trials.size, size }
}

/** Below 0: a goes first. 0: their ranks decide. */
function compare(a: Candidate, b: Candidate): number {
  return Number(b.isOvertaken) - Number(a.isOvertaken) || b.size - a.size
}

/** Who could take a trial, too: machines with a device that it fits. Equal needs are looked up once. */
function eligibleAmong(choice: Choice, sweep: Sweep, others: readonly string[]): (trial: number) => readonly string[] {
  const byNeed = new Map<string, readonly string[]>()
  const everybodyElse = [...choice.pool.machines.keys()].filter(machine => machine !== choice.local.machine)
  return trial => {
    // Machines that do not hear each other would propose two trials for one index: each has indexes of its own.
    if (isUnproposed(sweep, trial)) return everybodyElse
    const { bytes } = demandOf(choice.pool, sweep, trial, choice.device)
    const need = `${bytes} ${sweep.trials.get(trial)?.standing.tooSmallBytes ?? 0}`
    const known = byNeed.get(need)
    if (known) return known
    const eligible = others.filter(machine => hasRoom(choice, sweep, trial, machine))
    byNeed.set(need, eligible)
    return eligible
  }
}

/**
 * A machine at which the trial failed leaves it to one where it did not, if it hears one that could take it (C9). Not
 * for longer than a lease: the other may have more to do, or know of an end that never came here.
 */
function isBetterElsewhere(choice: Choice, sweep: Sweep, trial: number, others: readonly string[]): boolean {
  const { local, nowMs } = choice
  const { failures = [] } = sweep.trials.get(trial)?.standing ?? {}
  const failedAt = new Set(failures.map(result => result.machine))
  if (!failedAt.has(local.machine)) return false
  const waitedMs = nowMs - (local.openSinceMs.get(trialId(sweep.id, trial)) ?? nowMs)
  if (waitedMs >= (sweep.submission?.spec.leaseMs ?? LIMITS.leaseMs)) return false
  return others.some(other => !failedAt.has(other) && hasRoom(choice, sweep, trial, other))
}

/** True when another machine says that it has a device that works and that the trial fits, busy or not. */
function hasRoom({ pool, local }: Choice, sweep: Sweep, trial: number, machine: string): boolean {
  const devices = local.peers.get(machine)?.beat.devices ?? []
  // What is used of it may be an attempt that ends soon.
  return devices.some(({ freeBytes: _, ...device }) => fitOfTrial(pool, sweep, trial, device).fits)
}
