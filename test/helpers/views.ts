/**
 * Sample views: a small pool as the agent would answer, for tests of what is drawn.
 */
import type { Device, LocalSweepView, MachineView, OverviewView, PausesView, StatusView, TrialView } from '#protocol'

const SWEEP = '3f2a9c1be07d44418f0b5a6c7d8e9f00'
/** The hour at which the samples are looked at. */
export const NOW = Date.UTC(2026, 10, 23, 14, 22, 31)

/** A loss that falls from 2.3 as trainings do: fast, then slowly. */
export function fallingCurve(points: number, floor = 0.08): [number, number][] {
  return Array.from({ length: points }, (_, i) => [i + 1, floor + 2.2 / (1 + i) ** 1.5])
}

export function trialOf(trial: number, change: Partial<TrialView> = {}): TrialView {
  return {
    sweep: SWEEP,
    trial,
    state: 'complete',
    parameters: { learning_rate: 0.031415926 * (trial + 1), batch_size: 16 * (1 + (trial % 3)), epochs: 80 },
    value: 0.08 + trial / 100,
    step: 80,
    metrics: { val_loss: 0.08 + trial / 100, train_loss: 0.05 },
    curve: fallingCurve(80, 0.08 + trial / 100),
    seconds: 12.4 + trial,
    machineName: 'bob-rig',
    replicates: [],
    attempts: [],
    ...change
  }
}

export function runningTrial(trial: number, step: number, change: Partial<TrialView> = {}): TrialView {
  const curve = fallingCurve(step, 0.1)
  return trialOf(trial, {
    state: 'running',
    step,
    steps: 80,
    curve,
    metrics: {},
    value: curve.at(-1)?.[1] ?? 0,
    seconds: step / 4,
    ...change
  })
}

export function sweepOf(change: Partial<LocalSweepView> = {}): LocalSweepView {
  return {
    sweep: SWEEP,
    name: 'digits',
    state: 'running',
    method: 'random',
    metric: { name: 'val_loss', goal: 'minimize' },
    submittedBy: 'ada',
    submittedAt: NOW - 200_000,
    bundle: { digest: 'c0ffee00'.repeat(8), files: 5, bytes: 83_412 },
    program: 'train.mjs',
    command: ['node', ...['program', 'args'].map(macro => `\${${macro}}`)],
    trials: { total: 24, done: 14, stopped: 0, running: 2, waiting: 7, failed: 1 },
    unplaceable: [],
    untold: [],
    stoppedEarly: 0,
    diverged: 2,
    repeated: { attempts: 0, seconds: 0 },
    secondsTrained: 195,
    best: trialOf(4),
    runners: ['ada-desktop', 'bob-rig'],
    approval: 'approved',
    bundleState: 'ready',
    ...change
  }
}

/** A card as an older driver shows it. */
const BARE_CARD: Device = {
  id: 'GPU-1',
  vendor: 'nvidia',
  model: 'RTX 3060',
  memoryBytes: 12 * 2 ** 30,
  freeBytes: 3 * 2 ** 30,
  utilisation: 0.97,
  temperatureC: 62,
  powerW: 151.7
}

export function machineOf(name: string, change: Partial<MachineView> = {}): MachineView {
  return {
    machine: `${name}-`.padEnd(64, '0'),
    name,
    member: 'ada'.padEnd(64, '0'),
    memberName: 'ada',
    isThisMachine: false,
    isHere: true,
    heardSecondsAgo: 2,
    roundTripMs: 18.4,
    platform: 'linux-x64',
    version: '0.1.0',
    devices: [BARE_CARD],
    running: [{ sweep: SWEEP, trial: 17, attempt: 1, device: 'GPU-1', seconds: 12, step: 41, steps: 80, value: 0.11 }],
    trialsFinished: 9,
    secondsTrained: 130,
    ...change
  }
}

export const STATUS: StatusView = {
  version: '0.1.0',
  pid: 4242,
  home: '/home/ada/.local/share/hypersweep',
  machine: 'a'.repeat(64),
  machineName: 'ada-desktop',
  memberName: 'ada',
  pool: {
    id: 'b'.repeat(64),
    name: 'lab',
    members: [
      { member: 'a'.repeat(64), name: 'ada', role: 'owner' },
      { member: 'c'.repeat(64), name: 'bob', role: 'member' }
    ]
  },
  isOnline: true,
  bootstrap: [],
  connected: 1,
  machines: 3,
  poolHash: 'd'.repeat(64),
  records: 1204,
  sweeps: { running: 1, waitingForApproval: 0, done: 3 },
  attempts: 1
}

export const MACHINES: readonly MachineView[] = [
  machineOf('ada-desktop', { isThisMachine: true }),
  machineOf('bob-rig', {
    memberName: 'bob',
    running: [{ sweep: SWEEP, trial: 18, attempt: 1, device: 'GPU-1', seconds: 3, step: 12, steps: 80, value: 0.15 }]
  }),
  machineOf('cy-laptop', { memberName: 'cy', isHere: false, heardSecondsAgo: 4000, running: [], devices: [] })
]

export const OVERVIEW: OverviewView = {
  status: STATUS,
  machines: MACHINES,
  sweeps: [sweepOf()],
  focus: {
    sweep: sweepOf(),
    running: [runningTrial(17, 41, { machineName: 'ada-desktop' }), runningTrial(18, 12)],
    best: [trialOf(4), trialOf(7), trialOf(9)]
  }
}

/** A pause of the whole machine until it is resumed, which ended nothing. */
export function pausesOf(change: Partial<PausesView> = {}): PausesView {
  return { machineName: 'ada-desktop', pauses: [{}], ending: 0, ...change }
}

/** A card of which all is known: a screen hangs on it, and a browser. */
export function cardOf(change: Partial<Device> = {}): Device {
  return {
    ...BARE_CARD,
    id: 'GPU-3f2a9c1b-7d44-418f-0b5a-6c7d8e9f0012',
    capability: '8.6',
    bf16: true,
    reservedBytes: 1.5 * 2 ** 30,
    foreignBytes: 900 * 2 ** 20,
    foreignUtilisation: 0.04,
    ...change
  }
}
