/**
 * The client, against a real socket.
 */
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { LIMITS, PoolError } from '#protocol'
import { openClient } from '../../cli/client.js'
import { addressOf } from '../../cli/home.js'
import { emptyHome, fakeAgent } from '../helpers/fake-agent.js'
import { STATUS, sweepOf, trialOf } from '../helpers/views.js'

t.test('ask: each answer goes to its question, also when several wait', async t => {
  const agent = await fakeAgent(t, { status: STATUS, trial: ({ trial }: { trial: number }) => trialOf(trial) })
  const client = await openClient(agent)
  const [first, status, second] = await Promise.all([
    client.ask({ method: 'trial', sweep: 'digits', trial: 4 }),
    client.ask({ method: 'status' }),
    client.ask({ method: 'trial', sweep: 'digits', trial: 7 })
  ])
  t.same([first.trial, status.pid, second.trial], [4, STATUS.pid, 7])
  t.same(agent.asked[0], { method: 'trial', sweep: 'digits', trial: 4 })
  client.close()
})

t.test('ask: an answer of several megabytes, and of characters of several bytes, arrives whole', async t => {
  const sweeps = Array.from({ length: 5000 }, (_, i) => sweepOf({ name: `日本 ${i}` }))
  const agent = await fakeAgent(t, { sweeps })
  const client = await openClient(agent)
  t.same((await client.ask({ method: 'sweeps' })).at(-1)?.name, '日本 4999')
  client.close()
})

t.test('ask: the error of the agent is the error of the command', async t => {
  const agent = await fakeAgent(t, {
    sweep: new PoolError('NOT_FOUND', 'No sweep is named x.', { hint: 'List them.' })
  })
  const client = await openClient(agent)
  await t.rejects(client.ask({ method: 'sweep', sweep: 'x' }), {
    code: 'NOT_FOUND',
    message: 'No sweep is named x.',
    hint: 'List them.'
  })
  client.close()
})

t.test('open: a home without an agent, and a socket that a crash left, are the same to a person', async t => {
  const home = await emptyHome(t)
  const place = { home, address: addressOf(home) }
  const expected = { code: 'AGENT_NOT_RUNNING', hint: /hypersweep up/ }
  await t.rejects(openClient(place), expected)
  writeFileSync(place.address, '')
  await t.rejects(openClient(place), expected)
})

t.test('ask: an agent that dies, or that says nothing, leaves nobody waiting', async t => {
  const agent = await fakeAgent(t, { down: () => undefined })
  const client = await openClient(agent)
  const lost = client.ask({ method: 'down' })
  t.rejects(lost, { code: 'AGENT_FAILED' })
  while (agent.asked.length === 0) await new Promise(setImmediate)
  agent.crash()
  await lost.catch(() => undefined)
  await t.rejects(client.ask({ method: 'status' }), { code: 'AGENT_FAILED' }, 'and the next question is told at once')

  const patient = await openClient({ ...agent, answerMs: 1 })
  await t.rejects(patient.ask({ method: 'down' }), { code: 'TIMED_OUT' })
  patient.close()
})

t.test('ask: an interruption ends the wait with its own reason', async t => {
  const agent = await fakeAgent(t, {})
  const ending = new AbortController()
  const client = await openClient({ ...agent, signal: ending.signal })
  const waiting = client.ask({ method: 'join', invite: 'x' })
  ending.abort(new Error('enough'))
  await t.rejects(waiting, { message: 'enough' })
  await t.rejects(openClient({ ...agent, signal: ending.signal }), { message: 'enough' })
})

t.test('ask: lines without an end and questions without an end are refused', async t => {
  const agent = await fakeAgent(t, { machines: ['x'.repeat(LIMITS.controlBytes)] })
  const client = await openClient(agent)
  await t.rejects(client.ask({ method: 'join', invite: 'x'.repeat(LIMITS.controlBytes) }), { code: 'REQUEST_INVALID' })
  await t.rejects(client.ask({ method: 'machines' }), { code: 'CONTROL_FAILED' })
})
