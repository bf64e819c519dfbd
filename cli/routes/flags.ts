/**
 * Flags: those that several commands share, and how their values are read.
 */
import { parseDuration } from '#protocol'

/** Where this machine's home is. */
export const homeFlag = {
  home: {
    kind: 'parsed',
    parse: String,
    optional: true,
    placeholder: 'folder',
    brief: "This machine's folder, if not HYPERSWEEP_HOME or the system's folder for data"
  }
} as const

/** Flags of whatever shows something. */
export const commonFlags = {
  ...homeFlag,
  json: { kind: 'boolean', optional: true, withNegated: false, brief: 'Print JSON on standard output' }
} as const

/** A flag of what asks before it does something. */
export const yesFlag = {
  yes: { kind: 'boolean', optional: true, withNegated: false, brief: 'Ask no question' }
} as const

/** Flags that tell an agent how to reach others. */
export const networkFlags = {
  bootstrap: {
    kind: 'parsed',
    parse: String,
    optional: true,
    variadic: ',',
    placeholder: 'host:port',
    brief: 'DHT nodes of your own to begin with, instead of the public ones'
  },
  port: {
    kind: 'parsed',
    parse: port,
    optional: true,
    placeholder: 'number',
    brief: 'UDP port of this machine, if others must be able to name it'
  }
} as const

/** Flags that name who comes into a pool. */
export const nameFlags = {
  as: { kind: 'parsed', parse: String, optional: true, placeholder: 'name', brief: 'Your name in the pool' },
  machine: {
    kind: 'parsed',
    parse: String,
    optional: true,
    placeholder: 'name',
    brief: "This machine's name in the pool"
  }
} as const

export const sweepArgument = {
  brief: 'Its name, its id, or the start of its id',
  parse: String,
  placeholder: 'sweep'
} as const

export const trialArgument = { brief: 'Its number', parse: trialNumber, placeholder: 'trial' } as const

/** Returns a parser for whole numbers in a range. Its error ends the sentence that names the flag and the input. */
export function wholeNumber(min: number, max: number): (input: string) => number {
  return input => {
    const value = /^\d+$/.test(input) ? Number(input) : Number.NaN
    if (value >= min && value <= max) return value
    throw new RangeError(`is no whole number from ${min} to ${max}`)
  }
}

/** A function of its own, since flags refer to it before their module has run. */
export function port(input: string): number {
  return wholeNumber(1, 65_535)(input)
}

/** Returns a duration in ms. */
export function duration(input: string): number {
  const ms = parseDuration(input)
  if (ms !== undefined && ms > 0) return ms
  throw new RangeError('is no duration: write 90s, 20m or 1.5h')
}

/** Trials are written `#4` on screens, and are copied from there. */
function trialNumber(input: string): number {
  const digits = input.replace(/^#/, '')
  if (/^\d{1,9}$/.test(digits)) return Number(digits)
  throw new RangeError('is no number of a trial')
}
