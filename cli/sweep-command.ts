/**
 * The command of a sweep file: its arguments and the macros in them.
 *
 * Owns which macros there are. What each stands for is decided when a trial starts, by the machine that runs it.
 */
import { didYouMean, LIMITS, nearest } from '#protocol'
import { shown } from './sweep-fields.js'
import type { Issues } from './sweep-issues.js'
import type { Field } from './yaml-places.js'

/** W&B's. */
export const DEFAULT_COMMAND: readonly string[] = ['env', 'interpreter', 'program', 'args'].map(written)

/** Each stands for several arguments, so it must be an argument of its own. */
const LIST_MACROS = [
  'args',
  'args_no_equals',
  'args_no_hyphens',
  'args_no_boolean_flags',
  'args_append_hydra',
  'args_override_hydra'
]
const PLAIN_MACROS = [
  'env',
  'interpreter',
  'program',
  'args_json',
  'args_json_file',
  'checkpoint',
  'seed',
  ...LIST_MACROS
]
/** Followed by a colon and a name. */
const NAMED_MACROS = ['envvar', 'param']
const KNOWN_MACROS = [...PLAIN_MACROS, ...NAMED_MACROS.map(name => `${name}:NAME`)]

const MACRO = /\$\{([^}]*)(\}?)/g
const ENVIRONMENT_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** What a command may refer to. */
export interface CommandContext {
  readonly hasProgram: boolean
  /** Absent when the parameters could not be read, so that nothing is said about them twice. */
  readonly parameterNames: readonly string[] | undefined
}

/** Returns the arguments of a command; undefined when at least one of them was reported. */
export function readCommand(field: Field, context: CommandContext, issues: Issues): string[] | undefined {
  if (field.kind !== 'list') {
    const words = field.token.trim().split(/\s+/).slice(0, 8).join(', ')
    const hint = words === '' ? '' : ` No shell reads it: write [${words}].`
    issues.error(field, `expected a list of arguments, got ${shown(field)}.${hint}`)
    return undefined
  }
  const items = field.items()
  if (items.length === 0 || items.length > LIMITS.commandArguments) {
    issues.error(field, `expected 1 to ${LIMITS.commandArguments} arguments, got ${items.length}.`)
    return undefined
  }
  const read = items.map(item => readArgument(item, context, issues)).filter(argument => argument !== undefined)
  return read.length === items.length ? read : undefined
}

/** A number or `true` is passed as it is written: a program gets text in any case. */
function readArgument(field: Field, context: CommandContext, issues: Issues): string | undefined {
  const argument = typeof field.value === 'string' ? field.value : field.token
  if (field.kind !== 'scalar' || (argument === '' && !field.isQuoted)) {
    issues.error(field, `expected text, got ${shown(field)}.`)
    return undefined
  }
  const problems = [...argument.matchAll(MACRO)]
    .map(([, macro = '', end]) => {
      if (end === '') return `the macro ${written(macro).slice(0, -1)} has no closing brace.`
      return macroProblem(macro, context) ?? placingProblem(macro, argument)
    })
    .filter(problem => problem !== undefined)
  for (const problem of problems) issues.error(field, problem)
  return problems.length === 0 ? argument : undefined
}

function macroProblem(macro: string, { hasProgram, parameterNames }: CommandContext): string | undefined {
  if (macro === 'program' && !hasProgram) return `${written(macro)} stands for the key "program", which is missing.`
  if (PLAIN_MACROS.includes(macro)) return undefined
  const [kind = '', name] = split(macro)
  if (kind === 'envvar' && name !== undefined) {
    return ENVIRONMENT_NAME.test(name) ? undefined : `"${name}" cannot name an environment variable.`
  }
  if (kind === 'param' && name !== undefined) {
    if (parameterNames === undefined || parameterNames.includes(name)) return undefined
    return `no parameter is named "${name}".${didYouMean(name, parameterNames)}`
  }
  if (NAMED_MACROS.includes(macro)) return `${written(macro)} needs a name: ${written(`${macro}:NAME`)}.`
  const guess = nearest(macro, KNOWN_MACROS)
  const hint = guess === undefined ? `Known: ${KNOWN_MACROS.join(', ')}.` : `Did you mean ${written(guess)}?`
  return `unknown macro ${written(macro)}. ${hint}`
}

function placingProblem(macro: string, argument: string): string | undefined {
  if (!LIST_MACROS.includes(macro) || argument === written(macro)) return undefined
  return `${written(macro)} stands for several arguments and must be an argument of its own; no shell splits this one.`
}

function written(macro: string): string {
  return `\${${macro}}`
}

function split(macro: string): [string, string?] {
  const colon = macro.indexOf(':')
  return colon === -1 ? [macro] : [macro.slice(0, colon), macro.slice(colon + 1)]
}
