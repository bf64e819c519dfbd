/**
 * Commands about the pool: what each accepts, and its help. What they do is loaded when they are called.
 */
import { buildCommand, buildRouteMap } from '@stricli/core'
import type { Cli, CommonFlags } from '../cli.js'
import type { InitFlags } from '../commands/init.js'
import type { InviteFlags } from '../commands/invite.js'
import type { JoinFlags } from '../commands/join.js'
import { commonFlags, nameFlags, networkFlags, port } from './flags.js'

const init = buildCommand<InitFlags, [], Cli>({
  loader: async () => (await import('../commands/init.js')).init,
  parameters: {
    flags: {
      ...commonFlags,
      name: { kind: 'parsed', parse: String, optional: true, placeholder: 'pool', brief: 'The name of the pool' },
      ...nameFlags,
      ...networkFlags
    }
  },
  docs: {
    brief: 'Found a pool',
    customUsage: [
      { input: '--name lab --as ada', brief: 'A pool named lab, whose first member is ada' },
      { input: '--bootstrap 192.168.1.5:49737', brief: 'A pool that needs no internet: see `hypersweep bootstrap`' }
    ],
    fullDescription: 'Founds a pool. You are its owner and this machine its first. Nothing leaves this machine.'
  }
})

const invite = buildCommand<InviteFlags, [], Cli>({
  loader: async () => (await import('../commands/invite.js')).invite,
  parameters: {
    flags: {
      ...commonFlags,
      wait: { kind: 'boolean', optional: true, withNegated: false, brief: 'Wait until the friend has come' }
    }
  },
  docs: {
    brief: 'Let a friend in',
    customUsage: [
      { input: '', brief: 'Print an invite: one text, for one friend, for one day' },
      { input: '--wait', brief: 'Also wait until it was used' }
    ],
    fullDescription:
      'Makes an invite. Whoever has the text can come in once, so send it by a way that you trust. ' +
      'A machine of the pool must be up for the friend to come in: without a running agent this command is that machine, ' +
      'and waits.'
  }
})

const join = buildCommand<JoinFlags, [string], Cli>({
  loader: async () => (await import('../commands/join.js')).join,
  parameters: {
    flags: { ...commonFlags, ...nameFlags, ...networkFlags },
    positional: {
      kind: 'tuple',
      parameters: [
        {
          brief: 'The text that a member sent you; - reads it from standard input',
          parse: String,
          placeholder: 'invite'
        }
      ]
    }
  },
  docs: {
    brief: "Come into a friend's pool",
    customUsage: [
      { input: 'INVITE', brief: 'Come in with the text that `hypersweep invite` gave your friend' },
      { input: '- < invite.txt', brief: 'The same, and the text shows in no list of processes' }
    ],
    fullDescription:
      'Comes into a pool. The machine that made the invite must be on. Nothing of the pool runs here before ' +
      '`hypersweep up`, and no program of a friend before you approve it.'
  }
})

const machineList = buildCommand<CommonFlags, [], Cli>({
  loader: async () => (await import('../commands/machine.js')).machineList,
  parameters: { flags: commonFlags },
  docs: {
    brief: 'List the machines of the pool',
    customUsage: [{ input: '', brief: 'Who is here, with what, doing what' }]
  }
})

const machineView = buildCommand<CommonFlags, [string], Cli>({
  loader: async () => (await import('../commands/machine.js')).machineView,
  parameters: {
    flags: commonFlags,
    positional: {
      kind: 'tuple',
      parameters: [{ brief: 'Its name, or the start of its key', parse: String, placeholder: 'machine' }]
    }
  },
  docs: { brief: 'Show one machine', customUsage: [{ input: 'ada-desktop', brief: 'Its devices, and what it trains' }] }
})

const bootstrap = buildCommand<{ readonly address?: string; readonly port: number; readonly home?: string }, [], Cli>({
  loader: async () => (await import('../commands/bootstrap.js')).bootstrap,
  parameters: {
    flags: {
      address: {
        kind: 'parsed',
        parse: String,
        optional: true,
        placeholder: 'ip',
        brief: 'The IP address by which others reach this machine, if not its first one'
      },
      port: {
        kind: 'parsed',
        parse: port,
        default: '49737',
        placeholder: 'number',
        brief: 'The UDP port to listen on'
      },
      home: commonFlags.home
    }
  },
  docs: {
    brief: 'Run a DHT node, for a pool without internet',
    customUsage: [
      { input: '--address 192.168.1.5', brief: 'Machines of this network find each other through 192.168.1.5:49737' }
    ],
    fullDescription:
      'Runs a DHT node until Ctrl-C. Machines that name it with --bootstrap find each other through it, with no ' +
      'internet. It sees addresses and encrypted traffic, never what a pool does.'
  }
})

export const poolRoutes = {
  init,
  invite,
  join,
  machine: buildRouteMap({
    routes: { list: machineList, view: machineView },
    docs: { brief: 'The machines of the pool' }
  }),
  bootstrap
}
