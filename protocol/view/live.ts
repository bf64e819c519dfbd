/**
 * Live: what machines say of themselves now, as the views need it. Comes from presence, never from the log.
 */
import type { Beat } from '../presence.js'

export interface LiveMachine {
  readonly beat: Beat
  /** Seconds since it was last heard; 0 for this machine. */
  readonly ageSeconds: number
  readonly roundTripMs?: number
}

export interface Live {
  /** The machine whose agent answers. */
  readonly machine: string
  /** By machine key; this machine included. */
  readonly machines: ReadonlyMap<string, LiveMachine>
}
