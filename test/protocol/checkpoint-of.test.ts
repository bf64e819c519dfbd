import fc from 'fast-check'
import t from 'tap'
import {
  checkpointOf,
  decodeBlock,
  type Entry,
  encodeBlock,
  LIMITS,
  type RecordOf,
  type ResultClass,
  sweepIdOf,
  type Trial
} from '#protocol'
import { BUNDLE, createWriter, foldAll, founded, keyOf, resultOf, submission } from '../helpers/records.js'

const SWEEP = sweepIdOf(submission(), keyOf('ann'))
const OWNERS = { a: 'ann', b: 'bo', c: 'cy' } as const

/** Machine, attempt, and a claim, a release, one with a checkpoint of that name, or how it ended. */
type Event = readonly [keyof typeof OWNERS, number, 'claim' | 'release' | `saved ${string}` | ResultClass]

/** Each event in a log of its own, the first the oldest: every order of arrival is then possible. */
function entriesOf(events: readonly Event[]): Entry[] {
  return events.map(([machine, attempt, what], n) => {
    const about = { sweep: SWEEP, trial: 0, attempt }
    const writer = createWriter(OWNERS[machine], machine, `${machine}-event-${n}`)
    if (what === 'claim')
      return writer.write({ kind: 'trial-claimed', ...about, device: 'gpu0', parameters: {} }, n + 1)
    if (what === 'release' || what.startsWith('saved')) {
      const checkpoint = what === 'release' ? {} : { checkpoint: { ...BUNDLE, digest: keyOf(what.slice(6)) } }
      return writer.write({ kind: 'trial-released', ...about, reason: 'owner', ...checkpoint }, n + 1)
    }
    return writer.write(resultOf(about, what as ResultClass), n + 1)
  })
}

function trialOf(entries: readonly Entry[]): Trial | undefined {
  const ann = founded()
  ann.write(submission())
  return foldAll([...ann.entries, ...entries])
    .sweeps.get(SWEEP)
    ?.trials.get(0)
}

/** Which checkpoint it is, whatever the order of arrival: the attempt that left it, its machine and its digest. */
function found(...events: Event[]) {
  const entries = entriesOf(events)
  const of = (arrived: readonly Entry[]) => {
    const trial = trialOf(arrived)
    return trial && checkpointOf(trial)
  }
  const checkpoint = of(entries)
  fc.assert(
    fc.property(fc.shuffledSubarray(entries, { minLength: entries.length }), arrived =>
      t.strictSame(of(arrived), checkpoint)
    ),
    { numRuns: 10, seed: 7 }
  )
  return checkpoint && [checkpoint.attempt, checkpoint.machine, checkpoint.bundle.digest]
}

t.test('a release carries its checkpoint through the codec, within the limits of a bundle', async t => {
  const [entry] = entriesOf([['b', 1, 'saved x']])
  if (entry?.record.kind !== 'trial-released') throw new Error('It is a release.')
  const record: RecordOf<'trial-released'> = entry.record
  t.same(decodeBlock(encodeBlock([record])), [{ record }])
  const large = { ...record, checkpoint: { ...BUNDLE, bytes: LIMITS.bundleBytes + 1 } }
  t.match(decodeBlock(new TextEncoder().encode(JSON.stringify([large]))), [{ hole: /checkpoint/ }])
})

t.test('of the releases with a checkpoint the newest counts, by attempt, then by place', async t => {
  t.equal(found(['b', 1, 'claim'], ['b', 1, 'release']), undefined)
  const one: Event[] = [
    ['b', 1, 'claim'],
    ['b', 1, 'saved x']
  ]
  t.same(found(...one), [1, keyOf('b'), keyOf('x')])
  t.same(found(...one, ['c', 2, 'claim']), [1, keyOf('b'), keyOf('x')], 'for whoever claims it next')
  t.same(found(...one, ['c', 2, 'claim'], ['c', 2, 'release']), [1, keyOf('b'), keyOf('x')], 'it saved nothing new')
  t.same(found(...one, ['c', 2, 'claim'], ['c', 2, 'saved y']), [2, keyOf('c'), keyOf('y')])
  t.same(found(['c', 1, 'claim'], ...one, ['c', 1, 'saved y']), [1, keyOf('c'), keyOf('y')])
})

t.test('none once the trial has a result, none of who never claimed, none after which an attempt failed', async t => {
  const one: Event[] = [
    ['b', 1, 'claim'],
    ['b', 1, 'saved x']
  ]
  t.equal(found(...one, ['c', 2, 'claim'], ['c', 2, 'complete']), undefined)
  t.same(found(...one, ['c', 1, 'saved y'], ['c', 50, 'claim'], ['c', 50, 'saved z']), [1, keyOf('b'), keyOf('x')])
  t.equal(found(...one, ['c', 2, 'claim'], ['c', 2, 'error']), undefined, 'the checkpoint may be what is wrong')
  t.same(found(...one, ['c', 2, 'claim'], ['c', 2, 'oom']), [1, keyOf('b'), keyOf('x')])
  const anew: Event[] = [
    ['c', 2, 'claim'],
    ['c', 2, 'error'],
    ['b', 3, 'claim'],
    ['b', 3, 'saved w']
  ]
  t.same(found(...one, ...anew), [3, keyOf('b'), keyOf('w')])
})
