/**
 * Xids: what NVIDIA's driver says when a card fails.
 *
 * Owns the set of events and what each Xid means for a card. For the child process only (nvml-child.ts).
 * Source: NVIDIA, XID Errors. Invariant: a card that has failed stays so until this process ends.
 */
import { call, type Library } from './nvml-calls.js'
import { CODE, EVENT, EVENT_XID } from './nvml-layout.js'

/** Events taken in one look; a card that floods its log says nothing new. */
const EVENTS_PER_LOOK = 32

const MEMORY_ERROR = 'The memory of this GPU has errors that it cannot correct'
const NO_ANSWER = 'The processor inside this GPU does not answer'
/** The Xids that are the card's; 13, 31, 43 and 45 among others are a program's own. */
const WORDS: ReadonlyMap<number, string> = new Map([
  [48, MEMORY_ERROR],
  [63, MEMORY_ERROR],
  [64, MEMORY_ERROR],
  [79, 'This GPU has fallen off the bus: check its power and its cable'],
  [94, MEMORY_ERROR],
  [95, MEMORY_ERROR],
  [119, NO_ANSWER],
  [120, NO_ANSWER]
])

/** Listens to one library's cards. */
export class CardEvents {
  readonly #library: Library
  readonly #set: bigint | undefined
  readonly #heard = new Set<bigint>()
  readonly #faults = new Map<bigint, string>()
  readonly #event = Buffer.alloc(EVENT.bytes)

  constructor(library: Library) {
    this.#library = library
    const set = Buffer.alloc(8)
    if (call(library, 'nvmlEventSetCreate', set) === CODE.ok) this.#set = set.readBigUInt64LE()
  }

  /** Begins to listen to a card, once. WSL has no events: then nothing ever comes. */
  listen(card: bigint): void {
    if (this.#set === undefined || this.#heard.has(card)) return
    this.#heard.add(card)
    call(this.#library, 'nvmlDeviceRegisterEvents', card, EVENT_XID, this.#set)
  }

  /** Takes what has happened since the last call. Waits for nothing. */
  take(): void {
    if (this.#set === undefined || this.#heard.size === 0) return
    for (let taken = 0; taken < EVENTS_PER_LOOK; taken++) {
      if (call(this.#library, 'nvmlEventSetWait_v2', this.#set, this.#event, 0) !== CODE.ok) return
      const fault = faultOf(Number(this.#event.readBigUInt64LE(EVENT.number)))
      if (fault !== undefined) this.#faults.set(this.#event.readBigUInt64LE(EVENT.card), fault)
    }
  }

  /** Returns what a card has failed of, in words; undefined when it is well. */
  faultOf(card: bigint): string | undefined {
    return this.#faults.get(card)
  }

  close(): void {
    if (this.#set !== undefined) call(this.#library, 'nvmlEventSetFree', this.#set)
  }
}

function faultOf(xid: number): string | undefined {
  const words = WORDS.get(xid)
  return words === undefined ? undefined : `${words} (Xid ${xid}). Restart the computer.`
}
