/**
 * The agent's process: one for each home.
 *
 * `run` works in the pool and answers the command line until it is told to stop; `bootstrap` runs a private DHT. The
 * first line on stdout says that it is ready, or why it cannot be; everything else goes to `<home>/agent.log`. `verify`
 * looks at a store at rest, and says on stdout how far it is and what it found.
 */
import { existsSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { controlPath, PoolError, poolIdOf, type StartLine, type VerifyLine } from '#protocol'
import { realClock } from './clock.js'
import { type Config, readConfig, saveNetwork } from './config.js'
import { createHandlers } from './control/handlers.js'
import { openControlServer } from './control/server.js'
import type { Surroundings } from './control/work.js'
import { type Logger, openLogger } from './logger.js'
import { openPrivateDht } from './mesh/dht.js'
import { comeWith, readInvite } from './mesh/pairing.js'
import { openSession, type Session } from './session.js'
import { diskError, diskFaultOf } from './store/disk-fault.js'
import { makeFolder } from './store/files.js'
import {
  foundingSchema,
  foundPool,
  type Identity,
  type Membership,
  openIdentity,
  readMembership,
  writeMembership
} from './store/identity.js'
import { verifyHome } from './store/verify.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** What an inviter hands over beside the pool's key and secret. */
const handoverSchema = z.object({
  founding: foundingSchema,
  inviter: z.string().regex(/^[0-9a-f]{64}$/)
})

/** How long a joiner waits until it sees itself in the pool's log, in ms: its inviter is online right now. */
const JOINED_MS = 30_000
const JOINED_POLL_MS = 50
/** A large store takes minutes: so often somebody who waits hears how far it is, in ms. */
const PROGRESS_MS = 1000

async function run(): Promise<void> {
  const config = readConfig(process.env)
  makeFolder(config.home)
  const logger = openLogger(join(config.home, 'agent.log'), config.logLevel)
  const version = versionOf()
  const address = controlPath({ home: config.home, platform: process.platform, temporary: tmpdir() })
  const process_ = createProcess({ config, logger, version })
  // The socket comes first: it is what tells a second agent on this home from the first.
  const server = await openControlServer(address, createHandlers(process_.host))
  await process_.begin()
  await server.hold()
  logger.info('the agent is ready', { version, home: config.home })
  say({ ready: true, pid: process.pid })
  await process_.ended
  // A peer may still be served when the store closes under it. That is no reason to leave without the clean-stop mark.
  process.on('uncaughtException', error => logger.warn('something broke while closing', { error: String(error) }))
  await process_.close()
  await server.close()
  logger.info('the agent has stopped', {})
  logger.flush()
}

/** Holds the one session of this process, and begins and ends it. */
function createProcess({ config, logger, version }: { config: Config; logger: Logger; version: string }) {
  const identity: Identity = openIdentity(config.home, { member: config.memberName, machine: config.machineName })
  let session: Session | undefined
  let end: () => void = () => undefined
  const ended = new Promise<void>(resolve => {
    end = resolve
  })
  for (const signal of SIGNALS) process.on(signal, () => end())

  async function enter(membership: Membership): Promise<void> {
    session = await openSession({ config, identity, membership, version, logger })
  }

  function mustBeFree(): void {
    const membership = readMembership(config.home)
    if (!membership) return
    throw new PoolError('POOL_EXISTS', `This home is in the pool "${membership.founding.name}" already.`, {
      hint: 'One home is in one pool. For another pool: HYPERSWEEP_HOME=<new folder> hypersweep join <invite>.'
    })
  }

  const host: Surroundings = {
    version,
    home: config.home,
    bootstrap: config.bootstrap,
    names: identity,
    approve: config.approve,
    work: () => session,
    async found(name) {
      mustBeFree()
      const membership = foundPool(identity, name)
      writeMembership(config.home, membership)
      saveNetwork(config.home, config)
      await enter(membership)
    },
    async join(text) {
      mustBeFree()
      const invite = readInvite(text, realClock.wall())
      const bootstrap = invite.bootstrap.length > 0 ? invite.bootstrap : config.bootstrap
      const { member, machine, memberName, machineName } = identity
      const welcome = await comeWith(
        invite,
        { member, machine, memberName, machineName, signature: identity.signMachine('') },
        { bootstrap, ...(config.port === undefined ? {} : { port: config.port }) }
      )
      const { founding, inviter } = readHandover(welcome.data)
      const membership = { pool: welcome.pool, secret: welcome.secret, founding, inviter }
      if (poolIdOf(founding) !== membership.pool)
        throw new PoolError('INVITE_REFUSED', 'The inviter told of a pool that does not match its name.', {
          hint: 'Ask whoever sent the invite.'
        })
      writeMembership(config.home, membership)
      saveNetwork(config.home, { bootstrap, port: config.port })
      Object.assign(host, { bootstrap })
      session = await openSession({ config: { ...config, bootstrap }, identity, membership, version, logger })
      await joined(session, identity.member)
    },
    down() {
      const attempts = session?.agent.close() ?? 0
      end()
      return attempts
    },
    now: realClock.now,
    wall: realClock.wall
  }

  return {
    host,
    ended,
    async begin(): Promise<void> {
      const membership = readMembership(config.home)
      if (membership) return enter(membership)
      if (config.serveOnly !== undefined) return
      throw new PoolError('POOL_MISSING', `This home is in no pool: ${config.home}.`, {
        hint: "Make one with `hypersweep init`, or join a friend's with `hypersweep join <invite>`."
      })
    },
    close: async () => session?.close()
  }
}

/** The joiner stays until it has the log, so that it is a full member even if the inviter is switched off now. */
async function joined(session: Session, member: string): Promise<void> {
  const deadline = realClock.now() + JOINED_MS
  while (!session.log.pool().members.has(member)) {
    if (realClock.now() > deadline) {
      throw new PoolError('TIMED_OUT', 'The pool let this machine in, but its log did not arrive yet.', {
        hint: 'Run `hypersweep up`: it arrives as soon as a machine of the pool is reached.'
      })
    }
    await new Promise(resolve => setTimeout(resolve, JOINED_POLL_MS))
  }
  // What was announced before the admission arrived waited; now it counts.
  await session.log.flushed()
}

function readHandover(data: string): z.infer<typeof handoverSchema> {
  try {
    return handoverSchema.parse(JSON.parse(data))
  } catch (cause) {
    throw new PoolError('INVITE_REFUSED', "The inviter's answer cannot be read.", {
      hint: 'Both sides may have different versions of hypersweep: update both.',
      cause
    })
  }
}

async function bootstrap(): Promise<void> {
  const dht = await openPrivateDht(
    process.env['HYPERSWEEP_BOOTSTRAP_ADDRESS'] || '127.0.0.1',
    Number(process.env['HYPERSWEEP_BOOTSTRAP_PORT'] || 0)
  )
  say({ ready: true, pid: process.pid, address: dht.address })
  await new Promise<void>(resolve => {
    for (const signal of SIGNALS) process.on(signal, () => resolve())
  })
  await dht.close()
}

/** Checks a home while no agent runs. It holds the home's socket, so that none begins meanwhile. */
async function verify(): Promise<void> {
  const { home } = readConfig(process.env)
  const inUse = new PoolError('STORE_IN_USE', `The pool in ${home} is open in another process.`, {
    hint: '`hypersweep down` first: only a store at rest can be verified. `hypersweep doctor` looks at a running agent.'
  })
  const address = controlPath({ home, platform: process.platform, temporary: tmpdir() })
  const isHere = existsSync(home)
  const server = isHere ? await openControlServer(address, () => Promise.reject(inUse)).catch(refused) : undefined
  let toldMs = realClock.now()
  const onProgress = (progress: string) => {
    if (realClock.now() - toldMs < PROGRESS_MS) return
    toldMs = realClock.now()
    say({ progress })
  }
  try {
    say({ found: await verifyHome(home, onProgress) })
  } finally {
    await server?.close()
  }

  function refused(error: unknown): never {
    throw error instanceof PoolError && error.code === 'AGENT_RUNNING' ? inUse : error
  }
}

function versionOf(): string {
  // The same relative place from the sources and from `dist`, one folder deeper.
  for (const path of ['../package.json', '../../package.json']) {
    try {
      return z.object({ version: z.string() }).parse(JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')))
        .version
    } catch {
      // Try the next place.
    }
  }
  return 'unknown'
}

function say(line: StartLine | VerifyLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

/** The command that started this process may be gone: its end of the pipe is no reason to die. */
process.stdout.on('error', () => undefined)

const commands: Readonly<Record<string, () => Promise<void>>> = { run, bootstrap, verify }
const command = commands[process.argv[2] ?? 'run'] ?? run
command().then(
  () => process.exit(0),
  error => {
    const known = knownError(error)
    say({
      error: { code: known.code, message: known.message, ...(known.hint === undefined ? {} : { hint: known.hint }) }
    })
    process.exit(1)
  }
)

function knownError(error: unknown): PoolError {
  if (error instanceof PoolError) return error
  const fault = diskFaultOf(error)
  if (fault !== undefined) return diskError(process.env['HYPERSWEEP_HOME'] ?? '.', fault, error)
  return new PoolError('AGENT_FAILED', `The agent failed: ${error instanceof Error ? error.message : String(error)}`, {
    hint: 'Its log tells more: agent.log in its home.',
    cause: error
  })
}
