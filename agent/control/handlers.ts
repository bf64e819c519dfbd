/**
 * Handlers: one function for each request of the command line.
 *
 * Reads the pool and what this machine knows, and answers with views; what changes something is handed to the agent's
 * core or written to the log. Knows no adapter: they come in as the few functions of `Work`.
 */
import { randomBytes } from 'node:crypto'
import {
  bestView,
  type ControlAnswers,
  type ControlMethod,
  type ControlRequest,
  type Draft,
  encodeBlock,
  explainView,
  forecastView,
  insightView,
  type LocalSweepView,
  machinesView,
  PoolError,
  placementView,
  searchOf,
  stamped,
  sweepIdOf,
  sweepStateOf,
  trialView
} from '#protocol'
import { attemptId } from '../local.js'
import { isLookedAt, unmet } from '../requirements.js'
import { localSweep, localSweeps, notArrived, oneTrial, sweepNamed } from './asked.js'
import { doctor } from './doctor.js'
import { fetchLastOutput, fullTrial } from './full-trial.js'
import { deviceNamed, pausesView } from './pauses-view.js'
import { overview, statusOf } from './status.js'
import { liveOf, type Surroundings, type Work, workOf } from './work.js'

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
      // One that is over stays what it is.
      if (sweepStateOf(work.log.pool(), sweep) === 'running')
        await work.record([{ kind: 'sweep-stopped', sweep: sweep.id }])
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
      const isOpen = told.state === 'waiting' || told.state === 'running'
      const isAsked = told.state === 'unplaceable' || (isOpen && sweepStateOf(work.log.pool(), sweep) === 'running')
      const placement = isAsked && placementView(work.log.pool(), sweep, told.trial, liveOf(host, work))
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
