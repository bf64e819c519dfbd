/**
 * Constraints: which configurations of a sweep are never run.
 *
 * Owns what it means to break one. A pure function of the configuration, so that all machines agree.
 */
import type { Parameters, SweepSpec } from '../sweep-spec.js'
import { type Expression, evaluate, namesIn, parseExpression } from './expression.js'

/** Reading the same texts again would take longer than computing them. */
const read = new WeakMap<readonly string[], readonly Expression[]>()

/**
 * True when a configuration breaks no constraint of its sweep.
 *
 * A constraint that names a parameter which is not there (`when`) says nothing about the configuration. One without a
 * value, since it adds a text or divides by 0, is broken: only what is true is run.
 */
export function satisfies({ constraints = [] }: Pick<SweepSpec, 'constraints'>, parameters: Parameters): boolean {
  const expressions = read.get(constraints) ?? constraints.flatMap(expressionOf)
  read.set(constraints, expressions)
  return expressions.every(expression => {
    const isThere = namesIn(expression).every(({ name }) => Object.hasOwn(parameters, name))
    return !isThere || evaluate(expression, parameters) === true
  })
}

/** The schema refuses what cannot be read. */
function expressionOf(text: string): Expression[] {
  const parsed = parseExpression(text)
  return 'expression' in parsed ? [parsed.expression] : []
}
