/**
 * The control socket: one request, one answer, each a line of JSON.
 *
 * Only the owner of the machine can open it: the file has mode 0600 inside a folder of mode 0700. What comes over it is
 * checked like any other input; nothing here knows what a request means.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { type ControlReply, type ControlRequest, LIMITS, PoolError, requestSchema } from '#protocol'

export type Handle = (request: ControlRequest) => Promise<unknown>

export interface ControlServer {
  /**
   * Listens again where another agent, which started in the same moment, has taken the place. Call it once the store is
   * open: only one of the two has it, and the other one ends.
   */
  hold(): Promise<void>
  close(): Promise<void>
}

/**
 * Listens at an address.
 *
 * Errors: `AGENT_RUNNING` when another agent listens there. A socket that a crashed agent left is replaced.
 */
export async function openControlServer(address: string, handle: Handle): Promise<ControlServer> {
  const isPipe = address.startsWith('\\\\.\\pipe\\')
  if (!isPipe) mkdirSync(dirname(address), { recursive: true, mode: 0o700 })
  if (await isListening(address)) {
    throw new PoolError('AGENT_RUNNING', 'An agent is running on this home already.', {
      hint: 'Look at it with `hypersweep status`, or stop it with `hypersweep down`.'
    })
  }
  const sockets = new Set<Socket>()
  let { server, inode } = await place()

  /**
   * Puts a new socket at the address, whatever is there: made under a name of its own, since another agent that starts
   * in the same moment may take away what is at the address at any time.
   */
  async function place(): Promise<{ server: Server; inode: number }> {
    const server = createServer(socket => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      serve(socket, handle)
    })
    if (isPipe) {
      await listen(server, address)
      return { server, inode: 0 }
    }
    // No longer than the name that it gets: a path of a socket has little room.
    const own = join(dirname(address), randomBytes(4).toString('hex'))
    await listen(server, own)
    chmodSync(own, 0o600)
    const inode = inodeAt(own)
    renameSync(own, address)
    return { server, inode }
  }

  return {
    async hold() {
      if (isPipe || inodeAt(address) === inode) return
      const lost = server
      const placed = await place()
      server = placed.server
      inode = placed.inode
      lost.unref()
    },

    close: () =>
      new Promise(resolve => {
        // What another agent has put there since is that agent's.
        if (!isPipe && inodeAt(address) === inode) rmSync(address, { force: true })
        server.close(() => resolve())
        // What was answered last must still arrive; only what is idle is cut.
        for (const socket of sockets) socket.destroySoon()
      })
  }
}

/** 0 when nothing is there. */
function inodeAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? 0
}

function listen(server: Server, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(address, resolve)
  })
}

function isListening(address: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(address)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

function serve(socket: Socket, handle: Handle): void {
  let text = ''
  socket.setEncoding('utf8')
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: string) => {
    text += chunk
    // A line that is too long is never looked at, wherever it may end.
    if (text.length > LIMITS.controlBytes) return void socket.destroy()
    if (!chunk.includes('\n')) return
    const lines = text.split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) {
      answer(line, handle).then(
        reply => socket.writable && socket.write(`${JSON.stringify(reply)}\n`),
        () => socket.destroy()
      )
    }
  })
}

async function answer(line: string, handle: Handle): Promise<ControlReply> {
  let id = 0
  try {
    const request: unknown = JSON.parse(line)
    id = Number((request as { id?: unknown } | null)?.id ?? 0)
    const parsed = requestSchema.safeParse(request)
    if (!parsed.success)
      throw new PoolError(
        'REQUEST_INVALID',
        `The agent does not understand the request: ${parsed.error.issues[0]?.message ?? 'unknown'}.`,
        { hint: 'Agent and command line may be of different versions: `hypersweep down`, then `hypersweep up`.' }
      )
    return { id, answer: await handle(parsed.data) }
  } catch (error) {
    if (error instanceof PoolError)
      return {
        id,
        error: { code: error.code, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) }
      }
    return {
      id,
      error: {
        code: 'CONTROL_FAILED',
        message: `The agent failed to answer: ${error instanceof Error ? error.message : String(error)}`,
        hint: "The agent's log tells more: agent.log in its home."
      }
    }
  }
}
