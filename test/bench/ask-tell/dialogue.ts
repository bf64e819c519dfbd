/**
 * Dialogue: one line in, one answer out.
 *
 * Owns what the lines so far have opened. Invariant: a line that cannot be followed gets an `error` and changes
 * nothing.
 */
import { type InitMessage, messageOf, spaceOf } from './messages.js'
import { METHODS, named } from './methods.js'
import { RULES, type Stopping } from './rules.js'
import { openSession, type Session } from './session.js'

export interface Dialogue {
  /** Returns the answer to a line; undefined for an empty one. Errors: none. */
  answer(line: string): object | undefined
}

interface Opened {
  readonly session?: Session
  readonly stopping?: Stopping
}

/** Returns a dialogue in which nothing was said yet. `method`: a search method or, with configurations, a rule. */
export function createDialogue(method: string): Dialogue {
  let opened: Opened = {}
  const follow = (line: string): object => {
    const message = messageOf(line)
    switch (message.op) {
      case 'init':
        opened = open(method, message)
        return { ok: true }
      case 'ask':
        return (opened.stopping ?? sessionOf(opened)).ask()
      case 'tell':
        sessionOf(opened).tell(message.id, message.value)
        return { ok: true }
      case 'report':
        return { action: stoppingOf(opened).report(message.id, message.epoch, message.value ?? Number.NaN) }
    }
  }
  return {
    answer(line) {
      if (line.trim() === '') return undefined
      try {
        return follow(line)
      } catch (error) {
        return { error: error instanceof Error ? error.message : String(error) }
      }
    }
  }
}

function open(method: string, { space, seed, trials, parallel, configs, max_epoch, eta }: InitMessage): Opened {
  if (configs) {
    const rule = named(RULES, method)
    return { stopping: rule({ seed, configs: configs.length, maxEpoch: max_epoch, eta }) }
  }
  const propose = named(METHODS, method)({ seed, trials, parallel })
  return { session: openSession({ space: spaceOf(space), seed, propose }) }
}

function sessionOf({ session, stopping }: Opened): Session {
  if (session) return session
  throw new Error(stopping ? 'a run of configurations is told by `report`' : 'say `init` first')
}

function stoppingOf({ session, stopping }: Opened): Stopping {
  if (stopping) return stopping
  throw new Error(session ? 'only a run of `configs` has reports' : 'say `init` first')
}
