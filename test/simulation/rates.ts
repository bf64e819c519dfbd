/**
 * Rates: how often what goes wrong in each kind of simulated pool.
 *
 * Owns figures and nothing else. Each profile is a promise about how much trouble a pool survives.
 */

export const PROFILES = ['calm', 'mild', 'heavy', 'hostile'] as const
export type Profile = (typeof PROFILES)[number]

/** Names that end in `PerHour` are for each machine, `InPool` for the pool, per hour; all others are shares. */
export interface Rates {
  /** The process is killed and starts again later. */
  readonly crashPerHour: number
  /** The same, and what was not yet on the disk is lost. */
  readonly powerCutPerHour: number
  /** The agent is stopped in order and started again. */
  readonly restartPerHour: number
  /** SIGSTOP: the agent stands still, its clock and its programs go on. */
  readonly freezePerHour: number
  /** The lid is closed: everything stands still, the monotonic clock too. */
  readonly sleepPerHour: number
  /** The wall clock jumps by up to a day. */
  readonly clockJumpPerHour: number
  /** The disk becomes what it was some time ago. */
  readonly restorePerHour: number
  /** Something else fills the disk for a while. */
  readonly fullDiskPerHour: number
  /** A device reports a fault for a while. */
  readonly devicePerHour: number
  /** Share of the claims, starts and results that are followed within seconds by a crash or a power cut. */
  readonly atMoment: number
  /** A power cut at several machines in one moment: they stand in one house. */
  readonly blackoutsInPool: number
  readonly partitionsInPool: number
  readonly oneWaysInPool: number
  readonly lossesInPool: number
  /** A machine's line becomes slow: everything arrives seconds late. */
  readonly slowInPool: number
  /** Share of the partitions that last for days. */
  readonly days: number
  /** Machines that join while others work; that never come back; whose environment is broken; whose owner lies. */
  readonly lateJoiner: number
  readonly gone: number
  readonly founderGone: number
  readonly sick: number
  readonly hostile: number
  /** Machines whose agent is one version older; members that are owners beside the founder. */
  readonly older: number
  readonly owners: number
  /** Members whom an owner removes, honest ones and liars. */
  readonly removed: number
  readonly hostileRemoved: number
  /** Sweeps come while machines still look for each other; else only when all are connected. */
  readonly isHasty: boolean
  /** Trials whose program always fails; attempts that fail by chance; trials that diverge. */
  readonly broken: number
  readonly failing: number
  readonly diverging: number
}

const CALM: Rates = {
  crashPerHour: 0,
  powerCutPerHour: 0,
  restartPerHour: 0,
  freezePerHour: 0,
  sleepPerHour: 0,
  clockJumpPerHour: 0,
  restorePerHour: 0,
  fullDiskPerHour: 0,
  devicePerHour: 0,
  atMoment: 0,
  blackoutsInPool: 0,
  partitionsInPool: 0,
  oneWaysInPool: 0,
  lossesInPool: 0,
  slowInPool: 0,
  days: 0,
  lateJoiner: 0,
  gone: 0,
  founderGone: 0,
  sick: 0,
  hostile: 0,
  older: 0,
  owners: 0.1,
  removed: 0,
  hostileRemoved: 0,
  isHasty: false,
  broken: 0.01,
  failing: 0.01,
  diverging: 0.03
}

const MILD: Rates = {
  ...CALM,
  crashPerHour: 0.05,
  powerCutPerHour: 0.03,
  restartPerHour: 0.05,
  freezePerHour: 0.05,
  sleepPerHour: 0.05,
  clockJumpPerHour: 0.05,
  restorePerHour: 0.01,
  fullDiskPerHour: 0.02,
  devicePerHour: 0.02,
  blackoutsInPool: 0.02,
  partitionsInPool: 0.2,
  oneWaysInPool: 0.1,
  lossesInPool: 0.2,
  slowInPool: 0.2,
  days: 0.01,
  lateJoiner: 0.1,
  gone: 0.02,
  founderGone: 0.05,
  older: 0.05,
  removed: 0.02,
  isHasty: true,
  sick: 0.05,
  broken: 0.02,
  failing: 0.02
}

const HEAVY: Rates = {
  ...MILD,
  crashPerHour: 0.5,
  powerCutPerHour: 0.4,
  restartPerHour: 0.3,
  freezePerHour: 0.4,
  sleepPerHour: 0.3,
  clockJumpPerHour: 0.3,
  restorePerHour: 0.1,
  fullDiskPerHour: 0.2,
  devicePerHour: 0.1,
  atMoment: 0.04,
  blackoutsInPool: 0.3,
  partitionsInPool: 1,
  oneWaysInPool: 0.5,
  lossesInPool: 0.7,
  slowInPool: 0.5,
  days: 0.01,
  lateJoiner: 0.15,
  gone: 0.1,
  founderGone: 0.15,
  older: 0.1,
  owners: 0.2,
  removed: 0.1,
  sick: 0.1,
  failing: 0.05
}

export const RATES: Readonly<Record<Profile, Rates>> = {
  calm: CALM,
  mild: MILD,
  heavy: HEAVY,
  hostile: { ...HEAVY, crashPerHour: 0.2, powerCutPerHour: 0.2, hostile: 0.3, hostileRemoved: 0.4 }
}
