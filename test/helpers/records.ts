/**
 * Records: names, sweeps and writers from which tests build logs.
 *
 * Owns no rule of the protocol: entries are put together exactly as given, right or wrong.
 * Invariant: the same name gives the same key or id in every test.
 */
import {
  applyEntry,
  type Draft,
  digestOf,
  type Entry,
  emptyPool,
  idOf,
  LIMITS,
  type LogRecord,
  type Pool,
  poolIdOf,
  poolToRefold,
  type RecordOf,
  type ResultClass,
  type SweepSpec,
  sweepIdOf
} from '#protocol'

/** Returns a key by a short name: a machine's, a member's, a log's. */
export function keyOf(name: string): string {
  return digestOf(`test/${name}`)
}

/** Returns an id by a short name: an invite's, a nonce. */
export function idFor(name: string): string {
  return idOf('test', name)
}

/** The pool of the tests: ann founded it on machine a. */
export const FOUNDING = {
  name: 'den',
  member: keyOf('ann'),
  memberName: 'ann',
  machine: keyOf('a'),
  nonce: idFor('founding')
} as const
export const POOL = poolIdOf(FOUNDING)

export const BUNDLE = { digest: keyOf('bundle'), drive: keyOf('drive'), bytes: 1000, files: 2 } as const

/** Returns a grid of `x: 0, 1, 2 …` with four trials; `changes` say what a test needs otherwise. */
export function sweepSpec(changes: Partial<SweepSpec> = {}): SweepSpec {
  return {
    name: 'lora',
    command: ['python', 'train.py'],
    method: 'grid',
    metric: { name: 'loss', goal: 'minimize', summary: 'last' },
    parameters: { x: { distribution: 'int_uniform', min: 0, max: 3 } },
    seed: 7,
    onDuplicate: 'resample',
    leaseMs: LIMITS.leaseMs,
    ...changes
  }
}

/** Returns a sweep's submission by a member, under the name that it must have. */
export function submission(spec: SweepSpec = sweepSpec(), member = FOUNDING.member, nonce = idFor('nonce')) {
  const draft = { kind: 'sweep-submitted', nonce, spec, bundle: BUNDLE } as const
  return { ...draft, sweep: sweepIdOf(draft, member) } satisfies Draft
}

/** Returns a result of a class; `complete` has the value 0.5 unless told otherwise. */
export function resultOf(
  about: { sweep: string; trial: number; attempt: number },
  result: ResultClass,
  changes: Partial<RecordOf<'attempt-finished'>> = {}
) {
  return {
    kind: 'attempt-finished',
    ...about,
    class: result,
    parameters: { x: about.trial },
    ...(result === 'complete' ? { value: 0.5 } : {}),
    metrics: {},
    curve: [],
    seconds: 1,
    device: { id: 'gpu0', model: 'RTX 3060', memoryBytes: 12 * 2 ** 30 },
    ...changes
  } satisfies Draft
}

export interface Writer {
  readonly member: string
  readonly machine: string
  readonly log: string
  readonly entries: Entry[]
  /** Adds an entry at the log's end. Without a clock it gets the next one of this log. */
  write(draft: Draft, clock?: number): Entry
}

/** Returns a writer of one log, by short names: ann's machine a writes the log `a1`. */
export function createWriter(member: string, machine: string, log = `${machine}1`): Writer {
  const entries: Entry[] = []
  const place = { log: keyOf(log), member: keyOf(member), machine: keyOf(machine) }
  return {
    ...place,
    entries,
    write(draft, clock = entries.length + 1) {
      const record: LogRecord = { ...draft, clock, at: 1000 * clock }
      const entry: Entry = { ...place, block: entries.length, index: 0, record }
      entries.push(entry)
      return entry
    }
  }
}

/** Returns the pool that entries give, in this order of arrival; all of them again if a removal asks for it. */
export function foldAll(entries: readonly Entry[], pool: Pool = emptyPool(POOL)): Pool {
  const isFresh = pool.entries === 0
  for (const entry of entries) applyEntry(pool, entry)
  return isFresh && pool.mustRefold ? foldAll(entries, poolToRefold(pool)) : pool
}

/** Returns the record that admits a member with its machine, by short names. */
export function admission(member: string, machine: string, role: RecordOf<'member-admitted'>['role'] = 'member') {
  return {
    kind: 'member-admitted',
    member: keyOf(member),
    name: member,
    role,
    machine: keyOf(machine),
    invite: idFor(`invite of ${member}`)
  } satisfies Draft
}

/** Returns the record that removes a member, by short names: of each log as many blocks count as `cuts` says. */
export function removal(member: string, cuts: Readonly<Record<string, number>> = {}, reason?: string) {
  return {
    kind: 'member-removed',
    member: keyOf(member),
    cuts: Object.entries(cuts).map(([log, length]) => ({ log: keyOf(log), length })),
    ...(reason === undefined ? {} : { reason })
  } satisfies Draft
}

/** Returns a machine's announcement with one device. */
export function announcement(name: string, memoryBytes = 24 * 2 ** 30) {
  const devices = [{ id: 'gpu0', vendor: 'nvidia' as const, model: 'RTX 4090', memoryBytes }]
  return { kind: 'machine-announced', name, version: '0.1.0', platform: 'linux-x64', devices } satisfies Draft
}

/** Returns a pool that ann founded on machine a, with bo and cy as members on b and c, all in ann's log. */
export function founded(): Writer {
  const ann = createWriter('ann', 'a')
  ann.write({ kind: 'pool-founded', ...FOUNDING })
  ann.write(admission('bo', 'b'))
  ann.write(admission('cy', 'c'))
  return ann
}
