/**
 * Random memberships: logs full of admissions and removals, by owners, their puppets, liars and those who leave.
 *
 * Owns what people may say about each other, never what it comes to. Invariant: a seed and a size give the same logs
 * every time.
 */
import { type Draft, type Entry, LIMITS, type LogRecord } from '#protocol'
import { createDraw, type Draw } from './draw.js'
import { admission, announcement, FOUNDING, idFor, keyOf } from './records.js'

/** The founder first. Nobody admits the last ones on purpose. */
const PEOPLE = ['ann', 'bo', 'cy', 'dee', 'eve', 'fay', 'zed'] as const
const LOGS_MAX = 2
const TRIALS = 5

/** Returns logs, each in its own order; `size` is the number of records besides the founding and three admissions. */
export function randomMembership(seed: number, size: number): Entry[][] {
  const draw = createDraw(seed)
  const logs = PEOPLE.flatMap(name =>
    Array.from({ length: 1 + draw.integer(LOGS_MAX) }, (_, n) => ({ name, log: `${name}${n}`, entries: [] as Entry[] }))
  )
  const lengthOf = (log: string) => logs.find(each => keyOf(each.log) === log)?.entries.length ?? 0
  const write = ({ name, log, entries }: (typeof logs)[number], draft: Draft) => {
    const record: LogRecord = { ...draft, clock: draw.once(10) ? 0 : draw.integer(30), at: draw.integer(1e9) }
    const place = { log: keyOf(log), member: keyOf(name), machine: keyOf(`machine of ${name}`) }
    entries.push({ ...place, block: entries.length, index: 0, record })
  }
  const [first] = logs
  if (!first) throw new Error('The founder has a log.')
  write(first, { kind: 'pool-founded', ...FOUNDING })
  for (const name of ['bo', 'cy'] as const) write(first, admission(name, name, 'owner'))
  write(first, admission('dee', 'dee', 'member'))
  for (let n = 0; n < size; n++) write(draw.pick(logs), anyDraft(draw, lengthOf))
  return logs.map(({ entries }) => entries)
}

function anyDraft(draw: Draw, lengthOf: (log: string) => number): Draft {
  const name = draw.pick(PEOPLE)
  switch (draw.integer(8)) {
    case 0:
    case 1:
    case 2:
      return admission(name, name, draw.pick(['owner', 'owner', 'member', 'viewer'] as const))
    case 3:
    case 4:
      return anyRemoval(draw, name, lengthOf)
    case 5:
      return announcement(draw.pick(['desk', 'attic']))
    case 6:
      return draw.once(4) ? { kind: 'pool-founded', ...FOUNDING } : anyClaim(draw)
    default:
      return anyClaim(draw)
  }
}

/** What the remover had seen, less than that, or more than there will ever be. */
function anyRemoval(draw: Draw, name: string, lengthOf: (log: string) => number): Draft {
  const cuts = Array.from({ length: LOGS_MAX }, (_, n) => keyOf(`${name}${n}`))
    .filter(() => !draw.once(4))
    .map(log => ({ log, length: draw.once(5) ? LIMITS.clockMax : draw.integer(2 + lengthOf(log)) }))
  return { kind: 'member-removed', member: keyOf(name), cuts, ...(draw.once(2) ? { reason: 'quarrel' } : {}) }
}

function anyClaim(draw: Draw): Draft {
  const about = { sweep: idFor('sweep'), trial: draw.integer(TRIALS), attempt: 1 + draw.integer(2) }
  return { kind: 'trial-claimed', ...about, device: 'gpu0', parameters: {} }
}
