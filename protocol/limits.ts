/**
 * Every bound in the system, each with its unit and its reason.
 *
 * Nothing else in the code holds a bound. A limit on what peers may send protects the owner of this machine.
 */

const KiB = 1024
const MiB = 1024 * KiB
const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS

export const LIMITS = {
  /** One record as JSON. Claims and results are a few hundred bytes; a thinned curve with a log tail fits well. */
  recordBytes: 16 * KiB,
  /** One block of a log. A block holds a batch of records; Hypercore itself would take 15 MiB. */
  blockBytes: 256 * KiB,
  /** Records in one block: what one batch of appends may hold. */
  recordsPerBlock: 1000,
  /** The largest Lamport clock. A liar can drive the pool's clock here, and no further: sums stay exact integers. */
  clockMax: 2 ** 48,
  /** Rejections kept for `doctor`; the count goes on. */
  rejectionsKept: 50,

  /** Members' and machines' names, sweep names. */
  nameChars: 64,
  /** A parameter's name, a metric's name. */
  keyChars: 128,
  /** One string inside a parameter's value. */
  valueChars: 1024,
  /** A program's last words inside a result: enough for a traceback's end. */
  messageChars: 2000,
  /** The end of a program's output that travels with a failed result. */
  tailChars: 2000,
  /** What a program did otherwise than its parameters say: one line of it, and how many. */
  changeChars: 200,
  changesPerResult: 4,
  /** Metrics kept in a result. */
  metricsPerResult: 32,
  /** Objectives beside the first: with more, hardly any trial beats another one. */
  furtherMetrics: 3,
  /** Points of a loss curve kept in a result; the full curve stays on the machine that ran it. */
  curvePoints: 64,
  /** The end of an attempt's output that others may fetch. */
  bulkTailChars: 64 * KiB,
  /** One bulk block: 2,048 points of a curve take at most 104 KiB, an output's end in escapes 384 KiB. */
  bulkBlockBytes: 512 * KiB,
  /** Blocks of one bulk log: one for each attempt of one run of an agent. */
  bulkBlocksPerLog: 2 ** 20,
  /** What is kept here of one member's curves and outputs; the oldest are forgotten first. */
  bulkBytesPerMember: 64 * MiB,
  /** How long whoever looks at a curve waits for a machine that has it. */
  bulkFetchMs: 15 * SECOND_MS,
  /** Attempts that may share one device: with more, all are too slow to be worth it. */
  packingMax: 4,
  /** Devices that one machine may announce. */
  devicesPerMachine: 64,
  /** Attempts that one machine may have in hand: as many as may share its devices. */
  attemptsPerMachine: 256,
  /** Logs that one removal names, at some 100 bytes each; whoever has more is removed by several records. */
  cutsPerRemoval: 128,
  /** Why a member was removed, for people: with all cuts it still fits a record, whatever the script. */
  reasonChars: 280,

  /** A sweep's spec as JSON. Claims and results repeat its parameters, so it must leave them room in a record. */
  specBytes: 12 * KiB,
  /** Lists and maps inside each other in one record. Reading them is recursive, and a stack has an end. */
  recordDepth: 16,
  /** Bounds of a number in a range: sums, differences and quotients of such numbers stay finite. */
  rangeMax: 1e150,
  /** Trials of a sweep that must know its earlier configurations: each trial costs the drawing of all before it. */
  trialsWithHistory: 10_000,
  /** Shapes of a beta distribution: beyond these it is all at its ends, or all at its mean. */
  betaShapeMin: 1e-3,
  betaShapeMax: 1e4,
  /** Parameters of one sweep. */
  parametersPerSweep: 64,
  /** Choices of one categorical parameter. */
  valuesPerParameter: 1000,
  /** One constraint of a sweep, in characters; how deeply it nests; how many there may be. */
  constraintChars: 500,
  constraintDepth: 64,
  constraintsPerSweep: 32,
  /** Trials that a sweep names itself: their parameters must fit its record. */
  namedTrialsPerSweep: 100,
  /** Times that one configuration is trained with other seeds. */
  seedsPerConfiguration: 64,
  /** Reduction factor of a stopping rule: one in so many goes on. */
  etaMax: 1000,
  /** Places at which a trial may be stopped: as many as W&B makes. */
  bandsPerSweep: 100,
  /** Trials of one sweep. A grid larger than this cannot be meant. */
  trialsPerSweep: 100_000,
  /** Packages that a sweep asks for, and assets. */
  requirementsPerSweep: 32,
  /** Arguments in a sweep's command. */
  commandArguments: 256,
  /** A sweep file, before it is parsed. */
  sweepFileBytes: MiB,

  /** A bundle is code, not data: a data set is given by an alias (later), never shipped. */
  bundleBytes: 64 * MiB,
  bundleFiles: 2000,
  /** How long a claim waits for the checkpoint of whoever gave its trial back; then it begins anew. */
  checkpointFetchMs: MINUTE_MS,
  /** Bytes of one path in a bundle, and of one part of it: what every file system takes. */
  pathBytes: 1024,
  pathPartBytes: 200,

  /** Silence after which a claim may be taken over, for a sweep that does not set its own `lease`. */
  leaseMs: 180 * SECOND_MS,
  /** A lease shorter than this would suspect healthy machines: presence is sent four times a lease. */
  leaseMinMs: 4 * SECOND_MS,
  leaseMaxMs: 24 * HOUR_MS,
  /** The lease doubles with each attempt up to this many times itself (180 s: one hour). */
  leaseGrowthMax: 20,
  /** Conflicting claims meet within this time or never: see rule C3. */
  settleMinMs: SECOND_MS,
  /** More than this and waiting costs more than a rare duplicate. */
  settleMaxMs: 10 * SECOND_MS,
  /** A machine that hears nobody this long after its start or its sleep is alone: finding peers takes seconds. */
  aloneMs: 10 * SECOND_MS,
  /** Younger attempts give way at once in a conflict; older ones with less than this left go on (rule C5). */
  conflictMs: MINUTE_MS,
  /** An attempt this far done goes on whatever others do: its result is worth more than the rest of its time. */
  conflictShareDone: 0.85,
  /** Times that one attempt must need longer than the other to give way for that alone. */
  conflictMargin: 1.25,
  /** A backup is worth its power only where an attempt still needs longer than this (rule C11). */
  backupMinLeftMs: 2 * MINUTE_MS,
  /** Times that the original must still need longer than the backup would: estimates are a guess. */
  backupMargin: 1.25,
  /** A machine that pays attention to more open trials than this gains nothing: see rule C1. */
  openTrialsConsidered: 256,

  /** Failures after which a trial is given up, when they happened on two machines. */
  failuresToQuarantine: 3,
  /** Failures after which a trial is given up wherever they happened: a pool may have one machine only. */
  failuresToQuarantineAlone: 5,
  /** Failures before the first success after which a sweep is taken for broken. */
  failuresToStopSweep: 6,
  /** Failures of a machine's environment in one sweep after which that machine leaves the sweep to others. */
  environmentFailuresMax: 3,
  /** Attempts of one trial, all reasons together: a trial that ends no other way must end. */
  attemptsPerTrial: 50,

  /** Presence is sent on change, at most this often, and at least so often. */
  presenceMinMs: SECOND_MS,
  presenceMaxMs: 15 * SECOND_MS,
  /** Sweeps that one machine may say it works on. */
  acceptsPerBeat: 1000,
  /** One presence message. */
  presenceBytes: 64 * KiB,
  /** Between two machines that would say that a sweep's wall time is over: long enough to hear of the first one's. */
  expiryTurnMs: 10 * SECOND_MS,
  /** A machine not heard from for this long is shown as away and takes no part in choosing trials. */
  presenceAwayMs: 45 * SECOND_MS,
  /** Logs that one machine keeps a note of: whoever is in the pool can attest any number. */
  logsKnown: 4096,
  /** Of those, logs of one member: each unclean stop of one of their machines makes one. */
  logsPerMember: 512,
  /** What a member's logs may grow by in a day, in bytes: some 5,000 trials with their curves. */
  quotaBytesPerDay: 16 * MiB,
  /** Days that a member's quota adds up to: what a newcomer takes of a member's past at once. */
  quotaDays: 16,
  /** Logs in one gossip message: 64 KiB hold this many attestations. */
  logsPerGossip: 64,
  /** Machines with which one machine keeps a connection. */
  connectionsMax: 64,

  /** An invite's life. A day is long enough to reach a friend and short enough to forget about. */
  inviteMs: 24 * HOUR_MS,
  /** How often an open invite asks the DHT whether somebody came: a join takes about two of these. */
  pairingPollMs: 1000,
  /** The same, while every invite is used: only to tell those who come late that they are. */
  pairingIdlePollMs: 30 * SECOND_MS,
  /** How long `join` waits for the machine that made the invite. */
  joinMs: 2 * MINUTE_MS,
  /** How long `join` waits for a DHT that gives no sign of life before it says so. */
  bootstrapMs: 15 * SECOND_MS,

  /** The end of an attempt's output that is kept on this machine. */
  outputBytes: MiB,
  /** One line of output; longer ones are cut. */
  lineBytes: 64 * KiB,
  /** The file into which a program writes its metrics. */
  metricsBytes: 64 * MiB,
  /** Points of an attempt's curve kept in memory; thinned by halving when it is full. */
  curvePointsRunning: 2048,
  /** The longest pause for a time; a longer one is until further notice. */
  pauseMaxMs: 90 * 24 * HOUR_MS,
  /** From SIGTERM to SIGKILL where the owner wants the device: time for a checkpoint. */
  ownerGraceMs: MINUTE_MS,
  /** The same where the owner wants it at once: enough to flush a file. */
  pauseNowGraceMs: 500,
  /** From SIGTERM to SIGKILL. */
  stopGraceMs: 10 * SECOND_MS,

  /** One request or answer on the control socket. */
  controlBytes: 16 * MiB,
  /** Below this nothing new begins: room for checkpoints of attempts that run, and for everything else on the disk. */
  freeSpaceFloorBytes: 512 * MiB,
  /** Times the floor that must be free before work goes on: else each checkpoint would stop and start it. */
  freeSpaceMargin: 1.25,
  /** Free bytes that the store asks for: it opens after a crash, and writes again after a full disk, with 64 MiB. */
  storeRoomBytes: 66 * MiB,
  /** Given up when the disk is full: the store's room, and the files' share below. */
  reserveBytes: 72 * MiB,
  /** Of the reserve, what is never given to the store: some thousand results. */
  reserveForFilesBytes: 4 * MiB,
  /** What is given up at once for a small file: other programs on a full disk take what is free. */
  reserveStepBytes: 256 * KiB,
  /** How often the free space is looked at: a checkpoint is written faster, so the floor has room for some. */
  diskPollMs: 5 * SECOND_MS,
  /** How long a disk that refused a write although it has free bytes is left alone: a quota, or no inodes. */
  diskFaultMs: MINUTE_MS,
  /** Lines of the agent's log that wait for a full disk, in bytes; later ones are counted only. */
  logWaitingBytes: 64 * KiB,
  /** By then the system has written to the disk what was appended to a log: Linux does so within 35 s. */
  unsyncedMs: 2 * MINUTE_MS,
  /** How often it is looked whether results may leave the disk: while no peer is met there may be thousands. */
  resultCheckMs: 5 * SECOND_MS,
  /** The core's tick: how late it may notice that a time is over. */
  tickMs: 250,
  /** A tick that comes later than this means that the machine slept: all timers about others restart. */
  tickGapMs: 15 * SECOND_MS
} as const
