/**
 * Configuration: default < config file < environment, merged, checked and frozen once.
 *
 * Flags reach the agent as environment: the command line sets them when it starts the agent. The file is
 * `<home>/config.yaml`.
 */
import { readFileSync } from 'node:fs'
import { homedir, hostname, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { type Document, parseDocument } from 'yaml'
import { z } from 'zod'
import { didYouMean, LIMITS, PoolError, parseBytes, parseDuration } from '#protocol'
import { parseSpan } from './desk/schedule.js'
import { OWNER_DEFAULTS, type OwnerRules } from './owner.js'
import { writeWhole } from './store/files.js'

/** All of them are looked at every few seconds. */
const ASSETS_MAX = 256

const name = z.string().min(1).max(LIMITS.nameChars)
const address = z.string().regex(/^[^\s:]+:\d{1,5}$/, 'an address looks like 192.168.1.5:49737')
const port = z.coerce.number().int().min(1).max(65535)
/** In bytes. 0 needs no unit. */
const size = z
  .union([z.string(), z.literal(0)], 'a size looks like 512MiB')
  .transform(text => (String(text) === '0' ? 0 : parseBytes(String(text))))
  .refine(bytes => bytes !== undefined, 'a size looks like 512MiB')

const duration = z
  .string()
  .transform(parseDuration)
  .refine(ms => ms !== undefined, 'a duration looks like 90s, 10m or 2h')
const span = z
  .string()
  .transform(parseSpan)
  .refine(spans => spans !== undefined, 'hours look like "22:00-08:00" or "sat-sun 00:00-24:00"')

/** Models and data sets that this machine has, by the name by which sweeps ask for them. */
const assetsSchema = z
  .record(name, z.string().min(1))
  .refine(all => Object.keys(all).length <= ASSETS_MAX, `at most ${ASSETS_MAX} assets have a place`)

/** `owner` in the file. docs/guide/owner.md explains each. */
const ownerSchema = z.strictObject({
  reserve: size.optional(),
  schedule: z.array(span).min(1).max(64).optional(),
  onlyWhenIdle: duration.optional(),
  exclusivePrograms: z.array(z.string().min(1).max(LIMITS.nameChars)).max(64).optional(),
  maxTemperature: z.number().min(30).max(120).optional(),
  packing: z.number().int().min(1).max(LIMITS.packingMax).optional(),
  onBattery: z.enum(['pause', 'work']).optional(),
  quiet: duration.optional(),
  grace: duration.optional()
})

/** What the file may hold. */
const fileSchema = z.strictObject({
  /** `host:port` of DHT nodes to begin with; empty for the public ones. */
  bootstrap: z.array(address).optional(),
  /** UDP port of this machine; any free one when absent. */
  port: port.optional(),
  machineName: name.optional(),
  memberName: name.optional(),
  /** `ask`: the owner approves each bundle. `all`: every member's code runs here at once. */
  approve: z.enum(['ask', 'all']).optional(),
  /** Whose checkpoints a trial goes on from: its sweep's author's and one's own, or every member's. */
  checkpoints: z.enum(['author', 'all']).optional(),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).optional(),
  /** Room kept on the disk to save results and open the store when it is full. */
  reserve: size.optional(),
  /** With less free on the disk nothing new begins. */
  freeSpace: size.optional(),
  /** What the logs of one member may grow by in a day before this machine stops downloading them. */
  quota: size.optional(),
  /** From names to paths. One that is not there is an asset that this machine lacks, for as long as it is not. */
  assets: assetsSchema.optional(),
  /** What this machine's owner lets it do. */
  owner: ownerSchema.optional()
})
type FileConfig = z.infer<typeof fileSchema>

export interface Config {
  readonly home: string
  readonly bootstrap: readonly string[]
  readonly port: number | undefined
  readonly machineName: string
  readonly memberName: string
  readonly approve: 'ask' | 'all'
  readonly checkpoints: 'author' | 'all'
  readonly logLevel: string
  readonly reserveBytes: number
  readonly freeSpaceFloorBytes: number
  readonly quotaBytesPerDay: number
  /** Absolute paths by name. */
  readonly assets: Readonly<Record<string, string>>
  readonly owner: OwnerRules
  /** Programs beside which no work is done. */
  readonly exclusivePrograms: readonly string[]
  /** Why this agent takes no work, such as serving an invite; absent for an ordinary one. */
  readonly serveOnly: string | undefined
}

/**
 * Returns the configuration of a home.
 *
 * Errors: `CONFIG_INVALID` with every problem at once: unknown keys with the nearest known one, wrong values.
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const home = resolve(environment['HYPERSWEEP_HOME'] ?? fail('HYPERSWEEP_HOME is not set.'))
  const config = { ...readFileConfig(join(home, 'config.yaml')), ...readEnvironment(environment) }
  return Object.freeze({
    home,
    bootstrap: config.bootstrap ?? [],
    port: config.port,
    machineName: config.machineName ?? (cut(hostname()) || 'machine'),
    memberName: config.memberName ?? (cut(userName()) || 'member'),
    approve: config.approve ?? 'ask',
    checkpoints: config.checkpoints ?? 'author',
    logLevel: config.logLevel ?? 'info',
    reserveBytes: config.reserve ?? LIMITS.reserveBytes,
    freeSpaceFloorBytes: config.freeSpace ?? LIMITS.freeSpaceFloorBytes,
    quotaBytesPerDay: config.quota ?? LIMITS.quotaBytesPerDay,
    assets: placesOf(config.assets ?? {}, home),
    owner: rulesFrom(config.owner ?? {}),
    exclusivePrograms: config.owner?.exclusivePrograms ?? [],
    serveOnly: environment['HYPERSWEEP_SERVE_ONLY'] || undefined
  })
}

/** `~/` is the folder of whoever runs the agent; what is not absolute is found from the home. */
function placesOf(assets: Readonly<Record<string, string>>, home: string): Readonly<Record<string, string>> {
  const placeOf = (path: string) => (/^~(?=[/\\]|$)/.test(path) ? join(homedir(), path.slice(1)) : resolve(home, path))
  return Object.fromEntries(Object.entries(assets).map(([asset, path]) => [asset, placeOf(path)]))
}

function rulesFrom(owner: NonNullable<FileConfig['owner']>): OwnerRules {
  const { reserve, schedule, onlyWhenIdle, maxTemperature, packing, onBattery, quiet, grace } = owner
  return {
    packing: packing ?? OWNER_DEFAULTS.packing,
    worksOnBattery: onBattery === 'work',
    quietMs: quiet ?? OWNER_DEFAULTS.quietMs,
    graceMs: grace ?? OWNER_DEFAULTS.graceMs,
    ...(reserve === undefined ? {} : { reserveBytes: reserve }),
    ...(schedule === undefined ? {} : { schedule: schedule.flatMap(spans => spans ?? []) }),
    ...(onlyWhenIdle === undefined ? {} : { onlyWhenIdleMs: onlyWhenIdle }),
    ...(maxTemperature === undefined ? {} : { maxTemperatureC: maxTemperature })
  }
}

/** Keeps what a pool needs to be found again: its own DHT and this machine's port. Other keys of the file stay. */
export function saveNetwork(home: string, network: { bootstrap: readonly string[]; port: number | undefined }): void {
  const path = join(home, 'config.yaml')
  const document = readDocument(path)
  valuesOf(document, path)
  // The document keeps its owner's comments and order.
  if (network.bootstrap.length > 0) document.set('bootstrap', document.createNode(network.bootstrap))
  if (network.port !== undefined) document.set('port', network.port)
  // Whole or not at all: on a full disk its owner's settings stay what they were.
  if (network.bootstrap.length > 0 || network.port !== undefined) writeWhole(path, String(document))
}

function readFileConfig(path: string): FileConfig {
  return valuesOf(readDocument(path), path)
}

/** Reads a file as YAML; one that is not there is empty. */
function readDocument(path: string): Document.Parsed {
  try {
    return parseDocument(readFileSync(path, 'utf8'))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return parseDocument('')
    throw new PoolError('CONFIG_INVALID', `The configuration ${path} cannot be read.`, {
      hint: 'Check who may read it: it must belong to you.',
      cause
    })
  }
}

function valuesOf(document: Document.Parsed, path: string): FileConfig {
  const problems = document.errors.map(error => error.message)
  if (problems.length > 0) throw invalid(path, problems)
  try {
    return check(document.toJS({ maxAliasCount: 50 }) ?? {}, path)
  } catch (cause) {
    if (cause instanceof PoolError) throw cause
    throw invalid(path, [(cause as Error).message]) // An alias of what is nowhere, or too many of them.
  }
}

function readEnvironment(environment: Readonly<Record<string, string | undefined>>): FileConfig {
  const of = (key: string) => environment[`HYPERSWEEP_${key}`] || undefined
  const bootstrap = of('BOOTSTRAP')
    ?.split(',')
    .map(each => each.trim())
    .filter(each => each !== '')
  const values = {
    bootstrap,
    port: of('PORT'),
    machineName: of('MACHINE_NAME'),
    memberName: of('MEMBER_NAME'),
    approve: of('APPROVE'),
    checkpoints: of('CHECKPOINTS'),
    logLevel: of('LOG_LEVEL'),
    reserve: of('RESERVE'),
    freeSpace: of('FREE_SPACE'),
    quota: of('QUOTA')
  }
  return check(
    Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)),
    'the environment (HYPERSWEEP_…)'
  )
}

function check(value: unknown, where: string): FileConfig {
  const parsed = fileSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw invalid(
    where,
    parsed.error.issues.flatMap(issue =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map(key => `Unknown key "${key}".${didYouMean(key, Object.keys(fileSchema.shape))}`)
        : [`${issue.path.length > 0 ? `${issue.path.join('.')}: ` : ''}${issue.message}`]
    )
  )
}

function invalid(where: string, problems: readonly string[]): PoolError {
  return new PoolError('CONFIG_INVALID', `The configuration in ${where} is wrong:\n  ${problems.join('\n  ')}`, {
    hint: 'Correct it, or remove the key to get its default.'
  })
}

function fail(message: string): never {
  throw new PoolError('CONFIG_INVALID', message, { hint: 'Start the agent with `hypersweep up`.' })
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    return '' // A container may have a user without a name.
  }
}

function cut(text: string): string {
  return text.slice(0, LIMITS.nameChars)
}
