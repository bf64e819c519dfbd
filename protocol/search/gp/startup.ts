/**
 * Start-up: configurations that fill the space before there is anything to learn from.
 *
 * Owns which of some random points lies furthest from all others. There is no list of points that machines would have
 * to share: each looks at the trials it knows of, whoever asked for those.
 */
import type { Draw } from '../dimension.js'
import type { Vector } from './linear.js'
import type { Embedding } from './point.js'

const CANDIDATES = 100
/** What two categories are apart, squared: the mean of the squared distance of two numbers (1/12), and as much again. */
const CATEGORY_APART = 1 / 6

/**
 * Returns a point far from all others; any point when there are none.
 *
 * Numbers go round, so that 0 lies beside 1: otherwise the furthest places would all be corners.
 * Source: the best-candidate rule (Mitchell, "Spectrally optimal sampling for distribution ray tracing", 1991).
 */
export function spreadPoint(
  embedding: Embedding,
  others: readonly Vector[],
  { draw, isFree }: { draw: Draw; isFree: (point: Vector) => boolean }
): Vector {
  let furthest = embedding.draw(draw)
  let largest = -1
  for (let candidate = 0; candidate < CANDIDATES; candidate++) {
    const point = candidate === 0 ? furthest : embedding.draw(draw)
    if (!isFree(point)) continue
    const distance = Math.min(Number.MAX_VALUE, ...others.map(other => roundDistance(embedding, point, other)))
    if (distance <= largest) continue
    largest = distance
    furthest = point
  }
  return furthest
}

function roundDistance({ axes }: Embedding, a: Vector, b: Vector): number {
  let sum = 0
  for (const [d, { comparison }] of axes.entries()) {
    const apart = Math.abs((a[d] as number) - (b[d] as number))
    if (comparison === 'equality') sum += apart === 0 ? 0 : CATEGORY_APART
    else sum += Math.min(apart, 1 - apart) ** 2
  }
  return sum
}
