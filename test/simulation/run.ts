/**
 * Run: `npm run simulate`: many schedules from one seed.
 *
 * Prints the seed and the fault rates before anything else, and each failure with what replays it. Exits with 129 when
 * something wrong happened, with 128 when something right never did, else with 0.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { BUGS, buggyTree } from './bugs.js'
import { playAll } from './fleet.js'
import { PROFILES } from './rates.js'
import type { Replay } from './replay.js'
import { SIZES } from './scenario.js'
import { simulate, type Verdict } from './simulate.js'
import { ratesText, totalsOf, totalsText, verdictText } from './tell.js'

const PROGRESS_MS = 10_000

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    schedules: { type: 'string', default: '1' },
    profile: { type: 'string' },
    size: { type: 'string' },
    machines: { type: 'string' },
    /** Sweeps whose method learns. */
    learns: { type: 'boolean', default: false },
    workers: { type: 'string' },
    /** A deliberate bug, by its name in bugs.ts. */
    bug: { type: 'string' },
    /** The trace of a single schedule, line by line. */
    lines: { type: 'boolean', default: false },
    /** Standard output is one JSON text; the rest goes to standard error. */
    json: { type: 'boolean', default: false }
  }
})

const first = values.seed === undefined ? Math.floor(Date.now() % 1e9) : wholeNumber('seed', values.seed)
const schedules = wholeNumber('schedules', values.schedules)
const workers = values.workers === undefined ? availableParallelism() : wholeNumber('workers', values.workers)
const profile = oneOf('profile', PROFILES, values.profile)
const size = oneOf('size', SIZES, values.size)
const bug = oneOf(
  'bug',
  BUGS.map(each => each.name),
  values.bug
)
const options = {
  ...(size ? { size } : {}),
  ...(profile ? { profile } : {}),
  ...(values.learns ? { learns: true } : {}),
  ...(values.machines === undefined ? {} : { machines: wholeNumber('machines', values.machines) })
}
const replay: Replay = { ...options, ...(bug === undefined ? {} : { bug }) }
const output = values.json ? process.stderr : process.stdout
const say = (text: string) => void output.write(`${text}\n`)

say(`seed ${first}, ${schedules} schedules`)
for (const each of profile ? [profile] : PROFILES) say(ratesText(each))
const verdicts: Verdict[] = []
const beganMs = performance.now()
const seconds = () => (performance.now() - beganMs) / 1000
if (schedules === 1 && bug === undefined) playHere()
else await playThere()
const totals = totalsOf(verdicts, seconds())
say(totalsText(totals))
const failed = verdicts.filter(({ violation }) => violation)
if (values.json) process.stdout.write(`${JSON.stringify({ first, ...replay, ...totals, failed })}\n`)
const kinds = failed.map(({ violation }) => violation?.kind)
process.exitCode = kinds.includes('safety') ? 129 : kinds.includes('liveness') ? 128 : 0

function playHere(): void {
  const onLines = (lines: readonly string[]) => say(lines.join('\n'))
  const verdict = simulate(first, { ...options, ...(values.lines ? { onLines } : {}) })
  verdicts.push(verdict)
  say(verdictText(verdict, replay))
}

async function playThere(): Promise<void> {
  const tree = bug === undefined ? undefined : buggyTree(bug)
  const progress = setInterval(() => sayProgress(), PROGRESS_MS)
  try {
    await playAll({
      tasks: Array.from({ length: schedules }, (_, n) => ({ seed: first + n, options })),
      workers,
      ...(tree ? { root: tree.root } : {}),
      onVerdict(verdict) {
        verdicts.push(verdict)
        if (verdict.violation) say(verdictText(verdict, replay))
      }
    })
  } finally {
    clearInterval(progress)
    tree?.remove()
  }
}

function sayProgress(): void {
  const rate = verdicts.length / seconds()
  const minutes = (schedules - verdicts.length) / rate / 60
  const left = Number.isFinite(minutes) ? `${minutes.toFixed(1)} min left` : 'nothing is over yet'
  const violations = verdicts.filter(({ violation }) => violation).length
  say(`${verdicts.length} of ${schedules}, ${violations} violations, ${rate.toFixed(2)} schedules/s, ${left}`)
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${name} is a whole number, not "${text}".`)
  return number
}

function oneOf<T extends string>(name: string, known: readonly T[], text: string | undefined): T | undefined {
  const found = known.find(each => each === text)
  if (text !== undefined && found === undefined) throw new Error(`--${name} is one of ${known.join(', ')}.`)
  return found
}
