/**
 * Benches: `npm run bench`, or `npm run bench -- append claims` for some. Prints one line of JSON for each, then a
 * table for people: what was measured beside what is aimed at.
 */
import { benchAppend } from './append.js'
import { benchClaims } from './claims.js'
import { benchConverge } from './converge.js'
import { benchCoordination } from './coordination.js'
import { benchFold } from './fold.js'
import { benchFootprint } from './footprint.js'
import { benchPlacement } from './placement.js'
import { benchPool } from './pool.js'
import type { Row } from './rig.js'
import { benchSearch } from './search.js'
import { benchStopping } from './stopping.js'

const BENCHES: Readonly<Record<string, () => Promise<{ readonly rows?: readonly Row[] }>>> = {
  append: benchAppend,
  converge: benchConverge,
  pool: benchPool,
  fold: benchFold,
  placement: benchPlacement,
  claims: benchClaims,
  footprint: benchFootprint,
  coordination: benchCoordination,
  search: benchSearch,
  stopping: benchStopping
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter(name => !Object.hasOwn(BENCHES, name))
if (unknown.length > 0) {
  process.stderr.write(`There is no bench ${unknown.join(', ')}. Known: ${Object.keys(BENCHES).join(', ')}.\n`)
  process.exit(2)
}
const table: Row[] = []
for (const [name, bench] of Object.entries(BENCHES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const { rows = [], ...figures } = await bench()
  process.stdout.write(`${JSON.stringify(figures)}\n`)
  table.push(...rows)
}
for (const { what, measured, aim, isMet } of table)
  process.stderr.write(`${isMet ? 'met   ' : 'MISSED'}  ${what.padEnd(48)}  ${measured}  (aim: ${aim})\n`)
process.exit(0)
