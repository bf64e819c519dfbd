/**
 * Format: values as people read them, and as a shell takes them.
 *
 * Owns how many digits a number shows. What is copied is written in full, what is looked at is short.
 */
import { formatDuration, type Parameters, type ParameterValue } from '#protocol'

/** Enough to tell two losses apart, few enough for a column. */
const DIGITS = 4
/** Stands where there is no value. */
export const NONE = '-'

/** Returns a number in at most four significant digits; a whole one below a thousand million in full. */
export function shortNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return `${value}`
  const size = Math.abs(value)
  if (size >= 1e6 || size < 1e-4) {
    return value
      .toExponential(DIGITS - 1)
      .replace(/\.?0+e/, 'e')
      .replace('e+', 'e')
  }
  return `${Number(value.toPrecision(DIGITS))}`
}

/** Returns a whole number with its thousands apart. */
export function count(value: number): string {
  return `${Math.round(value)}`.replace(/\B(?=(\d{3})+(?!\d))/g, ',')
}

/** Returns `1 trial`, `3 trials`. */
export function plural(value: number, noun: string, many = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : many}`
}

/** Returns a parameter's value for a column. */
export function shortValue(value: ParameterValue): string {
  return typeof value === 'number' ? shortNumber(value) : `${value}`
}

/** Returns parameters as one short line: `lr=0.0123 batch=32`. */
export function shortParameters(parameters: Parameters): string {
  return Object.entries(parameters)
    .map(([name, value]) => `${name}=${shortValue(value)}`)
    .join(' ')
}

/** Returns parameters as arguments that any POSIX shell reads back to the same values. */
export function copyableParameters(parameters: Parameters): string {
  return Object.entries(parameters)
    .map(([name, value]) => quoted(`--${name}=${value}`))
    .join(' ')
}

/** Returns a command as one line: an argument that is not one plain word stands in quotes, so that none hides. */
export function commandText(command: readonly string[]): string {
  return command.map(argument => (/^[^\s'"\\]+$/.test(argument) ? argument : JSON.stringify(argument))).join(' ')
}

/** A peer chose the value: what a shell could read as a command must not leave its quotes. */
function quoted(argument: string): string {
  return /^[A-Za-z0-9_./,:+@%=-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`
}

/** Returns seconds for people: `0.8s`, `12s`, `1h 30m`. */
export function seconds(value: number | undefined): string {
  if (value === undefined) return NONE
  // Trials of less than ten seconds are compared by their tenths.
  return value < 10 ? `${Math.floor(value * 10) / 10}s` : formatDuration(Math.floor(value) * 1000)
}

/** Returns how long ago a wall time was, such as `3m 20s ago`. Another clock may put it in the future. */
export function ago(at: number, now: number): string {
  return now - at < 1000 ? 'just now' : `${formatDuration(Math.floor((now - at) / 1000) * 1000)} ago`
}

/** Returns the start of an id: long enough to name one of a pool's sweeps. */
export function shortId(id: string): string {
  return id.slice(0, 8)
}
