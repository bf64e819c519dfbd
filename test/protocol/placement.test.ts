import t from 'tap'
import {
  type Demand,
  type Device,
  demandOf,
  type Fit,
  fitOf,
  fitsEver,
  type Observation,
  observationsOf,
  type RecordOf,
  type Requires,
  type ResultClass,
  type SweepSpec
} from '#protocol'
import { createWriter, foldAll, founded, idFor, resultOf, submission, sweepSpec } from '../helpers/records.js'

const MIB = 2 ** 20
const GIB = 2 ** 30

const CARD: Device = {
  id: 'gpu0',
  vendor: 'nvidia',
  model: 'RTX 3060',
  memoryBytes: 12 * GIB,
  freeBytes: 11.6 * GIB,
  capability: '8.6'
}
const CPU: Device = { id: 'cpu', vendor: 'cpu', model: 'Ryzen 9', memoryBytes: 32 * GIB, freeBytes: 2 * GIB }

const observed = (gib: number): Demand => ({ bytes: gib * GIB, basis: 'observed', observations: 1 })
const UNKNOWN: Demand = { bytes: 0, basis: 'unknown', observations: 0 }

/** The refusal of a trial by the card, as `refusal: text`; `fits` when it takes it. */
function sayFit(facts: { demand?: Demand; requires?: Requires; device?: Partial<Device> }): string {
  const { demand = observed(4), device, ...wanted } = facts
  const fit: Fit = fitOf({ ...wanted, demand, device: { ...CARD, ...device } })
  return fit.fits ? 'fits' : `${fit.refusal}: ${fit.text}`
}

t.test('a device that is broken or held takes nothing', async t => {
  t.equal(sayFit({}), 'fits')
  t.equal(sayFit({ device: { fault: 'Xid 79' } }), 'fault: RTX 3060 cannot work: Xid 79')
  t.equal(
    sayFit({ device: { hold: 'its owner plays: Factorio' } }),
    'hold: RTX 3060 takes no work now: its owner plays: Factorio'
  )
})

t.test('a device must be what a sweep requires', async t => {
  t.equal(
    sayFit({ requires: { vendors: ['amd', 'apple'] } }),
    'vendor: needs a device of amd or apple, RTX 3060 is of nvidia'
  )
  t.equal(sayFit({ requires: { vendors: ['amd', 'nvidia'] } }), 'fits')
  t.equal(sayFit({ requires: { capability: '8.9' } }), 'capability: needs capability 8.9, RTX 3060 has 8.6')
  t.equal(sayFit({ requires: { capability: '8.6' } }), 'fits')
  t.equal(sayFit({ requires: { capability: '8' } }), 'fits')
  t.equal(sayFit({ requires: { capability: '8.9' }, device: { capability: '10.0' } }), 'fits', 'numbers, not texts')
  t.equal(sayFit({ requires: { capability: '8.9' }, device: { capability: '8.10' } }), 'fits')
  t.match(sayFit({ requires: { capability: '8.0' }, device: { capability: 'gfx1100' } }), 'has gfx1100')
  const { capability: _, ...silent } = CARD
  const fit = fitOf({ device: silent, demand: observed(1), requires: { capability: '8.0' } })
  t.match(fit, { refusal: 'capability', text: 'needs capability 8.0, RTX 3060 has none that is known' })
})

t.test('bfloat16: as the device says, else by its capability', async t => {
  const requires = { bf16: true } as const
  t.equal(sayFit({ requires }), 'fits')
  t.equal(sayFit({ requires, device: { bf16: false } }), 'bf16: needs bfloat16, which RTX 3060 does not compute in')
  t.match(sayFit({ requires, device: { capability: '7.5' } }), /^bf16/)
  t.equal(sayFit({ requires, device: { capability: '7.5', bf16: true } }), 'fits')
  t.match(sayFit({ requires, device: { vendor: 'amd', capability: '11.0' } }), /^bf16/)
})

t.test('too small is for ever, too full is for now', async t => {
  const demand = observed(14)
  t.equal(sayFit({ demand }), 'too-small: needs about 14.4 GiB, RTX 3060 has 12.0 GiB in all')
  t.equal(sayFit({ demand: observed(11.5) }), 'too-full: needs about 11.9 GiB, RTX 3060 has 11.6 GiB free')
  t.equal(sayFit({ demand: observed(11.2) }), 'fits')
  t.equal(
    sayFit({ demand: observed(11.2), device: { reservedBytes: GIB } }),
    'too-small: needs about 11.6 GiB, RTX 3060 has 12.0 GiB in all, of which its owner keeps 1.0 GiB'
  )
  t.equal(
    sayFit({ demand: observed(8), device: { reservedBytes: GIB, freeBytes: 9 * GIB } }),
    'too-full: needs about 8.4 GiB, RTX 3060 has 9.0 GiB free, of which its owner keeps 1.0 GiB'
  )
  const { freeBytes: _, ...silent } = CARD
  t.same(fitOf({ device: silent, demand: observed(11.5) }), { fits: true }, 'what is free is not known')
  t.equal(sayFit({ demand: { ...observed(12), basis: 'declared' }, device: { freeBytes: 12 * GIB } }), 'fits')
})

t.test('an unknown demand waits for half of a GPU, and tries any processor', async t => {
  t.equal(sayFit({ demand: UNKNOWN }), 'fits')
  t.equal(sayFit({ demand: UNKNOWN, device: { freeBytes: 6 * GIB } }), 'fits')
  t.equal(
    sayFit({ demand: UNKNOWN, device: { freeBytes: 5 * GIB } }),
    'too-full: waits for 6.0 GiB, since nobody knows what it needs, RTX 3060 has 5.0 GiB free'
  )
  t.match(sayFit({ demand: { ...UNKNOWN, bytes: 7 * GIB }, device: { freeBytes: 7 * GIB } }), 'needs about 7.4 GiB')
  t.same(fitOf({ device: CPU, demand: UNKNOWN }), { fits: true })
  t.match(fitOf({ device: CPU, demand: observed(4) }), { refusal: 'too-full' })
})

t.test('a GPU that other programs work on is theirs; a computer holds its own memory', async t => {
  const device = { foreignBytes: 3.5 * GIB, freeBytes: 8 * GIB }
  t.equal(sayFit({ device }), 'foreign: other programs hold 3.5 GiB of RTX 3060')
  t.equal(sayFit({ device: { ...device, foreignBytes: 3 * GIB } }), 'fits')
  t.equal(sayFit({ device: { ...device, isUnified: true } }), 'fits')
  t.same(fitOf({ device: { ...CPU, foreignBytes: 28 * GIB }, demand: observed(1) }), { fits: true })
})

t.test('fitsEver: what lasts alone counts', async t => {
  t.ok(fitsEver({ ...CARD, freeBytes: 0, fault: 'broken' } as Device, observed(11)))
  t.notOk(fitsEver(CARD, observed(11.8)))
  t.notOk(fitsEver({ ...CARD, reservedBytes: 2 * GIB }, observed(11)))
  t.notOk(fitsEver(CARD, observed(1), { vendors: ['cpu'] }))
  t.notOk(fitsEver(CARD, observed(1), { capability: '9.0' }))
  t.ok(fitsEver({ vendor: 'nvidia', memoryBytes: 12 * GIB }, UNKNOWN))
  t.notOk(fitsEver({ vendor: 'nvidia', memoryBytes: 12 * GIB }, UNKNOWN, { bf16: true }))
})

type Finished = Partial<RecordOf<'attempt-finished'>>

/** A pool with sweeps of batch sizes 1 to 4, all of one program unless a command says otherwise. */
function openPool() {
  const ann = founded()
  const pool = foldAll(ann.entries)
  const write = (draft: Parameters<typeof ann.write>[0], writer = ann) => void foldAll([writer.write(draft)], pool)
  const open = (name: string, changes: Partial<SweepSpec> = {}) => {
    const parameters = { batch_size: { distribution: 'int_uniform' as const, min: 1, max: 4 } }
    const draft = submission(sweepSpec({ name, parameters, ...changes }), undefined, idFor(name))
    write(draft)
    const sweep = pool.sweeps.get(draft.sweep)
    if (!sweep) throw new Error('The sweep did not arrive.')
    const about = (trial: number, attempt: number) => ({ sweep: sweep.id, trial, attempt })
    const finish = (trial: number, kind: ResultClass, changes: Finished = {}, attempt = 1, writer = ann) =>
      write(resultOf(about(trial, attempt), kind, { parameters: { batch_size: trial + 1 }, ...changes }), writer)
    const claim = (trial: number, attempt = 1) =>
      write({ kind: 'trial-claimed', ...about(trial, attempt), device: 'gpu0', parameters: { batch_size: trial + 1 } })
    return { sweep, finish, claim }
  }
  return { pool, open }
}

const peak = (gib: number): Finished => ({ usage: { peakBytes: gib * GIB, peakSource: 'process' } })
const brief = (observations: readonly Observation[]) =>
  observations.map(({ outcome, bytes, parameters }) => `${parameters['batch_size']} ${outcome} ${bytes / GIB}`)

t.test('observations: what ran and what ran out of memory, of all sweeps of the program', async t => {
  const { pool, open } = openPool()
  const one = open('one')
  const two = open('two')
  const other = open('other', { command: ['python', 'other.py'] })
  const { sweep } = one
  t.same(observationsOf(pool, sweep, 'gpu'), [])
  one.finish(3, 'diverged', peak(9))
  one.finish(0, 'complete', peak(4))
  one.finish(0, 'stopped', peak(4.5), 2)
  one.finish(1, 'timeout', peak(5))
  one.finish(1, 'error', peak(1), 2)
  one.finish(1, 'released', peak(1), 3)
  one.finish(2, 'complete')
  other.finish(0, 'complete', peak(40))
  t.same(brief(observationsOf(pool, sweep, 'gpu')), ['1 ok 4', '1 ok 4.5', '2 ok 5', '4 ok 9'])
  two.finish(2, 'oom')
  two.finish(2, 'oom', { oom: { kind: 'intrinsic', bytes: 11 * GIB } }, 2)
  two.finish(2, 'oom', { oom: { kind: 'contention', bytes: 3 * GIB } }, 3)
  two.finish(2, 'oom', { oom: { kind: 'host', bytes: 64 * GIB } }, 4)
  two.finish(3, 'complete', { ...peak(2), changed: ['batch size 1 instead of 4'] })
  const all = ['1 ok 4', '1 ok 4.5', '2 ok 5', '4 ok 9', '3 oom 12', '3 oom 12', '3 oom 3']
  t.same(new Set(brief(observationsOf(pool, sweep, 'gpu'))), new Set(all))
  t.equal(observationsOf(pool, sweep, 'gpu'), observationsOf(pool, two.sweep, 'gpu'), 'one list for one program')
  t.same(brief(observationsOf(pool, other.sweep, 'gpu')), ['1 ok 12'], 'no more than its device has')
  const arriving = { ...sweep }
  delete arriving.submission
  t.same(observationsOf(pool, arriving, 'gpu'), [])
})

t.test('observations: processors tell about processors, GPUs about GPUs', async t => {
  const { pool, open } = openPool()
  const { sweep, finish } = open('one')
  const on = (id: string, vendor?: 'cpu' | 'amd'): Finished => ({
    device: { id, model: 'some', memoryBytes: 32 * GIB, ...(vendor ? { vendor } : {}) }
  })
  finish(0, 'complete', { ...peak(1), ...on('cpu') })
  finish(1, 'complete', { ...peak(2), ...on('processor', 'cpu') })
  finish(2, 'complete', { ...peak(3), ...on('gpu0') })
  finish(3, 'complete', { ...peak(4), ...on('cpu', 'amd') })
  t.same(brief(observationsOf(pool, sweep, 'cpu')), ['1 ok 1', '2 ok 2'])
  t.same(brief(observationsOf(pool, sweep, 'gpu')), ['3 ok 3', '4 ok 4'])
})

t.test('observations: the same list until a result changes, whatever else happens', async t => {
  const { pool, open } = openPool()
  const { sweep, finish, claim } = open('one')
  finish(0, 'oom')
  const before = observationsOf(pool, sweep, 'gpu')
  claim(0, 2)
  claim(1)
  open('two')
  t.equal(observationsOf(pool, sweep, 'gpu'), before)
  finish(0, 'complete', peak(3), 2)
  t.same(brief(observationsOf(pool, sweep, 'gpu')), ['1 ok 3', '1 oom 12'])
})

t.test('observations: the order of arrival does not matter', async t => {
  const draft = submission()
  const results = (['a', 'b', 'c'] as const).flatMap((machine, at) => {
    const writer = createWriter('ann', machine, `${machine}-log`)
    return [0, 1, 2].map(trial => {
      const about = { sweep: draft.sweep, trial, attempt: 1 }
      return writer.write(resultOf(about, trial === at ? 'oom' : 'complete', peak(1 + at + trial)))
    })
  })
  const told = (entries: typeof results) => {
    const ann = founded()
    ann.write(draft)
    const pool = foldAll([...ann.entries, ...entries])
    const sweep = pool.sweeps.get(draft.sweep)
    return sweep ? observationsOf(pool, sweep, 'gpu') : []
  }
  t.equal(told(results).length, 9)
  t.same(told(results), told([...results].reverse()))
})

t.test('demand: learned from the results, then declared or by formula', async t => {
  const { pool, open } = openPool()
  const { sweep, finish } = open('one')
  const declared = open('declared', { requires: { memoryBytes: 7 * GIB } })
  const model = { parameters: 1e9, hidden: 2048, layers: 16, vocabulary: 32000, fineTuning: 'lora' } as const
  const shaped = open('shaped', { command: ['python', 'shaped.py'], requires: { model } })
  const device = { vendor: 'nvidia', model: 'RTX 3060' } as const
  t.same(demandOf(pool, sweep, 1, device), UNKNOWN)
  t.same(demandOf(pool, declared.sweep, 1, device), { bytes: 7 * GIB, basis: 'declared', observations: 0 })
  t.equal(demandOf(pool, shaped.sweep, 1, device).basis, 'formula')
  finish(2, 'complete', peak(9))
  const learned = demandOf(pool, sweep, 1, device)
  t.same(learned, { bytes: Math.ceil(9 * GIB * 1.03), basis: 'observed', observations: 1, provenBytes: 12 * GIB })
  t.equal(demandOf(pool, sweep, 1, device), learned, 'kept')
  t.equal(demandOf(pool, sweep, 1, { ...device, model: 'H100' }).bytes, Math.ceil(9 * GIB * 1.03 + 512 * MIB))
  t.equal(demandOf(pool, sweep, 1, { vendor: 'cpu', model: 'Ryzen 9' }).basis, 'unknown')
  finish(3, 'oom')
  t.same(demandOf(pool, sweep, 3, device).basis, 'raised')
  t.equal(demandOf(pool, declared.sweep, 3, device).basis, 'raised')
  t.equal(demandOf(pool, sweep, 99, device).basis, 'unknown', 'the sweep has no such trial')
  const arriving = { ...sweep }
  delete arriving.submission
  t.same(demandOf(pool, arriving, 1, device), UNKNOWN)
})
