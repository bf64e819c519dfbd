/**
 * Bench: what the search finds, beside random draws and, where it is installed, beside Optuna; and how long it thinks.
 *
 * Owns which methods meet here, and what is aimed at. test/bench/search/main.ts compares any others.
 */
import { METHODS } from './ask-tell/methods.js'
import type { Figures, Row } from './rig.js'
import { type Comparison, compared, headOf, openMethod, PROBLEMS, rowOf } from './search/compare.js'
import { type Latency, latencyOf } from './search/latency.js'
import { inShort } from './search/statistics.js'

/** The first is what the others are measured by. */
const COMPARED = ['random', 'auto', 'optuna:tpe'] as const
const PENDING = [1, 8] as const
const SEEDS = 20
const TRIALS = 50
const NOTHING = { median: Number.NaN, tried: Number.NaN } as const
const LATENCIES = [
  { method: 'tpe', observations: 1000, aimMs: 20 },
  { method: 'tpe', observations: 10_000, aimMs: 200 },
  { method: 'gp', observations: 200, aimMs: 500 }
] as const

/** Returns regrets by problem, method and trials pending, and the milliseconds that a proposal takes. */
export async function benchSearch(): Promise<Figures> {
  const comparisons: Comparison[] = []
  for (const method of COMPARED) comparisons.push(...(await comparisonsOf(method)))
  process.stderr.write(`${[headOf(TRIALS), ...comparisons.map(rowOf).sort()].join('\n')}\n`)
  const latencies: Latency[] = []
  for (const { method, observations } of LATENCIES)
    if (Object.hasOwn(METHODS, method)) latencies.push(await latencyOf(method, observations))
  const rows = [...regretRows(comparisons), ...latencyRows(latencies)]
  const figures = { bench: 'search', seeds: SEEDS, comparisons, latencies, rows }
  return figures
}

async function comparisonsOf(method: string): Promise<Comparison[]> {
  const asker = openMethod(method)
  if (!asker) return []
  const found: Comparison[] = []
  for (const problem of PROBLEMS)
    for (const pending of PENDING)
      found.push(await compared(asker, { method, problem, pending, seeds: SEEDS, trials: TRIALS }))
  asker.close?.()
  return found
}

/**
 * `auto` has to try a better trial than random draws do, whatever noise makes of it, and to bring home no less than
 * Optuna: its median regret is not above Optuna's band.
 */
function regretRows(comparisons: readonly Comparison[]): Row[] {
  const last = (of: string, { problem, pending }: Comparison) =>
    comparisons.find(each => each.method === of && each.problem === problem && each.pending === pending)?.at.at(-1)
  return comparisons
    .filter(({ method }) => method === 'auto')
    .map(each => {
      const [own, random, optuna] = [each.at.at(-1), last('random', each), last('optuna:tpe', each)]
      const { median, tried } = own ?? NOTHING
      const least = (random ?? NOTHING).tried
      const beside = optuna ? `, chosen at most ${inShort(optuna.high)}` : ''
      return {
        what: `regret after ${TRIALS} of ${each.problem}, ${each.pending} pending`,
        measured: `tried ${inShort(tried)}, chosen ${inShort(median)}`,
        aim: `tried below random's ${inShort(least)}${beside}`,
        isMet: tried < least && (!optuna || median <= optuna.high)
      }
    })
}

function latencyRows(latencies: readonly Latency[]): Row[] {
  return LATENCIES.map(({ method, observations, aimMs }) => {
    const found = latencies.find(each => each.method === method && each.observations === observations)
    return {
      what: `a proposal of ${method} beside ${observations} results`,
      measured: found ? `${found.medianMs} ms (first ${found.firstMs})` : `there is no ${method}`,
      aim: `${aimMs} ms`,
      isMet: found !== undefined && found.medianMs <= aimMs
    }
  })
}
