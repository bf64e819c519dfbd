/**
 * AMD devices, by a made-up folder in place of `/sys`.
 */
import { rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { freemem } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { amdEnvironment, openAmd } from '../../agent/gpu/amd-sysfs.js'
import { findLibraries } from '../../agent/gpu/nvml-library.js'
import { openProbe } from '../../agent/gpu/probe.js'
import { probeContract } from '../contract/probe.js'
import { POLL_MS, writeTree } from '../gpu/fake-driver.js'

const GIB = 1024 ** 3
const BOARD = 'devices/pci0000:00/0000:03:00.0'
const CHIP = 'devices/pci0000:00/0000:c5:00.0'

const inFolder = (folder: string, files: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text]))

const board = inFolder(BOARD, {
  vendor: '0x1002',
  device: '0x744c',
  unique_id: 'DEADBEEFdeadbeef',
  product_name: 'AMD Radeon RX 7900 XTX',
  mem_info_vram_total: String(24 * GIB),
  mem_info_vram_used: String(3 * GIB),
  mem_info_gtt_total: String(32 * GIB),
  mem_info_vram_vendor: 'hynix',
  gpu_busy_percent: '42',
  'power/runtime_status': 'active',
  'hwmon/hwmon4/temp1_input': '61000',
  'hwmon/hwmon4/power1_average': '181000000',
  'hwmon/hwmon4/power1_cap': '303000000'
})
const chip = inFolder(CHIP, {
  vendor: '0x1002',
  device: '0x15bf',
  mem_info_vram_total: String(GIB / 2),
  mem_info_vram_used: String(GIB / 4),
  mem_info_gtt_total: String(60 * GIB),
  mem_info_gtt_used: String(2 * GIB),
  'power/runtime_status': 'active'
})

t.test('a card with its own memory: every fact, under the id that ROCm knows', async t => {
  const systemFolder = t.testdir({})
  const sockets = { 'class/drm/card1-DP-1/status': 'connected', 'class/drm/version': 'drm 1.1.0' }
  writeTree(systemFolder, { ...board, ...sockets }, { 'class/drm/card1/device': `../../../${BOARD}` })
  const source = await openAmd({ systemFolder })
  t.same(await source?.read(false), [
    {
      device: {
        id: 'GPU-deadbeefdeadbeef',
        vendor: 'amd',
        model: 'AMD Radeon RX 7900 XTX',
        memoryBytes: 24 * GIB,
        freeBytes: 21 * GIB,
        utilisation: 0.42,
        temperatureC: 61,
        powerW: 181,
        powerLimitW: 303
      }
    }
  ])
  t.same(source?.environment('GPU-deadbeefdeadbeef'), {
    ROCR_VISIBLE_DEVICES: 'GPU-deadbeefdeadbeef',
    HIP_VISIBLE_DEVICES: '0',
    CUDA_VISIBLE_DEVICES: ''
  })
  rmSync(join(systemFolder, 'class/drm/card1'), { recursive: true })
  t.match(await source?.read(false), [{ device: { memoryBytes: 24 * GIB, fault: /no longer finds/ } }], 'it is gone')
  await source?.close()
})

t.test('graphics in the processor: its memory is the system’s, and its name its place', async t => {
  const systemFolder = t.testdir({})
  const links = { 'class/drm/card0/device': `../../../${CHIP}`, 'class/drm/card1/device': `../../../${BOARD}` }
  writeTree(systemFolder, { ...board, ...chip }, links)
  const source = await openAmd({ systemFolder })
  const [first, second] = (await source?.read(false)) ?? []
  t.match(first?.device, { id: 'pci:0000:c5:00.0', model: 'AMD GPU 0x15bf', memoryBytes: 60.5 * GIB, isUnified: true })
  t.ok((first?.device.freeBytes ?? 0) <= Math.min(58.25 * GIB, freemem() + GIB), 'no more than the system has left')
  t.match(source?.environment('pci:0000:c5:00.0'), { ROCR_VISIBLE_DEVICES: '0', HIP_VISIBLE_DEVICES: '0' })
  t.equal(second?.device.id, 'GPU-deadbeefdeadbeef')
  t.notOk('isUnified' in (second?.device ?? {}))
  t.equal(amdEnvironment('pci:0000:c5:00.0', 1)['ROCR_VISIBLE_DEVICES'], '1')
})

t.test('a card that sleeps says so, and none of its sensors is read', async t => {
  const systemFolder = t.testdir({})
  const asleep = { ...board, [`${BOARD}/power/runtime_status`]: 'suspended' }
  writeTree(systemFolder, asleep, { 'class/drm/card0/device': `../../../${BOARD}` })
  const read = new Set<string>()
  const readText = (path: string) => {
    read.add(path.slice(join(systemFolder, 'class/drm/card0/device/').length))
    return readFile(path, 'utf8')
  }
  const source = await openAmd({ systemFolder, readText })
  const readings = await source?.read(false)
  t.match(readings, [{ device: { id: 'GPU-deadbeefdeadbeef', memoryBytes: 24 * GIB, fault: /asleep/ } }])
  t.notOk('temperatureC' in (readings?.[0]?.device ?? {}))
  const sensors = [...read].filter(name => /busy|hwmon|used/.test(name))
  t.same(sensors, [])
  t.ok(read.has('power/runtime_status'))
})

t.test('a card that does not tell what it holds has a fault; one of another maker is none', async t => {
  const systemFolder = t.testdir({})
  const { [`${BOARD}/mem_info_vram_used`]: _, ...broken } = board
  const intel = inFolder(CHIP, { vendor: '0x8086', device: '0x46a6' })
  const links = { 'class/drm/card0/device': `../../../${CHIP}`, 'class/drm/card1/device': `../../../${BOARD}` }
  writeTree(systemFolder, { ...broken, ...intel }, links)
  const source = await openAmd({ systemFolder })
  t.match(await source?.read(false), [{ device: { id: 'GPU-deadbeefdeadbeef', fault: /does not tell/ } }])
  t.equal((await source?.read(false))?.length, 1)
  t.equal(await openAmd({ systemFolder: join(systemFolder, 'nowhere') }), undefined)
})

const isFirst = process.platform === 'linux' && findLibraries().length === 0
t.test('the probe', { skip: !isFirst && 'this machine has another card, which comes first' }, async t => {
  delete process.env['HYPERSWEEP_NVML_LIBRARY']
  const systemFolder = t.testdir({})
  const links = { 'class/drm/card0/device': `../../../${CHIP}`, 'class/drm/card1/device': `../../../${BOARD}` }
  writeTree(systemFolder, { ...board, ...chip }, links)
  probeContract(t, 'AMD', onReadings => openProbe({ pollMs: POLL_MS, systemFolder, onReadings }))
})
