/**
 * Narrowing: the part of a range in which the best trials lie, and where the bad ones do.
 *
 * Owns how much room is left around the best ones. It is shown and decides nothing; like what a search computes, what
 * comes of `log` and `exp` here is recorded by the claimer, never recomputed for agreement, if it is recorded at all.
 * Invariant: a narrowed range lies within the old one and holds all values that it was made for.
 */
import { asWritten } from './axis.js'
import type { NumericDimension } from './dimension.js'

/** Room on each side of the best, as a share of the whole range; or half of what they take, whichever is more. */
const MARGIN = 0.1
/** A range that keeps more than this share is left as it is. */
const KEPT_MAX = 0.75
/** The best lie at an end when the nearest is closer to it than this share of the range. */
const EDGE = 0.05
/** Digits of a narrowed end: nobody writes more. */
const DIGITS = 3
/** So many bad trials in a row may be chance once in twenty sweeps. */
const CHANCE = 0.05
const ROW_MIN = 3

/** Where the best trials lie within a range. */
export interface Narrowing {
  readonly bestLow: number
  readonly bestHigh: number
  /** The range to go on with; absent where it would hardly be narrower. */
  readonly next?: { readonly low: number; readonly high: number }
  /** The end at which they lie, so that what is beyond may be better still. */
  readonly edge?: 'low' | 'high'
}

/** Returns where some values of a dimension, of the best trials, lie; nothing without any. */
export function narrowingOf(dimension: NumericDimension, best: readonly number[]): Narrowing | undefined {
  if (best.length === 0) return undefined
  const { low, high, isLog } = dimension
  const [to, from] = isLog ? [Math.log, Math.exp] : [same, same]
  const within = best.map(value => Math.min(high, Math.max(low, value)))
  const [bestLow, bestHigh] = [Math.min(...within), Math.max(...within)]
  const width = to(high) - to(low)
  const margin = Math.max(MARGIN * width, (to(bestHigh) - to(bestLow)) / 2)
  const next = {
    low: Math.max(low, roundedDown(dimension, from(to(bestLow) - margin), bestLow)),
    high: Math.min(high, roundedUp(dimension, from(to(bestHigh) + margin), bestHigh))
  }
  const isNarrower = next.low < next.high && to(next.high) - to(next.low) <= KEPT_MAX * width
  const isAt = { low: to(bestLow) - to(low) < EDGE * width, high: to(high) - to(bestHigh) < EDGE * width }
  const edge = isAt.low === isAt.high ? undefined : isAt.low ? 'low' : 'high'
  return { bestLow, bestHigh, ...(isNarrower ? { next } : {}), ...(edge ? { edge } : {}) }
}

/** One end of a range at which every trial was bad. */
export interface BadEnd {
  readonly side: 'below' | 'above'
  /** The innermost of their values: it and all beyond were bad. */
  readonly bound: number
  readonly trials: number
}

/**
 * Returns the end of a range at which all trials were bad; nothing where that may well be chance.
 *
 * @param trials  The values of all that ended, and whether each was bad.
 * @param tests   How many ends are looked at in all: the more, the likelier chance has one.
 */
export function badEndOf(
  trials: readonly { readonly value: number; readonly isBad: boolean }[],
  tests: number
): BadEnd | undefined {
  const ascending = [...trials].sort((a, b) => a.value - b.value)
  const share = ascending.filter(each => each.isBad).length / Math.max(1, ascending.length)
  const ends = [badRow(ascending, 'below'), badRow([...ascending].reverse(), 'above')]
  const [longest] = ends.flatMap(end => end ?? []).sort((a, b) => b.trials - a.trials)
  if (!longest || longest.trials < ROW_MIN || longest.trials === ascending.length) return undefined
  return tests * share ** longest.trials < CHANCE ? longest : undefined
}

function badRow(
  outermostFirst: readonly { readonly value: number; readonly isBad: boolean }[],
  side: BadEnd['side']
): BadEnd | undefined {
  const found = outermostFirst.findIndex(each => !each.isBad)
  const end = outermostFirst[found]?.value
  // A value that a good trial had too is no bad one.
  const row = outermostFirst.slice(0, Math.max(0, found)).filter(({ value }) => value !== end)
  const bound = row.at(-1)?.value
  return bound === undefined ? undefined : { side, bound, trials: row.length }
}

function same(value: number): number {
  return value
}

/** Never above what it must hold. */
function roundedDown({ low, step }: NumericDimension, value: number, most: number): number {
  return Math.min(most, step === undefined ? inDigits(value, Math.floor) : onSteps(low, step, value, Math.floor))
}

/** Never below what it must hold. */
function roundedUp({ low, step }: NumericDimension, value: number, least: number): number {
  return Math.max(least, step === undefined ? inDigits(value, Math.ceil) : onSteps(low, step, value, Math.ceil))
}

type Rounding = (value: number) => number

function onSteps(low: number, step: number, value: number, round: Rounding): number {
  return asWritten(low + round((value - low) / step) * step)
}

/** Written and read back, so that 0.3 is not 0.30000000000000004. */
function inDigits(value: number, round: Rounding): number {
  if (value === 0 || !Number.isFinite(value)) return value
  const exponent = Number(value.toExponential().split('e')[1]) - (DIGITS - 1)
  return Number(`${round(value / 10 ** exponent)}e${exponent}`)
}
