import t from 'tap'
import { createWriter, foldAll, founded, resultOf, submission } from './helpers/records.js'
import { createChance } from './simulation/chance.js'
import { PROFILES, type Profile } from './simulation/rates.js'
import { checkAgreement, checkOracle, checkResults } from './simulation/safety.js'
import { drawScenario } from './simulation/scenario.js'
import { simulate, type Verdict } from './simulation/simulate.js'
import { createWatch, Violation, type Watched } from './simulation/watch.js'
import { createWorld } from './simulation/world.js'

/** Schedules of each profile in every run of the tests; thousands are played by `npm run simulate`. */
const SCHEDULES: Readonly<Record<Profile, number>> = { calm: 30, mild: 40, heavy: 90, hostile: 40 }

for (const profile of PROFILES) {
  t.test(`${SCHEDULES[profile]} ${profile} pools: no result is lost, all agree, every trial ends`, async t => {
    const verdicts: Verdict[] = []
    for (let seed = 1; seed <= SCHEDULES[profile]; seed++) {
      const verdict = simulate(seed, { profile, size: 'small' })
      verdicts.push(verdict)
      if (verdict.violation) t.fail(`--seed ${seed} --profile ${profile} --size small`, { found: verdict.violation })
    }
    t.ok(of(verdicts, each => each.results) > 5 * verdicts.length, 'they did train something')
    const share = of(verdicts, each => each.duplicatedMs) / of(verdicts, each => each.gpuMs)
    t.comment(`GPU time that was trained twice: ${(100 * share).toFixed(2)} %`)
    if (profile === 'calm') t.equal(share, 0, 'without faults nothing is trained twice')
  })
}

function of(verdicts: readonly Verdict[], value: (verdict: Verdict) => number): number {
  return verdicts.reduce((sum, each) => sum + value(each), 0)
}

/** Why each of them is here stands in test/simulation/seeds. */
const SEEDS = [
  [259, 'heavy'],
  [7, 'hostile']
] as const

t.test('a seed that once failed holds now', async t => {
  for (const [seed, profile] of SEEDS)
    t.equal(simulate(seed, { profile, size: 'small' }).violation, undefined, `seed ${seed}`)
})

t.test('a seed replays exactly, whatever ran before; another seed is another schedule', async t => {
  const [first, other, again] = [5, 6, 5].map(seed => simulate(seed, { profile: 'heavy', size: 'small' }))
  t.same([again?.trace, again?.events], [first?.trace, first?.events])
  t.not(other?.trace, first?.trace)
})

t.test('self-test: events of one time happen in the order in which they were planned', async t => {
  const world = createWorld()
  const seen: string[] = []
  for (const [ms, name] of [
    [5, 'c'],
    [1, 'a'],
    [5, 'd'],
    [1, 'b']
  ] as const)
    world.after(ms, () => void seen.push(`${name}${world.now()}`))
  world.run(() => false, 4)
  t.same(seen, ['a1', 'b1'])
  world.run(() => false, 10)
  t.same(seen, ['a1', 'b1', 'c5', 'd5'])
})

/** Returns which invariant a check finds broken. */
function brokenBy(check: () => void): string | undefined {
  try {
    check()
  } catch (error) {
    if (error instanceof Violation) return error.invariant
    throw error
  }
  return undefined
}

/** A machine as the checkers see it, with a pool of these records. */
function witness(name: string, entries: Parameters<typeof foldAll>[0], held = 1): Watched {
  const [plan] = drawScenario(1, { machines: 3 }).machines
  if (!plan) throw new Error('There is no machine.')
  const pool = foldAll(entries)
  return { name, key: plan.key, plan, disk: { held: new Map([['log', held]]), results: new Map() }, pool: () => pool }
}

const sweep = submission()
const about = { sweep: sweep.sweep, trial: 0, attempt: 1 }

/** A founded pool with a sweep and, if there is one, a result of ann's machine. */
function records(value?: number) {
  const ann = founded()
  ann.write(sweep)
  if (value !== undefined) ann.write(resultOf(about, 'complete', { value }))
  return ann.entries
}

t.test('self-test: machines that hold the same and mean something else are found', async t => {
  const a = witness('a', records(0.5))
  t.equal(
    brokenBy(() => checkAgreement([a, witness('b', records(0.5))])),
    undefined
  )
  t.equal(
    brokenBy(() => checkAgreement([a, witness('b', records(0.6), 2)])),
    undefined,
    'they hold different records'
  )
  t.equal(
    brokenBy(() => checkAgreement([a, witness('b', records(0.6))])),
    'one canonical result for each trial'
  )
  const [announced, silent] = [records(), records()]
  const bo = createWriter('bo', 'b')
  announced.push(bo.write({ kind: 'machine-announced', name: 'b', version: '', platform: '', devices: [] }))
  const both = [witness('a', announced), witness('b', silent)]
  t.equal(
    brokenBy(() => checkAgreement(both)),
    'equal records give equal pools'
  )
  const body = { key: 'log', member: '', machine: '', incarnation: 1, blocks: [records(0.6)] }
  t.equal(
    brokenBy(() => checkOracle(a, new Map([['log', body]]), createChance(1, ''))),
    'one canonical result for each trial'
  )
})

t.test('self-test: a lost result, a device with two programs, an end without a start and a fork are found', async t => {
  const watch = createWatch(drawScenario(1, { profile: 'calm' }))
  const a = witness('a', records())
  watch.acknowledge(a, `${about.sweep}-0-1`, resultOf(about, 'complete'))
  t.equal(
    brokenBy(() => checkResults([a], watch)),
    'no acknowledged result is lost'
  )
  t.equal(
    brokenBy(() => checkResults([witness('b', records(0.5))], watch)),
    undefined
  )
  const attempt = {
    ...about,
    id: `${about.sweep}-0-1`,
    spec: sweep.spec,
    parameters: {},
    seed: 1,
    bundleDigest: '',
    device: 'gpu0',
    environment: {},
    resume: false
  }
  const run = { attempt, ranMs: 1 }
  t.equal(
    brokenBy(() => watch.started(a, attempt, [run])),
    'one attempt at a time on a device'
  )
  t.equal(
    brokenBy(() => watch.started(a, attempt, [])),
    'only who holds a trial trains it'
  )
  t.equal(
    brokenBy(() => watch.ended(a, run, 'complete')),
    'an end has a start'
  )
  const body = { key: 'log', member: '', machine: '', incarnation: 1, blocks: [] }
  t.equal(
    brokenBy(() => watch.forked(a, body)),
    'a log has one history'
  )
})

t.test('self-test: in a calm pool a rejected record and a second training are found', async t => {
  const watch = createWatch(drawScenario(1, { profile: 'calm' }))
  const ann = founded()
  ann.write(sweep)
  ann.write({ kind: 'trial-claimed', ...about, device: 'gpu0', parameters: { x: 0 } })
  const a = witness('a', ann.entries)
  const attempt = { ...about, id: 'x', spec: sweep.spec, parameters: {}, seed: 1, bundleDigest: '' }
  const start = () => watch.started(a, { ...attempt, device: 'gpu0', environment: {}, resume: false }, [])
  t.equal(brokenBy(start), undefined)
  t.equal(brokenBy(start), 'without faults nothing is trained twice')
  const rejection = { reason: 'twice', kind: 'trial-claimed', machine: '', log: '', block: 0 }
  t.equal(
    brokenBy(() => watch.rejected(a, rejection)),
    'without faults every record has an effect'
  )
})
