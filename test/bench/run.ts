/**
 * Benches: `npm run bench`, or `npm run bench -- claims` for one. Prints one line of JSON for each.
 */
import { benchClaims } from './claims.js'
import { benchFootprint } from './footprint.js'

const BENCHES: Readonly<Record<string, () => Promise<object>>> = { claims: benchClaims, footprint: benchFootprint }

const wanted = process.argv.slice(2)
const unknown = wanted.filter(name => !Object.hasOwn(BENCHES, name))
if (unknown.length > 0) {
  process.stderr.write(`There is no bench ${unknown.join(', ')}. Known: ${Object.keys(BENCHES).join(', ')}.\n`)
  process.exit(2)
}
for (const [name, bench] of Object.entries(BENCHES)) {
  if (wanted.length === 0 || wanted.includes(name)) process.stdout.write(`${JSON.stringify(await bench())}\n`)
}
process.exit(0)
