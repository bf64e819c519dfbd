/**
 * The client: questions to the agent of a home, over its socket.
 *
 * One line of JSON for a question, one for its answer, matched by id. Never opens the store, never starts an agent.
 * Invariant: every question ends in an answer or an error, also when the agent dies meanwhile.
 */
import { connect, type Socket } from 'node:net'
import {
  type ControlAnswers,
  type ControlMethod,
  type ControlReply,
  type ControlRequest,
  LIMITS,
  PoolError
} from '#protocol'
import type { Cli } from './cli.js'
import { addressOf, homeOf, logPathOf } from './home.js'

/** How long an answer may take. The agent answers from memory; packing a bundle of 64 MiB is the slowest it does. */
const ANSWER_MS = 60_000
/** `join` waits for a friend's machine, and the agent is the one who says that it waited long enough. */
const JOIN_MS = LIMITS.joinMs + ANSWER_MS

/** Asks the agent one thing. Errors: the agent's own, `AGENT_FAILED` when it dies, `TIMED_OUT`; the signal's reason. */
export type Ask = <M extends ControlMethod>(
  request: Extract<ControlRequest, { method: M }>
) => Promise<ControlAnswers[M]>

export interface Client {
  readonly ask: Ask
  close(): void
}

export interface ClientOptions {
  readonly home: string
  readonly address: string
  readonly signal?: AbortSignal
  /** In ms, for every question; each method has its own when absent. */
  readonly answerMs?: number
}

interface Waiting {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: unknown) => void
}

/**
 * Connects to the agent of a home.
 *
 * Errors: `AGENT_NOT_RUNNING` when nobody listens, also behind a socket that a crash left; `CONTROL_FAILED` when the
 * socket is somebody else's.
 */
export async function openClient(options: ClientOptions): Promise<Client> {
  options.signal?.throwIfAborted()
  const socket = await connected(options)
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  let ended: unknown

  const end = (error: unknown) => {
    ended ??= error
    socket.destroy()
    for (const { reject } of waiting.values()) reject(ended)
    waiting.clear()
  }
  const onAbort = () => end(options.signal?.reason)
  options.signal?.addEventListener('abort', onAbort, { once: true })
  socket.on('error', () => undefined) // What follows is `close`, which tells whoever waits.
  socket.on('close', () => end(agentDied(options.home)))
  onLines(socket, {
    line: text => settle(waiting, text),
    tooLong: () => end(new PoolError('CONTROL_FAILED', 'The answer of the agent is too long.', { hint: UPGRADE }))
  })

  const ask = <M extends ControlMethod>(
    request: Extract<ControlRequest, { method: M }>
  ): Promise<ControlAnswers[M]> => {
    const id = ++lastId
    const line = `${JSON.stringify({ id, ...request })}\n`
    if (line.length > LIMITS.controlBytes) {
      return Promise.reject(new PoolError('REQUEST_INVALID', 'The question is too long for the agent.'))
    }
    return new Promise((resolve, reject) => {
      if (ended !== undefined) return reject(ended)
      const answerMs = options.answerMs ?? (request.method === 'join' ? JOIN_MS : ANSWER_MS)
      const timer = setTimeout(() => {
        waiting.delete(id)
        reject(tooLate(request.method, options.home))
      }, answerMs)
      waiting.set(id, {
        resolve: answer => {
          clearTimeout(timer)
          // The agent owns the shape of its answers, and both are of one version or say so in `status`.
          resolve(answer as ControlAnswers[M])
        },
        reject: error => {
          clearTimeout(timer)
          reject(error)
        }
      })
      socket.write(line)
    })
  }

  return {
    ask,
    close() {
      options.signal?.removeEventListener('abort', onAbort)
      end(new PoolError('CONTROL_FAILED', 'The connection to the agent was closed.'))
    }
  }
}

/** Connects, does the work, and closes whatever happens. Errors: those of `openClient` and of the work. */
export async function withAgent<T>(
  cli: Cli,
  flags: { readonly home?: string },
  work: (ask: Ask) => Promise<T>
): Promise<T> {
  const home = homeOf(flags, cli.environment)
  const client = await openClient({ home, address: addressOf(home), signal: cli.signal })
  try {
    return await work(client.ask)
  } finally {
    client.close()
  }
}

const UPGRADE = 'Agent and command line may be of different versions: `hypersweep down`, then `hypersweep up`.'

function connected({ home, address }: ClientOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(address)
    socket.once('connect', () => {
      socket.removeAllListeners('error')
      resolve(socket)
    })
    socket.once('error', (cause: NodeJS.ErrnoException) => reject(unreachable(home, address, cause)))
  })
}

function unreachable(home: string, address: string, cause: NodeJS.ErrnoException): PoolError {
  // ENOTSOCK and ENOTDIR: something that is no socket stands there, so no agent does.
  if (['ENOENT', 'ECONNREFUSED', 'ENOTSOCK', 'ENOTDIR'].includes(cause.code ?? '')) {
    return new PoolError('AGENT_NOT_RUNNING', `No agent is running on the home ${home}.`, {
      hint: 'Start it with `hypersweep up`. Another home is named by --home or HYPERSWEEP_HOME.',
      cause
    })
  }
  return new PoolError('CONTROL_FAILED', `The agent at ${address} cannot be reached: ${cause.message}.`, {
    hint: 'Its socket belongs to whoever started it; run this under the same account.',
    cause
  })
}

/** Calls `line` for each line that arrives; a line of more than `LIMITS.controlBytes` ends the reading. */
function onLines(socket: Socket, on: { line: (text: string) => void; tooLong: () => void }): void {
  let parts: string[] = []
  let length = 0
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    chunk.split('\n').forEach((piece, i) => {
      // Each piece but the first begins a line: what came before it is whole.
      if (i > 0) {
        on.line(parts.join(''))
        parts = []
        length = 0
      }
      parts.push(piece)
      length += piece.length
      if (length > LIMITS.controlBytes) on.tooLong()
    })
  })
}

function settle(waiting: Map<number, Waiting>, text: string): void {
  const reply = replyIn(text)
  const asked = reply && waiting.get(reply.id)
  if (!reply || !asked) return
  waiting.delete(reply.id)
  if ('answer' in reply) {
    asked.resolve(reply.answer)
  } else {
    const { code, message, hint } = reply.error
    asked.reject(new PoolError(code, message, hint === undefined ? {} : { hint }))
  }
}

/** A line that is no reply is passed over: whoever waits for it is told that it came too late. */
function replyIn(text: string): ControlReply | undefined {
  try {
    const reply: unknown = JSON.parse(text)
    const isReply =
      typeof reply === 'object' && reply !== null && 'id' in reply && ('answer' in reply || 'error' in reply)
    return isReply ? (reply as ControlReply) : undefined
  } catch {
    return undefined
  }
}

function agentDied(home: string): PoolError {
  return new PoolError('AGENT_FAILED', 'The agent ended before it answered.', {
    hint: `Its log tells why: ${logPathOf(home)}`
  })
}

function tooLate(method: ControlMethod, home: string): PoolError {
  return new PoolError('TIMED_OUT', `The agent did not answer "${method}" in time.`, {
    hint: `Its log may tell why: ${logPathOf(home)}`
  })
}
