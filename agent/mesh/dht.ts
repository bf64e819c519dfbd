/**
 * The DHT: how machines find each other without a server.
 *
 * Owns the one place where a DHT node is made, and the private one that a club, a demo or a test runs for itself.
 */
import HyperDHT from 'hyperdht'

/** True for `name:port` or `ip:port`, as DHT nodes are named. */
export function isDhtAddress(text: string): boolean {
  const port = /^[^\s:@]+:(\d{1,5})$/.exec(text)?.[1]
  return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535
}

const LOOPBACK = '127.0.0.1'

/**
 * Returns this machine's DHT node.
 *
 * A pool whose DHT is on loopback lives on this machine alone: its nodes listen there and nowhere else, and say that
 * there is no NAT to punch through.
 * By default they would try, and over loopback that failed more often than not (measured).
 *
 * @param options.bootstrap  `host:port` of nodes to begin with; empty for the public ones.
 */
export function openDht(options: { readonly bootstrap: readonly string[]; readonly port?: number }): HyperDHT {
  const { bootstrap, port } = options
  const isLocal = bootstrap.length > 0 && bootstrap.every(address => address.startsWith(`${LOOPBACK}:`))
  return new HyperDHT({
    ...(bootstrap.length > 0 ? { bootstrap } : {}),
    ...(port === undefined ? {} : { port }),
    ...(isLocal ? { host: LOOPBACK, firewalled: false } : {})
  })
}

export interface PrivateDht {
  /** `host:port` for others to begin with. */
  readonly address: string
  close(): Promise<void>
}

/**
 * Starts a DHT of its own: one node that others begin with, and two that keep what is announced when it is restarted.
 *
 * @param host  An IPv4 address of this machine that the others reach; 127.0.0.1 for this machine alone.
 * @param port  UDP port; 0 for any free one, on 127.0.0.1 only.
 */
export async function openPrivateDht(host: string, port: number): Promise<PrivateDht> {
  const isLocal = host === LOOPBACK
  const first =
    port === 0 || isLocal
      ? new HyperDHT({ bootstrap: [], port, host: isLocal ? host : '0.0.0.0', ephemeral: false, firewalled: false })
      : HyperDHT.bootstrapper(port, host)
  await first.fullyBootstrapped()
  const address = `${host}:${first.address().port}`
  const more = [1, 2].map(
    () => new HyperDHT({ bootstrap: [address], host: isLocal ? host : '0.0.0.0', ephemeral: false, firewalled: false })
  )
  await Promise.all(more.map(node => node.fullyBootstrapped()))
  return {
    address,
    async close() {
      for (const node of [...more, first]) await node.destroy({ force: true })
    }
  }
}
