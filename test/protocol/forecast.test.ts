/**
 * Forecasts: a sweep that has not begun, played in virtual time; and what a pool knows of it beforehand.
 */
import fc from 'fast-check'
import t from 'tap'
import { type Beat, type Device, type ForecastView, forecastView, type Live, type SweepSpec } from '#protocol'
import { extentOf } from '../../protocol/forecast/known.js'
import { play, type Scenario } from '../../protocol/forecast/play.js'
import { streamOf } from '../../protocol/search/stream.js'
import { announcement, BUNDLE, keyOf, resultOf, sweepSpec } from '../helpers/records.js'
import { situation } from '../helpers/situation.js'

const GIB = 2 ** 30
const [DESK, RIG] = [keyOf('a'), keyOf('b')]
const CARD: Device = { id: 'gpu0', vendor: 'nvidia', model: 'RTX 4090', memoryBytes: 24 * GIB, freeBytes: GIB }
const SMALL: Device = { ...CARD, model: 'RTX 3060', memoryBytes: 12 * GIB }

const chance = () => streamOf('forecast', 'test')
/** Trials that all train alike. */
const alike = (trials: number) => Array.from({ length: trials }, () => 1)
const range = (trials: number) => Array.from({ length: trials }, (_, trial) => trial)

t.test('play: a device trains one trial after the other, and takes what fits it, the first one first', async t => {
  const all = { seconds: [10], fits: range(5) }
  const scenario: Scenario = { devices: [all, all], extents: alike(5), isProposed: false }
  t.same(play(scenario, chance()), {
    seconds: 30,
    trained: 5,
    stoppedEarly: 0,
    devices: [
      { trials: 3, seconds: 30 },
      { trials: 2, seconds: 20 }
    ]
  })
  const small = { seconds: [100], fits: [4] }
  const none = { seconds: [1], fits: [] }
  t.match(play({ ...scenario, devices: [all, small, none] }, chance()), {
    seconds: 100,
    devices: [{ trials: 4 }, { trials: 1 }, { trials: 0 }]
  })
  t.match(play({ ...scenario, devices: [small] }, chance()), { trained: 1 }, 'what fits nobody is not trained')
  t.match(
    play({ ...scenario, devices: [small], isProposed: true }, chance()),
    { trained: 5 },
    'a proposal fits who makes it'
  )
})

const device = fc.record({
  seconds: fc
    .array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 4 })
    .map(all => all.sort((a, b) => a - b)),
  fits: fc.subarray(range(20))
})

t.test('play: every trial that fits is trained once, and nobody idles while there is one for it', async t => {
  fc.assert(
    fc.property(fc.array(device, { minLength: 1, maxLength: 4 }), fc.integer(), (devices, seed) => {
      const {
        seconds,
        trained,
        devices: done
      } = play({ devices, extents: alike(20), isProposed: false }, streamOf('forecast', seed))
      const fitting = new Set(devices.flatMap(({ fits }) => fits))
      t.equal(trained, fitting.size)
      t.equal(
        done.reduce((sum, { trials }) => sum + trials, 0),
        fitting.size
      )
      const longest = Math.max(...devices.flatMap(({ seconds }) => seconds))
      for (const [at, { seconds: busy }] of done.entries()) {
        t.ok(busy <= seconds + 1e-9)
        // Whoever could take the last one was at work until it began.
        if (devices[at]?.fits.length === 20) t.ok(busy >= seconds - longest - 1e-9)
      }
    }),
    { numRuns: 50 }
  )
})

t.test('play: a budget that is spent begins nothing more', async t => {
  const devices = [1, 2, 3].map(() => ({ seconds: [10], fits: range(50) }))
  const { trained, devices: done } = play(
    { devices, extents: alike(50), isProposed: false, budgetSeconds: 100 },
    chance()
  )
  const spent = done.reduce((sum, { seconds }) => sum + seconds, 0)
  t.ok(spent >= 100 && spent <= 130, `${spent}`)
  t.equal(trained, spent / 10)
})

t.test('play: early stopping by rank ends so many as its rule would', async t => {
  const stoppedBy = (rule: NonNullable<Scenario['stopping']>['rule'], fullSteps: number) => {
    const stopping = { rule, context: { sweep: 's', fullSteps } }
    const made = play(
      { devices: [{ seconds: [10], fits: range(400) }], extents: alike(400), isProposed: false, stopping },
      chance()
    )
    return { share: made.stoppedEarly / 400, hours: made.seconds / 4000 }
  }
  // One rung at half of the length, at which two in three end.
  const one = stoppedBy({ rule: 'asha', eta: 3, minSteps: 50 }, 100)
  t.ok(one.share > 0.63 && one.share < 0.68, `${one.share}`)
  t.ok(Math.abs(one.hours - (1 - one.share / 2)) < 1e-9)
  const three = stoppedBy({ rule: 'asha', eta: 3 }, 170)
  t.ok(three.share > 0.9 && three.hours < 0.2, `${three.share} ${three.hours}`)
  const half = stoppedBy({ rule: 'median' }, 160)
  t.ok(half.share > 0.4 && half.hours < 0.7, `${half.share} ${half.hours}`)
  t.equal(stoppedBy({ rule: 'asha', eta: 3, minSteps: 100 }, 100).share, 0, 'at the end nothing is left to stop')
})

function lab(changes: Partial<SweepSpec> = {}) {
  const { pool, write, about } = situation(changes)
  const live = new Map<string, Live['machines'] extends ReadonlyMap<string, infer M> ? M : never>()
  const beat = (name: string, devices: readonly Device[], more: Partial<Beat> = {}): Beat => ({
    name,
    devices,
    accepts: [],
    running: [],
    heard: {},
    ...more
  })
  live.set(DESK, { beat: beat('desk', [CARD]), ageSeconds: 0 })
  write('b', announcement('rig'))
  return {
    /** A training that ended on a device. */
    trained(by: 'a' | 'b', trial: number, device: Device, seconds: number, more = {}) {
      write(by, { ...resultOf(about(trial), 'complete', { seconds, device, ...more }) })
    },
    hears: (device: Device, more: Partial<Beat> = {}, ageSeconds = 0) =>
      void live.set(RIG, { beat: beat('rig', [device], more), ageSeconds }),
    forecast: (
      next: Partial<SweepSpec> = {},
      told: { trialSeconds?: number; watts?: number; unmet?: string } = {},
      digest: string = BUNDLE.digest
    ): ForecastView => {
      const spec = sweepSpec({ ...changes, ...next })
      return forecastView(pool, { machine: DESK, machines: live }, { spec, bundle: { ...BUNDLE, digest } }, told)
    }
  }
}

t.test('where nothing like it has run there is no length, until somebody tells it', async t => {
  const { forecast } = lab()
  const view = forecast()
  t.match(view, { trials: 4, isTold: false, devices: [{ machineName: 'desk', fits: 4 }], before: ['lora'] })
  t.notOk('need' in view || 'seen' in view)
  const told = forecast({}, { trialSeconds: 900, watts: 400 })
  t.match(told, {
    isTold: true,
    need: {
      hours: { low: 1, middle: 1, high: 1 },
      gpuHours: { middle: 1 },
      kwh: { middle: 0.4 },
      trained: { middle: 4 }
    },
    devices: [{ length: { seconds: 900, basis: 'told' }, power: { watts: 400, basis: 'told' }, trials: 4, hours: 1 }]
  })
})

t.test('lengths and power come from results, on each model of device', async t => {
  const { forecast, hears, trained } = lab()
  hears(SMALL)
  for (const trial of [0, 1]) trained('a', trial, CARD, 600, { usage: { wattHours: 50 } })
  trained('b', 2, SMALL, 1300)
  const { seen, need, devices } = forecast({ name: 'again' })
  t.same(seen, { likeness: 'same program', trainings: 3, sweeps: ['lora'], seconds: 600 })
  t.match(devices, [
    { model: 'RTX 4090', length: { seconds: 600, basis: 'seen' }, power: { watts: 300, basis: 'seen' } },
    { model: 'RTX 3060', length: { seconds: 1300, basis: 'seen' } }
  ])
  // Three of four on the fast one; the power of the slow one is not known.
  t.match(need, { hours: { middle: 0.5 }, gpuHours: { middle: 3100 / 3600 }, kwh: { middle: 0.15 } })
})

t.test('a model that has not trained this is judged by another, as both compared before', async t => {
  const { forecast, hears, trained } = lab()
  trained('a', 0, CARD, 600)
  hears(SMALL)
  t.match(forecast().devices[1]?.length, { seconds: 600, basis: 'assumed', from: 'RTX 4090' })
  trained('b', 1, SMALL, 1500)
  const other = forecast({ command: ['python', 'other.py'] }, { trialSeconds: 60 })
  t.match(other.devices[1]?.length, { seconds: 150, basis: 'scaled', from: 'RTX 4090' })
})

t.test('who fits whom: by what each trial needs, and why some fit nobody', async t => {
  const need = (gib: number) => ({ requires: { memoryBytes: gib * GIB } })
  const { forecast, hears } = lab()
  hears(SMALL)
  t.match(forecast(need(10)).groups, [{ trials: 4, devices: [0, 1], bytes: { low: 10 * GIB, high: 10 * GIB } }])
  t.match(forecast(need(20)).groups, [{ trials: 4, devices: [0] }])
  const nowhere = forecast(need(30))
  t.match(nowhere.groups, [{ trials: 4, devices: [] }])
  const [first] = nowhere.groups[0]?.named ?? []
  const text = 'needs about 30.0 GiB, RTX 4090 has 24.0 GiB in all'
  t.same(first, { trial: 0, parameters: { x: 0 }, text })
})

t.test('a machine that is away, paused, or whose device cannot work is not counted, and it is said why', async t => {
  const { forecast, hears } = lab()
  for (const [device, more, age, why] of [
    [SMALL, {}, 3600, 'its machine is away'],
    [SMALL, { paused: 'its owner plays' }, 0, 'its owner plays'],
    [{ ...SMALL, fault: 'Xid 79' }, {}, 0, 'Xid 79']
  ] as const) {
    hears(device, more, age)
    const rig = forecast({}, { trialSeconds: 60 }).devices.find(each => each.leftOut !== undefined)
    t.match(rig, { leftOut: why, fits: 0 })
  }
})

t.test('what a rule says by losses, or in steps that nobody knows, is not played and named', async t => {
  const { forecast, trained } = lab()
  const of = (stopping: NonNullable<SweepSpec['stopping']>) => forecast({ stopping }, { trialSeconds: 60 }).stopping
  t.match(of({ rule: 'threshold', upper: 1 }), { rule: 'threshold', leftOut: /depends on losses/ })
  t.match(of({ rule: 'asha', eta: 3, minSteps: 10 }), { leftOut: /how many steps/ })
  t.match(of({ rule: 'auto', unit: 'reports' }), { leftOut: /how many reports/ })
  t.match(of({ rule: 'asha', eta: 3, minSteps: 0.5, unit: 'epochs' }), { leftOut: /how many epochs/ })
  t.notOk('leftOut' in (of({ rule: 'asha', eta: 3, maxSteps: 3, unit: 'epochs' }) ?? {}))
  t.notOk('leftOut' in (of({ rule: 'auto' }) ?? {}))
  trained('a', 0, CARD, 600, { step: 1000 })
  t.notOk('leftOut' in (of({ rule: 'asha', eta: 3, minSteps: 10 }) ?? {}))
})

t.test('a search that learns is played with random draws, a large sweep by its first trials', async t => {
  const { forecast } = lab()
  const parameters: SweepSpec['parameters'] = { x: { distribution: 'uniform', min: 0, max: 1 } }
  const drawn = forecast({ method: 'tpe', runCap: 30, parameters }, { trialSeconds: 60 })
  t.match(drawn, {
    method: 'tpe',
    isDrawn: true,
    trials: 30,
    need: { trained: { middle: 30 }, hours: { middle: 0.5 } }
  })
  const large = forecast({ method: 'random', runCap: 5000, parameters }, { trialSeconds: 36 })
  t.match(large, { trials: 5000, looked: 400, need: { hours: { middle: 50 }, trained: { middle: 5000 } } })
})

t.test(
  'a trial of ten times the epochs takes ten times as long, and what is told is meant of one in the middle',
  async t => {
    const epochs = (values: number[]): Partial<SweepSpec> => ({
      parameters: { epochs: { distribution: 'categorical', values }, lr: { distribution: 'constant', value: 0.1 } }
    })
    const { forecast, trained } = lab(epochs([10]))
    for (const trial of [0, 1]) trained('a', trial, CARD, 100, { parameters: { epochs: 10, lr: 0.1 }, step: 10 })
    t.match(forecast(epochs([2, 40])), {
      seen: { seconds: 210 },
      devices: [{ length: { seconds: 210 }, hours: 420 / 3600 }],
      need: { hours: { middle: 420 / 3600 } }
    })
    t.match(forecast(epochs([2, 40]), { trialSeconds: 21 }), { need: { hours: { middle: 42 / 3600 } } })
    for (const [name, value, extent] of [
      ['num_train_epochs', 3, 3],
      ['trainer.max_steps', 500, 500],
      ['warmup_steps', 100, 1],
      ['eval_steps', 100, 1],
      ['gradient_accumulation_steps', 4, 1],
      ['epochs', 'many', 1]
    ] as const)
      t.equal(extentOf({ [name]: value }), extent, name)
  }
)

t.test('a budget or a wall time ends what is forecast, of however many trials', async t => {
  const { forecast } = lab()
  const parameters: SweepSpec['parameters'] = { x: { distribution: 'uniform', min: 0, max: 1 } }
  const needed = (runCap: number, limit: Partial<SweepSpec>) =>
    forecast({ method: 'random', runCap, parameters, ...limit }, { trialSeconds: 3600 }).need
  const limits = [
    ['budget', (hours: number) => ({ budget: { gpuSeconds: 3600 * hours } })],
    ['wall time', (hours: number) => ({ wallTimeMs: 3_600_000 * hours })]
  ] as const
  for (const [endedBy, hours] of limits) {
    for (const runCap of [100, 10_000]) {
      t.match(needed(runCap, hours(3)), { endedBy, trained: { middle: 3 }, hours: { middle: 3 } })
    }
    t.match(needed(10_000, hours(1000)), { endedBy, trained: { middle: 1000 }, hours: { middle: 1000 } })
    t.match(needed(5, hours(1000)), { endedBy: undefined, trained: { middle: 5 } })
  }
})

t.test(
  'only what runs the same command with the same parameters tells, and a machine that lacks something is left out',
  async t => {
    const { forecast, trained } = lab()
    trained('a', 0, CARD, 600, { step: 10 })
    t.equal(forecast().seen?.likeness, 'same program')
    const parameters: SweepSpec['parameters'] = { y: { distribution: 'int_uniform', min: 0, max: 3 } }
    t.equal(forecast({ command: ['python', 'other.py'] }).seen, undefined)
    t.equal(forecast({ parameters }, {}, keyOf('other files')).seen, undefined)
    t.equal(forecast({}, {}, keyOf('other files')).seen?.likeness, 'same command')
    t.match(forecast({}, { unmet: 'it lacks the package peft' }).devices, [{ leftOut: /peft/, fits: 0 }])
    t.equal(forecast({ timeLimitMs: 60_000 }).tooShortSeconds, 60)
  }
)
