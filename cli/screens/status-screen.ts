/**
 * What the agent does, and how the pool is: the answer to `status`.
 */
import type { StatusView } from '#protocol'
import { count, plural, shortId } from '../terminal/format.js'
import type { Sheet } from '../terminal/sheet.js'
import { type Cell, pairs } from '../terminal/table.js'

/** Returns the lines of a status as one text. */
export function drawStatus(view: StatusView, sheet: Sheet): string {
  const { style } = sheet
  const { pool } = view
  const rows: [string, Cell][] = [
    [
      'pool',
      pool ? { text: `${pool.name} (${shortId(pool.id)})`, paint: style.bold } : { text: 'none yet', paint: style.warn }
    ],
    ...(pool ? [['members', membersOf(pool.members)] satisfies [string, Cell]] : []),
    ['machine', `${view.machineName}, of ${view.memberName}`],
    ['network', networkCell(view, sheet)],
    ['sweeps', sweepsText(view.sweeps)],
    ['attempts', `${count(view.attempts)} running here`],
    ['log', `${plural(view.records, 'record')}, pool hash ${shortId(view.poolHash)}`],
    ['agent', `pid ${view.pid}, version ${view.version}, home ${view.home}`]
  ]
  if (view.paused !== undefined) rows.push(['paused', { text: view.paused, paint: style.warn }])
  return pairs(rows, sheet).join('\n')
}

/** Returns one sentence for who has just come into a pool: the agent that did it is gone already. */
export function drawEntered(view: StatusView): string {
  const { pool, memberName, machineName } = view
  return `You are in ${pool?.name ?? 'no pool'} as ${memberName}, with this machine, ${machineName}. Members: ${membersOf(pool?.members ?? [])}.`
}

/** Returns the command that is useful after a look at the status, and why. */
export function afterStatus(view: StatusView): readonly [command: string, why: string] {
  if (!view.pool) return ['hypersweep init', 'found a pool, or `hypersweep join` one']
  if (view.sweeps.waitingForApproval > 0) return ['hypersweep sweep list', 'see what waits for your approval']
  if (view.sweeps.running > 0) return ['hypersweep watch', 'see it run']
  if (view.machines <= 1) return ['hypersweep invite', 'let a friend in']
  return ['hypersweep submit sweep.yaml', 'start a sweep']
}

/** Returns who is in a pool: `ada (owner), bob`. */
export function membersOf(members: readonly { readonly name: string; readonly role: string }[]): string {
  return members.map(({ name, role }) => (role === 'member' ? name : `${name} (${role})`)).join(', ')
}

function networkCell(view: StatusView, { style }: Sheet): Cell {
  const known = Math.max(0, view.machines - 1)
  const others =
    known === 0 ? 'no other machine yet' : `${view.connected} of ${plural(known, 'other machine')} connected`
  const by = view.bootstrap.length > 0 ? ` by ${view.bootstrap.join(', ')}` : ''
  if (view.isOnline) return `online${by}, ${others}`
  return { text: `offline, no DHT node answers${by}; ${others}`, paint: style.warn }
}

function sweepsText({ running, waitingForApproval, done }: StatusView['sweeps']): string {
  const waiting = waitingForApproval === 1 ? '1 waits' : `${waitingForApproval} wait`
  return [
    `${running} running`,
    ...(waitingForApproval > 0 ? [`${waiting} for your approval`] : []),
    `${done} done`
  ].join(', ')
}
