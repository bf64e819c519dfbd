/**
 * Control: the socket that only the owner can open.
 */
import { existsSync, linkSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { type ControlRequest, LIMITS, PoolError } from '#protocol'
import { type Handle, openControlServer } from '../../agent/control/server.js'

const isWindows = process.platform === 'win32'

interface Line {
  readonly socket: Socket
  /** Sends a text as it is and returns the next line that comes back. */
  say(text: string): Promise<Record<string, unknown>>
  readonly closed: Promise<void>
}

/** A folder whose path leaves room for a socket's name: that of a test is too long, and would be cut without a word. */
function place(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'hypersweep-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function open(t: Test, handle: Handle = async () => 'done') {
  const address = join(place(t), 's', 'agent.sock')
  const server = await openControlServer(address, handle)
  t.teardown(() => server.close())
  return { address, server }
}

async function dial(t: Test, address: string): Promise<Line> {
  const socket = connect(address)
  t.teardown(() => void socket.destroy())
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  const closed = new Promise<void>(resolve => socket.once('close', () => resolve()))
  socket.on('error', () => undefined)
  await new Promise(resolve => socket.once('connect', resolve))
  return {
    socket,
    closed,
    async say(text) {
      socket.write(text)
      return JSON.parse((await lines.next()).value)
    }
  }
}

t.test('a request is answered under its number, by what handles it', async t => {
  const { address } = await open(t, async request => ({ method: request.method }))
  const line = await dial(t, address)
  t.same(await line.say('{"id":7,"method":"status"}\n'), { id: 7, answer: { method: 'status' } })
  line.socket.write('{"id":8,"meth')
  t.same(await line.say('od":"sweeps"}\n'), { id: 8, answer: { method: 'sweeps' } }, 'a line may come in pieces')
})

t.test('requests of one connection are answered as they are done, and those of others do not wait', async t => {
  let release: (value: unknown) => void = () => undefined
  const slow = new Promise(resolve => {
    release = resolve
  })
  const { address } = await open(t, request => (request.method === 'join' ? slow : Promise.resolve('quick')))
  const [one, other] = [await dial(t, address), await dial(t, address)]
  const first = await one.say('{"id":1,"method":"join","invite":"x"}\n{"id":2,"method":"status"}\n')
  t.same(first, { id: 2, answer: 'quick' })
  t.same(await other.say('{"id":1,"method":"status"}\n'), { id: 1, answer: 'quick' })
  release('slow')
  t.same(await one.say(''), { id: 1, answer: 'slow' })
})

t.test('the socket is for its owner alone', { skip: isWindows && 'a named pipe has no mode' }, async t => {
  const { address } = await open(t)
  t.equal(statSync(address).mode & 0o777, 0o600)
  t.equal(statSync(join(address, '..')).mode & 0o777, 0o700)
})

t.test('a second agent on a home is refused, and the first one goes on', async t => {
  const { address } = await open(t)
  await t.rejects(
    openControlServer(address, async () => 'second'),
    { code: 'AGENT_RUNNING', hint: /hypersweep down/ }
  )
  const line = await dial(t, address)
  t.same(await line.say('{"id":1,"method":"status"}\n'), { id: 1, answer: 'done' })
})

t.test(
  'what a crashed agent left at the address is replaced',
  { skip: isWindows && 'a pipe leaves nothing' },
  async t => {
    const folder = place(t)
    const [dead, address] = [join(folder, 'dead.sock'), join(folder, 'agent.sock')]
    const crashed = createServer().listen(dead)
    await new Promise(resolve => crashed.once('listening', resolve))
    linkSync(dead, address)
    await new Promise(resolve => crashed.close(resolve))
    t.ok(existsSync(address), 'nobody listens, but the file is there')
    const server = await openControlServer(address, async () => 'new')
    t.teardown(() => server.close())
    t.same(await (await dial(t, address)).say('{"id":1,"method":"status"}\n'), { id: 1, answer: 'new' })
  }
)

t.test('of two agents that start at once the one that has the store gets the address', async t => {
  const address = join(place(t), 'agent.sock')
  const both = await Promise.allSettled(['first', 'second'].map(name => openControlServer(address, async () => name)))
  const servers = both.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
  for (const server of servers) t.teardown(() => server.close())
  for (const [index, server] of servers.entries()) {
    await server.hold()
    const line = await dial(t, address)
    t.match(await line.say('{"id":1,"method":"status"}\n'), { answer: ['first', 'second'][index] })
  }
  t.ok(servers.length > 0)
})

t.test(
  'of two that start in one moment whoever holds the place answers, and goes on when the other one ends',
  async t => {
    for (let round = 0; round < 20; round++) {
      const address = join(place(t), 'agent.sock')
      const [first, second] = await Promise.allSettled(
        ['first', 'second'].map(name => openControlServer(address, async () => name))
      )
      // One that came a moment later found the other one there.
      if (first?.status !== 'fulfilled' || second?.status !== 'fulfilled') continue
      await first.value.hold()
      await second.value.close()
      const line = await dial(t, address)
      t.match(await line.say('{"id":1,"method":"status"}\n'), { answer: 'first' })
      t.equal(statSync(address).mode & 0o777, 0o600)
      await first.value.close()
      t.notOk(existsSync(address))
    }
  }
)

t.test('after the end the address is free, and who was connected is told', async t => {
  const { address, server } = await open(t)
  const line = await dial(t, address)
  t.same(await line.say('{"id":1,"method":"down"}\n'), { id: 1, answer: 'done' })
  await server.close()
  await line.closed
  t.notOk(existsSync(address))
  const next = await openControlServer(address, async () => 'next')
  await next.close()
})

t.test('a line that is no request is answered as such, and the connection lives on', async t => {
  const handled: ControlRequest[] = []
  const { address } = await open(t, async request => handled.push(request))
  const line = await dial(t, address)
  for (const [text, code] of [
    ['hello', 'CONTROL_FAILED'],
    ['', 'CONTROL_FAILED'],
    ['null', 'REQUEST_INVALID'],
    ['[1]', 'REQUEST_INVALID'],
    ['{"id":3}', 'REQUEST_INVALID'],
    ['{"id":3,"method":"format-disk"}', 'REQUEST_INVALID'],
    ['{"id":3,"method":"trial","sweep":"a","trial":-1}', 'REQUEST_INVALID']
  ] as const)
    t.match(await line.say(`${text}\n`), { error: { code, hint: /./ } }, text)
  t.equal((await line.say('{"id":3,"method":"x"}\n')).id, 3, 'an error has the number of its request')
  t.same(handled, [])
  t.match(await line.say('{"id":4,"method":"status"}\n'), { id: 4, answer: 1 })
})

t.test(
  'an expected failure comes with its code and hint, a bug as CONTROL_FAILED, and both leave the agent well',
  async t => {
    const { address } = await open(t, async request => {
      if (request.method === 'status') throw new PoolError('NOT_FOUND', 'There is none.', { hint: 'Make one.' })
      throw new TypeError('x is undefined')
    })
    const line = await dial(t, address)
    t.same(await line.say('{"id":1,"method":"status"}\n'), {
      id: 1,
      error: { code: 'NOT_FOUND', message: 'There is none.', hint: 'Make one.' }
    })
    t.match(await line.say('{"id":2,"method":"sweeps"}\n'), {
      id: 2,
      error: { code: 'CONTROL_FAILED', message: /x is undefined/, hint: /agent\.log/ }
    })
  }
)

t.test('a line without end closes its connection, nothing of it is handled, and others go on', async t => {
  const handled: string[] = []
  const { address } = await open(t, async request => handled.push(request.method))
  const [long, other] = [await dial(t, address), await dial(t, address)]
  long.socket.write(`{"id":1,"method":"down","pad":"${'x'.repeat(LIMITS.controlBytes)}"}\n`)
  await long.closed
  t.same(handled, [])
  t.match(await other.say('{"id":1,"method":"status"}\n'), { answer: 1 })
})
