/**
 * Handlers: one function for each request of the command line.
 *
 * Reads the pool and what this machine knows, and answers with views; what changes something is handed to the agent's
 * core or written to the log. Knows no adapter: they come in as the few functions of `Work`.
 */
import { randomBytes } from 'node:crypto'
import {
  type Bundle,
  bestView,
  type ControlAnswers,
  type ControlMethod,
  type ControlRequest,
  claimedTrials,
  type Draft,
  encodeBlock,
  explainView,
  forecastView,
  type InviteView,
  insightView,
  type Live,
  type LiveMachine,
  type LocalSweepView,
  type Manifest,
  machinesView,
  type Pool,
  PoolError,
  placementView,
  poolDigest,
  rankedTrials,
  type StatusView,
  type Sweep,
  type SweepFiles,
  searchOf,
  stamped,
  sweepIdOf,
  sweepStateOf,
  sweepsInOrder,
  sweepsView,
  sweepView,
  type TrialView,
  trialView
} from '#protocol'
import type { Agent } from '../agent.js'
import { attemptId, isApproved, pausedReason } from '../local.js'
import { isLookedAt, unmet } from '../requirements.js'
import { type DoctorLog, doctor } from './doctor.js'
import { type BulkSource, fetchLastOutput, fullTrial } from './full-trial.js'
import { deviceNamed, pausesView } from './pauses-view.js'

/** This machine at work in a pool, as far as requests need it. */
export interface Work {
  readonly agent: Pick<Agent, 'local' | 'beat' | 'approve' | 'pause' | 'resume'>
  readonly log: DoctorLog
  readonly mesh: { connected(): readonly string[]; isOnline(): boolean }
  readonly bundles: {
    pack(folder: string, sweepFiles: SweepFiles): Promise<Bundle>
    digestOf(folder: string, sweepFiles: SweepFiles): string
    list(bundle: Bundle): Promise<Manifest>
  }
  readonly bulk: BulkSource['bulk']
  readonly invites: { create(): InviteView; list(): InviteView[] }
  readonly membership: { readonly founding: { readonly name: string } }
  output(id: string): Promise<string>
  record(drafts: readonly Draft[]): Promise<void>
}

/** The agent's process around it: there also while this home is in no pool. */
export interface Surroundings {
  readonly version: string
  readonly home: string
  readonly bootstrap: readonly string[]
  readonly names: {
    readonly machine: string
    readonly machineName: string
    readonly memberName: string
    readonly member: string
  }
  readonly approve: 'ask' | 'all'
  work(): Work | undefined
  found(pool: string): Promise<void>
  join(invite: string): Promise<void>
  /** Begins to stop; returns how many attempts are to be ended first. */
  down(): number
  now(): number
  wall(): number
}

/** How many trials `overview` shows of each kind: what fits on a screen. */
const OVERVIEW_TRIALS = 20

type Handlers = {
  readonly [M in ControlMethod]: (request: Extract<ControlRequest, { method: M }>) => Promise<ControlAnswers[M]>
}

/** Returns the function that answers every request of the control socket. */
export function createHandlers(host: Surroundings): (request: ControlRequest) => Promise<unknown> {
  const handlers: Handlers = {
    status: async () => statusOf(host),
    async found({ pool }) {
      await host.found(pool)
      return statusOf(host)
    },
    async join({ invite }) {
      await host.join(invite)
      return statusOf(host)
    },
    invite: async () => workOf(host).invites.create(),
    invites: async () => workOf(host).invites.list(),
    machines: async () => machinesView(workOf(host).log.pool(), liveOf(host, workOf(host))),
    sweeps: async () => localSweeps(host, workOf(host)),
    sweep: async request => localSweep(host, workOf(host), request.sweep),
    submit: request => submit(host, workOf(host), request),
    async simulate({ spec, folder, sweepFiles = [], trialSeconds, watts }) {
      const work = workOf(host)
      const digest = work.bundles.digestOf(folder, { names: sweepFiles, command: spec.command })
      const bundle = { digest, drive: '', bytes: 0, files: 0 }
      const { local } = work.agent
      const missing = isLookedAt(local, spec) ? unmet(local, spec) : undefined
      const told = { trialSeconds, watts, unmet: missing }
      return forecastView(work.log.pool(), liveOf(host, work), { spec, bundle }, told)
    },
    async approve(request) {
      const work = workOf(host)
      const { submission } = sweepNamed(work.log.pool(), request.sweep)
      if (submission) work.agent.approve(submission)
      return localSweep(host, work, request.sweep)
    },
    async files(request) {
      const work = workOf(host)
      const { submission } = sweepNamed(work.log.pool(), request.sweep)
      return submission ? work.bundles.list(submission.bundle) : []
    },
    async stop(request) {
      const work = workOf(host)
      const sweep = sweepNamed(work.log.pool(), request.sweep)
      if (!sweep.stop) await work.record([{ kind: 'sweep-stopped', sweep: sweep.id }])
      return localSweep(host, work, sweep.id)
    },
    async trials(request) {
      const work = workOf(host)
      const sweep = sweepNamed(work.log.pool(), request.sweep)
      const total = sweep.submission ? searchOf(sweep.submission).trials : 0
      const live = liveOf(host, work)
      return Array.from({ length: Math.min(total, request.limit) }, (_, index) =>
        trialView(work.log.pool(), sweep, index, live)
      )
    },
    async trial(request) {
      const work = workOf(host)
      const { sweep, view: told } = oneTrial(host, work, request)
      const isOpen = told.state === 'waiting' || told.state === 'unplaceable' || told.state === 'running'
      const placement = isOpen && placementView(work.log.pool(), sweep, told.trial, liveOf(host, work))
      const view = placement ? { ...told, placement } : told
      return request.isFull ? fullTrial(work, work.log.pool(), sweep, view) : view
    },
    async explain(request) {
      const work = workOf(host)
      const { sweep, view } = oneTrial(host, work, request)
      return explainView(work.log.pool(), sweep, view.trial, liveOf(host, work))
    },
    async insight(request) {
      const pool = workOf(host).log.pool()
      return insightView(pool, sweepNamed(pool, request.sweep)) ?? notArrived()
    },
    async best(request) {
      const work = workOf(host)
      const sweep = sweepNamed(work.log.pool(), request.sweep)
      const best = bestView(work.log.pool(), sweep, liveOf(host, work), request.limit)
      return { sweep: localSweep(host, work, sweep.id), ...best }
    },
    logs: request => logsOf(host, workOf(host), request),
    overview: async request => overview(host, workOf(host), request.sweep),
    async pause({ device, forMs, how }) {
      const { agent } = workOf(host)
      const ending = agent.pause({ device: device && deviceNamed(agent.local, device), forMs, how })
      return pausesView(agent.local, host, ending)
    },
    async resume({ device }) {
      const { agent } = workOf(host)
      agent.resume(device && deviceNamed(agent.local, device))
      return pausesView(agent.local, host, 0)
    },
    doctor: async () => {
      const work = host.work()
      return doctor({ home: host.home, bootstrap: host.bootstrap, ...(work ? { work } : {}) })
    },
    down: async () => ({ attempts: host.down() })
  }
  return request => (handlers[request.method] as (request: ControlRequest) => Promise<unknown>)(request)
}

function workOf(host: Surroundings): Work {
  const work = host.work()
  if (work) return work
  throw new PoolError('POOL_MISSING', `This home is in no pool: ${host.home}.`, {
    hint: "Make one with `hypersweep init`, or join a friend's with `hypersweep join <invite>`."
  })
}

function statusOf(host: Surroundings): StatusView {
  const { version, home, bootstrap, names } = host
  const base = {
    version,
    pid: process.pid,
    home,
    machine: names.machine,
    machineName: names.machineName,
    memberName: names.memberName,
    bootstrap
  }
  const work = host.work()
  if (!work)
    return {
      ...base,
      isOnline: false,
      connected: 0,
      machines: 0,
      poolHash: '',
      records: 0,
      sweeps: { running: 0, waitingForApproval: 0, done: 0 },
      attempts: 0
    }
  const pool = work.log.pool()
  const { local } = work.agent
  const paused = pausedReason(pool, local, host.now())
  const sweeps = sweepsInOrder(pool).filter(sweep => sweep.submission)
  const running = sweeps.filter(sweep => sweepStateOf(pool, sweep) === 'running')
  return {
    ...base,
    pool: {
      id: pool.id,
      name: pool.founding?.name ?? work.membership.founding.name,
      members: [...pool.members.values()]
        .map(({ key, name, role }) => ({ member: key, name, role }))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
    },
    isOnline: work.mesh.isOnline(),
    connected: work.mesh.connected().length,
    machines: pool.machines.size,
    ...(paused === undefined ? {} : { paused }),
    poolHash: poolDigest(pool),
    records: pool.entries,
    sweeps: {
      running: running.length,
      waitingForApproval: running.filter(sweep => !sweep.submission || !isApproved(local, sweep.submission)).length,
      done: sweeps.length - running.length
    },
    attempts: local.charges.size
  }
}

/** What every machine says of itself now, this one included. */
function liveOf(host: Surroundings, work: Work): Live {
  const { local } = work.agent
  const now = host.now()
  const machines = new Map<string, LiveMachine>([[local.machine, { beat: work.agent.beat(), ageSeconds: 0 }]])
  for (const [machine, peer] of local.peers) {
    machines.set(machine, { beat: peer.beat, ageSeconds: (now - peer.heardMs) / 1000, roundTripMs: peer.roundTripMs })
  }
  return { machine: local.machine, machines }
}

/** Finds a sweep by its id, the start of it, or its name; of several with one name the newest. */
function sweepNamed(pool: Pool, text: string): Sweep {
  const known = sweepsInOrder(pool)
    .filter(sweep => sweep.submission)
    .reverse()
  const found = known.find(sweep => sweep.id === text) ?? known.find(sweep => sweep.submission?.spec.name === text)
  if (found) return found
  const starting = known.filter(sweep => text.length >= 4 && sweep.id.startsWith(text))
  if (starting.length === 1 && starting[0]) return starting[0]
  const names = [...new Set(known.map(sweep => sweep.submission?.spec.name))].slice(0, 10).join(', ')
  const hint =
    known.length === 0
      ? 'Submit one: `hypersweep submit sweep.yaml`.'
      : `Known sweeps: ${names}. \`hypersweep sweep list\` shows them all.`
  throw new PoolError(
    'NOT_FOUND',
    `${starting.length > 1 ? 'More than one sweep begins' : 'No sweep is named or begins'} with ${JSON.stringify(text)}.`,
    { hint }
  )
}

function localSweeps(host: Surroundings, work: Work): LocalSweepView[] {
  const pool = work.log.pool()
  return sweepsView(pool, liveOf(host, work)).map(view => withApproval(work, view))
}

function localSweep(host: Surroundings, work: Work, text: string): LocalSweepView {
  const pool = work.log.pool()
  const view = sweepView(pool, sweepNamed(pool, text), liveOf(host, work))
  return withApproval(work, view ?? notArrived())
}

function notArrived(): never {
  throw new PoolError('NOT_FOUND', 'The sweep has not arrived yet.', { hint: 'Try again in a moment.' })
}

function withApproval(work: Work, view: NonNullable<ReturnType<typeof sweepView>>): LocalSweepView {
  const { local } = work.agent
  const submission = work.log.pool().sweeps.get(view.sweep)?.submission
  const state = local.bundles.get(view.bundle.digest)
  const bundleState = typeof state === 'object' ? state.fault : state
  const isHere = submission && isApproved(local, submission)
  const missing = isHere && view.state === 'running' ? unmet(local, submission.spec) : undefined
  return {
    ...view,
    approval: isHere ? 'approved' : 'waiting',
    ...(bundleState === undefined ? {} : { bundleState }),
    ...(missing === undefined ? {} : { unmet: missing })
  }
}

/** Whoever submits a sweep on a machine has approved its code for that machine. */
async function submit(
  host: Surroundings,
  work: Work,
  request: Extract<ControlRequest, { method: 'submit' }>
): Promise<LocalSweepView> {
  const { spec, folder, sweepFiles = [] } = request
  const bundle = await work.bundles.pack(folder, { names: sweepFiles, command: spec.command })
  const nonce = randomBytes(16).toString('hex')
  const sweep = sweepIdOf({ spec, bundle, nonce }, host.names.member)
  const draft: Draft = { kind: 'sweep-submitted', sweep, nonce, spec, bundle }
  // A sweep that does not fit a record is told to its author now; the log itself could only drop it.
  encodeBlock(stamped([draft], work.log.pool(), host.wall()))
  work.agent.approve({ spec, bundle })
  await work.record([draft])
  return localSweep(host, work, sweep)
}

function oneTrial(
  host: Surroundings,
  work: Work,
  request: { sweep: string; trial: number }
): { sweep: Sweep; view: TrialView } {
  const pool = work.log.pool()
  const sweep = sweepNamed(pool, request.sweep)
  const total = sweep.submission ? searchOf(sweep.submission).trials : 0
  if (request.trial >= total) {
    throw new PoolError('NOT_FOUND', `The sweep ${sweep.submission?.spec.name ?? ''} has no trial ${request.trial}.`, {
      hint: `Its trials are 0 to ${total - 1}.`
    })
  }
  return { sweep, view: trialView(pool, sweep, request.trial, liveOf(host, work)) }
}

/** The whole output if an attempt ran here, else its end from whoever has it, else what stands in the log. */
async function logsOf(
  host: Surroundings,
  work: Work,
  request: { sweep: string; trial: number }
): Promise<ControlAnswers['logs']> {
  const { sweep, view } = oneTrial(host, work, request)
  const mine = view.attempts.filter(each => each.machine === work.agent.local.machine).at(-1)
  const whole = mine && (await work.output(attemptId(sweep.id, view.trial, mine.attempt)).catch(() => undefined))
  if (mine && whole !== undefined) return { machineName: mine.machineName, isWhole: true, text: whole }
  const fetched = await fetchLastOutput(work, work.log.pool(), sweep, view.trial)
  if (fetched && 'bulk' in fetched) return { machineName: fetched.machineName, isWhole: false, text: fetched.bulk.tail }
  const told = view.attempts.filter(each => each.tail).at(-1)
  if (told?.tail) {
    const { machineName, tail: text } = told
    return { machineName, isWhole: false, text, ...(fetched ? { missing: fetched.missing } : {}) }
  }
  if (fetched) throw new PoolError('BULK_UNAVAILABLE', fetched.missing, { hint: fetched.hint })
  const where = view.attempts.at(-1)?.machineName
  throw new PoolError('NOT_FOUND', `No output of trial ${view.trial} is on this machine.`, {
    hint:
      where === undefined ? 'Nobody has run it yet.' : `It ran on ${where}: ask there with \`hypersweep trial logs\`.`
  })
}

function overview(host: Surroundings, work: Work, wanted: string | undefined): ControlAnswers['overview'] {
  const pool = work.log.pool()
  const live = liveOf(host, work)
  const sweeps = localSweeps(host, work)
  const id =
    wanted === undefined
      ? (sweeps.find(sweep => sweep.state === 'running') ?? sweeps[0])?.sweep
      : sweepNamed(pool, wanted).id
  const focus = sweeps.find(sweep => sweep.sweep === id)
  const sweep = id === undefined ? undefined : pool.sweeps.get(id)
  const shown = (indexes: readonly number[]) => (sweep ? indexes.map(index => trialView(pool, sweep, index, live)) : [])
  return {
    status: statusOf(host),
    machines: machinesView(pool, live),
    sweeps,
    ...(focus && sweep
      ? {
          focus: {
            sweep: focus,
            running: shown(claimedTrials(sweep).slice(0, OVERVIEW_TRIALS)),
            best: shown(rankedTrials(pool, sweep, OVERVIEW_TRIALS))
          }
        }
      : {})
  }
}
