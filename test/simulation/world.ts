/**
 * The world: one heap of events, one virtual clock, one trace.
 *
 * Owns the order in which things happen and nothing of what they mean. No timer, no promise, no chance of its own.
 * Invariant: events of one time happen in the order in which they were planned, so a run is the same each time.
 */

interface Happening {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

export type World = ReturnType<typeof createWorld>

/** Returns a world at 0 ms in which nothing is planned. */
export function createWorld() {
  const heap: Happening[] = []
  let nowMs = 0
  let order = 0
  let trace = 0x811c9dc5
  let events = 0
  let keptLines: string[] | undefined
  const counts = new Map<string, number>()

  function take(): Happening | undefined {
    const first = heap[0]
    const last = heap.pop()
    if (first && last && heap.length > 0) {
      heap[0] = last
      sink(heap)
    }
    return first
  }

  return {
    /** Virtual ms since the world began. */
    now: () => nowMs,
    events: () => events,

    /** Plans something. `delayMs` of 0 means: after everything that is planned for now. */
    after(delayMs: number, run: () => void): void {
      heap.push({ atMs: nowMs + Math.max(0, delayMs), order: order++, run })
      rise(heap)
    },

    /** Adds to the trace what happened: two runs that differ anywhere have different traces. */
    note(text: string): void {
      for (const part of [String(nowMs), text]) {
        for (let at = 0; at < part.length; at++) trace = Math.imul(trace ^ part.charCodeAt(at), 0x01000193)
      }
      keptLines?.push(`${(nowMs / 1000).toFixed(3)} ${text}`)
    },

    /** Counts something that went wrong on purpose. */
    count(fault: string): void {
      counts.set(fault, 1 + (counts.get(fault) ?? 0))
    },

    counts: (): Readonly<Record<string, number>> => Object.fromEntries([...counts].sort()),

    /** Keeps the trace's lines from now on, for a person to read. */
    keepLines(): readonly string[] {
      keptLines ??= []
      return keptLines
    },

    /** The hash of all that was noted. */
    trace: () => (trace >>> 0).toString(16).padStart(8, '0'),

    /** Lets things happen until `isOver` says so after one of them, nothing is planned, or the time has come. */
    run(isOver: () => boolean, untilMs: number): void {
      while (heap[0] && heap[0].atMs <= untilMs) {
        const next = take()
        if (!next) return
        nowMs = next.atMs
        events++
        next.run()
        if (isOver()) return
      }
    }
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

/** Moves the last one up to its place. */
function rise(heap: Happening[]): void {
  let at = heap.length - 1
  while (at > 0) {
    const above = (at - 1) >> 1
    if (!swapIfBefore(heap, at, above)) return
    at = above
  }
}

/** Moves the first one down to its place. */
function sink(heap: Happening[]): void {
  let at = 0
  for (;;) {
    const [left, right] = [2 * at + 1, 2 * at + 2]
    const [a, b] = [heap[left], heap[right]]
    if (!a) return
    const lower = b && isBefore(b, a) ? right : left
    if (!swapIfBefore(heap, lower, at)) return
    at = lower
  }
}

function swapIfBefore(heap: Happening[], lower: number, upper: number): boolean {
  const [a, b] = [heap[lower], heap[upper]]
  if (!a || !b || !isBefore(a, b)) return false
  heap[lower] = b
  heap[upper] = a
  return true
}
