/**
 * The meter: by readings as a probe gives them, without a device and without a clock.
 */
import fc from 'fast-check'
import t from 'tap'
import { createMeter, type MeteredProgram, type MeterOptions } from '../../agent/gpu/meter.js'
import type { Device, DeviceProcess, Reading } from '../../agent/ports.js'

const GIB = 1024 ** 3
const GPU: Device = { id: 'GPU-1', vendor: 'nvidia', model: 'RTX 4090', memoryBytes: 24 * GIB, freeBytes: 23 * GIB }
const PROGRAM: MeteredProgram = { id: 'a-1', device: GPU.id, pid: 100 }
/** Processes of the attempt have pids from 100 to 199. */
const attemptOf = (pid: number) => (pid >= 100 && pid < 200 ? PROGRAM.id : undefined)

/** Opens a meter, and a way to hand it one reading of the device, `seconds` after the last. */
function open(options: Partial<MeterOptions> = {}) {
  let nowMs = 5000
  const meter = createMeter({ programs: () => [PROGRAM], attemptOf, now: () => nowMs, ...options })
  const note = (device: Partial<Device>, processes?: readonly DeviceProcess[], seconds = 1) => {
    nowMs += seconds * 1000
    const reading: Reading = { device: { ...GPU, ...device }, ...(processes === undefined ? {} : { processes }) }
    return meter.note([reading])[0]
  }
  return { meter, note }
}

t.test('memory: what the processes of the attempt hold together; its peak stays', async t => {
  const { meter, note } = open()
  t.equal(meter.memoryOf('a-1'), undefined)
  note({}, [])
  note({ freeBytes: 12 * GIB }, [
    { pid: 100, memoryBytes: 8 * GIB },
    { pid: 150, memoryBytes: 2 * GIB },
    { pid: 7, memoryBytes: GIB }
  ])
  t.equal(meter.memoryOf('a-1'), 10 * GIB)
  note({ freeBytes: 18 * GIB }, [{ pid: 100, memoryBytes: 5 * GIB }])
  t.equal(meter.memoryOf('a-1'), 5 * GIB)
  t.match(meter.take('a-1'), { peakBytes: 10 * GIB, peakSource: 'process' })
  t.equal(meter.take('a-1'), undefined, 'it is taken once')
  t.equal(meter.memoryOf('a-1'), undefined)
})

t.test('memory that nobody tells by process: what the device holds more than at the first sample', async t => {
  const { meter, note } = open()
  note({ freeBytes: 20 * GIB })
  note({ freeBytes: 12 * GIB })
  t.equal(meter.memoryOf('a-1'), 8 * GIB)
  note({ freeBytes: 21 * GIB })
  t.equal(meter.memoryOf('a-1'), 0, 'somebody else let go of more')
  t.same(meter.take('a-1'), { peakBytes: 8 * GIB, peakSource: 'device' })
  const windows = open()
  windows.note({}, [{ pid: 100 }])
  windows.note({ freeBytes: 20 * GIB }, [{ pid: 100 }])
  t.same(windows.meter.take('a-1'), { peakBytes: 3 * GIB, peakSource: 'device' }, 'processes without their memory')
  const blind = open()
  const { freeBytes, ...unknown } = GPU
  blind.meter.note([{ device: unknown }])
  t.same(blind.meter.take('a-1'), {}, 'nothing is known')
})

t.test('what processes tell replaces what the device seemed to tell before they were seen', async t => {
  const { meter, note } = open()
  note({ freeBytes: 23 * GIB }, [])
  note({ freeBytes: 15 * GIB }, [{ pid: 7, memoryBytes: 8 * GIB }])
  t.equal(meter.memoryOf('a-1'), 8 * GIB, 'a game began, and the attempt has not')
  note({ freeBytes: 14 * GIB }, [
    { pid: 7, memoryBytes: 8 * GIB },
    { pid: 100, memoryBytes: GIB }
  ])
  t.match(meter.take('a-1'), { peakBytes: GIB, peakSource: 'process' })
})

t.test('the processor: the memory of the process tree', async t => {
  const program = { ...PROGRAM, device: 'cpu' }
  const { meter, note } = open({ programs: () => [program], residentBytesOf: pid => pid * 10 })
  note({ id: 'cpu', vendor: 'cpu' })
  t.equal(meter.memoryOf('a-1'), 1000)
  t.same(meter.take('a-1'), { peakBytes: 1000, peakSource: 'process' })
  const elsewhere = open({ programs: () => [program], residentBytesOf: () => undefined })
  elsewhere.note({ id: 'cpu', vendor: 'cpu' })
  t.same(elsewhere.meter.take('a-1'), {})
})

t.test('energy: power over time, in Wh; only between two samples that know it', async t => {
  const { meter, note } = open()
  note({ powerW: 100 }, [], 1)
  note({ powerW: 300 }, [], 60)
  note({ powerW: 300 }, [], 60)
  note({}, [], 60)
  note({ powerW: 300 }, [], 60)
  t.equal(meter.take('a-1')?.wattHours, 8.333, '200 W and 300 W, a minute each')
  note({ powerW: 100 }, [], 1)
  t.notOk('wattHours' in (meter.take('a-1') ?? {}), 'one sample lasts no time')
  note({ powerW: 100 }, [])
  note({ powerW: 100 }, [], 3600)
  note({ powerW: 100 }, [], 36)
  t.equal(meter.take('a-1')?.wattHours, 1, 'an hour without a sample is an hour asleep')
})

t.test('utilisation: the mean over time, not over samples', async t => {
  const { meter, note } = open()
  note({ utilisation: 0 })
  t.equal(meter.take('a-1')?.utilisation, 0, 'one sample alone tells something')
  note({ utilisation: 0 })
  note({ utilisation: 1 }, [], 30)
  note({ utilisation: 0 }, [], 10)
  t.equal(meter.take('a-1')?.utilisation, 0.75)
})

t.test('others: what processes take that are no attempts; absent where nobody knows', async t => {
  const { note } = open()
  const own = { pid: 100, memoryBytes: 8 * GIB, utilisation: 0.9 }
  t.match(note({}, []), { foreignBytes: 0, foreignUtilisation: 0 })
  t.match(
    note({}, [own, { pid: 7, memoryBytes: GIB, utilisation: 0.25 }, { pid: 8, memoryBytes: 5, utilisation: 0 }]),
    {
      foreignBytes: GIB + 5,
      foreignUtilisation: 0.25
    }
  )
  const busy = [7, 8].map(pid => ({ pid, memoryBytes: 1, utilisation: 0.75 }))
  t.equal(note({}, busy)?.foreignUtilisation, 1)
  const hidden = note({}, [own, { pid: 7 }])
  t.notOk('foreignBytes' in (hidden ?? {}) || 'foreignUtilisation' in (hidden ?? {}))
  t.notOk('foreignBytes' in (note({}) ?? {}))
})

t.test('others: an attempt on another device is none of them', async t => {
  const { note } = open({ programs: () => [{ ...PROGRAM, device: 'GPU-2' }] })
  t.match(note({}, [{ pid: 100, memoryBytes: GIB, utilisation: 1 }]), { foreignBytes: 0, foreignUtilisation: 0 })
})

t.test('others: an attempt that goes by another pid in a container is not taken for one', async t => {
  const { meter, note } = open()
  t.match(note({}, []), { foreignBytes: 0 })
  const device = note({ freeBytes: 15 * GIB }, [{ pid: 40_100, memoryBytes: 8 * GIB, utilisation: 1 }])
  t.notOk('foreignBytes' in (device ?? {}) || 'foreignUtilisation' in (device ?? {}))
  t.match(meter.take('a-1'), { peakBytes: 8 * GIB, peakSource: 'device' })
})

t.test('an account that nobody takes is closed in the end', async t => {
  let programs = [PROGRAM]
  const { meter, note } = open({ programs: () => programs })
  note({}, [{ pid: 100, memoryBytes: GIB }])
  programs = []
  note({}, [], 60)
  t.equal(meter.memoryOf('a-1'), GIB, 'it may still be asked for')
  note({}, [], 3600)
  t.equal(meter.take('a-1'), undefined)
})

const sampleArb = fc.record({
  own: fc.array(fc.nat(8), { maxLength: 3 }),
  others: fc.array(fc.nat(8), { maxLength: 3 }),
  utilisation: fc.double({ min: 0, max: 1, noNaN: true }),
  powerW: fc.double({ min: 0, max: 600, noNaN: true }),
  seconds: fc.integer({ min: 1, max: 100 })
})

t.test('any course: no total is out of what was sampled', async () => {
  fc.assert(
    fc.property(fc.array(sampleArb, { minLength: 2, maxLength: 20 }), samples => {
      const { meter, note } = open()
      const sum = (parts: readonly number[]) => parts.reduce((total, part) => total + part, 0)
      let seconds = 0
      for (const sample of samples) {
        const processes = [
          ...sample.own.map((memoryBytes, n) => ({ pid: 100 + n, memoryBytes, utilisation: 0.1 })),
          ...sample.others.map((memoryBytes, n) => ({ pid: 300 + n, memoryBytes, utilisation: 0.1 }))
        ]
        const { utilisation, powerW } = sample
        const device = note({ utilisation, powerW }, processes, sample.seconds)
        seconds += sample.seconds
        if (device?.foreignBytes !== sum(sample.others)) return false
      }
      const { peakBytes, wattHours = 0, utilisation: mean = 0 } = meter.take('a-1') ?? {}
      const shares = samples.map(({ utilisation }) => utilisation)
      const mostWatts = Math.max(...samples.map(({ powerW }) => powerW))
      return (
        peakBytes === Math.max(0, ...samples.map(({ own }) => sum(own))) &&
        wattHours <= (mostWatts * seconds) / 3600 + 0.001 &&
        mean >= Math.min(...shares) - 0.001 &&
        mean <= Math.max(...shares) + 0.001
      )
    })
  )
})
