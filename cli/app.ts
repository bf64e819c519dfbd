/**
 * The application: from the words of a command line to one command and its exit status.
 *
 * Owns the tree of commands and the order of things at the edge. What a command does is loaded when it is called, so
 * that help is there at once.
 */
import { buildApplication, buildRouteMap, help, type RouteMap, run, version } from '@stricli/core'
import { type Cli, createCli } from './cli.js'
import { agentRoutes } from './routes/agent-routes.js'
import { poolRoutes } from './routes/pool-routes.js'
import { ROOT_HELP } from './routes/root-help.js'
import { sweepRoutes } from './routes/sweep-routes.js'
import { streamColumns, wrapHelp, wrapMessage } from './terminal/message.js'
import { COLOUR_STYLE, hasColours, PLAIN_STYLE } from './terminal/style.js'
import { type Complaint, complainingText } from './usage.js'
import { VERSION } from './version.js'

const NAME = 'hypersweep'

/**
 * Runs one command line.
 *
 * @param inputs  The words after the program's name.
 * @returns       The exit status, one of `EXIT`. Never throws.
 */
export async function runCli(inputs: readonly string[], process: NodeJS.Process, signal: AbortSignal): Promise<number> {
  const { stdout, stderr, env } = process
  let complaint: Complaint | undefined
  let status = 0
  let prefix: readonly string[] = [NAME]
  const text = complainingText(
    told => {
      complaint ??= told
    },
    () => [...prefix, '--help'].join(' ')
  )
  const application = buildApplication(rootRoutes(), configuration(text), integrations())
  const colourDepth = hasColours(stdout, env) ? 4 : 1
  await run(application, withoutHelpWord(inputs), {
    process: {
      env,
      stdout: {
        write: words => void stdout.write(wrapHelp(words, streamColumns(stdout))),
        getColorDepth: () => colourDepth
      },
      // Every complaint is kept above and told once, below.
      stderr: { write: () => undefined }
    },
    forCommand: info => {
      prefix = info.prefix
      return createCli({ process, signal, exitWith: code => (status = code) })
    }
  })
  if (complaint === undefined) return status
  const { EXIT, PoolError } = await import('#protocol')
  if (signal.aborted) return EXIT.interrupted
  const { failureOf } = await import('./failure.js')
  const error =
    'usage' in complaint ? new PoolError('REQUEST_INVALID', complaint.usage.message, complaint.usage) : complaint.thrown
  const failure = failureOf(error, env, hasColours(stderr, env) ? COLOUR_STYLE : PLAIN_STYLE)
  if (inputs.includes('--json')) stdout.write(`${failure.json}\n`)
  else stderr.write(`${wrapMessage(failure.text, streamColumns(stderr))}\n`)
  return failure.status
}

function rootRoutes(): RouteMap<Cli> {
  const routes = buildRouteMap<string, Cli>({
    routes: { ...poolRoutes, ...agentRoutes, ...sweepRoutes },
    docs: { brief: "A pool of friends' machines that runs hyperparameter sweeps" }
  })
  // The parser would list every command twice and could not say which belong together.
  return { ...routes, formatHelp: () => ROOT_HELP }
}

function configuration(text: ReturnType<typeof complainingText>) {
  return {
    name: NAME,
    scanner: { caseStyle: 'allow-kebab-for-camel', allowArgumentEscapeSequence: true },
    documentation: { caseStyle: 'convert-camel-to-kebab', onlyRequiredInUsageLine: true },
    localization: { text }
  } as const
}

function integrations() {
  return {
    help: help<Cli>({
      brief: 'Print this help',
      defaultForRouteMap: true,
      formatting: { useAliasInUsageLine: false, onlyRequiredInUsageLine: true, caseStyle: 'convert-camel-to-kebab' }
    }),
    version: version<Cli>({ brief: 'Print the version', info: { currentVersion: VERSION } })
  }
}

/** `hypersweep help submit` is what people type who are used to git. */
function withoutHelpWord(inputs: readonly string[]): readonly string[] {
  return inputs[0] === 'help' ? [...inputs.slice(1), '--help'] : inputs
}
