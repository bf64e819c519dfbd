/**
 * The coverage gate: fails when the tests reach less of the sources than they did.
 *
 * Reads what tap measured in its own processes; the agents that end-to-end tests start are built programs and do not
 * count. The floors are what is honest today: raise them when the figures have risen.
 */
import { readFileSync } from 'node:fs'

const FLOORS = { statements: 95, branches: 87, functions: 93, lines: 95 } as const

type Figures = Readonly<Record<keyof typeof FLOORS, { readonly pct: number }>>

const { total } = JSON.parse(readFileSync('.tap/report/coverage-summary.json', 'utf8')) as { total: Figures }
const kinds = Object.keys(FLOORS) as (keyof typeof FLOORS)[]
const short = kinds.filter(kind => total[kind].pct < FLOORS[kind])
process.stdout.write(
  `# coverage: ${kinds.map(kind => `${kind} ${total[kind].pct} % (at least ${FLOORS[kind]})`).join(', ')}\n`
)
if (short.length > 0) {
  process.stderr.write(`Too little is tested: ${short.join(', ')}. \`npx tap report html\` shows where.\n`)
  process.exit(1)
}
