/**
 * A session: this machine at work in its pool.
 *
 * The composition root of everything that needs a pool: opens the adapters in order, gives each what it needs of the
 * others, and closes them in reverse. The adapters are strangers to each other; they meet here.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Device, type Draft, LIMITS, PoolError } from '#protocol'
import { type Agent, type AgentOptions, createAgent } from './agent.js'
import { realClock } from './clock.js'
import type { Config } from './config.js'
import { crowdOf, memberMachines } from './crowd.js'
import { watchAssets } from './desk/assets.js'
import { watchDesk } from './desk/desk.js'
import { openPackages } from './desk/packages.js'
import { createMeter } from './gpu/meter.js'
import { openProbe } from './gpu/probe.js'
import { createProcessTree } from './gpu/process-tree.js'
import { createInvites } from './invites.js'
import type { Logger } from './logger.js'
import { type OpenMesh, openMesh } from './mesh/mesh.js'
import { inviteText, openInviteServer } from './mesh/pairing.js'
import { PACE_MS, reserveOf } from './owner.js'
import { allowedOf } from './runner/environment.js'
import { findInterpreter } from './runner/interpreter.js'
import { createRunner, killOrphans } from './runner/runner.js'
import { openBulk } from './store/bulk.js'
import { openBundles } from './store/bundles.js'
import { openCheckpointDrives } from './store/checkpoint-drives.js'
import { markCleanStop, takeCleanStop } from './store/clean-stop.js'
import { type Disk, openDisk } from './store/disk.js'
import { type Identity, isMembersMachine, type Membership } from './store/identity.js'
import { type FileKeeper, openKeeper } from './store/keeper.js'
import { openSharedLog, type SharedLog } from './store/shared-log.js'
import { openStore, type Store } from './store/store.js'
import { syncStore } from './store/store-files.js'

/** Longer than a program gets to end: whatever still runs then is left to the next start's clean-up. */
const CLOSE_MS = LIMITS.stopGraceMs + 5000

/** How long a machine that stops waits for others to fetch what it gives back, in ms. */
const HAND_OVER_MS = 8000

/** How long a record may wait for room on the disk before whoever waits for it is told, in ms. */
const RECORD_MS = 30_000

/** Holds a folder for each attempt that ran here. */
const ATTEMPTS = 'attempts'

export type Session = Awaited<ReturnType<typeof openSession>>

export interface SessionOptions {
  readonly config: Config
  readonly identity: Identity
  readonly membership: Membership
  readonly version: string
  readonly logger: Logger
}

/** What some adapters speak to although it is opened after them: until it is there, nothing they say can matter. */
interface Later {
  agent?: Agent
  mesh?: OpenMesh
  devices: readonly Device[]
  crowd?: string
}

/** Opens everything, takes up what the last run left behind, and begins to work. */
export async function openSession(options: SessionOptions) {
  const { config, identity, membership, logger } = options
  const later: Later = { devices: [] }
  const disk = openDisk({
    home: config.home,
    reserveBytes: config.reserveBytes,
    floorBytes: config.freeSpaceFloorBytes,
    onDisk: news => later.agent?.onDisk(news),
    note: logger.warn
  })
  const checkpoints = () => checkpointsIn(join(config.home, ATTEMPTS))
  const keeper = openKeeper(config.home, { checkpoints, write: disk.write })
  const lastLog = takeCleanStop(config.home)
  const store = await disk.open(() => openStore(config.home))
  // Whoever has the store is alone here: the programs of another agent on this home are not those of a crash.
  await endOrphans(config.home, logger)

  const log = await openLog({ ...options, store, keeper, disk, lastLog, later })
  const parts = { ...options, store, log, disk, later, agent: () => later.agent }
  const { bundles, bulk, checkpointDrives, runner, meter } = openWork(parts)
  const mesh = joinMesh(parts)
  later.mesh = mesh
  const probe = await openDevices({ ...parts, meter })
  const inviter = await openInvites({ config, identity, membership, keeper, log, mesh, logger })
  const packages = askPython(parts)
  const agent = createAgent(
    { clock: realClock, log, mesh, runner, probe, keeper, bundles, packages, note: logger.info },
    agentOptions(options)
  )
  later.agent = agent
  await found(log, options)
  agent.onDevices(later.devices)
  disk.look()
  agent.begin()
  const ticking = setInterval(() => agent.onTick(), LIMITS.tickMs)
  const desk = watchOwner(options, agent)
  const assets = watchAssets({ paths: config.assets, onAssets: agent.onAssets })

  async function close(): Promise<void> {
    const deadline = realClock.now() + CLOSE_MS
    while (agent.close() > 0 && realClock.now() < deadline) await new Promise(resolve => setTimeout(resolve, 20))
    // Nobody can fetch a checkpoint from a machine that is off.
    if (isWorkAccepted(agent)) await checkpointDrives.handOver(Math.min(HAND_OVER_MS, deadline - realClock.now()))
    clearInterval(ticking)
    desk.close()
    assets.close()
    packages.close()
    await runner.close()
    await inviter.close()
    await mesh.close()
    await probe.close()
    await Promise.all([bundles.close(), bulk.close(), checkpointDrives.close()])
    const lastLog = await log.close()
    await store.close()
    await disk.close()
    if (lastLog !== undefined) await seal(config.home, lastLog, disk)
  }

  return {
    agent,
    log,
    mesh,
    bundles,
    bulk,
    invites: inviter,
    membership,
    /** The end of an attempt's output as this machine keeps it. */
    output: (id: string) => runner.tail(id),

    record: (drafts: readonly Draft[]) => record({ agent, log, home: config.home }, drafts),

    /** Stops the attempts, writes what became of them, and closes everything; the clean-stop mark comes last. */
    close
  }
}

/**
 * Writes records and waits until they are in the log, and the log on the disk: no power cut takes back what a person
 * was told to be done.
 *
 * Errors: `TIMED_OUT` when the disk does not take them now; they are written once it does.
 */
async function record(
  { agent, log, home }: { readonly agent: Agent; readonly log: SharedLog; readonly home: string },
  drafts: readonly Draft[]
): Promise<void> {
  agent.append(drafts)
  if (await flushed(log)) return await syncStore(home)
  throw new PoolError('TIMED_OUT', 'The log does not take records now; they are written as soon as it does.', {
    hint: 'The disk may be full: see `hypersweep doctor`.'
  })
}

/** The mark comes after all that it speaks of. */
async function seal(home: string, lastLog: string, disk: Disk): Promise<void> {
  await syncStore(home)
  disk.write(() => markCleanStop(home, lastLog))
}

/** True when another machine that is heard would run some sweep. */
function isWorkAccepted({ local }: Agent): boolean {
  return [...local.peers.values()].some(({ beat }) => beat.accepts.length > 0)
}

/** Lets the core hear of what the owner does with this computer. */
function watchOwner({ config }: SessionOptions, { onDesk }: Pick<Agent, 'onDesk'>): { close(): void } {
  return watchDesk({
    exclusivePrograms: config.exclusivePrograms,
    needsTouch: config.owner.onlyWhenIdleMs !== undefined,
    onNews: onDesk,
    date: () => new Date(realClock.wall()),
    now: realClock.now
  })
}

/** Lets the core hear which packages programs would find here. */
function askPython({ logger, agent }: Pick<Parts, 'logger' | 'agent'>): ReturnType<typeof openPackages> {
  const environment = allowedOf(process.env)
  return openPackages({
    environment,
    interpreter: () => findInterpreter(environment),
    onPackages: found => agent()?.onPackages(found),
    note: logger.warn
  })
}

/** The founding is the first thing that a founder writes, also when a crash kept it from doing so. */
async function found(log: SharedLog, { membership, identity }: SessionOptions): Promise<void> {
  if (log.pool().founding || membership.founding.machine !== identity.machine) return
  log.append([{ kind: 'pool-founded', ...membership.founding }])
  await flushed(log)
}

/** False when the log, for want of room on the disk, does not take what is queued in time. */
async function flushed(log: SharedLog): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<false>(resolve => {
    timer = setTimeout(() => resolve(false), RECORD_MS)
  })
  const isWritten = await Promise.race([log.flushed().then(() => true), patience])
  clearTimeout(timer)
  return isWritten
}

function agentOptions({ config, identity, version }: SessionOptions): AgentOptions {
  return {
    machine: identity.machine,
    name: identity.machineName,
    version,
    platform: `${process.platform}-${process.arch}`,
    approveAll: config.approve === 'all',
    freeSpaceFloorBytes: config.freeSpaceFloorBytes,
    rules: config.owner,
    checkpointsOf: config.checkpoints,
    ...(config.serveOnly === undefined ? {} : { paused: config.serveOnly })
  }
}

interface LogParts extends SessionOptions {
  readonly store: Store
  readonly keeper: FileKeeper
  readonly disk: Disk
  readonly lastLog: string | undefined
  readonly later: Later
}

/** Opens the shared log, and lets the core and the mesh hear of what changes in it. */
function openLog({ config, identity, membership, logger, store, keeper, disk, lastLog, later }: LogParts) {
  return openSharedLog({
    home: config.home,
    store,
    membership,
    identity,
    keeper,
    lastLog,
    quotaBytesPerDay: config.quotaBytesPerDay,
    wall: realClock.wall,
    note: logger.info,
    onChanged: (writers, pool) => {
      later.agent?.onLogChanged(writers)
      const crowd = crowdOf(pool)
      if (crowd !== later.crowd) later.mesh?.welcome()
      later.crowd = crowd
    },
    onDropped: draft => later.agent?.onDropped(draft),
    onFailed: error => disk.onFault(error, LIMITS.storeRoomBytes),
    onHeads: () => later.mesh?.gossip()
  })
}

/** Brings bundles and the programs that run from them together. */
function openWork({ config, membership, logger, store, disk, agent }: Parts) {
  const bundles = openBundles({
    store,
    secret: membership.secret,
    folder: join(config.home, 'bundles'),
    sync: () => syncStore(config.home),
    onBundle: (digest, state) => agent()?.onBundle(digest, state)
  })
  const processes = createProcessTree()
  const meter = createMeter({ ...processes, programs: () => runner.running(), now: realClock.now })
  const bulk = openBulk({ store, secret: membership.secret, home: config.home, note: logger.info })
  const checkpointDrives = openCheckpointDrives({
    store,
    secret: membership.secret,
    home: config.home,
    note: logger.info
  })
  const runner = createRunner({
    folder: join(config.home, ATTEMPTS),
    bundleFolder: bundles.folderOf,
    onReport: (id, report) => agent()?.onReport(id, report),
    onExit: (id, exit) => {
      const usage = meter.take(id)
      agent()?.onExit(id, usage === undefined ? exit : { ...exit, usage })
    },
    keep: bulk.write,
    pack: checkpointDrives.pack,
    onDiskFault: disk.onFault,
    log: (message, fields) => logger.warn(message, { ...fields })
  })
  return { bundles, bulk, checkpointDrives, runner, meter }
}

/** Brings the devices, and what attempts and others take of them, to the core. */
function openDevices({ config, logger, later, meter }: Parts & { readonly meter: ReturnType<typeof createMeter> }) {
  return openProbe({
    pollMs: PACE_MS.waiting,
    onReadings: readings => {
      const devices = meter.note(readings)
      later.devices = devices.map((device, n) => {
        const reading = readings[n]
        return reading ? { ...device, reservedBytes: reserveOf(reading, config.owner) } : device
      })
      later.agent?.onDevices(later.devices, meter.memoryOf)
    },
    log: (message, fields) => logger.warn(message, { ...fields })
  })
}

type Parts = SessionOptions & {
  readonly store: Store
  readonly log: SharedLog
  readonly disk: Disk
  readonly later: Later
  readonly agent: () => Agent | undefined
}

/** Brings the network and what travels over it together. */
function joinMesh({ config, identity, membership, logger, store, log, agent }: Parts): OpenMesh {
  const members = () => memberMachines(log.pool(), membership).filter(machine => machine !== identity.machine)
  return openMesh({
    pool: membership.pool,
    secret: membership.secret,
    keyPair: identity.machineKeyPair,
    bootstrap: config.bootstrap,
    ...(config.port === undefined ? {} : { port: config.port }),
    members,
    isMember: machine => members().includes(machine),
    replicate: connection => store.replicate(connection),
    heads: log.heads,
    onGossip: log.learn,
    onPresence: (machine, beat, roundTripMs) => agent()?.onPresence(machine, beat, roundTripMs),
    onAway: machine => agent()?.onAway(machine),
    note: logger.info
  })
}

interface InviteParts {
  readonly config: Config
  readonly identity: Identity
  readonly membership: Membership
  readonly keeper: FileKeeper
  readonly log: SharedLog
  readonly mesh: OpenMesh
  readonly logger: Logger
}

/** Joins the rules about invites with the network that carries them. */
async function openInvites(parts: InviteParts) {
  const { config, identity, membership, keeper, log, mesh, logger } = parts
  const invites = createInvites({
    keeper,
    log,
    textOf: invite => inviteText(membership.pool, invite, config.bootstrap),
    isMembersMachine,
    wall: realClock.wall,
    onChange: () => {
      server.update().catch(error => logger.warn('invites could not be served', { error: String(error) }))
    }
  })
  const server = openInviteServer({
    mesh,
    pool: membership.pool,
    secret: membership.secret,
    data: JSON.stringify({ founding: membership.founding, inviter: identity.machine }),
    invites: invites.open,
    admit: invites.admit,
    note: logger.info
  })
  await server.update()
  return { create: invites.create, list: invites.list, close: server.close }
}

/** Programs of a run that crashed still hold their device: they end before anything new begins. */
async function endOrphans(home: string, logger: Logger): Promise<void> {
  const ended = await killOrphans(join(home, ATTEMPTS))
  if (ended.length > 0) logger.warn('ended programs that a crash had left behind', { pids: ended })
}

/** Attempts with something in their checkpoint folder. */
function checkpointsIn(folder: string): string[] {
  return list(folder).filter(id => list(join(folder, id, 'checkpoint')).length > 0)
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort()
  } catch {
    return [] // It is made when the first attempt runs.
  }
}
