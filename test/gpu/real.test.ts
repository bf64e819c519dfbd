/**
 * The probe on a real machine: what it tells of NVIDIA's cards, beside what `nvidia-smi` tells.
 *
 * Skipped aloud where there is none. Run by itself with `npm run test:gpu`.
 */
import { execFileSync } from 'node:child_process'
import t from 'tap'
import { findLibraries } from '../../agent/gpu/nvml-library.js'
import { openProbe } from '../../agent/gpu/probe.js'
import type { Reading } from '../../agent/ports.js'

const MIB = 1024 ** 2
const FACTS = 'uuid,name,memory.total,memory.free,temperature.gpu,compute_cap,display_active'
/** Memory and heat change between two looks; a card at work more than one at rest. */
const MEMORY_SLACK_BYTES = 1024 * MIB
const HEAT_SLACK_C = 10
/** A look by way of the child process must not be felt by whoever uses the card. */
const POLL_MS_MAX = 50
const LOOKS = 20

/** Returns the lines of an answer as fields; undefined where there is no `nvidia-smi`, or it has nothing to tell. */
function ask(what: string): string[][] | undefined {
  try {
    const words = [`--query-${what}`, '--format=csv,noheader,nounits']
    const text = execFileSync('nvidia-smi', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return text
      .split('\n')
      .filter(line => line.trim() !== '')
      .map(line => line.split(',').map(field => field.trim()))
  } catch {
    return undefined
  }
}

const cards = ask(`gpu=${FACTS}`)?.filter(([id]) => id?.startsWith('GPU-'))
const isHere = cards !== undefined && cards.length > 0 && findLibraries().length > 0

t.test('a real NVIDIA card', { skip: !isHere && 'there is no NVIDIA card with nvidia-smi here' }, async t => {
  const told: { readonly readings: readonly Reading[]; readonly atMs: number }[] = []
  let wake: () => void = () => undefined
  const probe = await openProbe({
    pollMs: 1,
    onReadings: readings => {
      told.push({ readings, atMs: performance.now() })
      if (told.length === LOOKS) wake()
    }
  })
  t.teardown(() => probe.close())
  while (told.length < LOOKS)
    await new Promise<void>(resolve => {
      wake = () => resolve(undefined)
    })
  const readings = told.at(-1)?.readings ?? []

  t.test('the same cards, with the same facts', async t => {
    t.same(readings.map(({ device }) => device.id).sort(), (cards ?? []).map(([id]) => id).sort())
    for (const [id, name, total, free, celsius, capability, display] of cards ?? []) {
      const reading = readings.find(({ device }) => device.id === id)
      t.match(reading?.device, { vendor: 'nvidia', model: name, capability })
      t.notOk(reading?.device.fault, 'it is well')
      t.ok(isNear(reading?.device.freeBytes, Number(free) * MIB, MEMORY_SLACK_BYTES), 'free memory')
      // The driver keeps some memory for itself, which `nvidia-smi` counts and we do not.
      t.ok(isNear(reading?.device.memoryBytes, Number(total) * MIB, MEMORY_SLACK_BYTES), 'memory')
      t.ok(isNear(reading?.device.temperatureC, Number(celsius), HEAT_SLACK_C), 'temperature')
      if (display === 'Enabled' || display === 'Disabled') t.equal(reading?.hasDisplay, display === 'Enabled')
    }
  })

  t.test('its programs are all named, each with its memory where that is known', async t => {
    for (const [id, pid, mib] of ask('compute-apps=gpu_uuid,pid,used_memory') ?? []) {
      const reading = readings.find(({ device }) => device.id === id)
      const found = reading?.processes?.find(each => each.pid === Number(pid))
      t.ok(found, `process ${pid} on ${id}`)
      if (/^\d+$/.test(mib ?? '')) t.ok(isNear(found?.memoryBytes, Number(mib) * MIB, MEMORY_SLACK_BYTES), 'its memory')
    }
    t.ok(readings.every(({ processes = [] }) => processes.every(({ pid }) => pid > 0)))
  })

  t.test('a look costs little', async t => {
    const times = told.slice(1).map(({ atMs }, n) => atMs - (told[n]?.atMs ?? 0))
    const medianMs = times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0
    t.comment(`median of ${times.length} looks: ${medianMs.toFixed(1)} ms`)
    t.ok(medianMs < POLL_MS_MAX, `${medianMs} ms`)
  })
})

function isNear(value: number | undefined, other: number, slack: number): boolean {
  return value !== undefined && (Number.isNaN(other) || Math.abs(value - other) <= slack)
}
