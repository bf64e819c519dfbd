/**
 * A program for outside comparison: one worker of a run that shares one random sweep with five parameters.
 *
 * Each worker is an agent process with its own store and the real mesh, and follows the real rules of claims. It claims
 * a trial, writes five reports, each durable and followed by the question whether to stop, and one durable result. Only
 * the training is left out. Durable: in the outbox, from which it gets into the log whatever happens to this process.
 * The run is over when the log has everything.
 * Environment: W_INDEX, W_COUNT, W_TRIALS, W_CAP (seconds), W_RUN; docs/testing.md explains them.
 */
import { once } from 'node:events'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import { type Beat, type Draft, LIMITS } from '#protocol'
import { beatOf } from '../../../agent/beat.js'
import { givesWay } from '../../../agent/conflict.js'
import { attemptId, type Charge, emptyLocal, type Local, subject } from '../../../agent/local.js'
import { type OpenMesh, openMesh } from '../../../agent/mesh/mesh.js'
import { resultOf } from '../../../agent/result.js'
import { benchSweep, type Machine, openMachine, submissionOf } from '../rig.js'
import { createAhead, type Held } from './ahead.js'
import { type Meeting, meet } from './meeting.js'

/** The steps of reports as the agent writes them: the first, and each time that the step has doubled. */
const STEPS = [1, 2, 4, 8, 16] as const
const DEVICE = { id: 'cpu', vendor: 'cpu', model: 'bench', memoryBytes: 1e9 } as const
const POLL_MS = 5
/** How long the workers of a run wait for each other. */
const MEET_MS = 60_000

interface Setup {
  readonly index: number
  readonly count: number
  readonly trials: number
  readonly capMs: number
  readonly run: string
  readonly isKept: boolean
}

interface Worker {
  readonly setup: Setup
  readonly meeting: Meeting
  readonly machine: Machine
  readonly mesh: OpenMesh
  readonly local: Local
  readonly sweep: string
}

const now = () => performance.now()

await main()

async function main(): Promise<void> {
  const worker = await openWorker(setupFrom(process.env))
  const beating = setInterval(() => announce(worker), LIMITS.presenceMinMs)
  await everybody(worker)
  process.stdout.write('ready\n')
  await once(process.stdin, 'data')
  const line = await run(worker)
  clearInterval(beating)
  process.stdout.write(`${JSON.stringify(line)}\n`)
  await worker.machine.log.flushed()
  await worker.mesh.close()
  await worker.machine.close()
  await worker.meeting.leave(worker.setup.isKept)
  process.exit(0)
}

function setupFrom(environment: NodeJS.ProcessEnv): Setup {
  const number = (name: string) => {
    const value = Number(environment[name])
    if (environment[name] === undefined || !Number.isFinite(value) || value < 0)
      throw new Error(`The environment needs ${name}, a number.`)
    return value
  }
  const run = environment['W_RUN']
  if (!run) throw new Error('The environment needs W_RUN, the name of the run.')
  return {
    index: number('W_INDEX'),
    count: number('W_COUNT'),
    trials: number('W_TRIALS'),
    capMs: 1000 * number('W_CAP'),
    run,
    isKept: environment['W_KEEP'] === '1'
  }
}

/** Opens store, log and mesh; worker 0 founds the pool, admits the others and submits the sweep. */
async function openWorker(setup: Setup): Promise<Worker> {
  const meeting = await meet(setup.run, setup.index, setup.count)
  const { home, membership, identities } = meeting
  const later: { mesh?: OpenMesh } = {}
  const machine = await openMachine({ home, membership, onHeads: () => later.mesh?.gossip() })
  const local = emptyLocal(machine.identity.machine, machine.identity.machineName, now())
  const submission = submissionOf(benchSweep(setup.trials), membership.founding.member, setup.run)
  local.approveAll = true
  local.devices = [DEVICE]
  local.bundles.set(submission.bundle.digest, 'ready')
  const mesh = meshOf(setup, meeting, machine, local)
  later.mesh = mesh
  const announced: Draft = {
    kind: 'machine-announced',
    name: machine.identity.machineName,
    version: 'bench',
    platform: process.platform,
    devices: [DEVICE]
  }
  const admitted = identities.slice(1).map((each): Draft => {
    const { member, machine, memberName } = each
    return { kind: 'member-admitted', member, machine, name: memberName, role: 'member', invite: '0'.repeat(32) }
  })
  if (setup.index === 0)
    await machine.write([{ kind: 'pool-founded', ...membership.founding }, ...admitted, submission, announced])
  else await machine.write([announced])
  return { setup, meeting, machine, mesh, local, sweep: submission.sweep }
}

function meshOf({ index }: Setup, meeting: Meeting, machine: Machine, local: Local): OpenMesh {
  const { membership, identities, bootstrap } = meeting
  const { identity, log, store } = machine
  const others = identities.map(each => each.machine).filter(key => key !== identity.machine)
  return openMesh({
    pool: membership.pool,
    secret: membership.secret,
    keyPair: identity.machineKeyPair,
    bootstrap: [bootstrap],
    isMember: key => others.includes(key),
    // Those who are there: whoever comes later finds this one.
    members: () => identities.slice(0, index).map(each => each.machine),
    replicate: connection => store.replicate(connection),
    heads: log.heads,
    onGossip: log.learn,
    onPresence: (key: string, beat: Beat, roundTripMs: number) => {
      local.peers.set(key, { beat, heardMs: now(), roundTripMs })
    },
    onAway: key => void local.peers.delete(key),
    note: () => undefined
  })
}

function announce({ machine, mesh, local }: Worker): void {
  mesh.announce(beatOf(machine.log.pool(), local, now()))
}

/** Waits until all workers of the run hear each other and know the sweep. */
async function everybody(worker: Worker): Promise<void> {
  const { setup, meeting, machine, local, sweep } = worker
  const deadline = now() + MEET_MS
  const isThere = () =>
    machine.log.pool().machines.size === setup.count &&
    machine.log.pool().sweeps.get(sweep)?.submission !== undefined &&
    [...local.peers.values()].filter(each => each.beat.accepts.includes(sweep)).length === setup.count - 1
  announce(worker)
  let hasArrived = false
  while (!isThere()) {
    if (!hasArrived && local.peers.size >= setup.index) {
      hasArrived = true
      meeting.arrive()
    }
    if (now() > deadline) throw new Error(`Only ${local.peers.size + 1} of ${setup.count} workers met.`)
    await wait(POLL_MS)
  }
  announce(worker)
}

/** Works until all trials are somebody's or the time is up. */
async function run(worker: Worker): Promise<object> {
  const { setup, machine, local, sweep } = worker
  const ahead = createAhead({ sweep, local, pool: machine.log.pool, write: machine.write, now })
  const [ask, report, tell]: [number[], number[], number[]] = [[], [], []]
  const [cpu, start, until] = [process.cpuUsage(), Date.now() / 1000, now() + setup.capMs]
  let n = 0
  while (now() < until) {
    const askedMs = now()
    const held = await next(ahead, until)
    if (!held) break
    ask.push(now() - askedMs)
    const charge = chargeOf(worker, held)
    for (const step of STEPS) {
      const reportedMs = now()
      machine.log.append([{ kind: 'attempt-reported', ...subject(charge), step, value: lossAt(held, step) }])
      const isStopped = shouldStop(worker, charge)
      report.push(now() - reportedMs)
      if (isStopped) break
    }
    const toldMs = now()
    machine.log.append([finished(charge, held)])
    tell.push(now() - toldMs)
    n++
    await turn()
  }
  await machine.log.flushed()
  const { user, system } = process.cpuUsage(cpu)
  return {
    n,
    cpu_s: (user + system) / 1e6,
    ask_ms: ask.map(rounded),
    report_ms: report.map(rounded),
    tell_ms: tell.map(rounded),
    start,
    end: Date.now() / 1000,
    rss_mb: rounded(process.memoryUsage.rss() / 1e6)
  }
}

async function next(ahead: ReturnType<typeof createAhead>, until: number): Promise<Held | undefined> {
  while (now() < until) {
    const claiming = ahead.claimMore()
    const held = ahead.take()
    if (held) {
      claiming.catch(fail)
      return held
    }
    await claiming
    if (ahead.isOver()) return undefined
    const settled = ahead.take()
    if (settled) return settled
    await Promise.race([turn(), wait(POLL_MS)])
  }
  return undefined
}

function fail(error: unknown): void {
  throw error
}

/** The questions that the agent asks of a running attempt: is the sweep stopped, does it give way to another (C5). */
function shouldStop({ machine, local, sweep }: Worker, charge: Charge): boolean {
  const pool = machine.log.pool()
  return pool.sweeps.get(sweep)?.stop !== undefined || givesWay(pool, local, charge, now())
}

function chargeOf({ sweep }: Worker, { trial, attempt }: Held): Charge {
  const id = attemptId(sweep, trial, attempt)
  return { id, device: DEVICE.id, sweep, trial, attempt, phase: 'running', sinceMs: now(), resume: false }
}

function finished(charge: Charge, held: Held): Draft {
  const step = STEPS[STEPS.length - 1] ?? 0
  const value = lossAt(held, step)
  const curve = STEPS.map((each): [number, number] => [each, lossAt(held, each)])
  const seconds = (now() - charge.sinceMs) / 1000
  const exit = { class: 'complete', value, step, metrics: { loss: value }, curve, seconds, tail: '' } as const
  return resultOf(charge, exit, held.parameters, DEVICE)
}

/** A loss that falls with the steps and differs from trial to trial. */
function lossAt({ trial }: Held, step: number): number {
  return 1 / step + (trial % 97) / 97
}

function rounded(value: number): number {
  return Number(value.toFixed(3))
}
