/**
 * Compare: methods beside each other on the same problems, seeds and noise.
 *
 * Owns the names of methods, ours and Optuna's (`optuna:tpe`), and the table.
 */
import { CONDITIONAL } from './conditional.js'
import { FULL, LORA } from './fine-tune.js'
import { BRANIN, HARTMANN6, ROSENBROCK4 } from './functions.js'
import { openOptuna, optunaPython } from './optuna.js'
import { type Asker, askerOf, type Regret, regretsOf } from './play.js'
import type { Problem } from './problem.js'
import { type Estimate, estimateOf, inShort, median } from './statistics.js'

export const PROBLEMS: readonly Problem[] = [BRANIN, HARTMANN6, ROSENBROCK4, CONDITIONAL, LORA, FULL]
/** Trials after which regret is looked at. */
export const BUDGETS = [25, 50, 100] as const
const OPTUNA = /^optuna:(.+)$/
const COLUMN = 30

export interface Comparison {
  readonly problem: string
  readonly method: string
  readonly pending: number
  readonly seeds: number
  readonly at: readonly Reached[]
}

/** The regret of the trials chosen. */
export interface Reached extends Estimate {
  readonly trials: number
  /** The median regret of the best trial, noise or not. */
  readonly tried: number
  /** One for each seed. */
  readonly regrets: readonly Regret[]
}

export interface Setting {
  readonly method: string
  readonly problem: Problem
  readonly pending: number
  readonly seeds: number
  /** The first of the seeds; absent: 1. */
  readonly first?: number
  readonly trials: number
}

/** Opens a method by its name; undefined when it is one of Optuna's, and Optuna is not there. Errors: unknown name. */
export function openMethod(method: string): (Asker & { close?(): void }) | undefined {
  const sampler = OPTUNA.exec(method)?.[1]
  if (sampler === undefined) return askerOf(method)
  const { python, version } = optunaPython()
  if (version !== undefined) return openOptuna(python, sampler)
  process.stderr.write(`${method} is left out: ${python} has no Optuna. OPTUNA_PYTHON names a Python that has.\n`)
  return undefined
}

/** Plays the seeds one after the other, and returns the regrets at each budget that the runs reach. */
export async function compared(asker: Asker, setting: Setting): Promise<Comparison> {
  const { method, problem, pending, seeds, first = 1, trials } = setting
  const runs: Regret[][] = []
  for (let seed = first; seed < first + seeds; seed++)
    runs.push(await regretsOf(problem, asker, { seed, trials, pending }))
  const at = BUDGETS.filter(budget => budget <= trials).map(budget => {
    const regrets = runs.flatMap(run => run[budget - 1] ?? [])
    const tried = median(regrets.map(each => each.tried))
    return { trials: budget, ...estimateOf(regrets.map(({ chosen }) => chosen)), tried, regrets }
  })
  return { problem: problem.name, method, pending, seeds, at }
}

/** Returns the line of a table: at each budget the median, the band around it, and the median of the best tried. */
export function rowOf({ problem, method, pending, at }: Comparison): string {
  const cells = at.map(
    ({ median, low, high, tried }) => `${inShort(median)} [${inShort(low)}, ${inShort(high)}] ${inShort(tried)}`
  )
  return [problem.padEnd(12), `${pending}`.padStart(3), method.padEnd(28), ...cells.map(each => each.padEnd(COLUMN))]
    .join('  ')
    .trimEnd()
}

/** Returns the line above the others. */
export function headOf(trials: number): string {
  const budgets = BUDGETS.filter(budget => budget <= trials).map(budget =>
    `regret at ${budget} [95 %] tried`.padEnd(COLUMN)
  )
  return ['problem'.padEnd(12), '  n', 'method'.padEnd(28), ...budgets].join('  ').trimEnd()
}
