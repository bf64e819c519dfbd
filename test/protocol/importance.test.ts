import t from 'tap'
import type { Observation, Space } from '../../protocol/search/dimension.js'
import { importancesOf, rawImportances } from '../../protocol/search/importance.js'
import { createDraw } from '../helpers/draw.js'

const SPACE: Space = [
  { kind: 'categorical', name: 'c', choices: ['a', 'b'] },
  { kind: 'numeric', name: 'x', low: 0, high: 10, isLog: false },
  { kind: 'numeric', name: 'y', low: 0, high: 10, isLog: false }
]
const TWENTY: readonly Observation[] = Array.from({ length: 20 }, (_, i) => {
  const [x, y, c] = [(10 * i) / 19, (10 * ((7 * i) % 20)) / 19, i % 2 ? 'b' : 'a']
  return { state: 'complete', parameters: { x, y, c }, loss: (x - 3) ** 2 + 0.1 * y + (c === 'b' ? 0.5 : 0) }
})

function chance(seed: number): () => number {
  const draw = createDraw(seed)
  return () => draw.integer(2 ** 32) / 2 ** 32
}

t.test('golden: importances of Optuna 5.0', async t => {
  const isClose = (found: number | undefined, expected: number, reach: number) =>
    t.ok(Math.abs((found ?? 0) - expected) < reach, `${found}`)
  const [c, x, y] = rawImportances(SPACE, TWENTY)
  isClose(x, 0.009597384770150331, 1e-12)
  isClose(y, 0.0018154499621408215, 1e-12)
  isClose(c, 0.0011111111111088887, 1e-12)
  const shares = importancesOf(SPACE, TWENTY, chance(1))
  t.same(
    shares?.map(({ name }) => name),
    ['x', 'y', 'c']
  )
  for (const [place, share] of [0.766323, 0.144958, 0.088719].entries()) isClose(shares?.[place]?.share, share, 1e-6)
})

t.test('below twenty trials that tell nothing is said', async t => {
  t.equal(importancesOf(SPACE, TWENTY.slice(1), chance(1)), undefined)
  const [first, ...others] = TWENTY
  for (const untold of [
    { state: 'running' as const },
    { state: 'infeasible' as const },
    { state: 'stopped' as const }
  ]) {
    t.equal(importancesOf(SPACE, [...others, { ...untold, parameters: {} }], chance(1)), undefined)
  }
  t.ok(importancesOf(SPACE, [...others, ...(first ? [first] : [])], chance(1)))
})

t.test(
  'what was stopped early or diverged tells as much as its full training would, unless it were one of the best',
  async t => {
    const ranked = [...TWENTY].sort((a, b) => (a.loss ?? 0) - (b.loss ?? 0))
    const sharesOf = (trials: readonly Observation[]) =>
      importancesOf(SPACE, trials, chance(1))?.map(({ name, share }) => [name, share])
    const whole = sharesOf(ranked)
    const cut = ranked.map((trial, place): Observation => {
      if (place >= 15) return { state: 'diverged', parameters: trial.parameters }
      // At its rung a stopped trial may have had a lower loss than others have in the end, or a higher one.
      return place >= 5 ? { ...trial, state: 'stopped', loss: 20 - place, step: 3 } : trial
    })
    t.same(sharesOf(cut), whole)
  }
)

t.test('shares add up to 1, lie within 0 and 1, and do not depend on the order of the trials', async t => {
  const shares = importancesOf(SPACE, TWENTY, chance(1)) ?? []
  t.ok(Math.abs(shares.reduce((sum, { share }) => sum + share, 0) - 1) < 1e-12)
  t.ok(shares.every(({ low, high }) => low >= 0 && low <= high && high <= 1))
  const reversed = importancesOf(SPACE, [...TWENTY].reverse(), chance(1))
  t.same(reversed, shares, 'nor does their range')
})

t.test('what does not matter gets a small share, and what matters keeps its own when trials are resampled', async t => {
  const random = chance(5)
  const trials = Array.from({ length: 200 }, (): Observation => {
    const [x, y, c] = [10 * random(), 10 * random(), random() < 0.5 ? 'a' : 'b']
    return { state: 'complete', parameters: { x, y, c }, loss: (x - 3) ** 2 }
  })
  const [first, ...others] = importancesOf(SPACE, trials, chance(2)) ?? []
  t.equal(first?.name, 'x')
  t.ok((first?.low ?? 0) > 0.5)
  t.ok(others.every(({ high }) => high < 0.5))
})

t.test('equal losses set nothing apart: all shares are 0', async t => {
  const same = TWENTY.map((trial): Observation => ({ ...trial, loss: 1 }))
  t.same(
    importancesOf(SPACE, same, chance(1))?.map(({ share }) => share),
    [0, 0, 0]
  )
})

t.test('golden: with a condition, logarithmic integers and few steps, as in Optuna 5.0', async t => {
  const space: Space = [
    { kind: 'numeric', name: 'lr', low: 1e-4, high: 0.1, isLog: true },
    { kind: 'numeric', name: 'rank', low: 1, high: 64, step: 1, isLog: true },
    { kind: 'numeric', name: 'warmup', low: 0, high: 0.3, step: 0.1, isLog: false },
    { kind: 'categorical', name: 'optimizer', choices: ['adam', 'sgd'] },
    {
      kind: 'numeric',
      name: 'momentum',
      low: 0,
      high: 1,
      isLog: false,
      when: { parameter: 'optimizer', values: ['sgd'] }
    }
  ]
  const trials = Array.from({ length: 60 }, (_, i): Observation => {
    const [at, rank, warmup, momentum] = [((7 * i) % 60) / 59, 1 + ((13 * i) % 64), (i % 4) / 10, ((11 * i) % 60) / 59]
    const common = { lr: 1e-4 * 1000 ** at, rank, warmup, optimizer: i % 2 ? 'sgd' : 'adam' }
    const loss = (at - 0.6) ** 2 + 0.01 * rank + (i % 2 ? 0.4 * (momentum - 0.9) ** 2 - 0.1 : 0)
    return { state: 'complete', parameters: i % 2 ? { ...common, momentum } : common, loss }
  })
  const golden = [
    0.0032362070705429504, 0.018355357197235123, 0.0004156841412997786, 0.0002938775510198207, 0.005170222838433892
  ]
  for (const [d, raw] of rawImportances(space, trials).entries()) {
    t.ok(Math.abs(raw - (golden[d] ?? 0)) < 1e-12, `${space[d]?.name}: ${raw}`)
  }
})

t.test('a parameter that is not always there counts where it is, with logarithmic integers and few steps', async t => {
  const space: Space = [
    { kind: 'categorical', name: 'optimizer', choices: ['adam', 'sgd'] },
    {
      kind: 'numeric',
      name: 'momentum',
      low: 0,
      high: 1,
      isLog: false,
      when: { parameter: 'optimizer', values: ['sgd'] }
    },
    { kind: 'numeric', name: 'rank', low: 1, high: 64, step: 1, isLog: true },
    { kind: 'numeric', name: 'warmup', low: 0, high: 0.3, step: 0.1, isLog: false }
  ]
  const random = chance(3)
  const trials = Array.from({ length: 120 }, (_, i): Observation => {
    const momentum = random()
    const common = { rank: 1 + Math.floor(64 * random()), warmup: Math.floor(4 * random()) / 10 }
    return i % 2
      ? { state: 'complete', parameters: { optimizer: 'sgd', momentum, ...common }, loss: (momentum - 0.9) ** 2 }
      : { state: 'complete', parameters: { optimizer: 'adam', ...common }, loss: 0.2 + random() }
  })
  const shares = importancesOf(space, trials, chance(4), 50) ?? []
  t.equal(shares[0]?.name, 'momentum')
  t.equal(shares.length, 4)
})
