/**
 * Rungs: at which steps trials are compared, and which of several halvings a trial belongs to.
 *
 * Invariant: the same rule, length and sweep give the same rungs and brackets on every machine: products by repeated
 * multiplication, no logarithm, and a checksum in place of a draw.
 */
import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { HyperbandRule, MedianRule, StoppingContext, StoppingRule, StoppingUnit } from './rule.js'

/**
 * The first rung is this part of the full length: epoch 3 of 52, epoch 1 of 27. Measured with eta 3: on LCBench 2.6
 * points are missing in the end, 9.2 when it is epoch 1 and 2.9 when it is epoch 6; on digits epoch 2 takes twice the
 * training until a good trial is found.
 */
const FIRST_RUNG_PARTS = 17
/** The median rule decides this often in a training: each decision is a record for ever. */
const MEDIAN_PARTS = 16
/** As many bands as W&B computes; with an `eta` near 1 the last rungs are cut off. */
const RUNGS_MAX = 100

/**
 * Returns the steps at which an attempt records its value, ascending, in the rule's unit.
 *
 * @param fullSteps    A full training; absent: unknown. Then only a rule with `minSteps` or `everySteps` has rungs.
 * @param warmUpSteps  No rung lies below; absent: 0.
 * @returns            Distinct, below the full length: integers, at least 1, and of epochs thousandths; none of a rule
 *                     that compares with no other trial. Of `hyperband` those of all brackets.
 */
export function rungsOf(rule: StoppingRule, fullSteps?: number, warmUpSteps = 0): readonly number[] {
  switch (rule.rule) {
    case 'asha':
      return rule.rungs?.filter(rung => rung >= warmUpSteps) ?? below(rule, fullSteps, warmUpSteps)
    case 'hyperband':
      return below(rule, fullSteps, warmUpSteps)
    case 'median':
      return evenly(rule, fullSteps, Math.max(warmUpSteps, rule.warmUpSteps ?? 0))
    case 'threshold':
    case 'plateau':
      return []
  }
}

/**
 * Returns how many trials each bracket of a Hyperband takes relative to the others, bracket 0 first.
 *
 * @param brackets  s_max + 1: how often the first rung can be multiplied by `eta` within the full length, and one.
 * Source: Li et al., "Hyperband", JMLR 18 (2018), Algorithm 1: n = ceil((s_max + 1) / (s + 1) x eta^s); Optuna's
 * HyperbandPruner weighs its brackets by the same numbers.
 */
export function bracketSizes(brackets: number, eta: number): readonly number[] {
  const sizes: number[] = []
  for (let s = 0, power = 1; s < brackets; s++, power *= eta) sizes.push(Math.ceil((brackets * power) / (s + 1)))
  return sizes.reverse()
}

/** A halving of several, and the steps at which it compares. */
export interface Bracket {
  /** 0 has the earliest rung. */
  readonly bracket: number
  readonly rungs: readonly number[]
}

/**
 * Returns which bracket a trial belongs to; without a known length everything is bracket 0.
 *
 * No machine hands brackets out: the checksum of `<sweep>_<trial>` points into the sizes laid end to end.
 * Source: Optuna, pruners/_hyperband.py.
 */
export function createBrackets(
  rule: HyperbandRule,
  context: { readonly sweep: string; readonly fullSteps?: number; readonly warmUpSteps?: number }
): (trial: number) => Bracket {
  const { sweep, fullSteps, warmUpSteps } = context
  const isKnown = (rule.maxSteps ?? fullSteps) !== undefined
  // A first rung at the full length stops nothing: what its bracket has, is trained to the end.
  const brackets = isKnown ? Math.max(1, geometric(rule, fullSteps, warmUpSteps).length) : 1
  const sizes = bracketSizes(brackets, rule.eta)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const rungs = below(rule, fullSteps, warmUpSteps)
  return trial => {
    let rest = crc32(`${sweep}_${trial}`) % total
    let bracket = 0
    while (rest >= (sizes[bracket] ?? Number.POSITIVE_INFINITY)) rest -= sizes[bracket++] ?? 0
    return { bracket, rungs: rungs.slice(bracket) }
  }
}

/** Returns the rungs at which a trial is compared: of several halvings those of its own. */
export function ownRungs(rule: StoppingRule, context: StoppingContext, trial: number): readonly number[] {
  if (rule.rule === 'hyperband') return createBrackets(rule, context)(trial).rungs
  return rungsOf(rule, context.fullSteps, context.warmUpSteps)
}

/** Returns the CRC-32 of a text's UTF-8: an unsigned integer, as zlib computes it. Source: ISO 3309. */
export function crc32(text: string): number {
  let rest = -1
  for (const byte of utf8ToBytes(text)) {
    rest ^= byte
    for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? 0xedb88320 : 0)
  }
  return ~rest >>> 0
}

interface Halving {
  readonly unit?: StoppingUnit
  readonly eta: number
  readonly minSteps?: number
  readonly maxSteps?: number
}

/** At the full length there is nothing left to stop. */
function below(rule: Halving, fullSteps: number | undefined, warmUpSteps: number | undefined): number[] {
  const full = rule.maxSteps ?? fullSteps ?? Number.POSITIVE_INFINITY
  return geometric(rule, fullSteps, warmUpSteps).filter(rung => rung < full)
}

function geometric(
  { unit, eta, minSteps, maxSteps }: Halving,
  fullSteps: number | undefined,
  warmUpSteps = 0
): number[] {
  const full = maxSteps ?? fullSteps
  if (full === undefined && minSteps === undefined) return []
  const end = Math.min(full ?? Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  const { least, down, up } = placesIn(unit)
  const first = Math.max(least, up(warmUpSteps), minSteps ?? down(end / FIRST_RUNG_PARTS))
  const rungs = new Set<number>()
  for (let n = 0, rung = first; n < RUNGS_MAX && rung <= end; n++, rung *= eta) rungs.add(down(rung))
  return [...rungs]
}

function evenly({ unit, everySteps }: MedianRule, fullSteps: number | undefined, warmUpSteps: number): number[] {
  if (everySteps === undefined && fullSteps === undefined) return []
  const end = Math.min(fullSteps ?? Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  const { least, down } = placesIn(unit)
  const every = Math.max(least, down(everySteps ?? end / MEDIAN_PARTS))
  const rungs: number[] = []
  for (let n = Math.max(1, Math.ceil(warmUpSteps / every)); rungs.length < RUNGS_MAX && n * every < end; n++) {
    rungs.push(down(n * every))
  }
  return rungs
}

/** Where rungs can lie: at whole numbers, of epochs at thousandths, since a fine-tune may have no more than one. */
function placesIn(unit: StoppingUnit | undefined) {
  const parts = unit === 'epochs' ? 1000 : 1
  // 0.29 x 100 is a little less than 29.
  const down = (position: number) => Math.floor(position * parts + (parts > 1 ? 1e-6 : 0)) / parts
  return { least: 1 / parts, down, up: (position: number) => Math.ceil(position * parts) / parts }
}
