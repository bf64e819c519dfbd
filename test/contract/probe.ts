/**
 * The truths that every probe must hold, the real one and the simulated one alike.
 *
 * Owns no probe: each test hands over how to open one.
 */
import type { Test } from 'tap'
import type { Device, Probe, Reading } from '../../agent/ports.js'

/** Opens a probe that tells its readings to `onReadings`. */
export type OpenProbe = (onReadings: (readings: readonly Reading[]) => void) => Promise<Probe>

/** Of these an empty list is known to hide every device; of any other it could mean all of them. */
const MAY_BE_EMPTY = ['CUDA_VISIBLE_DEVICES', 'ROCR_VISIBLE_DEVICES']
/** A pace at which nothing happens while a test runs. */
const NEVER_MS = 3_600_000

/** Checks one kind of probe. `name` says which, in the titles. `open` gives one that polls within a second. */
export function probeContract(t: Test, name: string, open: OpenProbe): void {
  t.test(`probe contract: ${name}`, async t => {
    const told: (readonly Reading[])[] = []
    let wake: () => void = () => undefined
    const probe = await open(readings => {
      told.push(readings)
      wake()
    })
    const nextTold = () =>
      new Promise<void>(resolve => {
        wake = () => resolve(undefined)
      })
    t.teardown(() => probe.close())
    const readings = told[0] ?? []
    const devices = readings.map(({ device }) => device)

    t.test('devices are known once it is open, each under its own name', async t => {
      t.ok(devices.length > 0, 'a machine has at least one device')
      t.equal(new Set(devices.map(device => device.id)).size, devices.length, 'no name twice')
    })
    t.test('a reading tells what it knows in range, and leaves out what it does not', async t => {
      for (const reading of readings) checkReading(t, reading)
    })
    t.test('an environment binds to one device and says the same each time', async t => {
      checkEnvironments(t, probe, devices)
    })
    t.test('each poll is told, also one that shows nothing new; a shorter pace takes effect at once', async t => {
      await nextTold()
      probe.pace(NEVER_MS)
      // A poll that was under way may still be told.
      probe.pace(1)
      await nextTold()
      await nextTold()
      t.ok(told.length > 2)
    })
    t.test('closing twice is closing once, and tells nothing', async t => {
      await probe.close()
      const before = told.length
      await probe.close()
      probe.pace(1)
      t.equal(told.length, before)
    })
  })
}

function checkReading(t: Test, { device, processes = [] }: Reading): void {
  checkDevice(t, device)
  t.equal(new Set(processes.map(({ pid }) => pid)).size, processes.length, 'no process twice')
  for (const each of processes) {
    t.notOk(Object.values(each).includes(undefined), 'an unknown fact of a process is absent')
    t.ok(isWithin(each.utilisation, 1), 'its utilisation is a share')
  }
}

function checkDevice(t: Test, device: Device): void {
  t.ok(device.id !== '' && device.model !== '', 'it has a name and a model')
  t.notOk(Object.values(device).includes(undefined), 'an unknown fact is absent')
  t.ok(Number.isSafeInteger(device.memoryBytes) && device.memoryBytes >= 0, 'memory is a number of bytes')
  t.ok(device.memoryBytes > 0 || device.fault !== undefined, 'only a faulty device may have no memory')
  t.ok(isWithin(device.freeBytes, device.memoryBytes), 'no more is free than there is')
  t.ok(isWithin(device.utilisation, 1), 'utilisation is a share')
}

function checkEnvironments(t: Test, probe: Probe, devices: readonly Device[]): void {
  const environments = devices.map(device => probe.environment(device.id))
  t.same(
    environments,
    devices.map(device => probe.environment(device.id))
  )
  t.equal(new Set(environments.map(each => JSON.stringify(each))).size, devices.length, 'no two devices share one')
  for (const environment of environments) {
    t.ok(
      Object.values(environment).some(value => value !== ''),
      'it says something'
    )
    const empty = Object.keys(environment).filter(name => environment[name] === '')
    t.same(
      empty.filter(name => !MAY_BE_EMPTY.includes(name)),
      [],
      'and nothing empty, which could mean every device'
    )
  }
}

function isWithin(value: number | undefined, most: number): boolean {
  return value === undefined || (value >= 0 && value <= most)
}
