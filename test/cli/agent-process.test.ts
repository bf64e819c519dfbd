/**
 * The agent's process, from outside: started, waited for, stopped.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { agentEnvironment, startAgent, withAnyAgent } from '../../cli/agent-process.js'
import type { Cli } from '../../cli/cli.js'
import { emptyHome, fakeAgent } from '../helpers/fake-agent.js'
import { STATUS } from '../helpers/views.js'

const program = join(import.meta.dirname, '../fixtures/fake-agent.mjs')
const never = new AbortController().signal
const options = (home: string, how: string, signal = never) => ({
  home,
  command: 'run' as const,
  environment: { HYPERSWEEP_TEST_AGENT: how },
  signal,
  program
})
/** What `withAnyAgent` uses of a command's surroundings. */
const cliWith = (signal: AbortSignal) => ({ environment: {}, signal }) as Cli
const settings = { serveOnly: 'joining a pool', bootstrap: ['127.0.0.1:1', '127.0.0.1:2'], program }

t.test('startAgent: it is ready when its line says so, and it knows its home', async t => {
  const home = await emptyHome(t)
  const agent = await startAgent({ ...options(home, 'serve'), command: 'bootstrap' })
  t.equal(agent.address, '127.0.0.1:1')
  t.equal(readFileSync(join(home, 'started'), 'utf8'), 'bootstrap')
  agent.kill('SIGKILL')
  t.equal(await agent.ended, 1)
})

t.test('startAgent: an agent that cannot start says why', async t => {
  const expected = { code: 'POOL_MISSING', message: 'This home is in no pool.', hint: 'Found one.' }
  await t.rejects(startAgent(options(await emptyHome(t), 'refuse')), expected)
})

t.test('startAgent: one that crashes leaves its last words in its log, and the error names that file', async t => {
  const home = await emptyHome(t)
  await t.rejects(startAgent(options(home, 'crash')), { code: 'AGENT_FAILED', hint: /agent\.log/ })
  t.match(readFileSync(join(home, 'agent.log'), 'utf8'), 'the database is on fire')
})

t.test('startAgent: an interruption ends the wait for one that hangs', async t => {
  const home = await emptyHome(t)
  const ending = new AbortController()
  const starting = startAgent(options(home, 'hang', ending.signal))
  t.rejects(starting, { message: 'enough' })
  while (!existsSync(join(home, 'started'))) await new Promise(setImmediate)
  ending.abort(new Error('enough'))
  await starting.catch(() => undefined)
})

t.test('withAnyAgent: starts one that takes no work, tells it its settings, and stops it in order', async t => {
  const home = await emptyHome(t)
  const status = await withAnyAgent(cliWith(never), { home }, settings, async (ask, isTemporary) => {
    t.ok(isTemporary)
    return await ask({ method: 'status' })
  })
  t.equal(status.paused, 'joining a pool')
  t.same(status.bootstrap, ['127.0.0.1:1,127.0.0.1:2'])
  t.ok(existsSync(join(home, 'stopped')))
  t.throws(() => process.kill(status.pid, 0), 'its process is gone')
})

t.test('withAnyAgent: the agent is stopped in order also after an interruption', async t => {
  const home = await emptyHome(t)
  const ending = new AbortController()
  const work = withAnyAgent(cliWith(ending.signal), { home }, settings, async ask => {
    const joining = ask({ method: 'join', invite: 'x' })
    ending.abort(new Error('enough'))
    return await joining
  })
  await t.rejects(work, { message: 'enough' })
  t.ok(existsSync(join(home, 'stopped')))
})

t.test('withAnyAgent: an agent that runs is used, and left running', async t => {
  const agent = await fakeAgent(t, { status: STATUS })
  const status = await withAnyAgent(cliWith(never), agent, settings, async (ask, isTemporary) => {
    t.notOk(isTemporary)
    return await ask({ method: 'status' })
  })
  t.equal(status.pid, STATUS.pid)
  t.same(
    agent.asked.map(each => each.method),
    ['status']
  )
})

t.test('agentEnvironment: what no flag says is left to the agent', async t => {
  t.same(agentEnvironment({}), {})
  t.same(agentEnvironment({ port: 4000, approve: 'all', member: 'ada', machine: 'rig' }), {
    HYPERSWEEP_PORT: '4000',
    HYPERSWEEP_APPROVE: 'all',
    HYPERSWEEP_MEMBER_NAME: 'ada',
    HYPERSWEEP_MACHINE_NAME: 'rig'
  })
})
