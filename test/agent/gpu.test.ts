/**
 * The probe without a driver: the processor, the paces, `nvidia-smi` by its texts, and what faults leave of a device.
 */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { cleanModel, readCpu } from '../../agent/gpu/cpu.js'
import { keepMissing, withFault } from '../../agent/gpu/faults.js'
import { capabilityFacts, keepMissingNvidia, nameless, nvidiaEnvironment } from '../../agent/gpu/nvidia.js'
import { openSmi, parseSmi } from '../../agent/gpu/nvidia-smi.js'
import { openProbe } from '../../agent/gpu/probe.js'
import type { Device, Reading } from '../../agent/ports.js'
import { probeContract } from '../contract/probe.js'
import { FIRST, MIB, POLL_MS, SECOND, useFakeDriver } from '../gpu/fake-driver.js'

const ignore = () => undefined
const directory = t.testdir({})
useFakeDriver(directory)

const openProcessor = (onReadings: (readings: readonly Reading[]) => void, pollMs = POLL_MS) =>
  openProbe({ libraries: [], pollMs, onReadings })

t.test('the processor: one device, when no library is named', async t => {
  const told: (readonly Reading[])[] = []
  const probe = await openProcessor(readings => told.push(readings))
  t.teardown(() => probe.close())
  const { model, memoryBytes } = readCpu()
  t.match(told[0], [{ device: { id: 'cpu', vendor: 'cpu', model, memoryBytes, isUnified: true } }])
  t.equal(probe.environment('cpu')['CUDA_VISIBLE_DEVICES'], '-1', 'a program on it takes no GPU')
})

t.test('the processor: its name is what people say', async t => {
  t.equal(cleanModel('Intel(R) Core(TM) i7-9700K CPU @ 3.60GHz'), 'Intel Core i7-9700K')
  t.equal(cleanModel('AMD Ryzen 9 5950X 16-Core Processor'), 'AMD Ryzen 9 5950X')
  t.equal(cleanModel('Apple M3 Max'), 'Apple M3 Max')
  t.match(cleanModel('unknown'), /^\w+ processor$/)
})

t.test('the environment variable: names the library, or turns GPUs off', async t => {
  t.teardown(() => delete process.env['HYPERSWEEP_NVML_LIBRARY'])
  for (const value of ['none', '/no/such/libnvidia-ml.so.1']) {
    process.env['HYPERSWEEP_NVML_LIBRARY'] = value
    const told: (readonly Reading[])[] = []
    const reasons: object[] = []
    const log = (_: string, fields: object) => reasons.push(fields)
    const onReadings = (readings: readonly Reading[]) => told.push(readings)
    const probe = await openProbe({ pollMs: POLL_MS, systemFolder: directory, log, onReadings })
    await probe.close()
    t.match(told[0], [{ device: { id: 'cpu' } }])
    t.equal(JSON.stringify(reasons).includes('/no/such/'), value !== 'none', 'a path that cannot be loaded is logged')
  }
})

t.test('the pace: a shorter one does not wait for the end of a longer one', async t => {
  let polls = 0
  let wake: () => void = ignore
  const polled = new Promise<void>(resolve => {
    wake = () => resolve(undefined)
  })
  const probe = await openProcessor(() => {
    polls++
    if (polls === 3) wake()
  }, 3_600_000)
  t.teardown(() => probe.close())
  t.equal(polls, 1)
  probe.pace(1)
  await polled
  t.equal(polls, 3, 'and goes on')
})

t.test('known devices: one that is missing stays, with a fault and without facts that age', async t => {
  const well: Device = { id: FIRST, vendor: 'nvidia', model: 'RTX 4090', memoryBytes: 1, temperatureC: 40 }
  const other: Device = { ...well, id: SECOND }
  const read = (...devices: Device[]) => devices.map(device => ({ device }))
  t.same(keepMissing([well, other], read(other, well)), read(other, well), 'nothing is missing')
  const kept = keepMissing([well, other], read(other))
  t.match(kept, [{ device: other }, { device: { id: FIRST, memoryBytes: 1, fault: /no longer finds/ } }])
  t.notOk('temperatureC' in (kept[1]?.device ?? {}))
  t.equal(keepMissingNvidia([well], read(nameless('lost', 0))).length, 1, 'a nameless card is the one that is missing')
  t.equal(keepMissingNvidia([], read(nameless('lost', 0))).length, 1, 'or one that nobody knows')
  t.same(keepMissingNvidia([nameless('lost')], read(well)), read(well), 'it is forgotten when it has a name again')
  t.notOk('capability' in withFault(well, 'lost'), 'what was absent stays absent')
  t.match(withFault({ ...well, bf16: true, isUnified: true }, 'lost'), { bf16: true, isUnified: true }, 'what lasts')
})

t.test('NVIDIA: bfloat16 from Ampere on, and an AMD card beside it is hidden', async t => {
  t.same(capabilityFacts('7.5'), { capability: '7.5', bf16: false })
  t.same(capabilityFacts('8.0'), { capability: '8.0', bf16: true })
  t.same(capabilityFacts('12.0'), { capability: '12.0', bf16: true })
  t.same(capabilityFacts('[N/A]'), {})
  t.match(nvidiaEnvironment(FIRST), {
    CUDA_VISIBLE_DEVICES: FIRST,
    HIP_VISIBLE_DEVICES: '-1',
    ROCR_VISIBLE_DEVICES: ''
  })
})

t.test('nvidia-smi: one line is one device, and [N/A] is an absent fact', async t => {
  const [a, b, ...more] = parseSmi(
    `${FIRST}, NVIDIA GeForce RTX 3060, 12288, 11000, 3, 41, 20.50, 170.00, 8.6, Enabled\nA warning, of the driver\n` +
      `${SECOND}, NVIDIA GeForce GTX 960, 4096, 4000, [N/A], [N/A], [N/A], [N/A], 5.2, Disabled\n`
  )
  t.same(a, {
    device: {
      id: FIRST,
      vendor: 'nvidia',
      model: 'NVIDIA GeForce RTX 3060',
      memoryBytes: 12288 * MIB,
      freeBytes: 11000 * MIB,
      utilisation: 0.03,
      temperatureC: 41,
      powerW: 20.5,
      powerLimitW: 170,
      capability: '8.6',
      bf16: true
    },
    hasDisplay: true
  })
  const facts = ['id', 'vendor', 'model', 'memoryBytes', 'freeBytes', 'capability', 'bf16']
  t.same(Object.keys(b?.device ?? {}), facts)
  t.match(b, { hasDisplay: false, device: { bf16: false } })
  t.same(more, [])
  const lost = parseSmi(`${FIRST}, RTX 3060, [GPU is lost], 0, 0, 0, 0, 0, 8.6, [N/A]`)
  t.match(lost, [{ device: { memoryBytes: 0, fault: /GPU is lost/ } }])
  t.notOk('hasDisplay' in (lost[0] ?? {}))
  const [shared] = parseSmi(`${FIRST}, NVIDIA GB10, [N/A], [N/A], 0, 40, 10, [N/A], 12.1, Disabled`)
  t.match(shared, { device: { isUnified: true, memoryBytes: readCpu().memoryBytes } }, 'memory that is the system’s')
})

t.test('nvidia-smi: processes belong to their card, and memory may be unknown', async t => {
  const cards = [FIRST, SECOND]
    .map(id => `${id}, RTX 3060, 12288, 11000, 3, 41, 20.50, 170.00, 8.6, Disabled`)
    .join('\n')
  const [a, b] = parseSmi(cards, `${FIRST}, 41, 2000\r\nNo such thing\r\n${FIRST}, 42, [N/A]\r\n${FIRST}, x, 7\r\n`)
  t.same(a?.processes, [{ pid: 41, memoryBytes: 2000 * MIB }, { pid: 42 }])
  t.notOk('processes' in (b ?? {}), 'a game would not be in the list, so nothing is known')
})

t.test('nvidia-smi: the command is asked, and one that is not there gives no source', async t => {
  const command = join(directory, 'nvidia-smi')
  const answers = `case "$1" in --query-gpu=*) echo "${FIRST}, RTX 3060, 12288, 11000, 3, 41, 20.50, 170.00, 8.6, Disabled" ;;
*) echo "${FIRST}, 41, 2000" ;; esac`
  writeFileSync(command, `#!/bin/sh\n${answers}\n`)
  chmodSync(command, 0o755)
  const place = { log: ignore, systemFolder: directory }
  const source = await openSmi({ ...place, command })
  t.match(await source?.read(false), [{ device: { id: FIRST, memoryBytes: 12288 * MIB }, processes: [{ pid: 41 }] }])
  t.match(source?.environment(FIRST), { CUDA_VISIBLE_DEVICES: FIRST })
  await source?.close()
  t.equal(await openSmi({ ...place, command: join(directory, 'not-there') }), undefined)
})

probeContract(t, 'processor', openProcessor)
