/**
 * A session: this machine at work in its pool.
 *
 * The composition root of everything that needs a pool: opens the adapters in order, gives each what it needs of the
 * others, and closes them in reverse. The adapters are strangers to each other; they meet here.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Device, type Draft, LIMITS, type Pool } from '#protocol'
import { type Agent, type AgentOptions, createAgent } from './agent.js'
import { realClock } from './clock.js'
import type { Config } from './config.js'
import { openProbe } from './gpu/probe.js'
import { createInvites } from './invites.js'
import type { Logger } from './logger.js'
import { type OpenMesh, openMesh } from './mesh/mesh.js'
import { inviteText, openInviteServer } from './mesh/pairing.js'
import { createRunner, killOrphans } from './runner/runner.js'
import { openBundles } from './store/bundles.js'
import { type Identity, isMembersMachine, type Membership } from './store/identity.js'
import { type FileKeeper, openKeeper } from './store/keeper.js'
import { openSharedLog, type SharedLog } from './store/shared-log.js'
import { openStore, type Store } from './store/store.js'

/** How often the devices are asked how they are, in ms. */
const PROBE_MS = 5000
/** Longer than a program gets to end: whatever still runs then is left to the next start's clean-up. */
const CLOSE_MS = LIMITS.stopGraceMs + 5000

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

/** Opens everything, takes up what the last run left behind, and begins to work. */
export async function openSession(options: SessionOptions) {
  const { config, identity, membership, logger } = options
  const keeper = openKeeper(config.home, { checkpoints: () => checkpointsIn(join(config.home, ATTEMPTS)) })
  await endOrphans(config.home, logger)
  const store = await openStore(config.home)
  // Some adapters speak to what is opened after them: until it is there, nothing they say can matter.
  const later: { agent?: Agent; mesh?: OpenMesh; devices: readonly Device[] } = { devices: [] }

  const log = await openSharedLog({
    store,
    membership,
    identity,
    keeper,
    wall: realClock.wall,
    note: logger.info,
    onChanged: writers => {
      later.agent?.onLogChanged(writers)
      later.mesh?.welcome()
    },
    onDropped: draft => later.agent?.onDropped(draft),
    onHeads: () => later.mesh?.gossip()
  })
  const { bundles, runner } = await openWork({ ...options, store, agent: () => later.agent })
  const mesh = joinMesh({ ...options, store, log, agent: () => later.agent })
  later.mesh = mesh
  const probe = await openProbe({
    pollMs: PROBE_MS,
    onDevices: devices => {
      later.devices = devices
      later.agent?.onDevices(devices)
    },
    log: (message, fields) => logger.warn(message, { ...fields })
  })
  const inviter = await openInvites({ config, identity, membership, keeper, log, mesh, logger })
  const agent = createAgent(
    { clock: realClock, log, mesh, runner, probe, keeper, bundles, note: logger.info },
    agentOptions(options)
  )
  later.agent = agent
  // The founding is the first thing that a founder writes, also when a crash kept it from doing so.
  if (!log.pool().founding && membership.founding.machine === identity.machine) {
    log.append([{ kind: 'pool-founded', ...membership.founding }])
    await log.flushed()
  }
  agent.onDevices(later.devices)
  agent.begin()
  const ticking = setInterval(() => agent.onTick(), LIMITS.tickMs)

  return {
    agent,
    log,
    mesh,
    bundles,
    invites: inviter,
    membership,
    /** The end of an attempt's output as this machine keeps it. */
    output: (id: string) => runner.tail(id),

    /** Writes records and waits until they are durable. */
    async record(drafts: readonly Draft[]): Promise<void> {
      agent.append(drafts)
      await log.flushed()
    },

    /** Stops the attempts, writes what became of them, and closes everything; the clean-stop mark comes last. */
    async close(): Promise<void> {
      const deadline = realClock.now() + CLOSE_MS
      while (agent.close() > 0 && realClock.now() < deadline) await new Promise(resolve => setTimeout(resolve, 20))
      clearInterval(ticking)
      await runner.close()
      await log.flushed()
      await inviter.close()
      await mesh.close()
      await probe.close()
      await bundles.close()
      await log.close()
      await store.close()
      // Only now is it known that every block is on disk (rule L6).
      keeper.markCleanStop()
    }
  }
}

function agentOptions({ config, identity, version }: SessionOptions): AgentOptions {
  return {
    machine: identity.machine,
    name: identity.machineName,
    version,
    platform: `${process.platform}-${process.arch}`,
    approveAll: config.approve === 'all',
    ...(config.serveOnly === undefined ? {} : { paused: config.serveOnly })
  }
}

/** Brings bundles and the programs that run from them together. */
async function openWork({ config, membership, logger, store, agent }: Omit<MeshParts, 'log'>) {
  const bundles = await openBundles({
    store,
    secret: membership.secret,
    folder: join(config.home, 'bundles'),
    onBundle: (digest, state) => agent()?.onBundle(digest, state)
  })
  const runner = createRunner({
    folder: join(config.home, ATTEMPTS),
    bundleFolder: bundles.folderOf,
    onReport: (id, report) => agent()?.onReport(id, report),
    onExit: (id, exit) => agent()?.onExit(id, exit),
    log: (message, fields) => logger.warn(message, { ...fields })
  })
  return { bundles, runner }
}

type MeshParts = SessionOptions & {
  readonly store: Store
  readonly log: SharedLog
  readonly agent: () => Agent | undefined
}

/** Brings the network and what travels over it together. */
function joinMesh({ config, identity, membership, logger, store, log, agent }: MeshParts): OpenMesh {
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

/** The machines that may connect: those of members, and the two that a newcomer knows before it has the log. */
function memberMachines(pool: Pool, membership: Membership): string[] {
  const machines = new Set([
    membership.founding.machine,
    ...(membership.inviter === undefined ? [] : [membership.inviter])
  ])
  for (const member of pool.members.values()) machines.add(member.machine)
  for (const machine of pool.machines.keys()) machines.add(machine)
  return [...machines].sort()
}
