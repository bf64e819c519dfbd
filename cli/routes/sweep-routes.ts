/**
 * Commands about sweeps and trials: what each accepts, and its help.
 */
import { buildCommand, buildRouteMap } from '@stricli/core'
import type { Cli, CommonFlags } from '../cli.js'
import type { ApproveFlags } from '../commands/approve.js'
import type { CheckFlags } from '../commands/check.js'
import type { ImportFlags } from '../commands/import.js'
import type { InsightFlags } from '../commands/insight.js'
import type { SimulateFlags } from '../commands/simulate.js'
import type { SubmitFlags } from '../commands/submit.js'
import type { StopFlags } from '../commands/sweep.js'
import type { WatchFlags } from '../commands/watch.js'
import { commonFlags, duration, sweepArgument, trialArgument, wholeNumber, yesFlag } from './flags.js'

/** A person reads a screen or two; a script names a larger number. */
const ROWS_MAX = 1000

/** Trials that a sweep file may name. */
const NAMED_TRIALS_MAX = 100

const sweepFileArgument = { brief: 'The sweep file', parse: String, placeholder: 'sweep.yaml' } as const
const oneFile = { kind: 'tuple', parameters: [sweepFileArgument] } as const
const oneSweep = { kind: 'tuple', parameters: [sweepArgument] } as const
const maybeSweep = { kind: 'tuple', parameters: [{ ...sweepArgument, optional: true }] } as const
const oneTrial = { kind: 'tuple', parameters: [sweepArgument, trialArgument] } as const

const check = buildCommand<CheckFlags, [string?], Cli>({
  loader: async () => (await import('../commands/check.js')).check,
  parameters: {
    flags: {
      ...commonFlags,
      schema: { kind: 'boolean', optional: true, withNegated: false, brief: 'Print the JSON Schema for editors' }
    },
    positional: { kind: 'tuple', parameters: [{ ...sweepFileArgument, optional: true }] }
  },
  docs: {
    brief: 'Check a sweep file, and show what it would run',
    customUsage: [
      { input: 'sweep.yaml', brief: 'The parameters, the first trials, and all that is wrong' },
      { input: '--schema > sweep.schema.json', brief: 'For the editor: checks and completes sweep files' }
    ],
    fullDescription:
      'Reads a sweep file and shows its parameters, how trials are chosen, how many there are and the first of them. ' +
      'Every problem is told with line and column, status 2. Nothing is sent anywhere.'
  }
})

const importCommand = buildCommand<ImportFlags, [string], Cli>({
  loader: async () => (await import('../commands/import.js')).importSweep,
  parameters: {
    flags: {
      ...commonFlags,
      study: {
        kind: 'parsed',
        parse: String,
        optional: true,
        placeholder: 'name',
        brief: "Which of Optuna's studies"
      },
      best: {
        kind: 'parsed',
        parse: wholeNumber(0, NAMED_TRIALS_MAX),
        default: '10',
        placeholder: 'number',
        brief: 'How many of its best trials run first'
      },
      metric: {
        kind: 'parsed',
        parse: String,
        optional: true,
        placeholder: 'name',
        brief: 'How the program calls the objective: objective for Optuna, eval_loss for Axolotl'
      },
      program: {
        kind: 'parsed',
        parse: String,
        default: 'train.py',
        placeholder: 'file',
        brief: "Optuna's: what to run"
      },
      config: {
        kind: 'parsed',
        parse: String,
        default: 'config.yml',
        placeholder: 'file',
        brief: "Axolotl's: the configuration that the sweep varies"
      }
    },
    positional: { kind: 'tuple', parameters: [{ brief: 'The file', parse: String, placeholder: 'file' }] }
  },
  docs: {
    brief: "Make a sweep file from Optuna's, Axolotl's or W&B's",
    customUsage: [
      { input: 'optuna.log --study demo > sweep.yaml', brief: 'Its space, and its ten best trials to begin with' },
      { input: 'sweep.yml --config lora.yml > sweep.yaml', brief: "Axolotl's lists as a grid" },
      { input: 'wandb.yaml > sweep.yaml', brief: "W&B's with all that it leaves out" }
    ],
    fullDescription:
      'Reads a journal of Optuna, a sweep list of Axolotl or a sweep file of W&B, and prints a sweep file. ' +
      "Optuna's results stay: its best configurations are trained again, so that nothing unverified enters the pool. " +
      "W&B's sweep files run without it."
  }
})

const submit = buildCommand<SubmitFlags, [string], Cli>({
  loader: async () => (await import('../commands/submit.js')).submit,
  parameters: {
    flags: {
      ...commonFlags,
      watch: { kind: 'boolean', optional: true, withNegated: false, brief: 'Watch it until it is done' },
      dryRun: { kind: 'boolean', optional: true, withNegated: false, brief: 'Do all but submit it; needs no agent' }
    },
    aliases: { w: 'watch' },
    positional: oneFile
  },
  docs: {
    brief: 'Start a sweep from its file',
    customUsage: [
      { input: 'sweep.yaml', brief: 'Check the file, pack its folder, and offer its trials to the pool' },
      { input: 'sweep.yaml --watch', brief: 'The same, and watch' }
    ],
    fullDescription:
      'Starts a sweep. The folder of the file travels with it: the program and what it needs. A W&B sweep file works as ' +
      'it is, if it uses what is known here; every problem is told with its place.'
  }
})

const simulate = buildCommand<SimulateFlags, [string], Cli>({
  loader: async () => (await import('../commands/simulate.js')).simulate,
  parameters: {
    flags: {
      ...commonFlags,
      trialTime: {
        kind: 'parsed',
        parse: duration,
        optional: true,
        placeholder: '20m',
        brief: 'How long one full training takes on this machine, where nothing like it has run'
      },
      watts: {
        kind: 'parsed',
        parse: wholeNumber(1, 10_000),
        optional: true,
        placeholder: 'number',
        brief: 'What a device draws while it trains, where nobody has measured it'
      }
    },
    positional: oneFile
  },
  docs: {
    brief: 'How long a sweep would take, what it would cost, and which trials fit whom',
    customUsage: [
      { input: 'sweep.yaml', brief: 'By what the pool knows of trainings like its' },
      { input: 'sweep.yaml --trial-time 20m', brief: 'Nothing like it has run: one training takes 20 minutes here' }
    ],
    fullDescription:
      'Plays a sweep many times in virtual time on the devices of the pool that are here, with its early stopping ' +
      'and its budget. How long trainings take, what memory they need and what devices draw comes from results ' +
      'in the pool. Nothing is submitted and nothing is sent.'
  }
})

const approve = buildCommand<ApproveFlags, [string], Cli>({
  loader: async () => (await import('../commands/approve.js')).approve,
  parameters: {
    flags: { ...commonFlags, ...yesFlag },
    aliases: { y: 'yes' },
    positional: oneSweep
  },
  docs: {
    brief: "Let this machine run a friend's sweep",
    customUsage: [{ input: 'digits', brief: 'Show the command and the files that would run here, and ask' }],
    fullDescription:
      "Approves the command and the exact files of a friend's sweep, by their digest. It is your friend's program, " +
      'and it runs on your machine: approve what you would start yourself.'
  }
})

const watch = buildCommand<WatchFlags, [string?], Cli>({
  loader: async () => (await import('../commands/watch.js')).watch,
  parameters: {
    flags: {
      ...commonFlags,
      untilDone: { kind: 'boolean', optional: true, withNegated: false, brief: 'End when the sweep has ended' }
    },
    positional: maybeSweep
  },
  docs: {
    brief: 'A live screen of the pool and a sweep',
    customUsage: [
      { input: '', brief: 'The newest sweep that runs; q quits' },
      { input: 'digits --until-done', brief: 'One sweep, until it has ended' },
      { input: '--json', brief: 'One JSON object a line, each time that something changed' }
    ]
  }
})

const best = buildCommand<CommonFlags & { readonly count: number }, [string?], Cli>({
  loader: async () => (await import('../commands/best.js')).best,
  parameters: {
    flags: {
      ...commonFlags,
      count: {
        kind: 'parsed',
        parse: wholeNumber(1, ROWS_MAX),
        default: '10',
        placeholder: 'number',
        brief: 'How many trials'
      }
    },
    aliases: { n: 'count' },
    positional: maybeSweep
  },
  docs: {
    brief: 'The best trials of a sweep, and how to repeat them',
    customUsage: [
      { input: '', brief: 'Of the newest sweep' },
      { input: 'digits --count 3', brief: 'The best three of one' }
    ]
  }
})

const sweepList = buildCommand<CommonFlags, [], Cli>({
  loader: async () => (await import('../commands/sweep.js')).sweepList,
  parameters: { flags: commonFlags },
  docs: { brief: 'List the sweeps of the pool', customUsage: [{ input: '', brief: 'The newest first' }] }
})

const sweepView = buildCommand<CommonFlags, [string], Cli>({
  loader: async () => (await import('../commands/sweep.js')).sweepView,
  parameters: { flags: commonFlags, positional: oneSweep },
  docs: { brief: 'Show one sweep', customUsage: [{ input: 'digits', brief: 'How far, how good, what went wrong' }] }
})

const sweepInsight = buildCommand<InsightFlags, [string], Cli>({
  loader: async () => (await import('../commands/insight.js')).sweepInsight,
  parameters: {
    flags: {
      ...commonFlags,
      write: {
        kind: 'parsed',
        parse: String,
        optional: true,
        placeholder: 'next.yaml',
        brief: 'Write the next sweep to this file, which must not be there yet'
      }
    },
    positional: oneSweep
  },
  docs: {
    brief: 'What a sweep has taught, and what to try next',
    customUsage: [
      { input: 'digits', brief: 'Which parameters mattered, where the best lie, where trials failed' },
      { input: 'digits --write next.yaml', brief: 'The same, and the next sweep as a file' }
    ],
    fullDescription:
      'Shows which parameters decided what the best trials are, how their ranges could be narrowed, where trials ' +
      'diverged or ran out of memory, and a next sweep that begins with the best configurations. Changes nothing.'
  }
})

const sweepStop = buildCommand<StopFlags, [string], Cli>({
  loader: async () => (await import('../commands/sweep.js')).sweepStop,
  parameters: {
    flags: { ...commonFlags, ...yesFlag },
    aliases: { y: 'yes' },
    positional: oneSweep
  },
  docs: {
    brief: 'Stop a sweep on every machine',
    customUsage: [{ input: 'digits', brief: 'Asks first. No trial of it is started any more; results stay' }]
  }
})

const trialList = buildCommand<CommonFlags & { readonly limit: number }, [string], Cli>({
  loader: async () => (await import('../commands/trial.js')).trialList,
  parameters: {
    flags: {
      ...commonFlags,
      limit: {
        kind: 'parsed',
        parse: wholeNumber(1, 100_000),
        default: '50',
        placeholder: 'number',
        brief: 'How many trials'
      }
    },
    positional: oneSweep
  },
  docs: { brief: 'List the trials of a sweep', customUsage: [{ input: 'digits', brief: 'What each has come to' }] }
})

const trialView = buildCommand<CommonFlags, [string, number], Cli>({
  loader: async () => (await import('../commands/trial.js')).trialView,
  parameters: { flags: commonFlags, positional: oneTrial },
  docs: {
    brief: 'Show one trial',
    customUsage: [{ input: 'digits 4', brief: 'Parameters, loss curve, and each attempt' }]
  }
})

const trialExplain = buildCommand<CommonFlags, [string, number], Cli>({
  loader: async () => (await import('../commands/trial.js')).trialExplain,
  parameters: { flags: commonFlags, positional: oneTrial },
  docs: {
    brief: 'Why a trial is what it is',
    customUsage: [{ input: 'digits 4', brief: 'Where its parameters come from, and why it ended or goes on' }]
  }
})

const trialLogs = buildCommand<CommonFlags, [string, number], Cli>({
  loader: async () => (await import('../commands/trial.js')).trialLogs,
  parameters: { flags: commonFlags, positional: oneTrial },
  docs: {
    brief: 'Print what a trial printed',
    customUsage: [{ input: 'digits 4', brief: 'All that this machine has of it' }]
  }
})

export const sweepRoutes = {
  check,
  import: importCommand,
  simulate,
  submit,
  approve,
  watch,
  best,
  sweep: buildRouteMap({
    routes: { list: sweepList, view: sweepView, insight: sweepInsight, stop: sweepStop },
    docs: { brief: 'Sweeps of the pool' }
  }),
  trial: buildRouteMap({
    routes: { list: trialList, view: trialView, explain: trialExplain, logs: trialLogs },
    docs: { brief: 'Trials of a sweep' }
  })
}
