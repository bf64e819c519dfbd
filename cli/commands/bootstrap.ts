/**
 * `bootstrap`: a DHT node for a pool without internet, until Ctrl-C.
 */
import { networkInterfaces } from 'node:os'
import { EXIT } from '#protocol'
import { startAgent } from '../agent-process.js'
import type { Cli } from '../cli.js'
import { homeOf } from '../home.js'

export interface BootstrapFlags {
  readonly address?: string
  readonly port: number
  readonly home?: string
}

export async function bootstrap(this: Cli, flags: BootstrapFlags): Promise<void> {
  const ip = flags.address ?? ownAddress(networkInterfaces())
  const agent = await startAgent({
    home: homeOf(flags, this.environment),
    command: 'bootstrap',
    environment: { HYPERSWEEP_BOOTSTRAP_ADDRESS: ip, HYPERSWEEP_BOOTSTRAP_PORT: `${flags.port}` },
    signal: this.signal
  })
  const address = agent.address ?? `${ip}:${flags.port}`
  this.say('A DHT node runs here until Ctrl-C. Machines that can reach this address find each other through it:')
  this.out(address)
  this.next(`hypersweep init --bootstrap ${address}`, 'found a pool that uses it; invites carry it on')
  this.signal.addEventListener('abort', () => agent.kill('SIGTERM'), { once: true })
  if (this.signal.aborted) agent.kill('SIGTERM')
  const status = await agent.ended
  this.exitWith(this.signal.aborted ? EXIT.interrupted : status === 0 ? EXIT.done : EXIT.failed)
}

/** Returns the first IPv4 address by which others may reach this machine; its own alone when it is on no network. */
export function ownAddress(interfaces: ReturnType<typeof networkInterfaces>): string {
  const addresses = Object.values(interfaces).flatMap(each => each ?? [])
  const reachable = addresses.find(
    each => each.family === 'IPv4' && !each.internal && !each.address.startsWith('169.254.')
  )
  return reachable?.address ?? '127.0.0.1'
}
