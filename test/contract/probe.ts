/**
 * The truths that every probe must hold, the real one and the simulated one alike.
 *
 * Owns no probe: each test hands over how to open one.
 */
import type { Test } from 'tap'
import type { Device, Probe } from '../../agent/ports.js'

/** Opens a probe that tells its devices to `onDevices`. */
export type OpenProbe = (onDevices: (devices: readonly Device[]) => void) => Promise<Probe>

/** Checks one kind of probe. `name` says which, in the titles. */
export function probeContract(t: Test, name: string, open: OpenProbe): void {
  t.test(`probe contract: ${name}`, async t => {
    const readings: (readonly Device[])[] = []
    const probe = await open(devices => readings.push(devices))
    t.teardown(() => probe.close())
    const devices = readings[0] ?? []

    t.test('devices are known once it is open, each under its own name', async t => {
      t.ok(devices.length > 0, 'a machine has at least one device')
      t.equal(new Set(devices.map(device => device.id)).size, devices.length, 'no name twice')
    })
    t.test('a device tells what it knows in range, and leaves out what it does not', async t => {
      for (const device of devices) checkDevice(t, device)
    })
    t.test('an environment binds to one device and says the same each time', async t => {
      checkEnvironments(t, probe, devices)
    })
    t.test('closing twice is closing once, and tells nothing', async t => {
      await probe.close()
      const told = readings.length
      await probe.close()
      t.equal(readings.length, told)
    })
  })
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
    t.not(Object.keys(environment).length, 0, 'it says something')
    t.notOk(Object.values(environment).includes(''), 'and nothing empty, which could mean every device')
  }
}

function isWithin(value: number | undefined, most: number): boolean {
  return value === undefined || (value >= 0 && value <= most)
}
