/**
 * The watch: what must hold at every moment of a simulated pool.
 *
 * Sees what the cores do and what is true of all machines together, and changes nothing. What is broken is thrown as a
 * violation at once, so that the trace ends where it happened. What must hold in the end is in safety.ts.
 */
import { type Draft, isBackup, type Pool, type Rejection, type ResultClass } from '#protocol'
import type { AttemptSpec } from '../../agent/ports.js'
import type { Body } from './body.js'
import type { MachinePlan, Scenario } from './scenario.js'
import type { Run } from './trainer.js'

/** A promise that did not hold. `safety`: something wrong happened. `liveness`: something right never did. */
export class Violation extends Error {
  constructor(
    readonly kind: 'safety' | 'liveness',
    readonly invariant: string,
    message: string
  ) {
    super(message)
    this.name = 'Violation'
  }
}

/** What the watch sees of a machine. */
export interface Watched {
  readonly name: string
  readonly key: string
  readonly plan: MachinePlan
  readonly disk: { readonly held: ReadonlyMap<string, number>; readonly results: ReadonlyMap<string, Draft> }
  pool(): Pool | undefined
}

/** One execution on one device, as it was. */
export interface Started {
  readonly id: string
  readonly sweep: string
  readonly trial: number
  readonly attempt: number
  readonly machine: string
  readonly device: string
  /** Virtual ms. */
  readonly atMs: number
  /** Which of the ways it ended; absent while it runs. */
  end?: ResultClass | 'killed'
  ranMs: number
}

/** A result that a machine's keeper took. */
export interface Acknowledged {
  readonly id: string
  readonly draft: Draft
  readonly machine: Watched
}

const ENDS: ReadonlySet<string> = new Set(['complete', 'stopped', 'diverged'])

export type Watch = ReturnType<typeof createWatch>

export function createWatch(scenario: Scenario, now: () => number = () => 0) {
  const starts: Started[] = []
  const byTrial = new Map<string, Started[]>()
  let acknowledged: Acknowledged[] = []
  /** Machine -> attempts that its present process claimed. */
  const claimed = new Map<string, Set<string>>()

  const startedOn = (machine: Watched, id: string) =>
    starts.findLast(each => each.id === id && each.machine === machine.key && each.end === undefined)

  /** What only this machine had is lost with it; what it shared may be lost with those that it shared it with. */
  function forget(machine: Watched): void {
    acknowledged = acknowledged.filter(each => each.machine !== machine)
  }

  return {
    starts: starts as readonly Started[],
    acknowledged: () => acknowledged as readonly Acknowledged[],

    started(machine: Watched, attempt: AttemptSpec, running: readonly Run[]): void {
      const { id, sweep, trial, device } = attempt
      const who = `${machine.name} starts ${id} on ${device}`
      const busy = running.find(run => run.attempt.device === device || run.attempt.id === id)
      if (busy) throw new Violation('safety', 'one attempt at a time on a device', `${who} beside ${busy.attempt.id}`)
      const known = machine.pool()?.sweeps.get(sweep)
      const { held, backup } = known?.trials.get(trial)?.standing ?? {}
      if (![held, backup].some(each => each?.holder === machine.key && each.attempt === attempt.attempt)) {
        throw new Violation('safety', 'only who holds a trial trains it', `${who}, which is not its own`)
      }
      const earlier = byTrial.get(`${sweep}-${trial}`) ?? []
      const rival = earlier.find(each => each.end === undefined || ENDS.has(each.end))
      // A backup is a second training by intent (rule C11), beside one that is under way and never of one that is over.
      const isMeant = isBackup(known, attempt, machine.key) && rival?.end === undefined
      if (scenario.profile === 'calm' && rival && !isMeant) {
        throw new Violation('safety', 'without faults nothing is trained twice', `${who} beside ${rival.id}`)
      }
      const start = { id, sweep, trial, attempt: attempt.attempt, machine: machine.key, device, atMs: now(), ranMs: 0 }
      starts.push(start)
      byTrial.set(`${sweep}-${trial}`, [...earlier, start])
    },

    ended(machine: Watched, run: Run, end: ResultClass): void {
      const start = startedOn(machine, run.attempt.id)
      if (!start) throw new Violation('safety', 'an end has a start', `${machine.name} ends ${run.attempt.id}`)
      start.end = end
      start.ranMs = run.ranMs
    },

    killed(machine: Watched, running: readonly Run[]): void {
      claimed.delete(machine.key)
      for (const run of running) {
        const start = startedOn(machine, run.attempt.id)
        if (start) Object.assign(start, { end: 'killed', ranMs: run.ranMs })
      }
    },

    acknowledge(machine: Watched, id: string, draft: Draft): void {
      acknowledged.push({ machine, id, draft })
    },

    claims(machine: Watched, id: string): void {
      const ids = claimed.get(machine.key) ?? new Set()
      claimed.set(machine.key, ids.add(id))
    },

    /** A claim did not hold, and its machine knows: should it hold again, that is no claim too many. */
    frees(machine: Watched, id: string): void {
      claimed.get(machine.key)?.delete(id)
    },

    /** A machine's own records are folded: it may not hold more than its devices can train. */
    folded(machine: Watched, writers: readonly string[]): void {
      // A liar claims what it likes, and nobody is hurt: what is not trained is taken over (C6).
      if (machine.plan.isHostile || !writers.includes(machine.key)) return
      const ids = claimed.get(machine.key) ?? new Set()
      const held = [...(machine.pool()?.sweeps.values() ?? [])].flatMap(sweep =>
        [...sweep.byPhase.claimed].flatMap(index => {
          const { held, backup } = sweep.trials.get(index)?.standing ?? {}
          return [held, backup].flatMap(each => {
            const id = `${sweep.id}-${index}-${each?.attempt}`
            return each?.holder === machine.key && ids.has(id) ? [id] : []
          })
        })
      )
      if (held.length <= machine.plan.devices.length) return
      throw new Violation('safety', 'no more claims than devices', `${machine.name} holds ${held.join(', ')}`)
    },

    rejected(machine: Watched, rejection: Rejection): void {
      if (scenario.profile !== 'calm') return
      const what = `${rejection.kind} of ${machine.name}: ${rejection.reason}`
      throw new Violation('safety', 'without faults every record has an effect', what)
    },

    forked(machine: Watched, body: Body): void {
      const what = `${machine.name} writes log ${body.incarnation} without its last blocks, which others may have`
      throw new Violation('safety', 'a log has one history', what)
    },

    /** A machine is gone for good, or its disk is what it was some time ago. */
    lost: forget
  }
}

/** True when a pool has how this machine's attempt ended. */
export function isKnown(pool: Pool | undefined, { id, machine }: Acknowledged): boolean {
  const [sweep = '', trial = '', attempt = ''] = id.split('-')
  const known = pool?.sweeps.get(sweep)?.trials.get(Number(trial))?.attempts.get(Number(attempt))
  return known !== undefined && (known.results.has(machine.key) || known.releases.has(machine.key))
}
