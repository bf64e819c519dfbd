/**
 * Bench: what the search finds, beside random draws and beside Optuna; and how long it thinks.
 *
 * Owns which methods meet here, and what is aimed at. What Optuna found comes from the file that `OPTUNA_REFERENCE`
 * names, else from Optuna where Python has it; without either, those aims count as missed. main.ts compares any others.
 */
import type { Figures, Row } from './rig.js'
import { type Comparison, compared, headOf, openMethod, PROBLEMS, rowOf } from './search/compare.js'
import { type Latency, latencyOf } from './search/latency.js'
import { playedReferences, type Reference, storedReferences } from './search/reference.js'
import { inShort } from './search/statistics.js'

/** TPE is quick, and held against a band: with more seeds it is not chance that leaves it. */
const OWN = [
  { method: 'random', seeds: 20, trials: 50 },
  { method: 'tpe', seeds: 100, trials: 100 },
  { method: 'tpe-optuna-5', seeds: 100, trials: 100 },
  { method: 'auto', seeds: 20, trials: 50 }
] as const
/** Optuna's sampler with the same bandwidth. The one is of 4.9, the other what 5.0 takes by itself. */
const MATCHING = [
  { method: 'tpe', sampler: 'optuna:tpe-multivariate', version: '4.' },
  { method: 'tpe-optuna-5', sampler: 'optuna:tpe', version: '5.' }
] as const
const SAMPLERS = ['optuna:tpe', 'optuna:tpe-multivariate', 'optuna:gp'] as const
const PENDING = [1, 8] as const
const REFERENCE = { pending: PENDING, seeds: 20, trials: 100 } as const
/** What friends tune at home, with as many trials as they can pay for. */
const FINE_TUNES = ['lora', 'full']
const FINE_TUNE_TRIALS = 50
/** Of the regret of Optuna's best sampler. */
const SHARE = 0.7
const LATENCIES = [
  { method: 'tpe', observations: 1000, aimMs: 5 },
  { method: 'tpe', observations: 10_000, aimMs: 10 },
  { method: 'gp', observations: 200, aimMs: 100 }
] as const

/** Returns regrets by problem, method and trials pending, and the milliseconds that a proposal takes. */
export async function benchSearch(): Promise<Figures> {
  // First: after minutes of searching the heap is full, and a shared host gives less.
  const latencies: Latency[] = []
  for (const { method, observations } of LATENCIES) latencies.push(await latencyOf(method, observations))
  const comparisons: Comparison[] = []
  for (const own of OWN) comparisons.push(...(await comparisonsOf(own)))
  process.stderr.write(`${[headOf(REFERENCE.trials), ...comparisons.map(rowOf).sort()].join('\n')}\n`)
  const references = await referencesOf()
  const rows = [
    ...MATCHING.flatMap(each => matchingRows(each, comparisons, references)),
    ...fineTuneRows(comparisons, references),
    ...randomRows(comparisons),
    ...latencyRows(latencies)
  ]
  const figures = { bench: 'search', comparisons, latencies, rows }
  return figures
}

async function comparisonsOf(own: (typeof OWN)[number]): Promise<Comparison[]> {
  const asker = openMethod(own.method)
  const found: Comparison[] = []
  for (const problem of asker ? PROBLEMS : [])
    for (const pending of PENDING) if (asker) found.push(await compared(asker, { ...own, problem, pending }))
  return found
}

async function referencesOf(): Promise<readonly Reference[]> {
  const path = process.env['OPTUNA_REFERENCE']
  return path === undefined ? playedReferences(SAMPLERS, REFERENCE) : storedReferences(path)
}

/** The same method in another program: its median is not above the band of the other, early and late. */
function matchingRows(
  { method, sampler, version }: (typeof MATCHING)[number],
  comparisons: readonly Comparison[],
  references: readonly Reference[]
): Row[] {
  return comparisons
    .filter(each => each.method === method)
    .flatMap(({ problem, pending, at }) => {
      const other = references.find(
        each =>
          each.method === sampler &&
          each.optuna.startsWith(version) &&
          each.problem === problem &&
          each.pending === pending
      )
      return at.slice(1).map(({ trials, median }) => {
        const band = other?.at.find(each => each.trials === trials)
        return {
          what: `${method}, regret after ${trials} of ${problem}, ${pending} pending`,
          measured: `chosen ${inShort(median)}`,
          aim: band ? `not above ${bandOf(band)} of ${sampler}` : `${sampler} ${version} is not there`,
          isMet: band !== undefined && median <= band.high
        }
      })
    })
}

function bandOf({ median, low, high }: Reference['at'][number]): string {
  return `${inShort(median)} [${inShort(low)}, ${inShort(high)}]`
}

/** `auto` has at most `SHARE` of the best sampler's regret: of what it tries, or of what it brings home. */
function fineTuneRows(comparisons: readonly Comparison[], references: readonly Reference[]): Row[] {
  return comparisons
    .filter(({ method, problem }) => method === 'auto' && FINE_TUNES.includes(problem))
    .map(({ problem, pending, at }) => {
      const others = references
        .filter(each => each.method !== 'random' && each.problem === problem && each.pending === pending)
        .flatMap(each => each.at.filter(({ trials }) => trials === FINE_TUNE_TRIALS))
      const chosen = SHARE * Math.min(...others.map(({ median }) => median))
      const tried = SHARE * Math.min(...others.flatMap(each => each.tried ?? []))
      const own = at.find(({ trials }) => trials === FINE_TUNE_TRIALS)
      return {
        what: `auto, regret after ${FINE_TUNE_TRIALS} of ${problem}, ${pending} pending`,
        measured: own ? `chosen ${inShort(own.median)}, tried ${inShort(own.tried)}` : 'nothing',
        aim: `chosen ${inShort(chosen)} or tried ${inShort(tried)}: ${SHARE} of Optuna's best`,
        isMet: own !== undefined && others.length > 0 && (own.median <= chosen || own.tried <= tried)
      }
    })
}

/** On every problem `auto` tries better trials than random draws do. */
function randomRows(comparisons: readonly Comparison[]): Row[] {
  return comparisons
    .filter(({ method }) => method === 'auto')
    .map(({ problem, pending, at }) => {
      const random = comparisons.find(
        each => each.method === 'random' && each.problem === problem && each.pending === pending
      )
      const [own, least] = [at.at(-1)?.tried ?? Number.NaN, random?.at.at(-1)?.tried ?? Number.NaN]
      return {
        what: `auto, regret after ${at.at(-1)?.trials} of ${problem}, ${pending} pending`,
        measured: `tried ${inShort(own)}`,
        aim: `below ${inShort(least)} of random draws`,
        isMet: own < least
      }
    })
}

function latencyRows(latencies: readonly Latency[]): Row[] {
  return LATENCIES.map(({ method, observations, aimMs }) => {
    const found = latencies.find(each => each.method === method && each.observations === observations)
    return {
      what: `a proposal of ${method} beside ${observations} results`,
      measured: found ? `${found.medianMs} ms (first ${found.firstMs})` : 'nothing',
      aim: `below ${aimMs} ms of processor time`,
      isMet: found !== undefined && found.medianMs < aimMs
    }
  })
}
