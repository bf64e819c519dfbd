/**
 * Run: `npm run chaos`: every fault, with real processes.
 *
 * Prints the seed before anything else, then each round, then a table. Faults that mostly wait are played beside those
 * that work. Exits with 1 when a promise was broken.
 */
import { setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type FaultReport, playFault } from './campaign.js'
import { FAULTS } from './faults/all.js'
import type { Fault, FaultName } from './faults/fault.js'
import { isWhole, plain, table } from './report.js'

/** Whoever works at this machine goes first. */
const PRIORITY = 5
/** These wait most of the time: they have a lane of their own. */
const WAITING: readonly FaultName[] = ['sleep', 'partition']

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string' },
    seed: { type: 'string' },
    json: { type: 'boolean', default: false }
  }
})
const say = (text: string) => (values.json ? process.stderr : process.stdout).write(`${text}\n`)
const seed = values.seed === undefined ? Math.floor(Date.now() % 1e9) : Number(values.seed)
const chosen = choose(values.only)
const keepIn = join(tmpdir(), `hypersweep-chaos-${seed}`)

say(`seed ${seed}`)
setPriority(PRIORITY)
const lanes = [
  chosen.filter(({ name }) => !WAITING.includes(name)),
  chosen.filter(({ name }) => WAITING.includes(name))
]
const reports = (await Promise.all(lanes.map(playLane))).flat()
if (values.json) process.stdout.write(`${JSON.stringify({ seed, faults: plain(reports) }, undefined, 2)}\n`)
else say(`\n${table(reports)}`)
process.exit(isWhole(reports) ? 0 : 1)

async function playLane(faults: readonly Fault[]): Promise<FaultReport[]> {
  const done: FaultReport[] = []
  for (const fault of faults) {
    const rounds = values.rounds === undefined ? fault.rounds : Number(values.rounds)
    done.push(await playFault({ fault, rounds, seed, keepIn, say }))
  }
  return done
}

function choose(only: string | undefined): readonly Fault[] {
  const names = only?.split(',')
  const unknown = names?.filter(name => !FAULTS.some(fault => fault.name === name)) ?? []
  if (unknown.length === 0) return FAULTS.filter(({ name }) => names?.includes(name) ?? true)
  say(`no fault is named ${unknown.join(', ')}; there are ${FAULTS.map(({ name }) => name).join(', ')}`)
  return process.exit(2)
}
