/**
 * Usage: what a person reads who typed a command that there is not.
 *
 * Owns the words; where a command line goes wrong is the parser's finding. Its texts are one sentence and a hint.
 */
import {
  type ApplicationText,
  ArgumentScannerError,
  EnumValidationError,
  FlagNotFoundError,
  formatMessageForArgumentScannerError,
  text_en,
  UnexpectedPositionalError,
  UnsatisfiedPositionalError
} from '@stricli/core'

/** Why a command did not run: it was typed wrongly, or it threw. */
export type Complaint = { readonly usage: { message: string; hint: string } } | { readonly thrown: unknown }

/**
 * Returns the parser's texts, which print nothing: each goes to `complain` instead.
 *
 * @param helpOf  The command line that shows the help of what was typed.
 */
export function complainingText(complain: (complaint: Complaint) => void, helpOf: () => string): ApplicationText {
  const thrown = (error: unknown) => {
    complain({ thrown: error })
    return ''
  }
  const wrong = (message: string, hint = `See \`${helpOf()}\`.`) => {
    complain({ usage: { message, hint } })
    return ''
  }
  return {
    ...text_en,
    briefs: {
      ...text_en.briefs,
      help: 'Print this help',
      helpAll: 'Print all help',
      version: 'Print the version',
      argumentEscapeSequence: 'What follows is no flag'
    },
    noCommandRegisteredForInput: ({ input, corrections }) =>
      wrong(`There is no command "${input}".`, meant(corrections) ?? `See \`${helpOf()}\`.`),
    exceptionWhileParsingArguments: error =>
      error instanceof FlagNotFoundError
        ? wrong(`There is no flag "--${error.input}" here.`, meant(error.corrections.map(flag => `--${flag}`)))
        : wrong(sentenceOf(error)),
    exceptionWhileLoadingCommandFunction: thrown,
    exceptionWhileLoadingCommandContext: thrown,
    exceptionWhileRunningCommand: thrown,
    exceptionWhileRunningIntegrationFlag: ({ exception }) => thrown(exception),
    exceptionWhileRunningIntegrationHook: ({ exception }) => thrown(exception)
  }
}

function sentenceOf(error: unknown): string {
  if (error instanceof UnsatisfiedPositionalError) return `<${error.placeholder}> is missing.`
  if (error instanceof UnexpectedPositionalError) return `"${error.input}" is one argument too many.`
  if (error instanceof EnumValidationError) {
    return `--${error.externalFlagName} is one of ${error.values.join(', ')}, not "${error.input}".`
  }
  if (!(error instanceof ArgumentScannerError)) return error instanceof Error ? error.message : String(error)
  const text = formatMessageForArgumentScannerError(error, {
    ArgumentParseError: ({ externalFlagNameOrPlaceholder: name, input, exception }) =>
      `${name}: "${input}" ${exception instanceof Error ? exception.message : 'is not right'}`,
    AliasNotFoundError: ({ input }) => `There is no flag "-${input}" here`,
    UnsatisfiedFlagError: ({ externalFlagName }) => `--${externalFlagName} needs a value`,
    UnexpectedFlagError: ({ externalFlagName }) => `--${externalFlagName} is given twice`
  })
  return `${text.replace(/\.$/, '')}.`
}

function meant(corrections: readonly string[]): string | undefined {
  if (corrections.length === 0) return undefined
  return `Did you mean ${corrections.map(each => each.replaceAll('`', '"')).join(' or ')}?`
}
