/**
 * A laptop's card that sleeps: looked at without being woken, and left alone so that it can fall asleep.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openSmi } from '../../agent/gpu/nvidia-smi.js'
import { openNvmlSource } from '../../agent/gpu/nvml-source.js'
import { openSleepGate } from '../../agent/gpu/sleep-gate.js'
import { buildFakeDriver, card, FIRST, NO_COMPILER, plug, useFakeDriver, writeTree } from '../gpu/fake-driver.js'

const CARD = 'bus/pci/devices/0000:01:00.0'
const directory = t.testdir({})
useFakeDriver(directory)
t.setTimeout(60_000)

/** Makes the folder of a laptop with one NVIDIA card. Returns it, and a way to tell how the card is. */
function laptop(t: Test, status: string, control = 'auto') {
  const folder = t.testdir({})
  writeTree(
    folder,
    {
      [`${CARD}/vendor`]: '0x10de',
      [`${CARD}/class`]: '0x030200',
      [`${CARD}/power/runtime_status`]: status,
      [`${CARD}/power/control`]: control,
      // Its sound device, and the processor's graphics.
      'bus/pci/devices/0000:01:00.1/vendor': '0x10de',
      'bus/pci/devices/0000:01:00.1/class': '0x040300',
      'bus/pci/devices/0000:01:00.1/power/runtime_status': 'active',
      'bus/pci/devices/0000:00:02.0/vendor': '0x8086',
      'bus/pci/devices/0000:00:02.0/class': '0x030000',
      'bus/pci/devices/0000:00:02.0/power/runtime_status': 'active'
    },
    { [`${CARD}/driver`]: '../../../bus/pci/drivers/nvidia' }
  )
  return { folder, become: (now: string) => writeFileSync(join(folder, CARD, 'power/runtime_status'), `${now}\n`) }
}

t.test('the gate: asleep when every card of NVIDIA’s driver is', async t => {
  const { folder, become } = laptop(t, 'suspended')
  const gate = openSleepGate(folder)
  t.same([gate.areAllAsleep(), gate.mayAllSleep()], [true, true])
  become('active')
  t.equal(gate.areAllAsleep(), false)
  become('suspending')
  t.equal(gate.areAllAsleep(), true)
  const other = CARD.replace('01:', '02:')
  const files = { vendor: '0x10de', class: '0x030000', 'power/runtime_status': 'suspended', 'power/control': 'on' }
  writeTree(folder, Object.fromEntries(Object.entries(files).map(([name, text]) => [`${other}/${name}`, text])))
  t.equal(gate.mayAllSleep(), true, 'a card without the driver, as a virtual machine has it, does not count')
  writeTree(folder, {}, { [`${other}/driver`]: '../../../bus/pci/drivers/nvidia' })
  t.equal(gate.mayAllSleep(), false, 'one more that never sleeps')
})

t.test('the gate: where the kernel tells nothing, nothing sleeps', async t => {
  const gate = openSleepGate(join(directory, 'nowhere'))
  t.same([gate.areAllAsleep(), gate.mayAllSleep()], [false, false])
})

const library = buildFakeDriver(directory, 'libnvidia-ml')

t.test('NVML', { skip: library === undefined && NO_COMPILER }, async t => {
  if (library === undefined) return
  t.beforeEach(() => plug(directory, card(FIRST)))
  const open = async (t: Test, systemFolder: string) => {
    const pids: number[] = []
    const log = (_: string, fields: object) => 'pid' in fields && pids.push(Number(fields.pid))
    const source = await openNvmlSource({ libraries: [library], systemFolder, log: (...told) => void log(...told) })
    t.teardown(() => source?.close())
    const read = async (isIdle: boolean) => (await source?.read(isIdle))?.[0]?.device
    return { read, pids }
  }

  t.test('a card that sleeps from the start is not woken; it has a name once somebody else wakes it', async t => {
    const { folder, become } = laptop(t, 'suspended')
    const { read, pids } = await open(t, folder)
    t.match(await read(true), { id: 'nvidia', memoryBytes: 0, fault: /asleep/ })
    t.match(await read(false), { fault: /asleep/ })
    t.same(pids, [], 'no process has loaded the library')
    become('active')
    t.match(await read(true), { id: FIRST, temperatureC: 41 })
    t.equal(pids.length, 1)
  })

  t.test('at rest a driver is let go after each look, and a card that then sleeps keeps its facts', async t => {
    const { folder, become } = laptop(t, 'active')
    const { read, pids } = await open(t, folder)
    t.match(await read(true), { id: FIRST, temperatureC: 41 })
    t.throws(() => process.kill(pids[0] ?? 0, 0), { code: 'ESRCH' }, 'the process has ended')
    become('suspended')
    const asleep = await read(true)
    t.match(asleep, { id: FIRST, capability: '8.9', fault: /asleep/ })
    t.notOk('temperatureC' in (asleep ?? {}))
    become('active')
    t.match(await read(false), { id: FIRST, temperatureC: 41 })
    t.equal(pids.length, 2)
    t.match(await read(false), { id: FIRST, temperatureC: 41 })
    t.equal(pids.length, 2, 'while an attempt runs the process stays')
  })

  t.test('a card that stays awake when it is let go of is not let go of each time', async t => {
    const { read, pids } = await open(t, laptop(t, 'active').folder)
    for (let looks = 0; looks < 4; looks++) t.match(await read(true), { id: FIRST, temperatureC: 41 })
    t.equal(pids.length, 2)
  })

  t.test('a card that never sleeps, or one with a fault, keeps its process', async t => {
    const desktop = await open(t, laptop(t, 'active', 'on').folder)
    await desktop.read(true)
    await desktop.read(true)
    t.equal(desktop.pids.length, 1)
    plug(directory, card(FIRST, 'xid=79'))
    const { read, pids } = await open(t, laptop(t, 'active').folder)
    await read(true)
    t.match(await read(true), { fault: /Xid 79/ }, 'it would be forgotten')
    t.equal(pids.length, 1)
  })
})

t.test('nvidia-smi: not run while the card sleeps', async t => {
  const { folder } = laptop(t, 'suspended')
  const command = join(directory, 'not-there')
  const source = await openSmi({ log: () => undefined, systemFolder: folder, command })
  t.match(await source?.read(true), [{ device: { id: 'nvidia', fault: /asleep/ } }])
})
