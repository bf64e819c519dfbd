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
/** What two categories are apart, squared: twice the mean of two numbers, which is 1/12. */
const CATEGORY_APART = 1 / 6

/**
 * Returns a point far from all others; when there are none, one with its numbers in the middle half of their ranges.
 *
 * Numbers go round, so that 0 lies beside 1: otherwise the furthest places would all be corners.
 * Source: the best-candidate rule (Mitchell, "Spectrally optimal sampling for distribution ray tracing", 1991).
 */
export function spreadPoint(
  embedding: Embedding,
  others: readonly Vector[],
  { draw, isFree }: { draw: Draw; isFree: (point: Vector) => boolean }
): Vector {
  if (others.length === 0) return centralPoint(embedding, draw, isFree)
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

/** Who gives a range thinks of its middle. Not of one point: machines that begin apart would all try that one. */
function centralPoint(embedding: Embedding, draw: Draw, isFree: (point: Vector) => boolean): Vector {
  for (let candidate = 0; candidate < CANDIDATES; candidate++) {
    const coordinates = embedding.draw(draw).map((coordinate, d) => {
      return embedding.axes[d]?.comparison === 'equality' ? coordinate : 0.25 + coordinate / 2
    })
    const point = embedding.settled(coordinates)
    if (isFree(point)) return point
  }
  // All that is free may lie outside the middle.
  const points = Array.from({ length: CANDIDATES }, () => embedding.draw(draw))
  return points.find(isFree) ?? embedding.draw(draw)
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
