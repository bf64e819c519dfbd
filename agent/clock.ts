/**
 * The real clock: monotonic for every decision, wall for display alone.
 */
import type { Clock } from './ports.js'

export const realClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now()
}
