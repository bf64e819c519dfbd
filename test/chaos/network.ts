/**
 * A network of its own: each machine in a network namespace, joined by a bridge in another one, with a DHT beside it.
 *
 * Touches nothing of this computer's network: all of it lives in namespaces that are removed at the end. Needs root and
 * `ip` of iproute2. A cut is a neighbour's false hardware address: frames go out and nobody takes them, as on a broken
 * link, and the sender hears no error. (A filter would do the same, with one more tool to install.)
 */
import { execFileSync } from 'node:child_process'
import { atExit } from './exit.js'

const DHT_PORT = 49_737
/** Belongs to nobody: locally administered, and none of ours. */
const NOBODY = '02:00:00:00:00:01'

export interface Network {
  /** `ip:port` at which the DHT listens. */
  readonly dhtAddress: string
  address(name: string): string
  /** Words that start a command where a machine lives; the DHT lives at the bridge, by the name `dht`. */
  prefix(name: string): readonly string[]
  /** What `from` sends no longer reaches `to`. */
  cut(from: string, to: string): void
  join(from: string, to: string): void
  close(): void
}

/** Returns why there can be no network of namespaces here; nothing when there can. */
export function missingNetwork(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces exist on Linux only'
  if (process.getuid?.() !== 0) return 'only root may make network namespaces'
  const probe = `hypersweep-probe-${process.pid}`
  try {
    ip('netns', 'add', probe)
    ip('-n', probe, 'link', 'add', 'probe', 'type', 'veth', 'peer', 'name', 'eborp')
    ip('-n', probe, 'link', 'add', 'bridge', 'type', 'bridge')
    return undefined
  } catch (error) {
    return `network namespaces cannot be made: ${error instanceof Error ? error.message.split('\n')[0] : error}`
  } finally {
    tryTo(() => ip('netns', 'del', probe))
  }
}

let networks = 0

/** Makes the namespaces. Each machine gets an address in 10.77.0.0/24 that only they know. */
export function openNetwork(names: readonly string[]): Network {
  const base = `hypersweep-${process.pid}-${++networks}`
  const space = (name: string) => `${base}-${name}`
  const hub = space('hub')
  const address = (name: string) => `10.77.0.${names.indexOf(name) + 11}`
  const spaces = [hub, ...names.map(space)]
  const close = atExit(() => {
    for (const each of spaces) tryTo(() => ip('netns', 'del', each))
  })

  ip('netns', 'add', hub)
  ip('-n', hub, 'link', 'add', 'bridge', 'type', 'bridge')
  ip('-n', hub, 'addr', 'add', '10.77.0.1/24', 'dev', 'bridge')
  for (const device of ['lo', 'bridge']) ip('-n', hub, 'link', 'set', device, 'up')
  for (const [index, name] of names.entries()) {
    ip('netns', 'add', space(name))
    ip('-n', hub, 'link', 'add', `port${index}`, 'type', 'veth', 'peer', 'name', 'net', 'netns', space(name))
    ip('-n', hub, 'link', 'set', `port${index}`, 'master', 'bridge', 'up')
    ip('-n', space(name), 'addr', 'add', `${address(name)}/24`, 'dev', 'net')
    for (const device of ['lo', 'net']) ip('-n', space(name), 'link', 'set', device, 'up')
    ip('-n', space(name), 'route', 'add', 'default', 'via', '10.77.0.1')
  }

  return {
    dhtAddress: `10.77.0.1:${DHT_PORT}`,
    address,
    prefix: name => ['ip', 'netns', 'exec', name === 'dht' ? hub : space(name)],
    cut: (from, to) =>
      ip('-n', space(from), 'neigh', 'replace', address(to), 'lladdr', NOBODY, 'dev', 'net', 'nud', 'permanent'),
    join: (from, to) => ip('-n', space(from), 'neigh', 'del', address(to), 'dev', 'net'),
    close
  }
}

function ip(...words: readonly string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] })
}

function tryTo(act: () => void): void {
  try {
    act()
  } catch {
    // It was never made, or is gone.
  }
}
