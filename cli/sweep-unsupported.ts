/**
 * What W&B has and this pool does not run: what to write instead.
 *
 * Owns the advice on each distribution, with the numbers of the file put into it where they can be.
 */
import type { Field } from './yaml-places.js'

/** Digits of a number that is proposed. */
const DIGITS = 3
/** Standard deviations on both sides of the mean that a range in place of a normal distribution covers. */
const SIGMAS = 2

type Fields = ReadonlyMap<string, Field>

const ADVICE: Readonly<Record<string, (fields: Fields) => string>> = {
  normal: fields => `Use "uniform"${aroundMean(fields)}.`,
  q_normal: fields => `Use "q_uniform"${aroundMean(fields)}.`,
  log_normal: fields => `Use "log_uniform_values"${aroundMean(fields, Math.exp)}.`,
  q_log_normal: fields => `Use "q_log_uniform_values"${aroundMean(fields, Math.exp)}.`,
  beta: () => 'Use "uniform" with min: 0.0, max: 1.0.',
  q_beta: () => 'Use "q_uniform" with min: 0.0, max: 1.0 and its q.',
  log_uniform: fields => `Use "log_uniform_values"${fromExponents(fields)}.`,
  q_log_uniform: fields => `Use "q_log_uniform_values"${fromExponents(fields)}.`,
  inv_log_uniform: fields => `Use "log_uniform_values"${fromExponents(fields, -1)}.`,
  inv_log_uniform_values: () => 'Use "log_uniform_values": it draws the same values.',
  categorical_w_probabilities: () =>
    'Use "values" alone, and write a value twice for random search to draw it twice as often.',
  parameters: () => 'Write each nested parameter at the top, such as "optimizer.lr".'
}

/** Names of W&B's distributions that are not run here; `parameters` stands for a nested map of them. */
export const UNSUPPORTED: readonly string[] = Object.keys(ADVICE)

/** Returns what to write instead of one of `UNSUPPORTED`. */
export function distributionAdvice(name: string, fields: Fields): string {
  const what = name === 'parameters' ? 'nested parameters are' : `the distribution "${name}" is`
  return `${what} not run here. ${ADVICE[name]?.(fields) ?? ''}`.trimEnd()
}

/** W&B gives these bounds as natural logarithms. Two bounds above 0 were surely meant as the values themselves. */
function fromExponents(fields: Fields, sign: 1 | -1 = 1): string {
  const [min, max] = [numberAt(fields, 'min'), numberAt(fields, 'max')]
  if (min === undefined || max === undefined) return ', which takes the values themselves'
  if (sign === 1 && min > 0 && max <= 1) return range(min, max)
  return sign === 1 ? range(Math.exp(min), Math.exp(max)) : range(Math.exp(-max), Math.exp(-min))
}

function aroundMean(fields: Fields, transformed: (value: number) => number = value => value): string {
  const [mu, sigma] = [numberAt(fields, 'mu') ?? 0, numberAt(fields, 'sigma') ?? 1]
  return range(transformed(mu - SIGMAS * sigma), transformed(mu + SIGMAS * sigma))
}

function range(min: number, max: number): string {
  return ` with min: ${short(min)}, max: ${short(max)}`
}

/** With a dot or an exponent, so that it reads as a float. */
function short(value: number): string {
  const text = `${Number(value.toPrecision(DIGITS))}`
  return /^-?\d+$/.test(text) ? `${text}.0` : text
}

function numberAt(fields: Fields, name: string): number | undefined {
  const value = fields.get(name)?.value
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}
