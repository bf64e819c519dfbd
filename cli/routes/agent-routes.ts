/**
 * Commands about this machine's agent: what each accepts, and its help.
 */
import { buildCommand } from '@stricli/core'
import type { Cli, CommonFlags } from '../cli.js'
import type { PauseFlags, ResumeFlags } from '../commands/pause.js'
import type { UpFlags } from '../commands/up.js'
import { commonFlags, networkFlags } from './flags.js'

const up = buildCommand<UpFlags, [], Cli>({
  loader: async () => (await import('../commands/up.js')).up,
  parameters: {
    flags: {
      ...commonFlags,
      foreground: {
        kind: 'boolean',
        optional: true,
        withNegated: false,
        brief: 'Stay attached and show its log, until Ctrl-C'
      },
      approve: {
        kind: 'enum',
        values: ['ask', 'all'],
        optional: true,
        brief: "ask: you approve each sweep of a friend (the default). all: every member's programs run here at once"
      },
      ...networkFlags
    },
    aliases: { f: 'foreground' }
  },
  docs: {
    brief: 'Start the agent: this machine works for the pool',
    customUsage: [
      { input: '', brief: 'In the background; `hypersweep down` ends it' },
      { input: '--foreground', brief: 'Attached, for a service manager or to read its log' }
    ],
    fullDescription:
      'Starts the agent of this machine. It connects to the pool, takes trials that fit its devices, and shares the results.'
  }
})

const down = buildCommand<CommonFlags, [], Cli>({
  loader: async () => (await import('../commands/down.js')).down,
  parameters: { flags: commonFlags },
  docs: {
    brief: 'Stop the agent',
    customUsage: [{ input: '', brief: 'Its trials go back to the pool' }],
    fullDescription:
      'Stops the agent of this machine and its programs. Trials under way go back to the pool for others.'
  }
})

const deviceFlag = {
  device: {
    kind: 'parsed',
    parse: String,
    optional: true,
    placeholder: 'name',
    brief: 'One device alone: its id, the start of it, or its model'
  }
} as const

const pause = buildCommand<PauseFlags, [string?], Cli>({
  loader: async () => (await import('../commands/pause.js')).pause,
  parameters: {
    flags: {
      ...commonFlags,
      ...deviceFlag,
      now: { kind: 'boolean', optional: true, withNegated: false, brief: 'Kill what runs, within 2 seconds' },
      finish: { kind: 'boolean', optional: true, withNegated: false, brief: 'Let what runs end by itself' }
    },
    positional: {
      kind: 'tuple',
      parameters: [
        {
          brief: 'How long, such as 90m or 2h; until `hypersweep resume` without it',
          parse: String,
          placeholder: 'duration',
          optional: true
        }
      ]
    }
  },
  docs: {
    brief: 'Take this machine back for a while',
    customUsage: [
      { input: '2h', brief: 'No work for two hours' },
      { input: '', brief: 'No work until `hypersweep resume`' },
      { input: '90m --device "RTX 3060"', brief: 'One device alone; the others go on' },
      { input: '--now', brief: 'I need it this second: what runs is killed' },
      { input: '--finish', brief: 'What runs may end by itself; nothing new begins' }
    ],
    fullDescription:
      'Takes no work on this machine, or on one of its devices. Attempts that run get up to 60 s for a checkpoint, ' +
      'then they are killed; their trials go back to the pool for others. The pause outlives a restart of the agent.'
  }
})

const resume = buildCommand<ResumeFlags, [], Cli>({
  loader: async () => (await import('../commands/pause.js')).resume,
  parameters: { flags: { ...commonFlags, ...deviceFlag } },
  docs: {
    brief: 'End a pause',
    customUsage: [
      { input: '', brief: 'This machine takes work again, with all its devices' },
      { input: '--device "RTX 3060"', brief: 'One device that was paused alone' }
    ]
  }
})

const status = buildCommand<CommonFlags, [], Cli>({
  loader: async () => (await import('../commands/status.js')).status,
  parameters: { flags: commonFlags },
  docs: {
    brief: 'What the agent does, and how the pool is',
    customUsage: [
      { input: '', brief: 'A few lines' },
      { input: '--json', brief: 'For scripts' }
    ]
  }
})

const doctor = buildCommand<CommonFlags, [], Cli>({
  loader: async () => (await import('../commands/doctor.js')).doctor,
  parameters: { flags: commonFlags },
  docs: {
    brief: 'Find out what is wrong',
    customUsage: [{ input: '', brief: 'Check this machine, its agent and its network' }],
    fullDescription: 'Checks this machine, and the agent if it runs. Exit status 1 means that something must be mended.'
  }
})

const verify = buildCommand<CommonFlags, [], Cli>({
  loader: async () => (await import('../commands/verify.js')).verify,
  parameters: { flags: commonFlags },
  docs: {
    brief: 'Check that nothing of the store is damaged',
    customUsage: [{ input: '', brief: 'Read every log and compare it with what was signed; the agent must be down' }],
    fullDescription:
      'Checks the store of this machine against everything that must hold of it, and changes nothing. A large store ' +
      'takes minutes. Exit status 1 means that something is wrong; each such line says what to do.'
  }
})

const demo = buildCommand<{ readonly json?: boolean; readonly keep?: boolean }, [], Cli>({
  loader: async () => (await import('../commands/demo.js')).demo,
  parameters: {
    flags: {
      json: commonFlags.json,
      keep: { kind: 'boolean', optional: true, withNegated: false, brief: 'Leave its folder in place, to look into it' }
    }
  },
  docs: {
    brief: 'See all of it at work, without friends',
    customUsage: [{ input: '', brief: 'A pool of three machines on this one, and a small sweep' }]
  }
})

export const agentRoutes = { up, down, pause, resume, status, doctor, verify, demo }
