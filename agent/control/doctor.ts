/**
 * The doctor: what could keep this machine from doing its share, and what to do about it.
 */
import { statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { execa } from 'execa'
import {
  type Attestation,
  type DoctorCheck,
  formatBytes,
  LIMITS,
  machineOf,
  type Pool,
  poolDigest,
  sweepStateOf,
  sweepsInOrder
} from '#protocol'
import type { Agent } from '../agent.js'
import { realClock } from '../clock.js'
import { isApproved, pausedReason } from '../local.js'
import { unmet } from '../requirements.js'

const MiB = 2 ** 20
const GiB = 2 ** 30
/** Below this a training run soon fills the disk. */
const FREE_BYTES_MIN = 2 * GiB
const PYTHON_MS = 10_000

/** The log as the doctor looks at it. */
export interface DoctorLog {
  pool(): Pool
  faults(): {
    readonly holes: Readonly<Record<string, number>>
    readonly overQuota: readonly Attestation[]
    readonly frozen: readonly Attestation[]
  }
}

export interface Patient {
  readonly home: string
  readonly bootstrap: readonly string[]
  readonly work?: {
    readonly agent: Pick<Agent, 'local'>
    readonly log: DoctorLog
    readonly mesh: { connected(): readonly string[]; isOnline(): boolean }
  }
}

/** Looks at everything that can be looked at without changing anything. */
export async function doctor(patient: Patient): Promise<DoctorCheck[]> {
  const { work } = patient
  const machine = [
    homeCheck(patient.home),
    await diskCheck(patient.home, work?.agent.local.diskTrouble),
    await pythonCheck()
  ]
  if (!work) {
    return [
      ...machine,
      {
        name: 'pool',
        verdict: 'warning',
        detail: 'This home is in no pool.',
        hint: 'Make one with `hypersweep init`, or join one with `hypersweep join <invite>`.'
      }
    ]
  }
  return [
    ...machine,
    networkCheck(patient, work),
    devicesCheck(work),
    ...bundleChecks(work),
    ...requiresChecks(work),
    logCheck(work.log),
    ...quotaChecks(work.log),
    ...frozenChecks(work.log),
    digestCheck(work.log)
  ]
}

function homeCheck(home: string): DoctorCheck {
  const others = process.platform === 'win32' ? 0 : statSync(home).mode & 0o077
  if (others === 0) return { name: 'home', verdict: 'ok', detail: `${home} is open to its owner alone.` }
  return {
    name: 'home',
    verdict: 'problem',
    detail: `${home} holds keys and can be read by others.`,
    hint: `chmod 700 ${home}`
  }
}

async function diskCheck(home: string, trouble: string | undefined): Promise<DoctorCheck> {
  const { bavail, bsize } = await statfs(home)
  const free = bavail * bsize
  const detail = `${formatBytes(free)} are free.`
  if (trouble !== undefined) {
    return {
      name: 'disk',
      verdict: 'problem',
      detail: `${detail} This machine takes no work: ${trouble}.`,
      hint: 'Make room: it goes on by itself. How much it wants is `freeSpace` in config.yaml.'
    }
  }
  if (free >= FREE_BYTES_MIN) return { name: 'disk', verdict: 'ok', detail }
  return {
    name: 'disk',
    verdict: 'problem',
    detail,
    hint: `Make room: at least ${FREE_BYTES_MIN / GiB} GiB should be free.`
  }
}

async function pythonCheck(): Promise<DoctorCheck> {
  const { exitCode, stdout, stderr } = await execa('python3', ['--version'], { reject: false, timeout: PYTHON_MS })
  if (exitCode === 0) return { name: 'python', verdict: 'ok', detail: `${stdout || stderr} is in the path.` }
  return {
    name: 'python',
    verdict: 'warning',
    detail: 'There is no python3 in the path of the agent.',
    hint: 'Sweeps in Python cannot run here. Install it, or start the agent inside the environment that has it.'
  }
}

function networkCheck(patient: Patient, { mesh, log, agent }: NonNullable<Patient['work']>): DoctorCheck {
  const others = log.pool().machines.size - 1
  const detail = `${mesh.connected().length} of ${Math.max(0, others)} other machines are connected.`
  if (!mesh.isOnline()) {
    const where = patient.bootstrap.length > 0 ? patient.bootstrap.join(', ') : 'the public addresses'
    return {
      name: 'network',
      verdict: 'problem',
      detail: `No DHT node answers at ${where}: nobody can be found.`,
      hint: 'Check the network and that UDP may leave. A pool with its own DHT: is `hypersweep bootstrap` running there?'
    }
  }
  if (others > 0 && mesh.connected().length === 0) {
    return {
      name: 'network',
      verdict: 'warning',
      detail,
      hint: 'The others may be off. This machine goes on alone and merges later.'
    }
  }
  const paused = pausedReason(log.pool(), agent.local, realClock.now())
  return {
    name: 'network',
    verdict: 'ok',
    detail: paused === undefined ? detail : `${detail} This machine takes no work: ${paused}.`
  }
}

function devicesCheck({ agent }: NonNullable<Patient['work']>): DoctorCheck {
  const { devices } = agent.local
  const faulty = devices.filter(device => device.fault !== undefined)
  if (devices.length === 0)
    return { name: 'devices', verdict: 'problem', detail: 'No device was found.', hint: 'Look into agent.log.' }
  if (faulty.length > 0)
    return {
      name: 'devices',
      verdict: 'problem',
      detail: faulty.map(device => `${device.model}: ${device.fault}`).join('; '),
      hint: 'Check the driver with `nvidia-smi`.'
    }
  return {
    name: 'devices',
    verdict: 'ok',
    detail: devices.map(device => `${device.model} (${(device.memoryBytes / GiB).toFixed(1)} GiB)`).join(', ')
  }
}

function bundleChecks({ agent }: NonNullable<Patient['work']>): DoctorCheck[] {
  return [...agent.local.bundles].flatMap(([digest, state]) =>
    typeof state === 'object'
      ? [
          {
            name: 'bundle',
            verdict: 'problem' as const,
            detail: `${digest.slice(0, 8)}: ${state.fault}`,
            hint: 'Approve the sweep again to try once more.'
          }
        ]
      : []
  )
}

function requiresChecks({ agent, log }: NonNullable<Patient['work']>): DoctorCheck[] {
  return sweepsInOrder(log.pool()).flatMap(sweep => {
    const { submission } = sweep
    if (!submission || !isApproved(agent.local, submission) || sweepStateOf(log.pool(), sweep) !== 'running') return []
    const missing = unmet(agent.local, submission.spec)
    if (missing === undefined) return []
    return [
      {
        name: 'requires',
        verdict: 'warning' as const,
        detail: `This machine takes no trials of ${submission.spec.name}: ${missing}.`,
        hint: `Packages are looked for again after a while, or at once: \`hypersweep approve ${sweep.id.slice(0, 8)}\`.`
      }
    ]
  })
}

function logCheck(log: DoctorLog): DoctorCheck {
  const holes = Object.values(log.faults().holes).reduce((sum, count) => sum + count, 0)
  const { rejections, entries } = log.pool()
  const detail = `${entries} records count, ${rejections.count} have no effect, ${holes} could not be read.`
  const last = rejections.latest.at(-1)
  if (holes > 0)
    return {
      name: 'log',
      verdict: 'warning',
      detail,
      hint: 'A machine writes records that this version cannot read: update, or find out which (`--json`).'
    }
  return {
    name: 'log',
    verdict: 'ok',
    detail: last ? `${detail} The last without effect: a ${last.kind}: ${last.reason}.` : detail
  }
}

function quotaChecks(log: DoctorLog): DoctorCheck[] {
  const { overQuota } = log.faults()
  if (overQuota.length === 0) return []
  const room = `${LIMITS.quotaBytesPerDay / MiB} MiB a day`
  return [
    {
      name: 'quota',
      verdict: 'warning',
      detail: `${machinesOf(log, overQuota)} wrote more than a member may; the rest is not downloaded yet.`,
      hint: `It comes as room comes back, ${room}. A program that reports much too often, or a member who floods the pool.`
    }
  ]
}

function frozenChecks(log: DoctorLog): DoctorCheck[] {
  const { frozen } = log.faults()
  if (frozen.length === 0) return []
  return [
    {
      name: 'histories',
      verdict: 'warning',
      detail: `A log of ${machinesOf(log, frozen)} has two histories: it stays as it was when that was found.`,
      hint: 'That machine ran from a copy or a backup of its home. It goes on in a fresh log; make sure that only one runs.'
    }
  ]
}

function digestCheck(log: DoctorLog): DoctorCheck {
  const digest = poolDigest(log.pool())
  return {
    name: 'digest',
    verdict: 'ok',
    detail: `${digest.slice(0, 16)}… Machines that have the same records show the same digest.`,
    digest
  }
}

/** The names of the machines that wrote the logs, each once. */
function machinesOf(log: DoctorLog, logs: readonly Attestation[]): string {
  const names = logs.map(({ machine }) => machineOf(log.pool(), machine)?.name ?? machine.slice(0, 8))
  return [...new Set(names)].sort().join(', ')
}
