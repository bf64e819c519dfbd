/**
 * Proposals in the core: what a machine claims under a method that learns, and what becomes of rival proposals (C2).
 */
import t from 'tap'
import { canonicalJson, holderOf, isUnproposed, parametersOf, proposalFor, type SweepSpec } from '#protocol'
import { plan } from '../../agent/plan.js'
import { experienceOf } from '../../protocol/experience.js'
import { keyOf, resultOf } from '../helpers/records.js'
import { NOW, planned, situation } from '../helpers/situation.js'
import { GPU } from '../helpers/virtual-pool.js'

const SPEC: Partial<SweepSpec> = {
  method: 'tpe',
  runCap: 4,
  parameters: { x: { distribution: 'uniform', min: 0, max: 1 } }
}
const GIB = 2 ** 30

function learning(changes: Partial<SweepSpec> = {}) {
  const known = situation({ ...SPEC, ...changes })
  const sweep = known.pool.sweeps.get(known.sweep)
  if (!sweep) throw new Error('The sweep is there.')
  const claims = (by: 'a' | 'b' | 'c', trial: number, parameters: Record<string, number>, attempt = 1) =>
    known.write(by, { kind: 'trial-claimed', ...known.about(trial, attempt), device: 'gpu0', parameters })
  return { ...known, at: sweep, claims }
}

t.test('a claim carries what its machine proposes; until then the trial has no parameters', async t => {
  const { pool, local, at, claims } = learning()
  t.ok(isUnproposed(at, 0))
  const [step] = plan(pool, local, NOW)
  const draft = step?.do === 'claim' && step.draft.kind === 'trial-claimed' ? step.draft : undefined
  const x = Number(draft?.parameters['x'])
  t.ok(x >= 0 && x <= 1, `x is ${x}`)
  claims('a', draft?.trial ?? 0, { x })
  t.same(parametersOf(at, draft?.trial ?? 0), { x })
  t.notOk(isUnproposed(at, draft?.trial ?? 0))
})

t.test('two machines that know the same propose different trials, and take different indexes', async t => {
  const { pool, at } = learning()
  const of = (machine: string) => canonicalJson(proposalFor(pool, at, { trial: 0, machine, device: GPU }) ?? null)
  t.equal(of(keyOf('a')), of(keyOf('a')))
  t.not(of(keyOf('a')), of(keyOf('b')))
})

t.test('of rival proposals the claim that holds counts; what cannot have been proposed says nothing', async t => {
  const { at, claims, sweep, pool, local } = learning()
  claims('b', 0, { x: 0.25 })
  claims('c', 0, { x: 0.75 })
  const attempt = at.trials.get(0)?.attempts.get(1)
  const holder = attempt && holderOf(sweep, 0, attempt)
  t.same(parametersOf(at, 0), { x: holder === keyOf('b') ? 0.25 : 0.75 })
  claims('c', 1, { x: 7 })
  t.ok(isUnproposed(at, 1), 'a liar’s proposal is none')
  claims('b', 1, { x: 0.5 })
  t.same(parametersOf(at, 1), { x: 0.5 })
  t.notOk(planned(pool, local).includes('claim 0/1'))
})

t.test('what was trained and counts is the trial, whatever else was claimed', async t => {
  const { at, claims, write, about } = learning()
  claims('b', 0, { x: 0.25 })
  claims('c', 0, { x: 0.75 })
  write('c', resultOf(about(0), 'complete', { parameters: { x: 0.75 }, value: 2 }))
  t.same(parametersOf(at, 0), { x: 0.75 })
  write('b', resultOf(about(0), 'complete', { parameters: { x: 0.25 }, value: 1 }))
  const { result } = at.trials.get(0)?.standing ?? {}
  t.same(parametersOf(at, 0), result?.parameters)
})

t.test('experience: what each class of result teaches (rule C9)', async t => {
  const { at, claims, write, about, pool } = learning({ metric: { name: 'acc', goal: 'maximize', summary: 'last' } })
  for (const trial of [0, 1, 2, 3]) claims('b', trial, { x: trial / 10 })
  write('b', resultOf(about(0), 'complete', { parameters: { x: 0 }, value: 2 }))
  write('b', resultOf(about(1), 'diverged', { parameters: { x: 0.1 } }))
  write('b', resultOf(about(2), 'environment', { parameters: { x: 0.2 } }))
  t.same(experienceOf(pool, at), [
    { parameters: { x: 0 }, state: 'complete', loss: -2 },
    { parameters: { x: 0.1 }, state: 'diverged' },
    { parameters: { x: 0.2 }, state: 'running' },
    { parameters: { x: 0.3 }, state: 'running' }
  ])
})

t.test('a device is proposed only what it has room for, as far as the pool has learned', async t => {
  const parameters: SweepSpec['parameters'] = { batch: { distribution: 'categorical', values: [1, 2, 4, 8, 16, 32] } }
  const { at, claims, write, about, pool } = learning({ parameters, requires: { memoryEffects: { batch: 'up' } } })
  const device = { id: 'gpu0', model: 'card', memoryBytes: 24 * GIB, vendor: 'nvidia' as const }
  for (const [trial, batch] of [8, 16].entries()) {
    claims('b', trial, { batch })
    const usage = { peakBytes: batch * GIB, peakSource: 'process' as const }
    write('b', resultOf(about(trial), 'complete', { parameters: { batch }, device, usage }))
  }
  const small = { ...GPU, model: 'card', memoryBytes: 12 * GIB, freeBytes: 12 * GIB }
  for (const machine of ['a', 'b', 'c']) {
    const proposed = proposalFor(pool, at, { trial: 2, machine: keyOf(machine), device: small })
    t.ok(Number(proposed?.['batch']) <= 4, `${machine}: ${proposed?.['batch']}`)
  }
})
