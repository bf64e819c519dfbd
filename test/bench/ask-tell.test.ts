import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { plainEnvironment } from '../simulation/fleet.js'
import { createDialogue } from './ask-tell/dialogue.js'
import { type ParameterMessage, spaceOf } from './ask-tell/messages.js'
import { METHODS, named } from './ask-tell/methods.js'
import { drawOf } from './ask-tell/session.js'

const PROGRAM = fileURLToPath(new URL('ask-tell/main.ts', import.meta.url))
const SPACE = [
  { name: 'lr', type: 'float', low: 1e-5, high: 1e-1, log: true },
  { name: 'layers', type: 'int', low: 1, high: 4 },
  { name: 'optimizer', type: 'cat', choices: ['adam', 'sgd'] },
  { name: 'momentum', type: 'float', low: 0, high: 0.99, when: { optimizer: ['sgd'] } }
]
const INIT = { op: 'init', space: SPACE, seed: 7, trials: 20, parallel: 2 }

interface Asked {
  readonly id: number
  readonly params: Readonly<Record<string, number | string>>
}

/** Says lines to the real program, which then ends, and returns its answers. */
async function transcript(lines: readonly (object | string)[], method: readonly string[] = []) {
  const words = ['--conditions=typescript', '--import', 'tsx', PROGRAM, ...method]
  const child = spawn(process.execPath, words, { env: plainEnvironment() })
  const answers: unknown[] = []
  createInterface({ input: child.stdout }).on('line', line => void answers.push(JSON.parse(line)))
  child.stdin.end(lines.map(line => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''))
  const [code] = await once(child, 'close')
  return { code, answers }
}

/** The same without a process. */
function answersTo(lines: readonly (object | string)[], method = 'random'): unknown[] {
  const { answer } = createDialogue(method)
  return lines.map(line => answer(typeof line === 'string' ? line : JSON.stringify(line)))
}

t.test('the program: asked, told, several trials at once, and a line that it cannot follow', async t => {
  const { code, answers } = await transcript(
    [
      INIT,
      { op: 'ask' },
      { op: 'ask' },
      { op: 'tell', id: 1, value: 0.5 },
      'no JSON',
      '',
      { op: 'tell', id: 0, value: null },
      { op: 'tell', id: 0, value: 0.1 },
      { op: 'ask' }
    ],
    ['random']
  )
  t.equal(code, 0)
  t.match(answers, [
    { ok: true },
    { id: 0, params: { lr: Number, layers: Number, optimizer: String } },
    { id: 1, params: { lr: Number, layers: Number, optimizer: String } },
    { ok: true },
    { error: /not valid JSON/ },
    { ok: true },
    { error: /trial 0 was told before/ },
    { id: 2, params: {} }
  ])
  t.same(answersTo([INIT, { op: 'ask' }, { op: 'ask' }]), answers.slice(0, 3), 'the seed alone decides')
})

t.test('the program: an unknown method ends it', async t => {
  t.same(await transcript([INIT], ['magic']), { code: 2, answers: [] })
})

t.test('a conditional parameter is there beside its condition, and only there', async t => {
  const asked = answersTo([INIT, ...Array.from({ length: 40 }, () => ({ op: 'ask' }))]).slice(1) as Asked[]
  t.same(new Set(asked.map(({ params }) => params['optimizer'])), new Set(['adam', 'sgd']))
  for (const { params } of asked) t.equal('momentum' in params, params['optimizer'] === 'sgd')
})

t.test('a trial that diverged may say so in JSON or as Python writes it', async t => {
  for (const value of ['null', '"NaN"', 'NaN', 'Infinity', '"-Infinity"', '-Infinity', '1e999'])
    t.same(answersTo([INIT, { op: 'ask' }, `{"op": "tell", "value": ${value}, "id": 0}`])[2], { ok: true }, value)
})

t.test('a field that says null is not there', async t => {
  const space = [{ name: 'x', type: 'cat', choices: [1, null], low: null, high: null, log: null, when: {} }]
  t.same(answersTo([{ op: 'init', space, seed: -1, trials: null, configs: null, eta: null }]), [{ ok: true }])
})

t.test('what cannot be followed is an error and changes nothing', async t => {
  const { answer } = createDialogue('random')
  const say = (message: object | string) => answer(typeof message === 'string' ? message : JSON.stringify(message))
  t.match(say({ op: 'ask' }), { error: 'say `init` first' })
  t.same(say(INIT), { ok: true })
  t.match(say({ op: 'ask' }), { id: 0 })
  for (const [bad, error] of [
    [{ op: 'jump' }, /op/],
    [[], /expected object/],
    [{ op: 'tell', id: 0 }, /value/],
    [{ op: 'tell', id: 0, value: 'low' }, /value/],
    [{ op: 'tell', id: 9, value: 1 }, /trial 9 was not asked for/],
    [{ op: 'report', id: 0, epoch: 1, value: 1 }, /only a run of `configs` has reports/],
    [{ op: 'init', space: [{ name: 'x', type: 'float', low: 1, high: 1 }] }, /x: low must be less than high/],
    [{ op: 'init', space: [{ name: 'x', type: 'float', low: 0, high: 1, log: true }] }, /x: a logarithm needs low/],
    [{ op: 'init', space: [...SPACE, ...SPACE] }, /one name/],
    [{ op: 'init', space: SPACE.slice(3) }, /momentum: its condition names a parameter that cannot come before it/],
    [{ op: 'init', space: [{ name: 'x', type: 'cat', choices: [1, 1] }] }, /x: a choice is listed twice/]
  ] as const)
    t.match(say(bad), { error }, String(error))
  t.same(say({ op: 'tell', id: 0, value: 1 }), { ok: true })
  t.match(say({ op: 'ask' }), { id: 1 })
})

t.test('dimensions are ordered by name, each after the one that its condition names', async t => {
  const when = (parameter: string) => ({ when: { [parameter]: [1] } })
  const cat = (name: string, condition = {}): ParameterMessage => ({ name, type: 'cat', choices: [1, 2], ...condition })
  const space = spaceOf([cat('d'), cat('a', when('c')), cat('c', when('d')), cat('b')])
  t.same(
    space.map(({ name }) => name),
    ['b', 'd', 'c', 'a']
  )
  t.same(space[3]?.when, { parameter: 'c', values: [1] })
  t.throws(() => spaceOf([cat('a', when('b')), cat('b', when('a'))]), /cannot come before/)
})

t.test('both ends of a dimension are values that it takes', async t => {
  const range = (high: number, step: number): ParameterMessage[] => {
    return [{ name: 'x', type: 'float', low: 0, high, log: false, step }]
  }
  t.match(spaceOf(range(1, 0.3)), [{ high: 3 * 0.3, step: 0.3 }])
  t.match(spaceOf(range(0.3, 0.1)), [{ high: 3 * 0.1 }], 'whatever the division says')
  t.throws(() => spaceOf(range(0.2, 0.3)), /one step leads out/)
})

t.test('random draws reach all values of a range of integers, and none beside', async t => {
  const draw = drawOf(1, 'test')
  for (const log of [false, true]) {
    const space = spaceOf([{ name: 'n', type: 'int', low: 1, high: 6, log }])
    const propose = named(METHODS, 'random')({ seed: 1, trials: 300, parallel: 1 })
    const drawn = new Set(Array.from({ length: 300 }, () => propose(space, [], draw)['n']))
    t.same([...drawn].sort(), [1, 2, 3, 4, 5, 6])
  }
})

t.test('sobol: the same seed goes on evenly, other seeds elsewhere', async t => {
  const asks = Array.from({ length: 16 }, () => ({ op: 'ask' }))
  const space = [{ name: 'x', type: 'float', low: 0, high: 16 }, ...SPACE.slice(2)]
  const asked = answersTo([{ ...INIT, space }, ...asks], 'sobol').slice(1) as Asked[]
  const sixteenths = asked.map(({ params }) => Math.floor(Number(params['x'])))
  t.equal(new Set(sixteenths).size, 15, 'point 0 is left out, so one has a second and one has none')
  for (const { params } of asked) t.equal('momentum' in params, params['optimizer'] === 'sgd')
  t.notSame(answersTo([{ ...INIT, space, seed: 8 }, ...asks], 'sobol').slice(1), asked)
})

t.test('methods that learn ask for nothing twice, until all of a countable space was asked for', async t => {
  const space = [
    { name: 'a', type: 'cat', choices: ['x', 'y'] },
    { name: 'b', type: 'int', low: 1, high: 3, when: { a: ['y'] } },
    { name: 'c', type: 'float', low: 0, high: 1, step: 0.25 }
  ]
  const asks = Array.from({ length: 21 }, () => ({ op: 'ask' }))
  for (const method of ['tpe', 'tpe-optuna-5', 'gp', 'auto']) {
    const { answer } = createDialogue(method)
    const say = (message: object) => answer(JSON.stringify(message))
    say({ ...INIT, space })
    const asked = asks.map((ask, id) => {
      const { params } = say(ask) as Asked
      if (id % 2 === 0) say({ op: 'tell', id, value: Number(params['c']) })
      return JSON.stringify(params)
    })
    t.equal(new Set(asked.slice(0, 20)).size, 20, method)
    t.ok(asked.slice(0, 20).includes(asked[20] ?? ''), 'then one comes again')
  }
})

t.test('the program, by default: it learns, with trials pending, and parameters that come and go', async t => {
  const tell = (id: number, value: number | null) => ({ op: 'tell', id, value })
  const told = [tell(1, 0.3), tell(0, null), tell(2, 0.1), tell(4, 0.4), tell(3, 0.2), tell(5, 0.6), tell(6, 0.5)]
  const asks = (count: number) => Array.from({ length: count }, () => ({ op: 'ask' }))
  const { code, answers } = await transcript([INIT, ...asks(8), ...told, tell(7, 0.7), ...asks(4)])
  t.equal(code, 0)
  const asked = answers.filter((answer): answer is Asked => typeof answer === 'object' && !!answer && 'id' in answer)
  t.same(
    asked.map(({ id }) => id),
    Array.from({ length: 12 }, (_, id) => id)
  )
  t.equal(new Set(asked.map(({ params }) => JSON.stringify(params))).size, 12, 'what is pending is not asked for again')
  for (const { params } of asked) t.equal('momentum' in params, params['optimizer'] === 'sgd')
  t.equal(answers.filter(answer => JSON.stringify(answer) === '{"ok":true}').length, 9)
})

t.test('the program: a configuration pauses, goes on when it is among the best, and is trained to its end', async t => {
  const init = { op: 'init', configs: [{ lr: 1 }, { lr: 2 }, { lr: 3 }, { lr: 4 }], max_epoch: 4, eta: 2, seed: 1 }
  const ask = { op: 'ask' }
  const report = (id: number, epoch: number, value: number | null) => ({ op: 'report', id, epoch, value })
  // Rungs at the epochs 1 and 2. Three are with workers at once.
  const told: readonly (readonly [object, object])[] = [
    [init, { ok: true }],
    [ask, { id: 0, config: 0 }],
    [ask, { id: 1, config: 1 }],
    [ask, { id: 2, config: 2 }],
    [report(1, 1, 0.2), { action: 'pause' }],
    [ask, { id: 3, config: 3 }],
    [report(0, 1, 0.5), { action: 'pause' }],
    [ask, { id: 1, resume: true }],
    [report(1, 1, 0.2), { action: 'continue' }],
    [report(3, 1, null), { action: 'stop' }],
    [report(3, 2, 0.1), { error: 'trial 3 does not run' }],
    [report(1, 2, 0.15), { action: 'pause' }],
    [ask, { wait: true }],
    [report(2, 1, 0.1), { action: 'pause' }],
    [ask, { id: 2, resume: true }],
    [report(2, 2, 0.05), { action: 'pause' }],
    [ask, { id: 2, resume: true }],
    [report(2, 3, 0.04), { action: 'continue' }],
    [report(2, 4, 0.03), { action: 'stop' }],
    [ask, { wait: true }]
  ]
  const { code, answers } = await transcript(
    told.map(([line]) => line),
    ['pause']
  )
  t.equal(code, 0)
  t.same(
    answers,
    told.map(([, answer]) => answer)
  )
})

t.test('pausing: the best of a few is trained to its end, though few are less than a share', async t => {
  const init = { op: 'init', configs: [1, 2, 3], max_epoch: 27, eta: null, seed: 1 }
  const { answer } = createDialogue('auto')
  const say = (message: object) => answer(JSON.stringify(message))
  say(init)
  const losses = [3, 1, 2]
  const epochs = [0, 0, 0]
  const turns: string[] = []
  for (;;) {
    const turn = say({ op: 'ask' }) as { readonly id?: number }
    turns.push(JSON.stringify(turn))
    const { id } = turn
    if (id === undefined) break
    const report = () => {
      epochs[id] = (epochs[id] ?? 0) + 1
      return say({ op: 'report', id, epoch: epochs[id], value: losses[id] }) as { readonly action: string }
    }
    while (report().action === 'continue');
  }
  t.same(epochs, [1, 27, 1])
  t.equal(turns.at(-1), '{"wait":true}')
})

t.test('rules that stop for good stop what is worse than others at the same epoch', async t => {
  const init = { op: 'init', configs: Array.from({ length: 8 }, (_, n) => n), max_epoch: 9, seed: 1 }
  for (const method of ['asha', 'hyperband', 'median']) {
    const { answer } = createDialogue(method)
    const say = (message: object) => answer(JSON.stringify(message))
    say(init)
    const epochs = init.configs.map(config => {
      const { id } = say({ op: 'ask' }) as { readonly id: number }
      for (let epoch = 1; ; epoch++) {
        const { action } = say({ op: 'report', id, epoch, value: config - epoch / 100 }) as { readonly action: string }
        if (action === 'stop') return epoch
      }
    })
    t.equal(epochs[0], 9, `${method}: the first is the best`)
    t.ok(Math.min(...epochs) < 9, `${method}: one of the others is not`)
    t.same(say({ op: 'ask' }), { wait: true })
  }
})

t.test('configurations: each begins once, and a report is answered with what to do', async t => {
  const init = { op: 'init', configs: [{ lr: 1 }, { lr: 2 }], max_epoch: 3, eta: 3, seed: 1 }
  const report = (id: number, epoch: number, value: unknown) => ({ op: 'report', id, epoch, value })
  const said = [
    init,
    { op: 'ask' },
    { op: 'ask' },
    { op: 'ask' },
    report(0, 1, 2.5),
    report(0, 3, 2),
    report(1, 1, null)
  ]
  t.same(answersTo(said, 'none'), [
    { ok: true },
    { id: 0, config: 0 },
    { id: 1, config: 1 },
    { wait: true },
    { action: 'continue' },
    { action: 'stop' },
    { action: 'stop' }
  ])
  t.match(answersTo([init, { op: 'tell', id: 0, value: 1 }], 'none')[1], { error: /told by `report`/ })
  t.match(answersTo([init], 'random')[0], {
    error: /there is no random; known: asha, auto, hyperband, median, none, pause/
  })
})
