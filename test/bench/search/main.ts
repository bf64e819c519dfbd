/**
 * Compares search methods by name: `main.ts random auto optuna:tpe --seeds 20 --pending 1,8 --trials 100`, and
 * `--problems lora,full` for some; `--first 101` plays the seeds from there. Prints a line of JSON for each problem,
 * method and number pending, and at last a table for people on standard error.
 */
import { parseArgs } from 'node:util'
import { compared, headOf, openMethod, PROBLEMS, rowOf } from './compare.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '20' },
    first: { type: 'string', default: '1' },
    trials: { type: 'string', default: '100' },
    pending: { type: 'string', default: '1,8' },
    problems: { type: 'string', default: PROBLEMS.map(({ name }) => name).join(',') }
  }
})
const names = values.problems.split(',')
const unknown = names.filter(name => !PROBLEMS.some(problem => problem.name === name))
if (unknown.length > 0) throw new Error(`There is no problem ${unknown.join(', ')}.`)
const [seeds, first, trials] = [Number(values.seeds), Number(values.first), Number(values.trials)]
const rows: string[] = []
for (const method of positionals.length > 0 ? positionals : ['random', 'auto']) {
  const asker = openMethod(method)
  if (!asker) continue
  for (const problem of PROBLEMS.filter(({ name }) => names.includes(name)))
    for (const pending of values.pending.split(',').map(Number)) {
      const comparison = await compared(asker, { method, problem, pending, seeds, first, trials })
      process.stdout.write(`${JSON.stringify(comparison)}\n`)
      rows.push(rowOf(comparison))
    }
  asker.close?.()
}
process.stderr.write(`${[headOf(trials), ...rows.sort()].join('\n')}\n`)
