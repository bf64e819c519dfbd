/**
 * Command: a sweep's command with its macros replaced.
 *
 * Owns the macros: those of W&B sweeps and a few of our own. Pure. There is no shell: an argument stays one argument,
 * whatever a parameter's value holds.
 * Source: W&B's sweep documentation, "Command macros".
 */
import { type Configuration, type Json, nearest, PoolError } from '#protocol'
import { type Environment, pythonText } from './environment.js'

/** What the macros stand for on this machine. Paths are absolute. */
export interface CommandContext {
  readonly program?: string
  /** By full name, each as the value that the program gets. */
  readonly parameters: Configuration
  /** The same with maps where they are nested. */
  readonly configuration: Configuration
  readonly parametersFile: string
  readonly checkpoint: string
  readonly seed: number
  /** Name or path of Python here. */
  readonly interpreter: string
  /** What the program may see of the agent's environment, and nothing else of it. */
  readonly environment: Environment
  readonly isWindows: boolean
}

type Writer = (name: string, value: Json) => readonly string[]

/** Macros that stand for several arguments, one parameter after the other. */
const LISTS: Readonly<Record<string, Writer>> = {
  args: (name, value) => [`--${name}=${pythonText(value)}`],
  args_no_equals: (name, value) => [`--${name}`, pythonText(value)],
  args_no_hyphens: (name, value) => [`${name}=${pythonText(value)}`],
  args_no_boolean_flags: (name, value) => {
    if (typeof value !== 'boolean') return [`--${name}=${pythonText(value)}`]
    return value ? [`--${name}`] : []
  },
  args_append_hydra: (name, value) => [`+${name}=${hydraText(value)}`],
  args_override_hydra: (name, value) => [`++${name}=${hydraText(value)}`]
}

/** Macros that stand for a text, alone or inside an argument. The second kind takes a name after a colon. */
const TEXTS = ['interpreter', 'program', 'args_json', 'args_json_file', 'checkpoint', 'seed'] as const
const NAMED = ['envvar', 'param'] as const

const KNOWN = ['env', ...Object.keys(LISTS), ...TEXTS, ...NAMED.map(name => `${name}:`)]

const WHOLE = /^\$\{([^{}:]*)\}$/
const MACRO = /\$\{([^{}:]*)(?::([^{}]*))?\}/g

/**
 * Returns the program to start and its arguments.
 *
 * Errors: `SWEEP_INVALID` for an unknown or misplaced macro, or a command that comes to nothing: no machine can run
 * this sweep. `NOT_FOUND` for an environment variable that this machine lacks: another may have it.
 */
export function expandCommand(command: readonly string[], context: CommandContext): [string, ...string[]] {
  const [file, ...rest] = command.flatMap(argument => expandArgument(argument, context))
  if (file === undefined || file === '') throw invalid("The sweep's command names no program.")
  return [file, ...rest]
}

function expandArgument(argument: string, context: CommandContext): readonly string[] {
  const name = WHOLE.exec(argument)?.[1]
  if (name === 'env') return context.isWindows ? [] : ['/usr/bin/env']
  const writer = name !== undefined && Object.hasOwn(LISTS, name) ? LISTS[name] : undefined
  if (writer !== undefined) return Object.entries(context.parameters).flatMap(([key, value]) => writer(key, value))
  return [argument.replace(MACRO, (macro, key: string, of?: string) => textOf(macro, key, of, context))]
}

function textOf(macro: string, key: string, of: string | undefined, context: CommandContext): string {
  switch (of === undefined ? key : `${key}:`) {
    case 'interpreter':
      return context.interpreter
    case 'program':
      if (context.program === undefined) throw invalid(`The command uses ${macro}, but the sweep names no program.`)
      return context.program
    case 'args_json':
      return JSON.stringify(context.configuration)
    case 'args_json_file':
      return context.parametersFile
    case 'checkpoint':
      return context.checkpoint
    case 'seed':
      return String(context.seed)
    case 'param:':
      return parameterOf(of ?? '', context)
    case 'envvar:':
      return variableOf(of ?? '', context)
    default:
      throw unknown(macro, key, of)
  }
}

function parameterOf(name: string, { parameters }: CommandContext): string {
  const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined
  if (value !== undefined) return pythonText(value)
  throw invalid(
    `The command uses \${param:${name}}, but the sweep has no such parameter.`,
    name,
    Object.keys(parameters)
  )
}

function variableOf(name: string, { environment }: CommandContext): string {
  const value = Object.hasOwn(environment, name) ? environment[name] : undefined
  if (value !== undefined) return value
  throw new PoolError('NOT_FOUND', `This machine has no environment variable ${name} that a program may see.`)
}

function unknown(macro: string, key: string, of: string | undefined): PoolError {
  const isList = of === undefined && (key === 'env' || Object.hasOwn(LISTS, key))
  if (isList) return invalid(`The macro ${macro} must be an argument of its own.`)
  return invalid(`The command uses ${macro}, which is not a macro.`, of === undefined ? key : `${key}:`, KNOWN)
}

function invalid(message: string, word = '', known: readonly string[] = []): PoolError {
  const near = nearest(word, known)
  const isMacro = known === KNOWN
  const meant =
    near === undefined ? '' : ` Did you mean ${isMacro ? `\${${near.replace(':', ':NAME')}}` : `"${near}"`}?`
  const hint = isMacro ? { hint: `Macros: ${KNOWN.map(name => name.replace(':', ':NAME')).join(', ')}.` } : {}
  return new PoolError('SWEEP_INVALID', `${message}${meant}`, hint)
}

/** Hydra's grammar calls nothing `null`; it would take `None` for a text. */
function hydraText(value: Json): string {
  return value === null ? 'null' : pythonText(value)
}
