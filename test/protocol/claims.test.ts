import fc from 'fast-check'
import t from 'tap'
import {
  canonicalJson,
  type Entry,
  holderOf,
  LIMITS,
  patienceMs,
  type RecordOf,
  type ResultClass,
  rankOf,
  type Standing,
  settleMs,
  sweepIdOf
} from '#protocol'
import { createWriter, foldAll, founded, keyOf, resultOf, submission } from '../helpers/records.js'

const MACHINES = ['a', 'b', 'c'] as const
const OWNERS = { a: 'ann', b: 'bo', c: 'cy' } as const
type Name = keyof typeof OWNERS

const SWEEP = sweepIdOf(submission(), keyOf('ann'))

/** What happened to trial 0, in short: machine, attempt, and a claim, a release or how it ended. */
type Event = readonly [
  machine: Name,
  attempt: number,
  what: 'claim' | 'backup' | 'report' | 'release' | ResultClass,
  value?: number
]

/** Returns the standing of trial 0 after the events; the first is the oldest. */
function standingAfter(...events: readonly Event[]): Standing | undefined {
  const arrived = entriesOf(events)
  const standing = standingIn(arrived)
  const texts = [standing, standingIn([...arrived].reverse())].map(canonicalJson)
  if (texts[0] !== texts[1]) throw new Error(`The order of arrival matters: ${texts.join(' or ')}`)
  return standing
}

function standingIn(entries: readonly Entry[]): Standing | undefined {
  const ann = founded()
  ann.write(submission())
  return foldAll([...ann.entries, ...entries])
    .sweeps.get(SWEEP)
    ?.trials.get(0)?.standing
}

function entriesOf(events: readonly Event[]): Entry[] {
  return events.map(([machine, attempt, what, value], n) => {
    const about = { sweep: SWEEP, trial: 0, attempt }
    // Each event in a log of its own: every order of arrival is then possible.
    const writer = createWriter(OWNERS[machine], machine, `${machine}-event-${n}`)
    if (what === 'claim' || what === 'backup') {
      const backup = what === 'backup' ? { backup: true as const } : {}
      return writer.write(
        { kind: 'trial-claimed', ...about, device: 'gpu0', parameters: { x: attempt }, ...backup },
        n + 1
      )
    }
    if (what === 'report') return writer.write({ kind: 'attempt-reported', ...about, step: 1, value: 1 }, n + 1)
    if (what === 'release') return writer.write({ kind: 'trial-released', ...about, reason: 'owner' }, n + 1)
    const changes: Partial<RecordOf<'attempt-finished'>> = value === undefined ? {} : { value }
    return writer.write(resultOf(about, what, changes), n + 1)
  })
}

/** Returns the machines in the order in which their claims on trial 0 would hold. */
function inOrderOfClaims(attempt: number): [first: Name, second: Name, third: Name] {
  const claims = (names: readonly Name[]) => new Map(names.map(name => [keyOf(name), fakeClaim(name)]))
  const holder = (names: readonly Name[]) => {
    const key = holderOf(SWEEP, 0, { number: attempt, claims: claims(names), ...EMPTY })
    return names.find(name => keyOf(name) === key) ?? 'a'
  }
  const first = holder(MACHINES)
  const second = holder(MACHINES.filter(name => name !== first))
  return [first, second, MACHINES.find(name => name !== first && name !== second) ?? 'a']
}

const EMPTY = { releases: new Map(), results: new Map(), reports: new Map() }
const fakeClaim = (name: string) => {
  const place = { clock: 1, log: keyOf(name), block: 0, index: 0, at: 0 }
  return { ...place, machine: keyOf(name), device: 'gpu0', parameters: {} }
}

t.test('of claims on one attempt one holds, the same in every order (rule C3)', async t => {
  const [first, second, third] = inOrderOfClaims(1)
  const holds = { phase: 'claimed', attempt: 1, held: { attempt: 1, holder: keyOf(first) } }
  t.match(standingAfter([second, 1, 'claim'], [first, 1, 'claim'], [third, 1, 'claim']), holds)
  t.match(standingAfter([third, 1, 'claim'], [second, 1, 'claim']), { held: { holder: keyOf(second) } })
  t.equal(standingAfter([second, 1, 'claim'])?.held?.holder, keyOf(second))
})

t.test('the hash that decides is of the machine, trial and attempt: no clock can be chosen to win', async t => {
  const holders = [1, 2, 3, 4, 5, 6, 7, 8].map(attempt => inOrderOfClaims(attempt)[0])
  t.ok(new Set(holders).size > 1, 'not the same machine wins every attempt')
})

t.test('a trial is open again once its holder gave it back, whatever the loser of the claim does', async t => {
  const [first, second] = inOrderOfClaims(1)
  const rivals: Event[] = [
    [first, 1, 'claim'],
    [second, 1, 'claim']
  ]
  t.match(standingAfter(...rivals, [second, 1, 'release']), { phase: 'claimed', held: { holder: keyOf(first) } })
  const open = standingAfter(...rivals, [first, 1, 'release'])
  t.match(open, { phase: 'open', attempt: 1 })
  t.notOk(open?.held, 'the loser holds nothing: it left when it lost')
})

t.test('a later attempt replaces the one before it', async t => {
  const standing = standingAfter(['a', 1, 'claim'], ['b', 2, 'claim'])
  t.match(standing, { phase: 'claimed', attempt: 2, held: { attempt: 2, holder: keyOf('b') } })
})

t.test('when the later attempt gives way, the earlier one is under way again (rule C5)', async t => {
  const standing = standingAfter(['a', 1, 'claim'], ['b', 2, 'claim'], ['b', 2, 'release'])
  t.match(standing, { phase: 'claimed', attempt: 2, held: { attempt: 1, holder: keyOf('a') } })
  t.match(standingAfter(['a', 1, 'claim'], ['a', 1, 'release'], ['b', 2, 'claim'], ['b', 2, 'release']), {
    phase: 'open'
  })
})

t.test('classes: what each one does to its trial (rule C9)', async t => {
  const after = (result: ResultClass) => standingAfter(['a', 1, 'claim'], ['a', 1, result])
  for (const result of ['complete', 'stopped', 'diverged'] as const) {
    t.match(after(result), { phase: 'done', result: { class: result } })
  }
  for (const result of ['error', 'timeout', 'oom', 'environment', 'released', 'lost'] as const) {
    t.match(after(result), { phase: 'open', attempt: 1, failures: [{ class: result }] })
  }
  t.equal(after('oom')?.tooSmallBytes, 12 * 2 ** 30, 'running out of memory teaches how much is too little')
  t.equal(after('error')?.tooSmallBytes, 0)
})

t.test('canonical result: by class, then attempt, then hash; the others are replicates (rule C8)', async t => {
  for (const attempt of [1, 2, 3, 4]) {
    const late = standingAfter(['b', attempt + 1, 'complete', 0.2], ['a', attempt, 'complete', 0.1])
    t.match(late, { phase: 'done', result: { attempt, value: 0.1 }, replicates: [{ value: 0.2 }] }, 'whatever its hash')
  }
  const cut = standingAfter(['a', 1, 'stopped'], ['b', 2, 'complete', 0.2], ['c', 3, 'diverged'])
  t.match(cut, { result: { class: 'complete' }, replicates: [{ class: 'stopped' }, { class: 'diverged' }] })
  const [first, second] = inOrderOfClaims(1)
  const tied = standingAfter([second, 1, 'complete', 0.2], [first, 1, 'complete', 0.1])
  t.match(tied, { result: { machine: keyOf(first) }, replicates: [{ machine: keyOf(second) }] })
})

t.test('a late result counts, whatever happened to its trial meanwhile (rule C8)', async t => {
  const failed: Event[] = ['a', 'b', 'a'].map((machine, n) => [machine as Name, n + 1, 'error'])
  t.equal(standingAfter(...failed)?.phase, 'quarantined')
  t.match(standingAfter(...failed, ['c', 1, 'complete']), { phase: 'done', result: { machine: keyOf('c') } })
})

t.test('quarantine: three failures on two machines, five on one (rule C9)', async t => {
  const failures = (machines: string, result: ResultClass = 'error') =>
    standingAfter(...[...machines].map((machine, n): Event => [machine as Name, n + 1, result]))?.phase
  t.equal(failures('ab'), 'open')
  t.equal(failures('aaa'), 'open', 'one machine may be at fault itself')
  t.equal(failures('aab'), 'quarantined')
  t.equal(failures('aaaa'), 'open')
  t.equal(failures('aaaaa'), 'quarantined', 'a pool may have one machine only')
  t.equal(failures('aab', 'timeout'), 'quarantined')
  for (const result of ['oom', 'environment', 'released', 'lost'] as const)
    t.equal(failures('abcabcabc', result), 'open', `${result} is no fault of the trial`)
})

t.test('quarantine: the claim on the last attempt ends its trial, for nobody could take it over (rule C9)', async t => {
  const last = LIMITS.attemptsPerTrial
  const before = (end: number) => Array.from({ length: end - 1 }, (_, i): Event => ['a', i + 1, 'release'])
  t.equal(standingAfter(...before(last), ['a', last, 'claim'])?.phase, 'quarantined')
  t.equal(standingAfter(...before(last), ['a', last, 'claim'], ['a', last, 'complete'])?.phase, 'done', 'or its result')
  t.match(standingAfter(...before(last - 1), ['a', last - 1, 'claim']), {
    held: { attempt: last - 1, holder: keyOf('a') }
  })
  t.equal(standingAfter(...before(last - 1), ['a', last - 1, 'lost'])?.phase, 'open')
})

t.test('a claim far ahead counts once the attempts before it are known: one record uses up no trial', async t => {
  t.match(standingAfter(['a', LIMITS.attemptsPerTrial, 'claim']), { phase: 'open', attempt: 0 })
  t.match(standingAfter(['b', 2, 'claim'], ['a', 1, 'claim']), { phase: 'claimed', attempt: 2 })
})

t.test('a report alone makes no attempt, so that it cannot fill a gap either (rule C2)', async t => {
  t.match(standingAfter(['a', 1, 'report'], ['b', 2, 'claim']), { phase: 'open', attempt: 0 })
})

t.test('a backup takes nothing over: the trial is held by the newest attempt that is none (rule C11)', async t => {
  const [a, b, c] = MACHINES.map(keyOf)
  const held = (attempt: number, holder: string | undefined) => ({ attempt, holder })
  const both = standingAfter(['a', 1, 'claim'], ['b', 2, 'backup'])
  t.match(both, { phase: 'claimed', attempt: 2, held: held(1, a), backup: held(2, b) })
  const taken = standingAfter(['a', 1, 'claim'], ['b', 2, 'backup'], ['c', 3, 'claim'])
  t.match(taken, { attempt: 3, held: held(3, c), backup: held(2, b) }, 'a claim after it takes over as ever')
  const given = standingAfter(['a', 1, 'claim'], ['b', 2, 'backup'], ['a', 1, 'release'])
  t.match(given, { phase: 'claimed', held: held(2, b) })
  t.notOk(given?.backup, 'then it backs up nothing any more')
  t.match(standingAfter(['b', 1, 'backup']), { phase: 'claimed', held: held(1, b) }, 'there is nothing to back up')
  const done = standingAfter(['a', 1, 'claim'], ['b', 2, 'backup'], ['b', 2, 'complete'])
  t.match(done, { phase: 'done', result: { attempt: 2 } })
  t.notOk(done?.backup ?? done?.held)
})

t.test('rank: each trial has exactly one first machine (rule C1)', async t => {
  const machines = fc.uniqueArray(fc.integer(), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(machines, fc.nat(1000), (numbers, trial) => {
      const keys = numbers.map(number => keyOf(`machine ${number}`))
      const ranks = keys.map(machine =>
        rankOf(
          { sweep: SWEEP, trial, machine },
          keys.filter(other => other !== machine)
        )
      )
      return ranks.sort((a, b) => a - b).every((rank, place) => rank === place)
    })
  )
  t.equal(rankOf({ sweep: SWEEP, trial: 0, machine: keyOf('a') }, []), 0, 'who is alone is first')
})

t.test('rank: trials are spread over the machines', async t => {
  const keys = MACHINES.map(keyOf)
  const firsts = keys.map(machine => {
    const others = keys.filter(other => other !== machine)
    return Array.from({ length: 300 }, (_, trial) => rankOf({ sweep: SWEEP, trial, machine }, others)).filter(
      rank => rank === 0
    ).length
  })
  t.equal(
    firsts.reduce((sum, count) => sum + count),
    300
  )
  t.ok(
    firsts.every(count => count > 60),
    `each is first for about a third: ${firsts.join(', ')}`
  )
})

t.test('settle: four median round trips within limits, nothing when alone (rule C3)', async t => {
  t.equal(settleMs([]), 0)
  t.equal(settleMs([0]), LIMITS.settleMinMs)
  t.equal(settleMs([900, 10, 500]), 2000)
  t.equal(settleMs([60_000, 60_000, 1]), LIMITS.settleMaxMs)
})

t.test('patience: it doubles with each attempt up to a limit; the isolated wait longest (rule C6)', async t => {
  const lease = 10_000
  const growth = [1, 2, 3, 4, 5, 6, LIMITS.attemptsPerTrial].map(attempt => patienceMs(lease, attempt, false) / lease)
  t.same(growth, [1, 2, 4, 8, 16, LIMITS.leaseGrowthMax, LIMITS.leaseGrowthMax])
  t.equal(patienceMs(lease, 1, true), LIMITS.leaseGrowthMax * lease)
})
