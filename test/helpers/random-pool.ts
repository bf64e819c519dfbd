/**
 * Random pools: logs full of what friends, late comers, liars and restarts can write, drawn from one seed.
 *
 * Owns what may happen in a log, never what it means. Names and clocks come from small ranges on purpose: collisions
 * (rivals, repeats, equal clocks) are what the fold must get right.
 * Invariant: a seed and a size give the same logs every time.
 */
import {
  type Draft,
  type Entry,
  LIMITS,
  type LogRecord,
  RELEASE_REASONS,
  RESULT_CLASSES,
  ROLES,
  sweepIdOf
} from '#protocol'
import { createDraw, type Draw } from './draw.js'
import { admission, announcement, BUNDLE, FOUNDING, idFor, keyOf, resultOf, submission, sweepSpec } from './records.js'

/** Who owns which machines. Nobody admits zed on purpose; it may happen by chance. */
const MACHINES: Readonly<Record<string, readonly string[]>> = {
  ann: ['a', 'a-laptop'],
  bo: ['b'],
  cy: ['c', 'c-laptop'],
  dee: ['d'],
  zed: ['z']
}
const MEMBERS = Object.keys(MACHINES)
const INCARNATIONS_MAX = 3
const CLOCKS = 12
const TRIALS = 3
const ATTEMPTS = 3

const SPECS = [
  sweepSpec(),
  sweepSpec({ name: 'reuse', method: 'random', runCap: 8, onDuplicate: 'reuse' }),
  sweepSpec({ name: 'maximize', metric: { name: 'accuracy', goal: 'maximize', summary: 'best' } })
]

/** Returns logs, each in its own order. `size`: how many records, besides those that found the pool. */
export function randomLogs(seed: number, size: number): Entry[][] {
  const draw = createDraw(seed)
  const logs: Entry[][] = MEMBERS.flatMap(member =>
    (MACHINES[member] ?? []).flatMap(machine =>
      Array.from({ length: 1 + draw.integer(INCARNATIONS_MAX) }, (_, n) => emptyLog(member, machine, n + 1))
    )
  ).map(write => write(draw))
  const founder = logs[0] ?? []
  add(founder, draw, { kind: 'pool-founded', ...FOUNDING })
  for (const member of ['bo', 'cy']) add(draw.pick(logs.slice(0, 2)), draw, admission(member, member.slice(0, 1)))
  for (let n = 0; n < size; n++) {
    const log = draw.pick(logs)
    add(log, draw, draw.once(8) ? repeated(log, draw) : anyDraft(log, draw))
  }
  return logs
}

/** Returns an order of arrival that respects each log's own order. */
export function arrival(logs: readonly (readonly Entry[])[], seed: number): Entry[] {
  const draw = createDraw(seed)
  const rest = logs.filter(log => log.length > 0).map(log => [...log])
  const order: Entry[] = []
  while (rest.length > 0) {
    const log = draw.pick(rest)
    // Now one entry, now a whole stretch: peers fetch logs in both ways.
    order.push(...log.splice(0, draw.once(4) ? log.length : 1))
    if (log.length === 0) rest.splice(rest.indexOf(log), 1)
  }
  return order
}

/** Returns a log with its opening; who writes it is known from its first entry. */
function emptyLog(member: string, machine: string, incarnation: number): (draw: Draw) => Entry[] {
  const place = { log: keyOf(`${machine}${incarnation}`), member: keyOf(member), machine: keyOf(machine) }
  return draw => {
    const attestation = { pool: keyOf('pool'), ...place, incarnation }
    const signatures = { memberSignature: keyOf('s').repeat(2), machineSignature: keyOf('s').repeat(2) }
    const record: LogRecord = { kind: 'writer-opened', ...stamp(draw), ...attestation, ...signatures }
    return [{ ...place, block: 0, index: 0, record }]
  }
}

function stamp(draw: Draw): { clock: number; at: number } {
  const clock = draw.once(30) ? LIMITS.clockMax : draw.integer(CLOCKS)
  return { clock, at: draw.integer(1e9) }
}

/** Puts a record at a log's end: sometimes in the same block as the one before. */
function add(log: Entry[], draw: Draw, draft: Draft): void {
  const last = log.at(-1)
  if (!last) return
  const place = draw.once(3) ? { block: last.block, index: last.index + 1 } : { block: last.block + 1, index: 0 }
  log.push({ ...last, ...place, record: { ...draft, ...stamp(draw) } })
}

/** What the log said before, once more. */
function repeated(log: readonly Entry[], draw: Draw): Draft {
  const { clock, at, ...draft } = draw.pick(log).record
  return draft
}

function anyDraft(log: readonly Entry[], draw: Draw): Draft {
  const member = log[0]?.member ?? ''
  switch (draw.integer(16)) {
    case 0:
      return draw.once(4) ? anyRemoval(log, draw) : anyAdmission(draw)
    case 1:
    case 14:
    case 15:
      return announcement(draw.pick(['desk', 'attic']), 2 ** (30 + draw.integer(4)))
    case 2:
      return anySubmission(member, draw)
    case 3:
      return draw.once(4)
        ? { kind: draw.pick(['sweep-stopped', 'sweep-expired']), sweep: anySweep(draw) }
        : anyFounding(draw)
    case 4:
    case 5:
    case 6:
    case 7: {
      const about = anyAttempt(draw)
      const parameters = { x: draw.integer(2) === 0 ? about.trial : 99 }
      return { kind: 'trial-claimed', ...about, device: draw.pick(['gpu0', 'gpu1']), parameters }
    }
    case 8: {
      const reason = draw.pick(RELEASE_REASONS)
      const checkpoint = reason === 'owner' ? { checkpoint: BUNDLE } : {}
      return { kind: 'trial-released', ...anyAttempt(draw), reason, ...checkpoint }
    }
    case 9:
    case 10:
      return { kind: 'attempt-reported', ...anyAttempt(draw), step: draw.integer(3), value: draw.integer(100) / 100 }
    default:
      return anyResult(draw)
  }
}

function anyAdmission(draw: Draw): Draft {
  const member = draw.pick(MEMBERS)
  // Four in five are told apart from one another by name, so that it shows whose admission names the member.
  const name = draw.once(5) ? member : `${member}-${draw.integer(100)}`
  return { ...admission(member, member.slice(0, 1), draw.pick(ROLES)), name }
}

/** Anybody of anybody, themselves included: most of them do not count. */
function anyRemoval(log: readonly Entry[], draw: Draw): Draft {
  const member = draw.pick(MEMBERS)
  const lengths = (MACHINES[member] ?? []).map(machine => ({ log: keyOf(`${machine}1`), length: draw.integer(20) }))
  const cuts = draw.once(2) ? lengths : [{ log: log[0]?.log ?? '', length: draw.integer(20) }]
  return { kind: 'member-removed', member: keyOf(member), cuts, ...(draw.once(2) ? { reason: 'quarrel' } : {}) }
}

/** Now and then of another pool: it founds nothing here. */
function anyFounding(draw: Draw): Draft {
  const nonce = draw.once(3) ? idFor('another pool') : FOUNDING.nonce
  return { kind: 'pool-founded', ...FOUNDING, nonce }
}

/** Now and then under a wrong name, and by whoever writes: then it is another sweep. */
function anySubmission(member: string, draw: Draw): Draft {
  const draft = submission(draw.pick(SPECS), draw.once(4) ? keyOf('bo') : member)
  return draw.once(6) ? { ...draft, sweep: anySweep(draw) } : draft
}

function anySweep(draw: Draw): string {
  const member = keyOf(draw.pick(['ann', 'bo']))
  return sweepIdOf(submission(draw.pick(SPECS), member), member)
}

function anyAttempt(draw: Draw): { sweep: string; trial: number; attempt: number } {
  const attempt = draw.once(40) ? LIMITS.attemptsPerTrial : 1 + draw.integer(ATTEMPTS)
  return { sweep: anySweep(draw), trial: draw.integer(TRIALS), attempt }
}

/** Now and then with a value where none belongs, or without one where it does. */
function anyResult(draw: Draw): Draft {
  const draft = resultOf(anyAttempt(draw), draw.pick(RESULT_CLASSES))
  const device = { ...draft.device, memoryBytes: 2 ** (30 + draw.integer(4)) }
  const metrics = { loss: draw.integer(100) / 100 }
  if (draw.once(10)) return { ...draft, device, metrics, value: 0.1 }
  if (draw.once(10)) return { ...resultOf(draft, 'stopped'), class: 'complete' }
  return { ...draft, device, metrics, ...(draft.class === 'complete' ? { value: draw.integer(100) / 100 } : {}) }
}
