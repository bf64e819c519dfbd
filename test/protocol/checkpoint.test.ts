import { deserialize, serialize } from 'node:v8'
import fc from 'fast-check'
import t from 'tap'
import { applyEntry, type Entry, emptyPool, FOLD_VERSION, type Pool, poolDigest, poolToRefold } from '#protocol'
import { randomMembership } from '../helpers/random-membership.js'
import { arrival, randomLogs } from '../helpers/random-pool.js'
import { createWriter, foldAll, founded, idFor, keyOf, POOL, removal, resultOf } from '../helpers/records.js'

const RUNS = 300
const anySeed = fc.integer({ min: 0, max: 2 ** 31 })
const anySize = fc.integer({ min: 1, max: 60 })
const anyShare = fc.double({ min: 0, max: 1, noNaN: true })

/** Folds entries into a pool that goes through a checkpoint after `cut` of them. */
function withCheckpoint(entries: readonly Entry[], cut: number, pool = emptyPool(POOL)): Pool {
  for (const entry of entries.slice(0, cut)) applyEntry(pool, entry)
  const restored = deserialize(serialize(pool)) as Pool
  for (const entry of entries.slice(cut)) applyEntry(restored, entry)
  return restored.mustRefold ? withCheckpoint(entries, cut, poolToRefold(restored)) : restored
}

for (const [what, logsOf] of [
  ['pools', randomLogs],
  ['memberships', randomMembership]
] as const) {
  t.test(`random ${what}: a checkpoint at any moment changes nothing (rule F6)`, async () => {
    fc.assert(
      fc.property(anySeed, anySize, anyShare, (seed, size, share) => {
        const entries = arrival(logsOf(seed, size), seed)
        const restored = withCheckpoint(entries, Math.round(share * entries.length))
        const pool = foldAll(entries)
        const isSame = poolDigest(restored) === poolDigest(pool) && restored.clock === pool.clock
        return isSame && restored.rejections.latest.length <= restored.rejections.count
      }),
      { numRuns: RUNS }
    )
  })
}

t.test('a restored pool shares nothing with the one that it was made of', async t => {
  const pool = foldAll(founded().entries)
  const digest = poolDigest(pool)
  const restored = deserialize(serialize(pool)) as Pool
  const about = { sweep: idFor('sweep'), trial: 0, attempt: 1 }
  applyEntry(restored, createWriter('bo', 'b').write(resultOf(about, 'complete')))
  t.equal(poolDigest(pool), digest)
  t.not(poolDigest(restored), digest)
  t.ok(Number.isInteger(FOLD_VERSION))
})

t.test('poolDigest: every fact of a record is in it, and the order of maps is not', async t => {
  const about = { sweep: idFor('sweep'), trial: 0, attempt: 1 }
  const changes = [{}, { value: 0.25 }, { step: 7 }, { seconds: 2 }, { metrics: { loss: 1 } }, { tail: 'last words' }]
  const digests = changes.map(change => {
    const bo = createWriter('bo', 'b')
    bo.write(resultOf(about, 'complete', change))
    return poolDigest(foldAll([...founded().entries, ...bo.entries]))
  })
  t.equal(new Set(digests).size, changes.length)
  const pool = foldAll(founded().entries)
  const turned = { ...pool, members: new Map([...pool.members].reverse()) }
  t.equal(poolDigest(turned), poolDigest(pool))
  t.not(poolDigest({ ...pool, members: new Map([...pool.members].slice(1)) }), poolDigest(pool))
  const cuts = [{ b1: 1 }, { b1: 2 }, { b2: 1 }].map(cut => {
    const ann = founded()
    ann.write(removal('bo', cut))
    return poolDigest(foldAll(ann.entries))
  })
  t.equal(new Set(cuts).size, cuts.length)
})

t.test('poolDigest: what tells of one machine alone is not in it', async t => {
  const ann = founded()
  const pool = foldAll(ann.entries)
  const digest = poolDigest(pool)
  const stranger = createWriter('dee', 'd')
  applyEntry(pool, stranger.write({ kind: 'sweep-stopped', sweep: idFor('sweep') }))
  t.equal(pool.waiting.get(keyOf('dee'))?.length, 1)
  applyEntry(pool, ann.write(resultOf({ sweep: idFor('sweep'), trial: 0, attempt: 1 }, 'error', { value: 1 })))
  t.equal(pool.rejections.count, 1)
  t.equal(poolDigest(pool), digest)
})
