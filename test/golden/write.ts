/**
 * Writes the golden logs of this release: `node --conditions=typescript --import tsx test/golden/write.ts`.
 *
 * Once for each release, before it is published. Never writes over a set that is there: those logs are on people's
 * disks. Before that, a set may be deleted by hand and written again.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { poolDigest } from '#protocol'
import { GOLDEN, meaningOf, readGolden } from '../helpers/golden.js'
import { goldenLogs } from '../helpers/golden-logs.js'
import { foldAll } from '../helpers/records.js'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
const folder = join(GOLDEN, version)
if (existsSync(folder)) {
  process.stderr.write(`The golden logs of ${version} are written already; what was released never changes.\n`)
  process.exit(1)
}
mkdirSync(folder)
for (const [name, logs] of Object.entries(goldenLogs())) {
  const pool = foldAll(readGolden(logs).entries)
  const set = { digest: poolDigest(pool), meaning: meaningOf(pool), logs }
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(set, null, 1)}\n`)
  process.stdout.write(`${version}/${name}: ${set.digest}\n`)
}
