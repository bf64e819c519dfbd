/**
 * The owner: what is held back, when, and when it is given free again.
 */
import t from 'tap'
import type { Device } from '#protocol'
import { emptyLocal } from '../../agent/local.js'
import {
  type DeskNews,
  deviceHold,
  devicesNow,
  machineHold,
  noteDevices,
  OWNER_DEFAULTS,
  type OwnerRules,
  reserveOf
} from '../../agent/owner.js'
import { keyOf } from '../helpers/records.js'
import { GPU } from '../helpers/virtual-pool.js'

const GIB = 2 ** 30
const [NOW, QUIET_MS] = [1e6, OWNER_DEFAULTS.quietMs]
const NOON: DeskNews = { minuteOfWeek: 12 * 60 }

function desk(rules: Partial<OwnerRules> = {}) {
  const local = { ...emptyLocal(keyOf('a'), 'desk', 0), rules: { ...OWNER_DEFAULTS, ...rules } }
  return {
    local,
    sees: (news: Partial<Device>, nowMs: number) => {
      noteDevices(local, [{ ...GPU, ...news }], nowMs)
      return deviceHold(local, { ...GPU, ...news }, nowMs)?.text
    },
    hears: (news: Partial<DeskNews>) => {
      local.desk = { ...NOON, ...news }
      return machineHold(local, NOW)?.text
    }
  }
}

t.test('a game holds a device from its second look on, until it has been quiet for a while', async t => {
  const { local, sees } = desk()
  t.equal(sees({ foreignUtilisation: 0.9 }, NOW), undefined, 'a window may have opened')
  t.match(sees({ foreignUtilisation: 0.9 }, NOW + 1000), 'other programs keep it 90 % busy')
  t.match(devicesNow(local, NOW + 1000), [{ id: GPU.id, hold: /90 %/ }])
  t.match(sees({ foreignUtilisation: 0 }, NOW + 2000), /90 %/, 'the game loads its next level')
  t.match(sees({}, NOW + 1000 + QUIET_MS - 1), /90 %/)
  t.equal(sees({}, NOW + 1000 + QUIET_MS), undefined)
  t.equal(sees({ foreignUtilisation: 0.9 }, NOW + 1e6), undefined, 'from here it begins anew')
})

t.test('while it is held one look is enough to hold it longer', async t => {
  const { sees } = desk()
  for (const at of [0, 1000]) sees({ foreignUtilisation: 0.5 }, NOW + at)
  sees({}, NOW + 2000)
  sees({ foreignUtilisation: 0.5 }, NOW + QUIET_MS)
  t.match(sees({}, NOW + QUIET_MS + 2000), /50 %/)
})

t.test('memory of other programs counts beyond what the owner keeps back, and not below 700 MiB', async t => {
  const twice = (news: Partial<Device>) => {
    const { sees } = desk()
    sees(news, NOW)
    return sees(news, NOW + 1000)
  }
  t.equal(twice({ foreignBytes: 0.6 * GIB, reservedBytes: 0 }), undefined)
  t.match(twice({ foreignBytes: 0.7 * GIB, reservedBytes: 0 }), 'other programs hold 716.8 MiB of it')
  t.equal(twice({ foreignBytes: 1.4 * GIB, reservedBytes: 1.5 * GIB }), undefined, 'a desktop')
  t.match(twice({ foreignBytes: 1.6 * GIB, reservedBytes: 1.5 * GIB }), /hold 1.6 GiB/)
  t.match(twice({ utilisation: 0.4 }), 'something keeps it 40 % busy', 'nobody tells who')
  t.equal(twice({ utilisation: 0.4, foreignBytes: 0 }), undefined)
})

t.test('of a busy device whose users are unknown the own attempt is no stranger', async t => {
  const { local, sees } = desk()
  local.charges.set('x', { device: GPU.id } as never)
  for (const at of [0, 1000, 2000]) t.equal(sees({ utilisation: 1 }, NOW + at), undefined)
})

t.test('heat holds a device until it has cooled down', async t => {
  const { sees } = desk({ maxTemperatureC: 80 })
  t.equal(sees({ temperatureC: 79 }, NOW), undefined)
  t.match(sees({ temperatureC: 80 }, NOW + 1000), 'it is 80 °C warm')
  t.match(sees({ temperatureC: 75 }, NOW + 2000), /75 °C/)
  t.equal(sees({ temperatureC: 74 }, NOW + 3000), undefined)
  t.equal(desk().sees({ temperatureC: 99 }, NOW), undefined, 'without a ceiling the driver looks after itself')
})

t.test('hours, batteries, programs and people hold the whole machine', async t => {
  t.equal(desk().hears({}), undefined)
  t.match(desk().hears({ isOnBattery: true }), 'it runs on its battery')
  t.equal(desk({ worksOnBattery: true }).hears({ isOnBattery: true }), undefined)
  t.match(desk().hears({ exclusiveProgram: 'blender' }), 'blender runs')
  const nights = desk({ schedule: [{ fromMinute: 22 * 60, toMinute: 24 * 60 }] })
  t.match(nights.hears({}), 'outside its hours')
  t.equal(nights.hears({ minuteOfWeek: 22 * 60 }), undefined)
  t.match(nights.hears({ minuteOfWeek: 24 * 60 }), 'outside its hours')
  const shy = desk({ onlyWhenIdleMs: 600_000 })
  t.match(shy.hears({ untouchedMs: 599_999 }), 'somebody sits at it')
  t.equal(shy.hears({ untouchedMs: 600_000 }), undefined)
  t.equal(shy.hears({}), undefined, 'where nobody can tell, nobody is held up')
})

t.test('what is kept free: as its owner says, else the share of a screen', async t => {
  const reading = { device: { ...GPU, memoryBytes: 24 * GIB } }
  t.equal(reserveOf(reading, OWNER_DEFAULTS), 0.25 * GIB)
  t.equal(reserveOf({ ...reading, hasDisplay: true }, OWNER_DEFAULTS), 1.5 * GIB)
  t.equal(reserveOf(reading, { ...OWNER_DEFAULTS, reserveBytes: 4 * GIB }), 4 * GIB)
  t.equal(reserveOf({ device: { ...GPU, vendor: 'cpu' } }, OWNER_DEFAULTS), 0)
})
