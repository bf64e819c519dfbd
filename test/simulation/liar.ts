/**
 * Liars: members whose machine writes what it likes.
 *
 * Owns what a hostile member can do with logs and presence of its own; it cannot write in the name of others. Each act
 * is one that a machine with a changed agent could do. What the log's own layer refuses is not played here.
 */
import { type Draft, decodePresence, encodeBlock, encodePresence, LIMITS, type Pool, stamped } from '#protocol'
import type { Chance } from './chance.js'
import type { Machine } from './machine.js'
import type { Network } from './network.js'
import type { World } from './world.js'

const ACTS = [
  'chatter',
  'flood',
  'garbage',
  'hoard',
  'exhaust',
  'forge',
  'contradict',
  'clock',
  'boast',
  'babble',
  'two-faced',
  'oust'
] as const
type Act = (typeof ACTS)[number]
/** Up to so many machines liars lie as often as they like. */
const CROWD_MACHINES = 5

export interface LiarParts {
  readonly world: World
  readonly chance: Chance
  readonly machine: Machine
  readonly machines: readonly Machine[]
  readonly network: Network
}

/** Lets a machine lie every few seconds, as long as it is on; its own agent goes on beside that. */
export function startLiar(parts: LiarParts): void {
  const { world, chance, machine } = parts
  // In large pools there are many liars, and all must be read by everybody.
  const crowd = Math.max(1, parts.machines.length / CROWD_MACHINES)
  world.after(crowd * chance.spread(1000, 120_000), () => {
    if (machine.state() === 'gone') return
    const act = chance.pick(ACTS)
    if (machine.state() === 'on') {
      world.note(`${machine.name} lies: ${act}`)
      world.count(`lie: ${act}`)
      lie(act, parts)
    }
    startLiar(parts)
  })
}

function lie(act: Act, parts: LiarParts): void {
  const { chance, machine } = parts
  const pool = machine.pool()
  if (!pool) return
  switch (act) {
    case 'flood':
      write(
        machine,
        pool,
        Array.from({ length: 40 }, () => windyResult(pool, chance))
      )
      return
    case 'two-faced':
      machine.replica()?.writeTwice(blockOf(pool, [anyDraft(pool, chance)]), blockOf(pool, [anyDraft(pool, chance)]))
      return
    case 'oust':
      write(machine, pool, oustings(parts))
      return
    case 'chatter':
      write(
        machine,
        pool,
        Array.from({ length: 1 + chance.integer(40) }, () => anyDraft(pool, chance))
      )
      return
    case 'garbage':
      machine.replica()?.writeBytes(garbage(pool, chance))
      return
    case 'hoard':
      write(machine, pool, openTrials(pool).map(claimOf))
      return
    case 'exhaust':
      write(machine, pool, openTrials(pool).slice(0, 2).flatMap(exhausting))
      return
    case 'forge':
      write(
        machine,
        pool,
        subjects(pool, chance).map(about => resultOf(about, chance))
      )
      return
    case 'contradict': {
      const about = subjects(pool, chance).slice(0, 1)
      write(
        machine,
        pool,
        about.flatMap(each => [resultOf(each, chance), resultOf(each, chance), claimOf(each)])
      )
      return
    }
    case 'clock':
      write(machine, pool, [anyDraft(pool, chance)], chance.pick([0, LIMITS.clockMax]))
      return
    case 'boast':
    case 'babble':
      speak(act, parts)
      return
  }
}

/** Every machine was heard just now, and this one runs everything: nobody seems to be silent. Or nonsense. */
function speak(act: Act, { chance, machine, machines, network }: LiarParts): void {
  const beat = machine.agent()?.beat()
  if (!beat) return
  const heard = Object.fromEntries(machines.map(({ key }) => [key, 0]))
  const bytes = encodePresence({ type: 'beat', beat: { ...beat, heard, accepts: [] } })
  if (act === 'babble') for (let n = 0; n < 5; n++) bytes[chance.integer(bytes.length)] = chance.integer(256)
  const said = decodePresence(bytes)
  if (said?.type === 'beat') network.announce(machine.station, said.beat)
}

function write(machine: Machine, pool: Pool, drafts: readonly Draft[], clock?: number): void {
  if (drafts.length === 0) return
  machine.replica()?.writeBytes(blockOf(pool, drafts.slice(0, 300), clock))
}

function blockOf(pool: Pool, drafts: readonly Draft[], clock?: number): Uint8Array {
  return encodeBlock(stamped(drafts, pool, 0).map(record => (clock === undefined ? record : { ...record, clock })))
}

/** Somebody is removed by who may not do that, or the liar itself, as if it had never written a word. */
function oustings({ chance, machine, machines }: LiarParts): Draft[] {
  const { plan } = chance.happens(0.8) ? chance.pick(machines) : machine
  return [{ kind: 'member-removed', member: plan.member, cuts: [] }]
}

/** A result that takes as much room as one may. */
function windyResult(pool: Pool, chance: Chance): Draft {
  const [about] = subjects(pool, chance)
  if (!about) return anyDraft(pool, chance)
  const result = resultOf(about, chance)
  return { ...result, message: 'm'.repeat(LIMITS.messageChars), tail: 't'.repeat(LIMITS.tailChars) }
}

interface Subject {
  readonly sweep: string
  readonly trial: number
  readonly attempt: number
}

/** The trials that somebody could claim now, with the next attempt. */
function openTrials(pool: Pool): Subject[] {
  return [...pool.sweeps.values()].flatMap(({ id, trials }) =>
    Array.from({ length: 60 }, (_, trial) => trial)
      .filter(trial => (trials.get(trial)?.standing.phase ?? 'open') === 'open')
      .map(trial => ({ sweep: id, trial, attempt: 1 + (trials.get(trial)?.standing.attempt ?? 0) }))
  )
}

/** A few trials with an attempt that is there, or that is to come, or that nobody will ever make. */
function subjects(pool: Pool, chance: Chance): Subject[] {
  return [...pool.sweeps.values()].flatMap(({ id, trials }) =>
    Array.from({ length: 1 + chance.integer(3) }, () => {
      const trial = chance.integer(60)
      const known = trials.get(trial)?.standing.attempt ?? 0
      return { sweep: id, trial, attempt: Math.min(LIMITS.attemptsPerTrial, Math.max(1, known + chance.integer(3))) }
    })
  )
}

function claimOf(about: Subject): Draft {
  return { kind: 'trial-claimed', ...about, device: 'gpu0', parameters: { x: -1 } }
}

/** Every attempt that a trial has left, given back at once, but for the last. */
function exhausting(about: Subject): Draft[] {
  const left = Array.from({ length: LIMITS.attemptsPerTrial + 1 - about.attempt }, (_, n) => about.attempt + n)
  return left.flatMap(attempt => {
    const claimed = claimOf({ ...about, attempt })
    if (attempt === LIMITS.attemptsPerTrial) return [claimed]
    return [claimed, { kind: 'trial-released', ...about, attempt, reason: 'owner' }]
  })
}

function resultOf(about: Subject, chance: Chance): Draft & { kind: 'attempt-finished' } {
  const end = chance.pick(['complete', 'complete', 'diverged', 'error', 'oom', 'stopped', 'lost'] as const)
  return {
    kind: 'attempt-finished',
    ...about,
    class: end,
    parameters: { x: -1 },
    ...(end === 'complete' ? { value: -1e9 * chance.fraction() } : {}),
    metrics: {},
    curve: [],
    seconds: 0,
    device: { id: 'gpu0', model: 'made up', memoryBytes: Math.round(chance.spread(1, 2 ** 40)) }
  }
}

function anyDraft(pool: Pool, chance: Chance): Draft {
  const [about] = subjects(pool, chance)
  const name = `liar ${chance.integer(1000)}`
  if (!about || chance.happens(0.2)) {
    const device = { id: 'gpu0', vendor: 'nvidia' as const, model: 'made up', memoryBytes: 2 ** 45 }
    return { kind: 'machine-announced', name, version: '9', platform: 'none', devices: [device] }
  }
  if (chance.happens(0.4))
    return { kind: 'attempt-reported', ...about, step: chance.integer(50), value: chance.fraction() }
  if (chance.happens(0.5)) return { kind: 'trial-released', ...about, reason: chance.pick(['restart', 'owner']) }
  return chance.happens(0.5) ? claimOf(about) : resultOf(about, chance)
}

/** A block with some of its bytes changed, or bytes that never were a block. */
function garbage(pool: Pool, chance: Chance): Uint8Array {
  const bytes = encodeBlock(stamped([anyDraft(pool, chance), anyDraft(pool, chance)], pool, 0))
  const spoiled = chance.happens(0.2) ? bytes.length : 1 + chance.integer(4)
  for (let n = 0; n < spoiled; n++) bytes[chance.integer(bytes.length)] = chance.integer(256)
  return chance.happens(0.2) ? bytes.subarray(0, chance.integer(bytes.length)) : bytes
}
