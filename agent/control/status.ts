/**
 * Status: how this machine and its pool are, on one screen.
 */
import {
  type ControlAnswers,
  claimedTrials,
  machinesView,
  poolDigest,
  rankedTrials,
  type StatusView,
  sweepStateOf,
  sweepsInOrder,
  trialView
} from '#protocol'
import { isApproved, pausedReason } from '../local.js'
import { localSweeps, sweepNamed } from './asked.js'
import { liveOf, type Surroundings, type Work } from './work.js'

/** How many trials `overview` shows of each kind: what fits on a screen. */
const OVERVIEW_TRIALS = 20

/** Returns how this machine is; there also while its home is in no pool. */
export function statusOf(host: Surroundings): StatusView {
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

/** Returns the whole pool with one sweep in focus: the wanted one, else the newest that runs, else the newest. */
export function overview(host: Surroundings, work: Work, wanted: string | undefined): ControlAnswers['overview'] {
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
