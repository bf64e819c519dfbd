/**
 * Requirements: what a sweep asks of a machine, what the machine says to it, and what it does about it.
 */
import t from 'tap'
import { LIMITS, type Requires } from '#protocol'
import { accepts } from '../../agent/choice.js'
import { isLookedAt, PACKAGES_AGAIN_MS, unmet } from '../../agent/requirements.js'
import { submission, sweepSpec } from '../helpers/records.js'
import { NOW, occupy, planned, situation } from '../helpers/situation.js'
import { createVirtualPool } from '../helpers/virtual-pool.js'

const GIB = 2 ** 30
const FOUND = { isFound: true, sinceMs: NOW }
const MISSING = { isFound: false, sinceMs: NOW }

/** What machine a knows of a sweep that requires something, and what it says to it. */
function requiring(requires: Requires) {
  const known = situation({ requires })
  const { pool, local, sweep } = known
  const submitted = pool.sweeps.get(sweep)
  const spec = submitted?.submission?.spec ?? sweepSpec()
  return {
    ...known,
    spec,
    says: () => unmet(local, spec),
    takes: () => submitted !== undefined && accepts(local, submitted)
  }
}

t.test('packages: not looked at yet, missing, found', async t => {
  const { local, says, takes } = requiring({ packages: ['torch', 'peft'] })
  t.equal(says(), 'its packages have not been looked at yet')
  t.notOk(takes())
  local.packages.set('torch', { sinceMs: NOW })
  local.packages.set('peft', MISSING)
  t.equal(says(), 'it lacks the package peft')
  local.packages.set('torch', MISSING)
  t.equal(says(), 'it lacks the packages torch and peft')
  t.notOk(takes())
  local.packages.set('torch', FOUND)
  local.packages.set('peft', FOUND)
  t.equal(says(), undefined)
  t.ok(takes())
})

t.test('assets: not looked at yet, unknown, known; a name of JavaScript is none', async t => {
  const { local, spec, says, takes } = requiring({ assets: ['llama-3-8b', 'constructor'] })
  t.equal(says(), 'its assets have not been looked at yet')
  t.notOk(isLookedAt(local, spec))
  local.assets = new Map([['other', '/models/other']])
  t.equal(says(), 'it knows no assets llama-3-8b and constructor')
  local.assets = new Map([['llama-3-8b', '/models/llama']])
  t.equal(says(), 'it knows no asset constructor')
  t.notOk(takes())
  local.assets = new Map([...local.assets, ['constructor', '/models/c']])
  t.equal(says(), undefined)
  t.ok(takes() && isLookedAt(local, spec))
})

t.test('disk: as much free as the sweep needs, as the last look said', async t => {
  const { local, says, takes } = requiring({ diskBytes: 20 * GIB })
  t.equal(says(), 'it cannot tell what is free on its disk, the sweep needs 20.0 GiB')
  local.freeBytes = 12 * GIB
  t.equal(says(), 'it has 12.0 GiB free on its disk, the sweep needs 20.0 GiB')
  t.notOk(takes())
  local.freeBytes = 20 * GIB
  t.ok(takes())
  t.equal(unmet(local, sweepSpec()), undefined, 'a sweep that requires nothing goes anywhere')
})

t.test('packages are looked for once, and the missing ones again after a while', async t => {
  const { pool, local } = requiring({ packages: ['torch', 'peft', 'torch'] })
  t.same(planned(pool, local), ['look for peft torch'])
  local.packages.set('torch', { sinceMs: NOW })
  local.packages.set('peft', MISSING)
  t.same(planned(pool, local), [], 'one is asked for, one is missing')
  local.packages.set('torch', FOUND)
  t.same(planned(pool, local, NOW + PACKAGES_AGAIN_MS - 1), [])
  t.same(planned(pool, local, NOW + PACKAGES_AGAIN_MS), ['look for peft'])
  local.packages.set('peft', FOUND)
  t.same(planned(pool, local, NOW + PACKAGES_AGAIN_MS), ['claim 0/1'])
})

t.test('nothing is looked for on behalf of a sweep that its owner did not approve', async t => {
  const { pool, local } = requiring({ packages: ['torch'] })
  local.approved.clear()
  t.same(planned(pool, local), [])
})

t.test('a claim whose asset went away meanwhile goes back; what is not known yet is waited for', async t => {
  const { pool, local, claim, about } = requiring({ assets: ['llama'], diskBytes: GIB })
  claim('a', 0)
  occupy(local, about(0), 'claiming')
  t.same(planned(pool, local), [], 'after a restart')
  local.assets = new Map()
  t.same(planned(pool, local), ['free 0/1', 'release 0/1 unable'])
  local.assets = new Map([['llama', '/models/llama']])
  t.same(planned(pool, local), ['start 0/1'], 'the disk was asked before the claim')
})

t.test('what runs goes on, whatever is missing', async t => {
  const { pool, local, claim, about } = requiring({ assets: ['llama'], packages: ['peft'], diskBytes: GIB })
  claim('a', 0)
  occupy(local, about(0), 'running')
  local.assets = new Map()
  local.freeBytes = 0
  local.packages.set('peft', MISSING)
  t.same(planned(pool, local), [])
})

t.test('a machine trains once it has the packages, and its program learns of its own assets alone', async t => {
  const requires = { packages: ['peft'], assets: ['llama'], diskBytes: GIB }
  const draft = submission(sweepSpec({ requires }))
  const world = createVirtualPool([draft])
  const a = world.add('a')
  a.agent.onAssets(
    new Map([
      ['llama', '/models/llama'],
      ['diary', '/private/diary']
    ])
  )
  a.agent.onDisk({ freeBytes: 2 * GIB })
  world.run(60_000)
  t.equal(a.calls.filter(call => call === 'look peft').length, 1)
  t.same(a.agent.beat().accepts, [], 'its peers do not reckon with it')
  a.packages = ['peft']
  world.run(PACKAGES_AGAIN_MS)
  t.same(a.agent.beat().accepts, [draft.sweep])
  t.same(a.started[0]?.assets, { llama: '/models/llama' })
  a.agent.onDisk({ freeBytes: LIMITS.freeSpaceFloorBytes * 1.5 })
  t.same(a.agent.beat().accepts, [])
  t.same(a.stopped, [])
})

t.test('an approval looks for missing packages again, at once', async t => {
  const draft = submission(sweepSpec({ requires: { packages: ['peft'] } }))
  const world = createVirtualPool([draft])
  const a = world.add('a')
  world.run(1000)
  a.packages = ['peft']
  a.agent.approve(draft)
  world.run(1000)
  t.equal(a.calls.filter(call => call === 'look peft').length, 2)
  t.same(a.agent.beat().accepts, [draft.sweep])
})
