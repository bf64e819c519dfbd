/**
 * Who uses an NVIDIA card and what becomes of it: processes, displays and Xids, with each generation of the driver.
 */
import t, { type Test } from 'tap'
import type { DeviceProcess } from '../../agent/ports.js'
import {
  buildFakeDriver,
  card,
  FIRST,
  MIB,
  NO_COMPILER,
  plug,
  SECOND,
  TWO,
  useFakeDriver,
  watch
} from '../gpu/fake-driver.js'

const directory = t.testdir({})
useFakeDriver(directory)
t.setTimeout(120_000)

const open = (t: Test, library: string) => watch(library, { systemFolder: directory, teardown: end => t.teardown(end) })
const byPid = (processes: readonly DeviceProcess[] | undefined) => [...(processes ?? [])].sort((a, b) => a.pid - b.pid)

const library = buildFakeDriver(directory, 'libnvidia-ml')

t.test('processes on a card', { skip: library === undefined && NO_COMPILER }, async t => {
  if (library === undefined) return
  const lists = 'process=11,2000,40\nprocess=12,na,0\nprocess=13,300,na,graphics\nprocess=14,500,900\n'

  for (const { driver, flag, reservedMib } of [
    { driver: 'of today', flag: '-DTODAY', reservedMib: 400 },
    { driver: 'with rows of 32 bytes', flag: '-DDRIVER_535', reservedMib: 400 },
    { driver: 'without the third calls', flag: '-DMIDDLE_DRIVER', reservedMib: 0 },
    { driver: 'without the second calls', flag: '-DOLD_DRIVER', reservedMib: 0 }
  ]) {
    t.test(`a driver ${driver} tells the same, but for its reserve`, async t => {
      const built = buildFakeDriver(directory, `libnvidia-ml${flag}`, flag) ?? ''
      plug(directory, card(FIRST, `${lists}display=1`) + card(SECOND))
      const { readings, devices } = await open(t, built)
      t.same(byPid(readings()[0]?.processes), [
        { pid: 11, memoryBytes: 2000 * MIB, utilisation: 0.4 },
        { pid: 12, utilisation: 0 },
        { pid: 13, memoryBytes: 300 * MIB, utilisation: 0 },
        { pid: 14, memoryBytes: 500 * MIB, utilisation: 0 }
      ])
      t.match(readings(), [{ hasDisplay: true }, { hasDisplay: false, processes: [] }])
      const memoryBytes = (24564 - reservedMib) * MIB
      t.match(devices()[0], { memoryBytes, freeBytes: 23164 * MIB, temperatureC: 41 })
    })
  }

  t.test('one that computes and draws is named once, with its memory once', async t => {
    plug(
      directory,
      card(FIRST, 'process=7,900,20\nprocess=7,900,na,graphics\nprocess=8,na,na\nprocess=8,50,na,graphics')
    )
    const { readings } = await open(t, library)
    t.same(byPid(readings()[0]?.processes), [
      { pid: 7, memoryBytes: 900 * MIB, utilisation: 0.2 },
      { pid: 8, memoryBytes: 50 * MIB, utilisation: 0 }
    ])
  })

  t.test('two hundred processes: the lists grow', async t => {
    plug(directory, card(FIRST, 'crowd=200'))
    const { readings } = await open(t, library)
    const processes = byPid(readings()[0]?.processes)
    t.equal(processes.length, 200)
    t.match(processes[199], { pid: 1199, memoryBytes: MIB, utilisation: 0.01 })
  })

  t.test('what the driver refuses is absent: the lists, or the shares alone', async t => {
    plug(directory, card(FIRST, `${lists}lists=4`) + card(SECOND, `${lists}samples=3`))
    const { readings } = await open(t, library)
    t.notOk('processes' in (readings()[0] ?? {}))
    const withoutShares = byPid(readings()[1]?.processes)
    t.same(withoutShares.slice(0, 2), [{ pid: 11, memoryBytes: 2000 * MIB }, { pid: 12 }])
  })

  t.test('a library without a call that every driver has is no driver', async t => {
    const broken = buildFakeDriver(directory, 'libnvidia-ml-broken', '-DBROKEN_DRIVER') ?? ''
    plug(directory, TWO)
    const { devices, logged } = await open(t, broken)
    t.match(devices(), [{ id: 'cpu' }])
    t.match(String(logged('reason')), /lacks nvmlDeviceGetCount_v2/)
  })
})

t.test('Xids', { skip: library === undefined && NO_COMPILER }, async t => {
  if (library === undefined) return
  plug(directory, TWO)
  const { devices, until } = await open(t, library)

  t.test('a program’s own mistake is not the card’s', async t => {
    plug(directory, card(FIRST, 'xid=31') + card(SECOND, 'used_mib=5\nxid=13'))
    t.match(await until(([, second]) => second?.freeBytes === 24159 * MIB), [{ id: FIRST }, { id: SECOND }])
    t.same(
      devices().filter(({ fault }) => fault !== undefined),
      []
    )
  })

  t.test('a card that has failed says so for good, also when it answers again; the other one works on', async t => {
    plug(directory, card(FIRST) + card(SECOND, 'xid=79'))
    const [first, second] = await until(devices => devices.some(({ fault }) => fault !== undefined))
    t.notOk('fault' in (first ?? {}))
    t.match(second, { id: SECOND, memoryBytes: 24164 * MIB, fault: /fallen off the bus.*Xid 79.*Restart/ })
    plug(directory, card(FIRST, 'used_mib=5') + card(SECOND))
    await until(([first]) => first?.freeBytes === 24159 * MIB)
    t.match(devices()[1]?.fault, /Xid 79/)
  })

  t.test('memory errors and a processor that is silent are the card’s', async t => {
    plug(directory, card(FIRST, 'xid=95') + card(SECOND, 'xid=119'))
    t.match(await until(devices => devices.every(({ fault }) => !/Xid 79/.test(fault ?? '') && fault !== undefined)), [
      { fault: /memory.*Xid 95/ },
      { fault: /does not answer.*Xid 119/ }
    ])
  })
})
