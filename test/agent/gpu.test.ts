/**
 * The probe, through the same calls into a library that a real driver gets: the library is built from C here.
 *
 * Never touches a real driver: every source is named by the test.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as passed } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { cleanModel, readCpu } from '../../agent/gpu/cpu.js'
import { keepMissing, nameless, withFault } from '../../agent/gpu/nvidia.js'
import { openSmi, parseSmi } from '../../agent/gpu/nvidia-smi.js'
import { openNvmlSource } from '../../agent/gpu/nvml-source.js'
import { openProbe } from '../../agent/gpu/probe.js'
import type { Device } from '../../agent/ports.js'
import { probeContract } from '../contract/probe.js'

const MIB = 1024 ** 2
const POLL_MS = 10
const ignore = () => undefined

const directory = t.testdir({})
const configPath = join(directory, 'cards.ini')
process.env['FAKE_NVML_CONFIG'] = configPath
delete process.env['HYPERSWEEP_NVML_LIBRARY']
// A child inherits these flags. It starts in half the time with tsx than with tap's own compiler and mocks.
process.execArgv = process.execArgv
  .filter(flag => !flag.includes('@tapjs/mock'))
  .map(flag => (flag.includes('@tapjs/typescript') ? '--import=tsx' : flag))
// Some ten children start here, a second each and more where other tests run beside.
t.setTimeout(90_000)

const first = 'GPU-aaaaaaaa-1111-4222-8333-444444444444'
const second = 'GPU-bbbbbbbb-1111-4222-8333-444444444444'
const third = 'GPU-cccccccc-1111-4222-8333-444444444444'
const card = (uuid: string, more = '') => `[gpu]
uuid=${uuid}
name=NVIDIA GeForce RTX 4090
total_mib=24564
reserved_mib=400
used_mib=1000
capability=8.9
celsius=41
milliwatts=20500
${more}
`
const two = card(first) + card(second, 'used_mib=16000\npercent=97\ncelsius=71\nmilliwatts=390000')

/** Replaces the hardware. By renaming, so that the fake never reads half a file. */
function plug(config: string): void {
  writeFileSync(`${configPath}.new`, config)
  renameSync(`${configPath}.new`, configPath)
}

/** Builds the fake driver. Returns its path, or undefined where there is no compiler. */
function build(name: string, ...flags: string[]): string | undefined {
  const source = fileURLToPath(new URL('../fixtures/fake-nvml.c', import.meta.url))
  const library = join(directory, `${name}.so.1`)
  try {
    execFileSync('gcc', ['-Wall', '-Werror', '-shared', '-fPIC', ...flags, '-o', library, source], { stdio: 'pipe' })
    return library
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Opens the probe on a library, and keeps what it tells. */
async function watch(t: Test, library: string) {
  const logs: { readonly message: string; readonly fields: Readonly<Record<string, unknown>> }[] = []
  let latest: readonly Device[] = []
  let wake: () => void = ignore
  const probe = await openProbe({
    libraries: [library],
    pollMs: POLL_MS,
    log: (message, fields) => logs.push({ message, fields: { ...fields } }),
    onDevices: devices => {
      latest = devices
      wake()
    }
  })
  t.teardown(() => probe.close())
  return {
    probe,
    devices: () => latest,
    /** Every value that a field of the log has had. */
    logged: (field: string) => logs.map(each => each.fields[field]).filter(value => value !== undefined),
    async until(holds: (devices: readonly Device[]) => boolean) {
      while (!holds(latest)) {
        await new Promise<void>(resolve => {
          wake = () => resolve(undefined)
        })
      }
      return latest
    }
  }
}

const faults = (devices: readonly Device[]) => devices.map(device => device.fault)
const areWell = (devices: readonly Device[]) => devices.every(device => device.fault === undefined)

t.test('the processor: one device, when no library is named', async t => {
  const told: (readonly Device[])[] = []
  const probe = await openProbe({ libraries: [], pollMs: POLL_MS, onDevices: devices => told.push(devices) })
  t.teardown(() => probe.close())
  t.match(told[0], [{ id: 'cpu', vendor: 'cpu', model: readCpu().model, memoryBytes: readCpu().memoryBytes }])
  t.equal(probe.environment('cpu')['CUDA_VISIBLE_DEVICES'], '-1', 'a program on it takes no GPU')
})

t.test('the processor: its name is what people say', async t => {
  t.equal(cleanModel('Intel(R) Core(TM) i7-9700K CPU @ 3.60GHz'), 'Intel Core i7-9700K')
  t.equal(cleanModel('AMD Ryzen 9 5950X 16-Core Processor'), 'AMD Ryzen 9 5950X')
  t.equal(cleanModel('Apple M3 Max'), 'Apple M3 Max')
  t.match(cleanModel('unknown'), /^\w+ processor$/)
})

t.test('the environment variable: names the library, or turns NVIDIA off', async t => {
  t.teardown(() => delete process.env['HYPERSWEEP_NVML_LIBRARY'])
  for (const value of ['none', '/no/such/libnvidia-ml.so.1']) {
    process.env['HYPERSWEEP_NVML_LIBRARY'] = value
    const told: (readonly Device[])[] = []
    const reasons: object[] = []
    const log = (_: string, fields: object) => reasons.push(fields)
    const probe = await openProbe({ pollMs: POLL_MS, log, onDevices: devices => told.push(devices) })
    await probe.close()
    t.match(told[0], [{ id: 'cpu' }])
    t.equal(JSON.stringify(reasons).includes('/no/such/'), value !== 'none', 'a path that cannot be loaded is logged')
  }
})

t.test('known devices: one that is missing stays, with a fault and without facts that age', async t => {
  const well: Device = { id: first, vendor: 'nvidia', model: 'RTX 4090', memoryBytes: 1, temperatureC: 40 }
  const other: Device = { ...well, id: second }
  t.same(keepMissing([well, other], [other, well]), [other, well], 'nothing is missing')
  const kept = keepMissing([well, other], [other])
  t.match(kept, [other, { id: first, memoryBytes: 1, fault: /no longer finds/ }])
  t.notOk('temperatureC' in (kept[1] ?? {}))
  t.equal(keepMissing([well], [nameless('lost', 0)]).length, 1, 'a nameless card is the one that is missing')
  t.same(keepMissing([nameless('lost')], [well]), [well], 'a nameless card is forgotten when it has a name again')
  t.notOk('capability' in withFault(well, 'lost'), 'what was absent stays absent')
})

t.test('nvidia-smi: one line is one device, and [N/A] is an absent fact', async t => {
  const [a, b, ...more] = parseSmi(
    `${first}, NVIDIA GeForce RTX 3060, 12288, 11000, 3, 41, 20.50, 8.6\nA warning, of the driver\n` +
      `${second}, NVIDIA GeForce GTX 960, 4096, 4000, [N/A], [N/A], [N/A], 5.2\n`
  )
  t.same(a, {
    id: first,
    vendor: 'nvidia',
    model: 'NVIDIA GeForce RTX 3060',
    memoryBytes: 12288 * MIB,
    freeBytes: 11000 * MIB,
    utilisation: 0.03,
    temperatureC: 41,
    powerW: 20.5,
    capability: '8.6'
  })
  t.same(Object.keys(b ?? {}), ['id', 'vendor', 'model', 'memoryBytes', 'freeBytes', 'capability'])
  t.same(more, [])
  t.match(parseSmi(`${first}, RTX 3060, [GPU is lost], 0, 0, 0, 0, 8.6`), [{ memoryBytes: 0, fault: /GPU is lost/ }])
})

t.test('nvidia-smi: the command is asked, and one that is not there gives no source', async t => {
  const command = join(directory, 'nvidia-smi')
  writeFileSync(command, `#!/bin/sh\necho "${first}, RTX 3060, 12288, 11000, 3, 41, 20.50, 8.6"\n`)
  chmodSync(command, 0o755)
  const source = await openSmi({ log: ignore, command })
  t.match(await source?.read(), [{ id: first, memoryBytes: 12288 * MIB }])
  t.match(source?.environment(first), { CUDA_VISIBLE_DEVICES: first })
  await source?.close()
  t.equal(await openSmi({ log: ignore, command: join(directory, 'not-there') }), undefined)
})

probeContract(t, 'processor', onDevices => openProbe({ libraries: [], pollMs: POLL_MS, onDevices }))

const library = build('libnvidia-ml')
const oldLibrary = build('libnvidia-ml-old', '-DOLD_DRIVER')

t.test('NVML', { skip: library === undefined && 'there is no gcc to build the fake driver with' }, async t => {
  if (library === undefined || oldLibrary === undefined) return
  t.beforeEach(() => plug(two))

  probeContract(t, 'NVML', onDevices => openProbe({ libraries: [library], pollMs: POLL_MS, onDevices }))

  t.test('an old driver: the older calls give the same facts, but for the reserve', async t => {
    const { devices } = await watch(t, oldLibrary)
    t.match(devices(), [
      { id: first, memoryBytes: 24564 * MIB, freeBytes: 23164 * MIB, temperatureC: 41 },
      { id: second }
    ])
  })

  t.test('odd cards: without memory and sensors, split by MIG, sick from the start; none hides another', async t => {
    plug(card(first, 'total_mib=0\nmilliwatts=0') + card(second, 'mig=1') + card(third, 'code=15'))
    const { devices } = await watch(t, library)
    t.match(devices(), [
      { id: first, memoryBytes: readCpu().memoryBytes, temperatureC: 41 },
      { id: second, memoryBytes: 24164 * MIB, fault: /MIG is on/ },
      { id: 'nvidia-2', memoryBytes: 0, fault: /GPU is lost/ }
    ])
    t.notOk('powerW' in (devices()[0] ?? {}), 'what a card does not measure is absent, not 0')
  })

  t.test('one machine through good and bad times', async t => {
    const { probe, until, devices, logged } = await watch(t, library)

    t.test('two cards: every fact, in the driver’s order, memory without the driver’s reserve', async t => {
      const common = {
        vendor: 'nvidia',
        model: 'NVIDIA GeForce RTX 4090',
        memoryBytes: 24164 * MIB,
        capability: '8.9'
      }
      t.same(devices(), [
        { ...common, id: first, freeBytes: 23164 * MIB, utilisation: 0, temperatureC: 41, powerW: 20.5 },
        { ...common, id: second, freeBytes: 8164 * MIB, utilisation: 0.97, temperatureC: 71, powerW: 390 }
      ])
      t.same(probe.environment(second), { CUDA_VISIBLE_DEVICES: second, CUDA_DEVICE_ORDER: 'PCI_BUS_ID' })
    })

    t.test('a change is told: memory that fills', async t => {
      plug(card(first, 'used_mib=9000') + card(second))
      t.match(await until(devices => devices[0]?.freeBytes === 15164 * MIB), [{ id: first }, { id: second }])
    })

    t.test('a lost GPU is a state: it keeps its name and memory, the other one works on', async t => {
      plug(card(first) + card(second, 'code=15'))
      const [well, lost] = await until(devices => !areWell(devices))
      t.match(well, { id: first, temperatureC: 41 })
      t.same(lost, {
        id: second,
        vendor: 'nvidia',
        model: 'NVIDIA GeForce RTX 4090',
        memoryBytes: 24164 * MIB,
        capability: '8.9',
        fault: 'The driver cannot use this GPU: GPU is lost (15).'
      })
      plug(two)
      t.match((await until(areWell))[1], { id: second, temperatureC: 71 }, 'it comes back')
    })

    t.test('the child is killed: facts are kept with a fault, then a new child gives new ones', async t => {
      process.kill(Number(logged('pid')[0]), 'SIGKILL')
      t.match(await until(devices => !areWell(devices)), [
        { id: first, memoryBytes: 24164 * MIB, capability: '8.9', fault: /SIGKILL/ },
        { id: second, fault: /SIGKILL/ }
      ])
      t.match(await until(areWell), [{ id: first }, { id: second, temperatureC: 71 }])
      t.equal(logged('pid').length, 2, 'one restart')
    })

    t.test('a driver that crashes again and again is asked less and less often', async t => {
      plug(`crash=1\n${two}`)
      t.match(faults(await until(devices => !areWell(devices))), [/SIGSEGV/, /SIGSEGV/])
      while (logged('pauseMs').length < 3) await passed(POLL_MS)
      t.same(logged('pauseMs').slice(0, 3), [500, 1000, 2000], 'after the kill, after the first and the second crash')
    })
  })

  t.test('a driver that hangs costs its child: facts are kept, then it recovers', async t => {
    const source = await openNvmlSource({ libraries: [library], log: ignore, answerMs: 500 })
    const read = async () => (await source?.read()) ?? []
    plug(`hang=1\n${two}`)
    t.match(await read(), [{ id: first, fault: 'The NVIDIA driver does not answer.' }, { id: second }])
    plug(two)
    while (!areWell(await read())) await passed(POLL_MS)
    t.match(await read(), [{ id: first, temperatureC: 41 }, { id: second }])
    plug(`hang=1\n${two}`)
    const hanging = read()
    await source?.close()
    t.equal((await hanging).length, 2, 'closing ends the reading too')
  })

  t.test('a driver that was updated is a state: no card has a name, and the processor is no replacement', async t => {
    plug(`init=18\n${two}`)
    const { until, devices } = await watch(t, library)
    t.match(devices(), [{ id: 'nvidia', vendor: 'nvidia', memoryBytes: 0, fault: /Restart the computer/ }])
    plug(two + card(third))
    t.match(await until(areWell), [{ id: first }, { id: second }, { id: third }], 'its cards come when it works again')
  })

  for (const [why, config] of [
    ['no driver', `init=9\n${two}`],
    ['a driver without a GPU', '']
  ] as const) {
    t.test(`${why}: the processor, and the child is not started again`, async t => {
      plug(config)
      const { devices, logged } = await watch(t, library)
      t.match(devices(), [{ id: 'cpu' }])
      t.equal(logged('pid').length, 1)
      t.throws(() => process.kill(Number(logged('pid')[0]), 0), { code: 'ESRCH' }, 'it has ended')
    })
  }
})
