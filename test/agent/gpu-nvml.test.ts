/**
 * NVIDIA devices, through the same calls into a library that a real driver gets: the library is built from C here.
 */
import { setTimeout as passed } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { readCpu } from '../../agent/gpu/cpu.js'
import { openNvmlSource } from '../../agent/gpu/nvml-source.js'
import { openProbe } from '../../agent/gpu/probe.js'
import type { Device } from '../../agent/ports.js'
import { probeContract } from '../contract/probe.js'
import {
  buildFakeDriver,
  card,
  FIRST,
  MIB,
  NO_COMPILER,
  POLL_MS,
  plug,
  SECOND,
  THIRD,
  TWO,
  useFakeDriver,
  watch
} from '../gpu/fake-driver.js'

const ignore = () => undefined
const directory = t.testdir({})
useFakeDriver(directory)
// Some fifteen children start here, a second each and more where other tests run beside.
t.setTimeout(120_000)

const faults = (devices: readonly Device[]) => devices.map(device => device.fault)
const areWell = (devices: readonly Device[]) => devices.every(device => device.fault === undefined)
const open = (t: Test, library: string) => watch(library, { systemFolder: directory, teardown: end => t.teardown(end) })

const library = buildFakeDriver(directory, 'libnvidia-ml')

t.test('NVML', { skip: library === undefined && NO_COMPILER }, async t => {
  if (library === undefined) return
  t.beforeEach(() => plug(directory, TWO))

  probeContract(t, 'NVML', onReadings =>
    openProbe({ libraries: [library], pollMs: POLL_MS, systemFolder: directory, onReadings })
  )

  t.test('odd cards: without memory and sensors, split by MIG, sick from the start; none hides another', async t => {
    plug(
      directory,
      card(FIRST, 'total_mib=0\nmilliwatts=0') +
        card(SECOND, 'mig=1') +
        card(THIRD, 'code=15') +
        card('GPU-dddddddd', 'code=16')
    )
    const { devices } = await open(t, library)
    t.match(devices(), [
      { id: FIRST, memoryBytes: readCpu().memoryBytes, isUnified: true, temperatureC: 41 },
      { id: SECOND, memoryBytes: 24164 * MIB, fault: /MIG is on/ },
      { id: 'nvidia-2', memoryBytes: 0, fault: /has lost this GPU: GPU is lost/ },
      { id: 'nvidia-3', memoryBytes: 0, fault: /must be reset/ }
    ])
    t.notOk('powerW' in (devices()[0] ?? {}), 'what a card does not measure is absent, not 0')
  })

  t.test('one machine through good and bad times', async t => {
    const { probe, until, devices, readings, logged } = await open(t, library)

    t.test('two cards: every fact, in the driver’s order, memory without the driver’s reserve', async t => {
      const common = {
        vendor: 'nvidia',
        model: 'NVIDIA GeForce RTX 4090',
        memoryBytes: 24164 * MIB,
        powerLimitW: 450,
        capability: '8.9',
        bf16: true
      }
      t.same(devices(), [
        { ...common, id: FIRST, freeBytes: 23164 * MIB, utilisation: 0, temperatureC: 41, powerW: 20.5 },
        { ...common, id: SECOND, freeBytes: 8164 * MIB, utilisation: 0.97, temperatureC: 71, powerW: 390 }
      ])
      t.same(
        readings().map(({ processes, hasDisplay }) => ({ processes, hasDisplay })),
        [
          { processes: [], hasDisplay: false },
          { processes: [], hasDisplay: false }
        ]
      )
      t.match(probe.environment(SECOND), { CUDA_VISIBLE_DEVICES: SECOND, CUDA_DEVICE_ORDER: 'PCI_BUS_ID' })
    })

    t.test('a change is told: memory that fills', async t => {
      plug(directory, card(FIRST, 'used_mib=9000') + card(SECOND))
      t.match(await until(devices => devices[0]?.freeBytes === 15164 * MIB), [{ id: FIRST }, { id: SECOND }])
    })

    t.test('a lost GPU is a state: it keeps its name and memory, the other one works on', async t => {
      plug(directory, card(FIRST) + card(SECOND, 'code=15'))
      const [well, lost] = await until(devices => !areWell(devices))
      t.match(well, { id: FIRST, temperatureC: 41 })
      const fault =
        'The driver has lost this GPU: GPU is lost (15). Check its power and its cable, then restart the computer.'
      t.same(lost, {
        id: SECOND,
        vendor: 'nvidia',
        model: 'NVIDIA GeForce RTX 4090',
        memoryBytes: 24164 * MIB,
        capability: '8.9',
        bf16: true,
        fault
      })
      plug(directory, TWO)
      t.match((await until(areWell))[1], { id: SECOND, temperatureC: 71 }, 'it comes back')
    })

    t.test('a driver that was updated under a card: restart the computer', async t => {
      plug(directory, card(FIRST) + card(SECOND, 'code=18'))
      t.match(await until(devices => !areWell(devices)), [{ id: FIRST }, { fault: /updated.*Restart the computer/ }])
      plug(directory, TWO)
      await until(areWell)
    })

    t.test('the child is killed: facts are kept with a fault, then a new child gives new ones', async t => {
      process.kill(Number(logged('pid')[0]), 'SIGKILL')
      t.match(await until(devices => !areWell(devices)), [
        { id: FIRST, memoryBytes: 24164 * MIB, capability: '8.9', fault: /SIGKILL/ },
        { id: SECOND, fault: /SIGKILL/ }
      ])
      t.match(await until(areWell), [{ id: FIRST }, { id: SECOND, temperatureC: 71 }])
      t.equal(logged('pid').length, 2, 'one restart')
    })

    t.test('a driver that crashes again and again is asked less and less often', async t => {
      plug(directory, `crash=1\n${TWO}`)
      t.match(faults(await until(devices => !areWell(devices))), [/SIGSEGV/, /SIGSEGV/])
      while (logged('pauseMs').length < 3) await passed(POLL_MS)
      t.same(logged('pauseMs').slice(0, 3), [500, 1000, 2000], 'after the kill, after the first and the second crash')
    })
  })

  t.test('a driver that hangs costs its child: facts are kept, then it recovers', async t => {
    const place = { libraries: [library], log: ignore, systemFolder: directory }
    const source = await openNvmlSource({ ...place, answerMs: 500 })
    const read = async () => ((await source?.read(false)) ?? []).map(({ device }) => device)
    plug(directory, `hang=1\n${TWO}`)
    t.match(await read(), [{ id: FIRST, fault: 'The NVIDIA driver does not answer.' }, { id: SECOND }])
    plug(directory, TWO)
    while (!areWell(await read())) await passed(POLL_MS)
    t.match(await read(), [{ id: FIRST, temperatureC: 41 }, { id: SECOND }])
    plug(directory, `hang=1\n${TWO}`)
    const hanging = read()
    await source?.close()
    t.equal((await hanging).length, 2, 'closing ends the reading too')
  })

  t.test('a driver that was updated is a state: no card has a name, and the processor is no replacement', async t => {
    plug(directory, `init=18\n${TWO}`)
    const { until, devices } = await open(t, library)
    t.match(devices(), [{ id: 'nvidia', vendor: 'nvidia', memoryBytes: 0, fault: /Restart the computer/ }])
    plug(directory, TWO + card(THIRD))
    t.match(await until(areWell), [{ id: FIRST }, { id: SECOND }, { id: THIRD }], 'its cards come when it works again')
  })

  for (const [why, configuration] of [
    ['no driver', `init=9\n${TWO}`],
    ['a driver without a GPU', '']
  ] as const) {
    t.test(`${why}: the processor, and the child is not started again`, async t => {
      plug(directory, configuration)
      const { devices, logged } = await open(t, library)
      t.match(devices(), [{ id: 'cpu' }])
      t.equal(logged('pid').length, 1)
      t.throws(() => process.kill(Number(logged('pid')[0]), 0), { code: 'ESRCH' }, 'it has ended')
    })
  }
})
