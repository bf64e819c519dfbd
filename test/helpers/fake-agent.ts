/**
 * A tiny agent: a real socket at a real home, which answers what a test tells it to.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import type { ControlMethod, ControlRequest } from '#protocol'
import { PoolError } from '#protocol'
import { addressOf } from '../../cli/home.js'

/** What is answered to a method: a view, an error, or what a function makes of the request, at once or later. */
export type Answers = Partial<Record<ControlMethod, unknown>>

export interface FakeAgent {
  readonly home: string
  readonly address: string
  /** Every request so far, in order, without its id. */
  readonly asked: ControlRequest[]
  /** Ends every connection, as a crash would. */
  crash(): void
}

/** Returns an empty home with a path short enough for a socket in it. */
export async function emptyHome(t: Test): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'hs-'))
  t.teardown(() => rm(home, { recursive: true, force: true }))
  return home
}

export async function fakeAgent(t: Test, answers: Answers): Promise<FakeAgent> {
  const home = await emptyHome(t)
  const address = addressOf(home)
  const sockets = new Set<Socket>()
  const asked: ControlRequest[] = []
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    const lines = createInterface({ input: socket }).on('error', () => undefined)
    lines.on('line', async line => {
      const { id, ...request } = JSON.parse(line) as ControlRequest & { id: number }
      asked.push(request as ControlRequest)
      const reply = await replyTo(request as ControlRequest, answers)
      if (reply !== undefined) socket.write(`${JSON.stringify({ id, ...reply })}\n`)
    })
  })
  await new Promise<void>(resolve => server.listen(address, resolve))
  const crash = () => {
    for (const socket of sockets) socket.destroy()
  }
  t.teardown(() => {
    crash()
    server.close()
  })
  return { home, address, asked, crash }
}

/** Nothing where a test wants to see what a command does without an answer. */
async function replyTo(request: ControlRequest, answers: Answers): Promise<object | undefined> {
  const told = answers[request.method]
  const answer: unknown = await (typeof told === 'function' ? told(request) : told)
  if (answer === undefined) return undefined
  if (!(answer instanceof PoolError)) return { answer }
  const { code, message, hint } = answer
  return { error: { code, message, hint } }
}
