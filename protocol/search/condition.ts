/**
 * Conditions: which parameters a configuration has.
 *
 * Owns what `when` means: a parameter is there only where another one is, with one of certain values.
 */
import type { Parameters, SweepSpec } from '../sweep-spec.js'
import { isPresent } from './dimension.js'

/** Returns the values of the parameters that are there beside the others, in the order in which they were given. */
export function presentOf({ parameters }: Pick<SweepSpec, 'parameters'>, values: Parameters): Parameters {
  // Ends, since the schema refuses conditions that lead back to themselves.
  const isThere = (name: string): boolean => {
    const when = parameters[name]?.when
    return when === undefined || (isThere(when.parameter) && isPresent({ when }, values))
  }
  return Object.fromEntries(Object.entries(values).filter(([name]) => isThere(name)))
}
