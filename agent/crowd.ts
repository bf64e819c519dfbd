/**
 * The crowd: whose machines may connect, and when that has changed.
 *
 * Pure functions of the pool and of what a newcomer was told when it joined.
 */
import type { Pool } from '#protocol'
import type { Membership } from './store/identity.js'

/** Returns a text that changes whenever members or machines do: each of these only ever grows, or gives to another. */
export function crowdOf({ members, machines, formerMachines }: Pool): string {
  return `${members.size} ${machines.size} ${formerMachines.size}`
}

/** Returns the machines that may connect: those of members, and the two that a newcomer knows before it has the log. */
export function memberMachines(pool: Pool, { founding, inviter }: Membership): string[] {
  const machines = new Set([founding.machine, ...(inviter === undefined ? [] : [inviter])])
  for (const member of pool.members.values()) machines.add(member.machine)
  for (const machine of pool.machines.keys()) machines.add(machine)
  for (const machine of pool.formerMachines.keys()) machines.delete(machine)
  return [...machines].sort()
}
