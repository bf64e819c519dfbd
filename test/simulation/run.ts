/**
 * Run: `npm run simulate`: many schedules from one seed.
 *
 * Prints the seed and the fault rates before anything else, and each failure with what replays it. Exits with 129 when
 * something wrong happened, with 128 when something right never did, else with 0.
 */
import { parseArgs } from 'node:util'
import { PROFILES, type Profile, RATES } from './rates.js'
import { SIZES } from './scenario.js'
import { simulate, type Verdict } from './simulate.js'

const HOUR_MS = 3_600_000
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    schedules: { type: 'string', default: '1' },
    profile: { type: 'string' },
    size: { type: 'string' },
    machines: { type: 'string' },
    lines: { type: 'boolean', default: false }
  }
})
const say = (text: string) => process.stdout.write(`${text}\n`)
const first = values.seed === undefined ? Math.floor(Date.now() % 1e9) : Number(values.seed)
const schedules = Number(values.schedules)
const profile = PROFILES.find(each => each === values.profile)
const size = SIZES.find(each => each === values.size)
const options = {
  ...(size ? { size } : {}),
  ...(profile ? { profile } : {}),
  ...(values.machines === undefined ? {} : { machines: Number(values.machines) })
}

say(`seed ${first}, ${schedules} schedules`)
for (const each of profile ? [profile] : PROFILES) say(`${each}: ${ratesText(each)}`)
const beganMs = performance.now()
const verdicts: Verdict[] = []
for (let seed = first; seed < first + schedules; seed++) {
  const onLines = (lines: readonly string[]) => say(lines.join('\n'))
  const verdict = simulate(seed, { ...options, ...(values.lines ? { onLines } : {}) })
  verdicts.push(verdict)
  if (verdict.violation || schedules === 1) sayVerdict(verdict)
}
saySummary()
const kinds = verdicts.flatMap(({ violation }) => violation?.kind ?? [])
process.exitCode = kinds.includes('safety') ? 129 : kinds.includes('liveness') ? 128 : 0

function ratesText(of: Profile): string {
  const rates = Object.entries(RATES[of]).filter(([, rate]) => rate > 0 || rate === true)
  return rates.map(([name, rate]) => `${name} ${rate}`).join(', ')
}

function sayVerdict({ scenario, violation, trace, events, virtualMs }: Verdict): void {
  const { seed, machines, sweeps } = scenario
  const trials = sweeps.map(sweep => sweep.truths.length).join(' + ')
  const size = `${machines.length} machines, ${trials} trials, ${(virtualMs / HOUR_MS).toFixed(1)} h`
  const flags = Object.entries(options).map(([name, value]) => ` --${name} ${value}`)
  say(`seed ${seed} (${scenario.profile}, ${size}): trace ${trace}, ${events} events`)
  if (!violation) return
  say(`  ${violation.kind}: ${violation.invariant}`)
  say(`  ${violation.message}`)
  say(`  replay: npm run simulate -- --seed ${seed} --schedules 1${flags.join('')} --lines`)
}

function saySummary(): void {
  const sum = (of: (verdict: Verdict) => number) => verdicts.reduce((total, each) => total + of(each), 0)
  const seconds = (performance.now() - beganMs) / 1000
  const failed = verdicts.filter(({ violation }) => violation).length
  say(`${failed} of ${verdicts.length} schedules failed; ${seconds.toFixed(1)} s, ${sum(v => v.events)} events`)
  for (const each of PROFILES) {
    const of = verdicts.filter(({ scenario }) => scenario.profile === each)
    if (of.length === 0) continue
    const total = (value: (verdict: Verdict) => number) => of.reduce((all, verdict) => all + value(verdict), 0)
    const share = (part: number) =>
      `${(
        (100 * part) /
          Math.max(
            1,
            total(v => v.gpuMs)
          )
      ).toFixed(2)} %`
    const hours = total(v => v.virtualMs) / HOUR_MS
    say(
      `${each}: ${of.length} schedules, ${hours.toFixed(0)} virtual h, ${total(v => v.results)} results, GPU time ` +
        `duplicated ${share(total(v => v.duplicatedMs))}, lost to crashes ${share(total(v => v.lostMs))}`
    )
  }
}
