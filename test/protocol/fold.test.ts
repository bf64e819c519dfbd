import fc from 'fast-check'
import t from 'tap'
import {
  applyEntry,
  canonicalJson,
  type Entry,
  emptyPool,
  isFresh,
  LIMITS,
  type Phase,
  type Pool,
  poolDigest,
  RECORD_KINDS,
  RESULT_CLASSES,
  type RecordKind,
  stamped,
  standingOf,
  sweepStateOf
} from '#protocol'
import { arrival, randomLogs } from '../helpers/random-pool.js'
import {
  admission,
  announcement,
  createWriter,
  FOUNDING,
  foldAll,
  founded,
  idFor,
  keyOf,
  POOL,
  resultOf,
  submission,
  sweepSpec
} from '../helpers/records.js'

const RANDOM_POOLS = 1000
const PHASES: readonly Phase[] = ['open', 'claimed', 'done', 'quarantined']
const anySeed = fc.integer({ min: 0, max: 2 ** 31 })
const anySize = fc.integer({ min: 1, max: 60 })

/** Seeds and sizes at which the order of arrival once mattered: failures of one machine with one clock had no order. */
const FAILED_ONCE: [number, number][] = [[160589621, 33]]

/** All that the pool means and all that a decision reads, as one text. */
function meaningOf(pool: Pool): string {
  const sweeps = [...pool.sweeps.values()].map(sweep => ({
    id: sweep.id,
    state: sweepStateOf(pool, sweep),
    byPhase: PHASES.map(phase => [...sweep.byPhase[phase]].sort()),
    standings: [...sweep.trials.values()]
      .map(({ index, standing }) => ({ index, standing }))
      .sort((a, b) => a.index - b.index)
  }))
  return `${poolDigest(pool)}\n${canonicalJson(sweeps.sort((a, b) => (a.id < b.id ? -1 : 1)))}`
}

/** Says where what is kept for a trial differs from what its records come to; nothing when all agrees. */
function disagreement(pool: Pool): string | undefined {
  for (const sweep of pool.sweeps.values()) {
    for (const trial of sweep.trials.values()) {
      const standing = standingOf(sweep.id, trial)
      const kept = PHASES.filter(phase => sweep.byPhase[phase].has(trial.index))
      // What nobody ever attempted is fresh: it is in no phase's set, whatever was reported about it.
      const expected = isFresh(standing) ? [] : [standing.phase]
      const isKept = canonicalJson(standing) === canonicalJson(trial.standing) && kept.join() === expected.join()
      if (!isKept) return `trial ${trial.index}: kept in ${kept.join()} as ${canonicalJson(trial.standing)}`
    }
  }
  return undefined
}

function both<T>(first: T[], second: T[]): T[][] {
  return [
    [...first, ...second],
    [...second, ...first]
  ]
}

t.test('any order of arrival that respects each log gives the same pool (rule F2)', async t => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(anySeed, anySize, (seed, size) => {
      const logs = randomLogs(seed, size)
      for (const { record } of logs.flat()) seen.add('class' in record ? record.class : record.kind)
      const meaning = meaningOf(foldAll(logs.flat()))
      return meaningOf(foldAll(arrival(logs, seed + 1))) === meaning
    }),
    { numRuns: RANDOM_POOLS, examples: FAILED_ONCE }
  )
  const expected: string[] = RECORD_KINDS.filter((kind: RecordKind) => kind !== 'attempt-finished')
  t.same([...seen].sort(), [...expected, ...RESULT_CLASSES].sort(), 'the pools held every kind and every class')
})

t.test('what is kept for a trial is what its records come to, after each entry', async () => {
  fc.assert(
    fc.property(anySeed, anySize, (seed, size) => {
      const pool = emptyPool(POOL)
      for (const entry of arrival(randomLogs(seed, size), seed)) {
        applyEntry(pool, entry)
        const found = disagreement(pool)
        if (found !== undefined) throw new Error(found)
      }
    }),
    { numRuns: RANDOM_POOLS / 4 }
  )
})

t.test('an entry that comes twice has no second effect', async () => {
  fc.assert(
    fc.property(anySeed, anySize, (seed, size) => {
      const logs = randomLogs(seed, size)
      const pool = foldAll(logs.flat())
      const meaning = meaningOf(pool)
      const entries = pool.entries
      foldAll(
        logs.flat().filter(({ record }) => !isWelcomeTwice(record.kind)),
        pool
      )
      return meaningOf(pool) === meaning && pool.entries === entries
    }),
    { numRuns: RANDOM_POOLS / 4 }
  )
})

/** Kinds that have no effect of their own to repeat, so the fold need not notice that they come again. */
function isWelcomeTwice(kind: RecordKind): boolean {
  return kind === 'writer-opened' || kind === 'machine-announced'
}

t.test('a report changes no trial: it may come before the claim, from an older log of its machine', async t => {
  const ann = founded()
  const { sweep } = ann.write(submission()).record as { sweep: string }
  const about = { sweep, trial: 0, attempt: 2 }
  const before = createWriter('bo', 'b', 'b1')
  before.write({ kind: 'trial-claimed', ...about, attempt: 1, device: 'gpu0', parameters: { x: 0 } })
  const after = createWriter('bo', 'b', 'b2')
  after.write({ kind: 'attempt-reported', ...about, step: 1, value: 3 })
  for (const arrived of both(before.entries, after.entries)) {
    const pool = foldAll([...ann.entries, ...arrived])
    const standing = pool.sweeps.get(sweep)?.trials.get(0)?.standing
    t.match(
      standing,
      { phase: 'claimed', attempt: 1, held: { attempt: 1, holder: keyOf('b') } },
      'a report alone makes no attempt'
    )
    t.same(pool.sweeps.get(sweep)?.byPhase.claimed, new Set([0]))
  }
})

t.test('entries of a stranger wait, and count from the admission on', async t => {
  const ann = founded()
  const dee = createWriter('dee', 'd')
  dee.write(announcement('desk'))
  dee.write(submission(sweepSpec(), keyOf('dee')))
  const pool = foldAll([...ann.entries, ...dee.entries])
  t.equal(pool.machines.size, 0)
  t.equal(pool.sweeps.size, 0)
  t.equal(pool.rejections.count, 0, 'waiting is no rejection')
  applyEntry(pool, ann.write(admission('dee', 'd')))
  t.ok(pool.machines.has(keyOf('d')))
  t.equal(pool.sweeps.size, 1)
  t.equal(pool.waiting.size, 0)
})

t.test('a viewer announces machines and submits nothing, until a higher role counts', async t => {
  const ann = founded()
  ann.write(admission('dee', 'd', 'viewer'))
  const dee = createWriter('dee', 'd')
  dee.write(announcement('desk'))
  dee.write(submission(sweepSpec(), keyOf('dee')))
  const pool = foldAll([...ann.entries, ...dee.entries])
  t.same([pool.machines.size, pool.sweeps.size], [1, 0])
  applyEntry(pool, ann.write(admission('dee', 'd', 'member')))
  t.equal(pool.sweeps.size, 1)
  applyEntry(pool, ann.write(admission('dee', 'd', 'viewer')))
  t.equal(pool.members.get(keyOf('dee'))?.role, 'member', 'a role is never taken back by granting a lower one')
})

t.test('nobody grants more than they have', async t => {
  const ann = founded()
  const bo = createWriter('bo', 'b')
  bo.write(admission('dee', 'd', 'owner'))
  const pool = foldAll([...ann.entries, ...bo.entries])
  t.notOk(pool.members.has(keyOf('dee')))
  applyEntry(pool, ann.write(admission('bo', 'b', 'owner')))
  t.equal(pool.members.get(keyOf('dee'))?.role, 'owner', 'it waited for its author to be found an owner')
})

t.test('a chain of admissions as long as a liar likes does not stop the fold', async t => {
  const length = 5000
  const ann = founded()
  const name = (n: number) => keyOf(`link ${n}`)
  const links: Entry[] = Array.from({ length }, (_, n) => ({
    log: name(n),
    member: name(n),
    machine: name(n),
    block: 0,
    index: 0,
    record: { ...admission('link', 'l'), member: name(n + 1), clock: 1, at: 0 }
  }))
  const pool = foldAll([...ann.entries, ...links])
  applyEntry(pool, ann.write({ ...admission('link', 'l'), member: name(0) }))
  t.equal(pool.members.size, 3 + length + 1)
  t.equal(pool.waiting.size, 0)
})

t.test('names certify themselves: nobody submits under another sweep, or founds another pool here', async t => {
  const ann = founded()
  const draft = submission()
  const wrong = ann.write({ ...draft, sweep: idFor('another') })
  const stolen = createWriter('bo', 'b').write(draft)
  const pool = foldAll(ann.entries)
  t.equal(applyEntry(emptyPool(POOL), wrong), undefined, 'from a stranger it waits')
  t.match(applyEntry(pool, stolen), { kind: 'sweep-submitted', machine: keyOf('b') })
  t.equal(pool.sweeps.size, 0)
  const founding = { kind: 'pool-founded', ...FOUNDING, name: 'another' } as const
  t.match(applyEntry(pool, ann.write(founding)), { reason: 'it founds another pool' })
  t.equal(pool.founding?.name, 'den')
})

t.test('rejections are counted for ever and kept for a while', async t => {
  const ann = founded()
  const pool = foldAll(ann.entries)
  const about = { sweep: idFor('sweep'), trial: 0, attempt: 1 }
  const rejected = resultOf(about, 'error', { value: 1 })
  const times = LIMITS.rejectionsKept + 5
  for (let n = 0; n < times; n++) applyEntry(pool, ann.write(rejected))
  t.same([pool.rejections.count, pool.rejections.latest.length], [times, LIMITS.rejectionsKept])
})

t.test('stamped: each clock is one more than the largest seen, up to the limit (rule L2)', async t => {
  const drafts = [announcement('desk'), announcement('attic')]
  t.same(
    stamped(drafts, { clock: 7 }, 5).map(({ clock, at }) => [clock, at]),
    [
      [8, 5],
      [9, 5]
    ]
  )
  t.same(
    stamped(drafts, { clock: LIMITS.clockMax }, 5).map(({ clock }) => clock),
    [LIMITS.clockMax, LIMITS.clockMax]
  )
})

t.test('poolDigest: another result, another member or another order of clocks is another pool', async t => {
  const ann = founded()
  const about = { sweep: idFor('sweep'), trial: 0, attempt: 1 }
  const withResult = [...ann.entries, createWriter('ann', 'a', 'a2').write(resultOf(about, 'complete'))]
  const hashes = [ann.entries, ann.entries.slice(0, -1), withResult].map(entries => poolDigest(foldAll(entries)))
  t.equal(new Set(hashes).size, hashes.length)
})
