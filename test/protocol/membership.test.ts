import fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  applyEntry,
  cutOf,
  type Draft,
  type Entry,
  emptyPool,
  encodeBlock,
  isRemoved,
  LIMITS,
  machineOf,
  mayRemove,
  membershipOf,
  type Pool,
  poolDigest,
  poolToRefold,
  reachOf,
  removalDrafts,
  roleOf
} from '#protocol'
import { randomMembership } from '../helpers/random-membership.js'
import { arrival } from '../helpers/random-pool.js'
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
  removal,
  type Writer
} from '../helpers/records.js'

const RUNS = 600
const anySeed = fc.integer({ min: 0, max: 2 ** 31 })
const anySize = fc.integer({ min: 1, max: 50 })

const claim = (trial: number): Draft => ({
  kind: 'trial-claimed',
  sweep: idFor('sweep'),
  trial,
  attempt: 1,
  device: 'gpu0',
  parameters: {}
})
const trialsOf = (pool: Pool) => [...(pool.sweeps.get(idFor('sweep'))?.trials.keys() ?? [])].sort()
const membersOf = (pool: Pool) => ['ann', 'bo', 'cy', 'dee', 'eve'].filter(name => pool.members.has(keyOf(name)))
const entriesOf = (...writers: readonly Writer[]) => writers.flatMap(({ entries }) => entries)

/** Folds in this order and in the reverse order of logs; fails where the two disagree. */
function folded(t: Test, ...writers: readonly Writer[]): Pool {
  const pool = foldAll(entriesOf(...writers))
  t.equal(poolDigest(foldAll(entriesOf(...[...writers].reverse()))), poolDigest(pool), 'the order does not matter')
  return pool
}

t.test('any order of arrival gives the same members, cuts and pool (rules F2, M8 to M12)', async t => {
  const seen = { removed: 0, refolded: 0, byItself: 0, former: 0 }
  fc.assert(
    fc.property(anySeed, anySize, (seed, size) => {
      const logs = randomMembership(seed, size)
      const pool = foldAll(logs.flat())
      const inOrder = arrival(logs, seed + 1)
      const first = emptyPool(POOL)
      for (const entry of inOrder) applyEntry(first, entry)
      if (first.mustRefold) seen.refolded++
      for (const [key, { by, former }] of pool.removed) {
        seen.removed++
        if (by === key) seen.byItself++
        if (former) seen.former++
      }
      return poolDigest(foldAll(inOrder)) === poolDigest(pool)
    }),
    { numRuns: RUNS }
  )
  for (const [what, times] of Object.entries(seen)) t.ok(times > RUNS / 10, `${what}: ${times}`)
})

t.test('what is kept about membership is what the whole law says, after each entry', async () => {
  fc.assert(
    fc.property(anySeed, anySize, (seed, size) => {
      const pool = emptyPool(POOL)
      for (const entry of arrival(randomMembership(seed, size), seed)) {
        applyEntry(pool, entry)
        const kept = { ...emptyPool(POOL), founding: pool.founding, members: pool.members, removed: pool.removed }
        const law = { ...emptyPool(POOL), founding: pool.founding, ...membershipOf(pool.said.byAuthor) }
        if (poolDigest(kept as Pool) !== poolDigest(law as Pool)) return false
      }
      return true
    }),
    { numRuns: RUNS / 5 }
  )
})

t.test('whoever is removed changes nothing behind the cut, whatever they write there (rule M9)', async t => {
  let hidden = 0
  fc.assert(
    fc.property(anySeed, anySize, (seed, size) => {
      const entries = randomMembership(seed, size).flat()
      const pool = foldAll(entries)
      const isFounding = ({ record }: Entry) => record.kind === 'pool-founded'
      const counts = entries.filter(entry => entry.block < cutOf(pool, entry) || isFounding(entry))
      hidden += entries.length - counts.length
      return poolDigest(foldAll(counts)) === poolDigest(pool)
    }),
    { numRuns: RUNS }
  )
  t.ok(hidden > RUNS, `${hidden} entries lay behind a cut`)
})

t.test('entries that come again change nothing, removals among them', async () => {
  fc.assert(
    fc.property(anySeed, anySize, (seed, size) => {
      const entries = randomMembership(seed, size).flat()
      const pool = foldAll(entries)
      const digest = poolDigest(pool)
      for (const entry of entries) applyEntry(pool, entry)
      return poolDigest(pool) === digest && !pool.mustRefold
    }),
    { numRuns: RUNS / 5 }
  )
})

t.test('a removal: what was seen counts, what comes later and other logs never do', async t => {
  const ann = founded()
  const bo = createWriter('bo', 'b')
  for (let trial = 0; trial < 4; trial++) bo.write(claim(trial))
  const later = createWriter('bo', 'b', 'b2')
  later.write(claim(9))
  ann.write(removal('bo', { b1: 3 }, 'sold the machine'))
  const pool = folded(t, ann, bo, later)
  t.same(trialsOf(pool), [0, 1, 2])
  t.same([membersOf(pool), isRemoved(pool, keyOf('bo')), roleOf(pool, keyOf('bo'))], [['ann', 'cy'], true, 'member'])
  t.match(pool.removed.get(keyOf('bo')), { by: keyOf('ann'), reason: 'sold the machine' })
  t.same([cutOf(pool, bo), cutOf(pool, later), cutOf(pool, ann)], [3, 0, Number.POSITIVE_INFINITY])
})

t.test(
  'in place where nothing that counts no more was folded; else the pool says that all must be folded again',
  async t => {
    const ann = founded()
    const bo = createWriter('bo', 'b')
    bo.write(announcement('desk'))
    bo.write(claim(0))
    const removed = ann.write(removal('bo', { b1: 2 }))
    const early = ann.entries.slice(0, -1)
    const seen = foldAll([...early, ...bo.entries])
    applyEntry(seen, removed)
    t.notOk(seen.mustRefold)
    t.match(applyEntry(seen, bo.write(claim(1))), { reason: /behind the cut/ })
    t.same(trialsOf(seen), [0])
    const ahead = foldAll([...early, ...bo.entries])
    applyEntry(ahead, removed)
    t.ok(ahead.mustRefold, 'the claim on trial 1 was folded before the removal was known')
    const again = poolToRefold(ahead)
    t.same([again.mustRefold, membersOf(again), isRemoved(again, keyOf('bo'))], [false, ['ann', 'cy'], true])
    for (const entry of [...bo.entries, ...ann.entries]) applyEntry(again, entry)
    t.equal(poolDigest(again), poolDigest(seen))
    t.ok(again.clock >= ahead.clock, 'the clock never goes back')
  }
)

t.test('a removal beats an admission before it, after it and beside it (rule M8)', async t => {
  const ann = founded()
  ann.write(removal('bo'))
  ann.write(admission('bo', 'b'))
  ann.write(removal('dee'))
  const cy = createWriter('cy', 'c')
  cy.write(admission('dee', 'd'))
  t.same(membersOf(folded(t, ann, cy)), ['ann', 'cy'])
})

t.test('the machines of former members stand apart, and keep their names', async t => {
  const ann = founded()
  const bo = createWriter('bo', 'b')
  bo.write(announcement('desk'))
  ann.write(removal('bo', { b1: 1 }))
  const pool = folded(t, ann, bo)
  t.notOk(pool.machines.has(keyOf('b')))
  t.equal(machineOf(pool, keyOf('b'))?.name, 'desk')
})

t.test('who may remove: owners those who are none and their juniors; everybody themselves (rule M10)', async t => {
  const ann = createWriter('ann', 'a')
  ann.write({ kind: 'pool-founded', ...FOUNDING })
  ann.write(admission('bo', 'b', 'owner'))
  ann.write(admission('cy', 'c', 'owner'))
  ann.write(admission('dee', 'd'))
  ann.write(admission('eve', 'e', 'viewer'))
  const before = foldAll(ann.entries)
  const may = (by: string, member: string) => mayRemove(before, { by: keyOf(by), member: keyOf(member) })
  const people = ['ann', 'bo', 'cy', 'dee', 'eve', 'zed']
  t.same(Object.fromEntries(people.map(by => [by, people.filter(member => may(by, member)).join(' ')])), {
    ann: 'ann bo cy dee eve zed',
    bo: 'bo cy dee eve zed',
    cy: 'cy dee eve zed',
    dee: 'dee',
    eve: 'eve',
    zed: ''
  })
  const writers = people.slice(1).map(by => createWriter(by, by))
  for (const writer of writers) {
    for (const member of people) if (keyOf(member) !== writer.member) writer.write(removal(member, {}))
  }
  const pool = folded(t, ann, ...writers)
  t.same(membersOf(pool), ['ann', 'bo'], 'of owners who remove each other the senior one stays')
  t.same([...pool.removed.keys()].sort(), ['cy', 'dee', 'eve', 'zed'].map(keyOf).sort())
})

t.test('leaving: only the leaver is gone, and an owner who knows better may still cut (rule M9)', async t => {
  const ann = founded()
  const bo = createWriter('bo', 'b')
  bo.write(claim(0))
  bo.write(removal('bo', { b1: LIMITS.clockMax }))
  bo.write(claim(1))
  t.same(trialsOf(folded(t, ann, bo)), [0, 1], 'nobody minds')
  ann.write(removal('bo', { b1: 2 }))
  const pool = folded(t, ann, bo)
  t.same(trialsOf(pool), [0], 'a cut that a member wrote for itself beforehand does not protect it')
  t.equal(pool.removed.get(keyOf('bo'))?.by, keyOf('ann'))
})

t.test('leaving without a word on logs: what came before it in the same log counts', async t => {
  const bo = createWriter('bo', 'b')
  bo.write(claim(0))
  bo.write(removal('bo'))
  bo.write(claim(1))
  const other = createWriter('bo', 'b', 'b2')
  other.write(claim(2))
  t.same(trialsOf(folded(t, founded(), bo, other)), [0])
})

t.test('a puppet with a forged clock is senior to nobody above its own level (rule M11)', async t => {
  const ann = createWriter('ann', 'a')
  ann.write({ kind: 'pool-founded', ...FOUNDING })
  ann.write(admission('bo', 'b', 'owner'), 50)
  ann.write(admission('cy', 'c', 'owner'), 90)
  const bo = createWriter('bo', 'b')
  bo.write(admission('zed', 'z', 'owner'), 0)
  const zed = createWriter('zed', 'z')
  for (const member of ['ann', 'bo', 'cy']) zed.write(removal(member), 0)
  t.same(membersOf(folded(t, ann, bo, zed)), ['ann', 'bo', 'cy'])
})

t.test('what an owner wrote behind its cut never counts: neither grants nor removals (rule M12)', async t => {
  const ann = founded()
  ann.write(admission('bo', 'b', 'owner'))
  const bo = createWriter('bo', 'b')
  bo.write(admission('dee', 'd', 'owner'))
  const length = bo.entries.length
  bo.write(admission('eve', 'e', 'owner'))
  const eve = createWriter('eve', 'e')
  eve.write(removal('cy'))
  t.same(membersOf(folded(t, ann, bo, eve)), ['ann', 'bo', 'dee', 'eve'], 'as long as nobody minds')
  ann.write(removal('bo', { b1: length }))
  t.same(membersOf(folded(t, ann, bo, eve)), ['ann', 'cy', 'dee'])
})

t.test('a removed owner cannot keep a friend alive by removing it without a cut (rule M9)', async t => {
  const ann = founded()
  ann.write(admission('bo', 'b', 'owner'))
  const bo = createWriter('bo', 'b')
  bo.write(removal('dee', { d1: LIMITS.clockMax }))
  ann.write(admission('dee', 'd'))
  const dee = createWriter('dee', 'd')
  dee.write(claim(0))
  dee.write(claim(1))
  t.equal(cutOf(folded(t, ann, bo, dee), dee), LIMITS.clockMax)
  ann.write(removal('dee', { d1: 1 }))
  t.equal(cutOf(folded(t, ann, bo, dee), dee), LIMITS.clockMax, 'whatever an owner says that it has seen stays')
  ann.write(removal('bo', { b1: 1 }))
  t.equal(cutOf(folded(t, ann, bo, dee), dee), 1, 'until that owner is removed too')
})

t.test('two owners who remove the same member: whatever either had seen stays', async t => {
  const ann = founded()
  ann.write(admission('cy', 'c', 'owner'))
  ann.write(removal('bo', { b1: 1, b2: 5 }))
  const cy = createWriter('cy', 'c')
  cy.write(removal('bo', { b1: 3 }))
  const pool = folded(t, ann, cy)
  t.same(
    [...(pool.removed.get(keyOf('bo'))?.cuts ?? [])].sort(),
    [
      [keyOf('b1'), 3],
      [keyOf('b2'), 5]
    ].sort()
  )
})

t.test('who leaves twice lets both logs count, whichever removal is known first (rule M9)', async t => {
  const later = createWriter('bo', 'b', 'b2')
  later.write(claim(0))
  later.write(removal('bo'))
  const bo = createWriter('bo', 'b')
  bo.write(claim(1))
  bo.write(removal('bo'))
  for (const first of [bo, later]) {
    const pool = folded(t, founded(), first)
    t.same(
      [bo, later].map(log => reachOf(pool, log)),
      [Infinity, Infinity],
      'both are still read to their ends'
    )
  }
  const pool = folded(t, founded(), bo, later)
  t.same([cutOf(pool, bo), cutOf(pool, later)], [2, 2])
  const ann = founded()
  ann.write(removal('bo', { b1: 1 }))
  t.same(
    [bo, later].map(log => reachOf(folded(t, ann, bo, later), log)),
    [1, 0],
    'an owner’s cut is the end of it'
  )
})

t.test('strangers remove nobody, not even themselves', async t => {
  const zed = createWriter('zed', 'z')
  zed.write(removal('ann'))
  zed.write(removal('zed'))
  const pool = folded(t, founded(), zed)
  t.same([membersOf(pool), pool.removed.size, pool.rejections.count], [['ann', 'bo', 'cy'], 0, 0])
})

t.test('removalDrafts: a member with more logs than a record can name is removed by several', async t => {
  const logs = Array.from({ length: 2 * LIMITS.cutsPerRemoval + 1 }, (_, n) => ({ log: keyOf(`${n}`), length: 1 + n }))
  const ann = founded()
  for (const draft of removalDrafts({ member: keyOf('bo'), logs, reason: 'moved' })) ann.write(draft)
  const pool = folded(t, ann)
  t.same(
    logs.map(({ log }) => cutOf(pool, { member: keyOf('bo'), log })),
    logs.map(({ length }) => length)
  )
  t.match(removalDrafts({ member: keyOf('bo'), logs: [] }), [{ member: keyOf('bo'), cuts: [] }])
})

t.test('the longest removal fits a record', async t => {
  const cuts = Array.from({ length: LIMITS.cutsPerRemoval }, (_, n) => ({ log: keyOf(`${n}`), length: 2 ** 53 - 1 }))
  const reason = '\u0001'.repeat(LIMITS.reasonChars)
  const record = { kind: 'member-removed', member: keyOf('bo'), cuts, reason, clock: LIMITS.clockMax, at: 1 } as const
  t.ok(encodeBlock([record]).length < LIMITS.recordBytes)
})
