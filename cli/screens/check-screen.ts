/**
 * The check of a sweep file: its parameters, its search and its first trials, as data and as a screen.
 */
import {
  combinations,
  createSearch,
  distinctConfigurations,
  formatDuration,
  type Parameter,
  type Parameters,
  type Search,
  type Stopping,
  type SweepSpec
} from '#protocol'
import type { SweepIssue } from '../sweep-issues.js'
import { NONE, plural, shortNumber, shortParameters, shortValue } from '../terminal/format.js'
import type { Sheet } from '../terminal/sheet.js'
import { type Column, pairs, table } from '../terminal/table.js'

/** Trials that are shown: enough to see that they are what was meant. */
const TRIALS_SHOWN = 5
/** Configurations that are looked at for those to show: where constraints leave out so many, the file is no use. */
const LOOKED_AT_MAX = 50
/** Values of a list that are shown. */
const VALUES_SHOWN = 12

/** One parameter as it is shown. */
export interface ParameterCheck {
  readonly name: string
  readonly distribution: string
  readonly range: string
  readonly scale: string
  readonly when?: string
}

export interface FirstTrial {
  /** Its index. */
  readonly trial: number
  readonly parameters: Parameters
}

/** What a sweep file comes to. */
export interface SweepCheck {
  readonly isValid: true
  readonly name: string
  readonly method: SweepSpec['method']
  readonly metric: SweepSpec['metric']
  readonly furtherMetrics: NonNullable<SweepSpec['furtherMetrics']>
  readonly parameters: readonly ParameterCheck[]
  /** Trials in all; how many different ones there can be, null where there is no end of them. */
  readonly trials: number
  readonly choices: number | null
  /** Trials that the file names; they come first. */
  readonly named: number
  /** True when the others are proposed by the machines that claim them. */
  readonly isProposed: boolean
  /** The first trial of each of the first configurations, as far as they are known. */
  readonly firstTrials: readonly FirstTrial[]
  readonly stopping?: Stopping
  readonly constraints: readonly string[]
  readonly seeds: number
  readonly budget?: NonNullable<SweepSpec['budget']>
  readonly wallTimeMs?: number
  readonly command: readonly string[]
  readonly warnings: readonly SweepIssue[]
}

/** Returns what a checked sweep comes to. */
export function sweepCheckOf(spec: SweepSpec, warnings: readonly SweepIssue[]): SweepCheck {
  const search = createSearch(spec)
  const choices = spec.method === 'grid' ? combinations(spec) : distinctConfigurations(spec)
  const { name, method, metric, furtherMetrics = [], stopping, constraints = [], seeds = 1, command } = spec
  const { budget, wallTimeMs } = spec
  return {
    isValid: true,
    name,
    method,
    metric,
    furtherMetrics,
    parameters: Object.entries(spec.parameters).map(([each, parameter]) => parameterCheckOf(each, parameter)),
    trials: search.trials,
    choices: Number.isFinite(choices) ? choices : null,
    named: Math.min(search.trials, (spec.trials?.length ?? 0) * seeds),
    isProposed: search.proposer !== undefined,
    firstTrials: firstTrialsOf(search),
    ...(stopping ? { stopping } : {}),
    constraints,
    seeds,
    ...(budget ? { budget } : {}),
    ...(wallTimeMs === undefined ? {} : { wallTimeMs }),
    command,
    warnings
  }
}

/** Trials of one configuration differ in their seed alone, so the first of them stands for all. */
function firstTrialsOf({ trials, seeds, trialAt }: Search): FirstTrial[] {
  const found: FirstTrial[] = []
  const end = Math.min(trials, LOOKED_AT_MAX * seeds)
  for (let trial = 0; trial < end && found.length < TRIALS_SHOWN; trial += seeds) {
    const chosen = trialAt(trial)
    if (chosen) found.push({ trial, parameters: chosen.parameters })
  }
  return found
}

const COLUMNS: readonly Column[] = [
  { title: 'parameter', shrinksTo: 9 },
  { title: 'distribution', leavesAt: 1 },
  { title: 'range', shrinksTo: 16 },
  { title: 'scale', leavesAt: 3 },
  { title: 'only where', shrinksTo: 10, leavesAt: 2 }
]

/** Returns the screen of a check: the parameters, the sweep, the first trials. */
export function drawCheck(check: SweepCheck, sheet: Sheet): string {
  const hasConditions = check.parameters.some(each => each.when !== undefined)
  const columns = hasConditions ? COLUMNS : COLUMNS.slice(0, -1)
  const rows = check.parameters.map(({ name, distribution, range, scale, when = NONE }) =>
    [{ text: name, paint: sheet.style.bold }, distribution, range, scale, when].slice(0, columns.length)
  )
  return [...pairs(sweepRows(check), sheet), '', ...table(columns, rows, sheet), '', ...firstLines(check, sheet)].join(
    '\n'
  )
}

function firstLines({ firstTrials, isProposed, named, seeds, trials }: SweepCheck, sheet: Sheet): string[] {
  const rows = firstTrials.map(({ trial, parameters }): [string, string] => [
    seeds === 1 ? `#${trial}` : `#${trial} to #${Math.min(trials, trial + seeds) - 1}`,
    shortParameters(parameters)
  ])
  const isLater = isProposed && trials > named
  if (isLater) rows.push([`from #${named}`, 'proposed when claimed, by what is known of the others then'])
  if (rows.length === 0) return ['No trial: the constraints leave nothing of the parameters.']
  const count = firstTrials.length
  const what = seeds === 1 ? plural(count, 'trial') : plural(count, 'configuration')
  return [isLater ? 'Trials:' : `First ${what}:`, ...pairs(rows, sheet)]
}

/** Returns one sentence on a sweep that could be submitted. */
export function drawDryRun(check: SweepCheck & { readonly folder: string }): string {
  const { name, trials, method, metric, furtherMetrics, folder } = check
  const goals = [metric, ...furtherMetrics].map(each => `${each.goal} ${each.name}`).join(', ')
  const what = `${plural(trials, 'trial')}, ${method}, ${goals}`
  return `Would submit ${name}: ${what}; with the files in ${folder}. Nothing was submitted.`
}

function sweepRows(check: SweepCheck): [string, string][] {
  const { name, method, metric, furtherMetrics, stopping, constraints, named, seeds, budget, wallTimeMs } = check
  const target = metric.target === undefined ? '' : `, until ${shortNumber(metric.target)} is reached`
  const rows: [string, string][] = [
    ['sweep', name],
    ['search', method],
    ['objective', `${metric.goal} ${metric.name}, its ${metric.summary} value${target}`],
    ...furtherMetrics.map(({ goal, name }): [string, string] => ['', `${goal} ${name}`]),
    ['trials', trialsText(check)],
    ['stopping', stopping === undefined ? 'none: every trial runs to its end' : stoppingText(stopping)]
  ]
  if (seeds > 1) rows.push(['seeds', `each configuration is trained ${seeds} times`])
  if (named > 0) rows.push(['named', `${plural(named, 'trial')}, before all others`])
  if (budget) rows.push(['devices', `${shortNumber(budget.gpuSeconds / 3600)} hours at most`])
  if (wallTimeMs !== undefined)
    rows.push(['wall time', `nothing begins ${formatDuration(wallTimeMs)} after it is submitted`])
  for (const constraint of constraints) rows.push(['only where', constraint])
  return rows
}

function trialsText({ trials, choices, seeds }: SweepCheck): string {
  const configurations = Math.ceil(trials / seeds)
  const what =
    plural(trials, 'trial') + (seeds === 1 ? '' : `: ${plural(configurations, 'configuration')}, ${seeds} times each`)
  const of = seeds === 1 ? ' ' : ', '
  if (choices === null) return `${what}${of}of endless choices`
  return choices === configurations ? `${what}, all choices` : `${what}${of}of ${choices} choices`
}

function stoppingText({ rule, ...settings }: Stopping): string {
  const texts = Object.entries(settings).map(
    ([name, value]) =>
      `${name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)} ${Array.isArray(value) ? value.join(', ') : value}`
  )
  return [rule, ...texts].join('; ')
}

function parameterCheckOf(name: string, parameter: Parameter): ParameterCheck {
  const { distribution, when } = parameter
  return {
    name,
    distribution,
    range: rangeText(parameter),
    scale: scaleOf(parameter),
    ...(when ? { when: `${when.parameter} is ${when.values.map(shortValue).join(' or ')}` } : {})
  }
}

function rangeText(parameter: Parameter): string {
  switch (parameter.distribution) {
    case 'constant':
      return shortValue(parameter.value)
    case 'categorical':
      return listed(parameter.values.map(shortValue))
    case 'categorical_w_probabilities':
      return listed(parameter.values.map((value, i) => `${shortValue(value)} (${parameter.probabilities[i] ?? 0})`))
    case 'int_uniform':
    case 'uniform':
    case 'log_uniform_values':
      return `${shortNumber(parameter.min)} to ${shortNumber(parameter.max)}`
    case 'q_uniform':
    case 'q_log_uniform_values':
      return `${shortNumber(parameter.min)} to ${shortNumber(parameter.max)}${stepText(parameter)}`
    case 'normal':
    case 'log_normal':
      return `mean ${shortNumber(parameter.mu)}, deviation ${shortNumber(parameter.sigma)}`
    case 'q_normal':
    case 'q_log_normal':
      return `mean ${shortNumber(parameter.mu)}, deviation ${shortNumber(parameter.sigma)}${stepText(parameter)}`
    case 'beta':
      return `0 to 1, a ${shortNumber(parameter.a)}, b ${shortNumber(parameter.b)}`
    case 'q_beta':
      return `0 to 1, a ${shortNumber(parameter.a)}, b ${shortNumber(parameter.b)}${stepText(parameter)}`
  }
}

function stepText({ q }: { q: number }): string {
  return `, steps of ${shortNumber(q)}`
}

function scaleOf({ distribution }: Parameter): string {
  if (distribution === 'constant' || distribution.startsWith('categorical')) return NONE
  return distribution.includes('log') ? 'logarithmic' : 'linear'
}

function listed(texts: readonly string[]): string {
  const rest = texts.length - VALUES_SHOWN
  return `${texts.slice(0, VALUES_SHOWN).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`
}
