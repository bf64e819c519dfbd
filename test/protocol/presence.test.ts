import fc from 'fast-check'
import t from 'tap'
import { type Beat, decodePresence, encodePresence, LIMITS, type PresenceMessage } from '#protocol'
import { createDraw } from '../helpers/draw.js'
import { idFor, keyOf } from '../helpers/records.js'

const HOSTILE_INPUTS = 20_000
const SEED = 20260102

const BEAT: Beat = {
  name: 'desk',
  devices: [{ id: 'GPU-1', vendor: 'nvidia', model: 'RTX 4090', memoryBytes: 24 * 2 ** 30, utilisation: 0.5 }],
  accepts: [idFor('sweep')],
  running: [{ sweep: idFor('sweep'), trial: 3, attempt: 1, device: 'GPU-1', seconds: 61.5, step: 100, value: 0.25 }],
  heard: { [keyOf('b')]: 1500 }
}
const LOGS: PresenceMessage = {
  type: 'logs',
  logs: [
    {
      attestation: {
        pool: keyOf('pool'),
        member: keyOf('ann'),
        machine: keyOf('a'),
        incarnation: 1,
        log: keyOf('a1'),
        memberSignature: keyOf('s').repeat(2),
        machineSignature: keyOf('s').repeat(2)
      },
      length: 12
    }
  ]
}
const MESSAGES: readonly PresenceMessage[] = [{ type: 'beat', beat: BEAT }, LOGS]
const read = (value: unknown) => decodePresence(new TextEncoder().encode(JSON.stringify(value)))

t.test('what is sent is heard', async t => {
  for (const message of MESSAGES) t.same(decodePresence(encodePresence(message)), message)
})

t.test('what is no message is nothing', async t => {
  t.equal(decodePresence(new Uint8Array()), undefined)
  t.equal(decodePresence(new Uint8Array(LIMITS.presenceBytes + 1)), undefined)
  for (const value of [null, [], {}, { type: 'gossip' }, { type: 'beat' }]) t.equal(read(value), undefined)
  const beat = (change: object) => read({ type: 'beat', beat: { ...BEAT, ...change } })
  t.ok(beat({}))
  t.equal(beat({ name: '' }), undefined)
  t.equal(beat({ heard: { [keyOf('b')]: -1 } }), undefined, 'nobody was heard in the future')
  t.equal(beat({ heard: { __proto__2: 1 } }), undefined)
  t.equal(beat({ accepts: ['lora'] }), undefined)
  const devices = Array.from({ length: LIMITS.devicesPerMachine + 1 }, () => BEAT.devices[0])
  t.equal(beat({ devices }), undefined)
})

t.test('a field of a newer release is left out, and the message counts', async t => {
  t.same(read({ type: 'beat', beat: { ...BEAT, mood: 'cheerful' }, added: 1 }), MESSAGES[0])
})

t.test(`it never throws: noise and flipped bits (seed ${SEED})`, async t => {
  const draw = createDraw(SEED)
  let heard = 0
  for (let n = 0; n < HOSTILE_INPUTS; n++) {
    const bytes = draw.once(3)
      ? Uint8Array.from({ length: draw.integer(60) }, () => draw.integer(256))
      : Uint8Array.from(encodePresence(draw.pick(MESSAGES)))
    if (bytes.length > 0) {
      const at = draw.integer(bytes.length)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << draw.integer(8))
    }
    if (decodePresence(bytes)) heard++
  }
  t.ok(heard > 100 && heard < HOSTILE_INPUTS / 2, `some still are messages: ${heard}`)
})

t.test('it never throws: any JSON', async () => {
  const anyMessage = fc.record({ type: fc.constantFrom('beat', 'logs'), beat: fc.json(), logs: fc.jsonValue() })
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), anyMessage), value => {
      read(value)
    }),
    { numRuns: 2000 }
  )
})
