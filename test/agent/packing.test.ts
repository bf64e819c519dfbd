/**
 * Packing: who may sit beside whom, and who is ended when memory runs short.
 */
import t from 'tap'
import type { Device } from '#protocol'
import type { Charge, Local } from '../../agent/local.js'
import { OWNER_DEFAULTS } from '../../agent/owner.js'
import { besidePromises, hasSeat, isOverMemory } from '../../agent/packing.js'
import { plan } from '../../agent/plan.js'
import { announcement } from '../helpers/records.js'
import { inShort, NOW, situation } from '../helpers/situation.js'
import { GPU } from '../helpers/virtual-pool.js'

const GIB = 2 ** 30
const REQUIRES = { memoryBytes: 8 * GIB }
const CARD: Device = { ...GPU, memoryBytes: 24 * GIB, freeBytes: 24 * GIB }

/** A machine whose owner lets `packing` attempts share its card, on which some run that hold so much each. */
function shared(packing: number, heldGib: readonly number[] = []) {
  const world = situation({ requires: REQUIRES })
  const local: Local = { ...world.local, rules: { ...OWNER_DEFAULTS, packing } }
  local.devices = [CARD]
  heldGib.forEach((_, trial) => {
    const about = world.about(trial)
    const charge: Charge = {
      ...about,
      id: `${about.sweep}-${trial}-1`,
      device: CARD.id,
      phase: 'running',
      sinceMs: NOW,
      resume: false,
      promisedBytes: 8 * GIB
    }
    local.charges.set(charge.id, charge)
    world.claim('a', trial)
  })
  local.memoryOf = id => (heldGib[Number(id.split('-')[1])] ?? 0) * GIB
  return { ...world, local, planned: () => inShort(plan(world.pool, local, NOW)) }
}

t.test('each attempt has a device for itself, unless its owner lets several share one', async t => {
  t.same(shared(1, [8]).planned(), [])
  t.same(shared(2, [8]).planned(), ['claim 1/1'])
  t.same(shared(2, [8, 8]).planned(), [], 'no more than so many')
})

t.test('what was promised and is not taken yet is not free', async t => {
  const { local, planned } = shared(4, [0, 8])
  local.devices = [{ ...CARD, freeBytes: 16 * GIB }]
  t.equal(besidePromises(local, local.devices[0] ?? CARD).freeBytes, 8 * GIB)
  t.same(planned(), ['claim 2/1'])
  local.devices = [{ ...CARD, freeBytes: 15 * GIB }]
  t.same(planned(), [], 'a trial needs 8 GiB, 7 are left')
})

t.test('an attempt of which nobody knows what it needs is alone, and so is a processor', async t => {
  const { local } = shared(4, [8])
  t.ok(hasSeat(local, CARD))
  t.notOk(hasSeat(local, { ...CARD, vendor: 'cpu' }))
  for (const [id, { promisedBytes: _, ...charge }] of local.charges) local.charges.set(id, charge)
  t.notOk(hasSeat(local, CARD))
  const { planned } = { ...shared(4, [8]) }
  t.same(planned(), ['claim 1/1'])
  const unknown = situation()
  unknown.write('a', announcement('a'))
  Object.assign(unknown.local, { rules: { ...OWNER_DEFAULTS, packing: 4 } })
  unknown.local.charges.set('x', { ...[...local.charges.values()][0], promisedBytes: GIB } as Charge)
  t.same(inShort(plan(unknown.pool, unknown.local, NOW)), [], 'of what is to come nobody knows it either')
})

t.test('who takes more than promised is ended once the others lack it', async t => {
  const over = (heldGib: readonly number[], freeGib: number) => {
    const { local } = shared(2, heldGib)
    local.devices = [{ ...CARD, freeBytes: freeGib * GIB, reservedBytes: GIB }]
    return [...local.charges.values()].map(charge => isOverMemory(local, charge))
  }
  t.same(over([12, 8], 0.5), [true, false])
  t.same(over([12, 8], 4), [false, false], 'there is room for all')
  t.same(over([8.5, 8], 0.5), [false, false], 'a little more is no surprise')
  t.same(over([12], 0.5), [false], 'alone it may take all')
  const { local, planned } = shared(2, [12, 8])
  local.devices = [{ ...CARD, freeBytes: 0.5 * GIB, reservedBytes: GIB }]
  t.same(planned(), ['stop 0/1'])
})
