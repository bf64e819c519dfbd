import t from 'tap'
import { createWriter, foldAll, founded, resultOf, submission } from './helpers/records.js'
import type { Bodies, Body } from './simulation/body.js'
import { BUGS, buggyTree } from './simulation/bugs.js'
import { createChance } from './simulation/chance.js'
import { playAll } from './simulation/fleet.js'
import { PROFILES, type Profile } from './simulation/rates.js'
import { checkAgreement, checkCounts, checkOracle, checkResults } from './simulation/safety.js'
import { drawScenario } from './simulation/scenario.js'
import { simulate, type Verdict } from './simulation/simulate.js'
import { totalsOf, totalsText, verdictText } from './simulation/tell.js'
import { createWatch, Violation, type Watched } from './simulation/watch.js'
import { createWorld } from './simulation/world.js'

/** In every run of the tests; `npm run simulate -- --schedules 10000` plays more. */
const SCHEDULES = 1000
/** Of sweeps whose method learns; `--learns` plays more. */
const LEARNING_SCHEDULES = 60
const WORKERS = 2
/** GPU time that may be trained twice, as a share of all: what claims without a lock cost at most. */
const DUPLICATED_MAX: Readonly<Record<Profile, number>> = { calm: 0, mild: 0.06, heavy: 0.15, hostile: 0.15 }

t.setTimeout(900_000)

t.test(`${SCHEDULES} schedules: no result is lost, all agree, every trial ends, little is trained twice`, async t => {
  const verdicts: Verdict[] = []
  await playAll({
    tasks: Array.from({ length: SCHEDULES }, (_, n) => ({ seed: n + 1, options: {} })),
    workers: WORKERS,
    onVerdict: verdict => verdicts.push(verdict)
  })
  for (const verdict of verdicts) if (verdict.violation) t.fail(verdictText(verdict, {}))
  const totals = totalsOf(verdicts, 0)
  t.equal(totals.schedules, SCHEDULES)
  for (const profile of PROFILES) {
    const { schedules = 0, results = 0, duplicated = 1 } = totals.profiles[profile] ?? {}
    t.ok(results > 10 * schedules, `${profile}: they did train something`)
    t.ok(duplicated <= DUPLICATED_MAX[profile], `${profile}: trained twice: ${(100 * duplicated).toFixed(2)} %`)
  }
  t.same(
    FAULTS.filter(fault => !totals.faults[fault]),
    [],
    'every kind of fault happened'
  )
  t.comment(totalsText(totals))
})

t.test('the same where claimers propose what they train, and some of it ends early', async t => {
  const verdicts: Verdict[] = []
  await playAll({
    tasks: Array.from({ length: LEARNING_SCHEDULES }, (_, n) => ({ seed: n + 1, options: { learns: true } })),
    workers: WORKERS,
    onVerdict: verdict => verdicts.push(verdict)
  })
  for (const verdict of verdicts) if (verdict.violation) t.fail(verdictText(verdict, { learns: true }))
  t.equal(verdicts.length, LEARNING_SCHEDULES)
})

/** What must have gone wrong somewhere, or nothing was tried. */
const FAULTS = [
  'clock jump',
  'crash',
  'founder gone',
  'freeze',
  'full disk',
  'game',
  'gone',
  'liar removed',
  'lie: flood',
  'lie: garbage',
  'lie: hoard',
  'lie: two-faced',
  'loss',
  'member removed',
  'one-way link',
  'partition',
  'power cut',
  'restart',
  'restored backup',
  'sick device',
  'sleep',
  'slow line'
] as const

t.test('a deliberate bug is found, by the checker that should find it', async t => {
  for (const { name, caught } of BUGS) {
    const { seed, profile, invariant } = caught
    const tree = buggyTree(name)
    const found: Verdict[] = []
    const tasks = [{ seed, options: { profile, size: 'small' as const } }]
    await playAll({ tasks, workers: 1, root: tree.root, onVerdict: verdict => found.push(verdict) })
    tree.remove()
    t.equal(found[0]?.violation?.invariant, invariant, `${name}, seed ${seed}`)
  }
})

/** Why each of them is here stands in test/simulation/seeds. */
const SEEDS = [
  [7, 'hostile', 'small'],
  [259, 'heavy', 'small'],
  [604, 'calm', 'large'],
  [688, 'hostile', 'small'],
  [713, 'hostile', 'small'],
  [747, 'hostile', 'usual'],
  [821, 'hostile', 'small'],
  [865578580, 'hostile', 'small']
] as const

t.test('a seed that once failed holds now', async t => {
  for (const [seed, profile, size] of SEEDS)
    t.equal(simulate(seed, { profile, size }).violation, undefined, `seed ${seed}`)
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

/** A machine as the checkers see it, with a pool of these records. `held`: blocks of its log, more than there are. */
function witness(name: string, entries: Parameters<typeof foldAll>[0], held = 99): Watched {
  const [plan] = drawScenario(1, { machines: 3 }).machines
  if (!plan) throw new Error('There is no machine.')
  const pool = foldAll(entries)
  return { name, key: plan.key, plan, disk: { held: new Map([['log', held]]), results: new Map() }, pool: () => pool }
}

const NO_BODIES: Bodies = new Map()

/** A log of one block for each entry. */
function bodyOf(entries: Parameters<typeof foldAll>[0]): Body {
  const blocks = entries.map(entry => ({ bytes: 1, entries: [entry] }))
  return { name: 'log', key: 'log', member: '', machine: '', incarnation: 1, blocks }
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
    brokenBy(() => checkAgreement([a, witness('b', records(0.5))], NO_BODIES)),
    undefined
  )
  t.equal(
    brokenBy(() => checkAgreement([a, witness('b', records(0.6), 2)], NO_BODIES)),
    undefined,
    'they hold different records'
  )
  t.equal(
    brokenBy(() => checkAgreement([a, witness('b', records(0.6))], NO_BODIES)),
    'one canonical result for each trial'
  )
  const [announced, silent] = [records(), records()]
  const bo = createWriter('bo', 'b')
  announced.push(bo.write({ kind: 'machine-announced', name: 'b', version: '', platform: '', devices: [] }))
  const both = [witness('a', announced), witness('b', silent)]
  t.equal(
    brokenBy(() => checkAgreement(both, NO_BODIES)),
    'equal records give equal pools'
  )
  const body = bodyOf(records(0.6))
  t.equal(
    brokenBy(() => checkOracle(a, new Map([['log', body]]), createChance(1, ''))),
    'one canonical result for each trial'
  )
})

t.test('self-test: a result that counts twice is found', async t => {
  const a = witness('a', records(0.5))
  const trial = a.pool()?.sweeps.get(about.sweep)?.trials.get(0)
  const { result } = trial?.standing ?? {}
  if (!trial || !result) throw new Error('There is no result.')
  t.equal(
    brokenBy(() => checkCounts(a)),
    undefined
  )
  trial.standing = { ...trial.standing, replicates: [result] }
  t.equal(
    brokenBy(() => checkCounts(a)),
    'a result counts once'
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
  t.equal(
    brokenBy(() => watch.forked(a, bodyOf([]))),
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
