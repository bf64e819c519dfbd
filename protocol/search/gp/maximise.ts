/**
 * Maximise: the point of a space that promises most.
 *
 * Owns where is looked: at random, near the best trials, then uphill from what looked best. Numbers that cannot be
 * counted follow the slope, all others go to a neighbour.
 * Invariant: the point is settled, and free while a free one was found.
 */
import type { Draw } from '../dimension.js'
import type { Acquisition } from './acquisition.js'
import type { Vector } from './linear.js'
import { minimise } from './minimise.js'
import { gaussian } from './normal.js'
import type { Embedding, PointAxis } from './point.js'

const RANDOM_CANDIDATES = 400
const NEAR_CANDIDATES = 100
/** How far candidates near a trial are from it, as shares of a range. */
const WIDTHS = [0.02, 0.05, 0.1, 0.2]
/** Chance that a candidate near a trial takes another category. */
const OTHER_CATEGORY = 0.15
/** About so many numbers of a candidate near a trial differ from it: in many dimensions a change of all is a jump. */
const CHANGES = 3
/** Candidates that are followed uphill. */
const CLIMBS = 5
const CLIMBS_MIN = 2
const ROUNDS = 4
const ROUNDS_MIN = 2
const STEPS_MAX = 20
/** A gain in log improvement that is not worth another round. */
const GAIN_MIN = 1e-4
/** With up to so many values all are tried; with more, those at the distances below. */
const VALUES_TRIED = 10
const DISTANCES = [1, 2, 4, 8, 16]

export interface Chosen {
  readonly point: Vector
  readonly value: number
}

/** How and where to look. */
export interface Looking {
  readonly draw: Draw
  /** Points of the best trials, the best first. */
  readonly near: readonly Vector[]
  /** Share of the candidates and climbs that can be afforded: above 0, at most 1. */
  readonly effort: number
  isFree(point: Vector): boolean
}

/** Returns the best free point that was found; undefined where none of the candidates was free. */
export function maximise(embedding: Embedding, acquisition: Acquisition, looking: Looking): Chosen | undefined {
  const candidates = everyPoint(embedding) ?? candidatesOf(embedding, looking)
  const ranked = candidates
    .filter(looking.isFree)
    .map(point => ({ point, value: acquisition(point).value }))
    .sort((a, b) => b.value - a.value)
  const climbed = ranked
    .slice(0, Math.max(CLIMBS_MIN, Math.round(CLIMBS * looking.effort)))
    .map(start => climb(embedding, acquisition, { ...looking, start }))
  return climbed.reduce((best, each) => (each.value > best.value ? each : best), climbed[0] as Chosen)
}

/** Returns all points of a space that has no more of them than candidates would be drawn. */
function everyPoint(embedding: Embedding): Vector[] | undefined {
  const size = embedding.axes.reduce((product, { count }) => product * (count ?? Number.POSITIVE_INFINITY), 1)
  if (size > RANDOM_CANDIDATES) return undefined
  let points: number[][] = [[]]
  for (const { count = 0, at } of embedding.axes) {
    points = points.flatMap(point => Array.from({ length: count }, (_, position) => [...point, at(position)]))
  }
  return points.map(point => embedding.settled(Float64Array.from(point)))
}

function candidatesOf(embedding: Embedding, { draw, near, effort }: Looking): Vector[] {
  const random = Array.from({ length: Math.ceil(RANDOM_CANDIDATES * effort) }, () => embedding.draw(draw))
  const nearBest = Array.from({ length: near.length === 0 ? 0 : Math.ceil(NEAR_CANDIDATES * effort) }, (_, i) => {
    return pointNear(embedding, near[i % near.length] as Vector, draw)
  })
  return [...random, ...nearBest]
}

function pointNear(embedding: Embedding, centre: Vector, draw: Draw): Vector {
  const width = WIDTHS[Math.floor(draw() * WIDTHS.length)] as number
  const changes = CHANGES / centre.length + 0.2
  const coordinates = centre.map((coordinate, d) => {
    const axis = embedding.axes[d] as PointAxis
    if (axis.comparison === 'equality') return draw() < OTHER_CATEGORY ? axis.draw(draw) : coordinate
    return draw() < changes ? coordinate + width * gaussian(draw) : coordinate
  })
  return embedding.settled(coordinates)
}

interface Climb extends Pick<Looking, 'isFree'> {
  readonly start: Chosen
}

function climb(
  embedding: Embedding,
  acquisition: Acquisition,
  { start, effort, isFree }: Climb & Pick<Looking, 'effort'>
): Chosen {
  let at = start
  const rounds = Math.max(ROUNDS_MIN, Math.round(ROUNDS * effort))
  for (let round = 0; round < rounds; round++) {
    const sloped = followSlope(embedding, acquisition, at)
    const uphill = sloped && sloped.value > at.value && isFree(sloped.point) ? sloped : at
    const next = bestNeighbour(embedding, acquisition, { start: uphill, isFree })
    const gain = next.value - at.value
    at = next
    if (gain < GAIN_MIN) break
  }
  return at
}

/** Returns undefined where no coordinate can follow a slope. */
function followSlope(embedding: Embedding, acquisition: Acquisition, { point }: Chosen): Chosen | undefined {
  const isThere = embedding.presence(point)
  const isFixed = embedding.axes.map(({ count }, d) => count !== undefined || !isThere[d])
  if (!isFixed.includes(false)) return undefined
  // Fixed coordinates stay where they are; those of categories lie outside 0 to 1.
  const low = point.map((coordinate, d) => (isFixed[d] ? coordinate : 0))
  const high = point.map((coordinate, d) => (isFixed[d] ? coordinate : 1))
  const downhill = (x: Vector) => {
    const { value, gradient } = acquisition(x)
    return { value: -value, gradient: gradient().map(slope => -slope) }
  }
  const { x, value } = minimise(downhill, point, {
    box: { low, high },
    iterations: STEPS_MAX,
    tolerance: GAIN_MIN
  })
  return { point: x, value: -value }
}

function bestNeighbour(embedding: Embedding, acquisition: Acquisition, { start, isFree }: Climb): Chosen {
  let at = start
  for (const [d, axis] of embedding.axes.entries()) {
    for (const coordinate of neighbours(axis, at.point[d] as number)) {
      const moved = Float64Array.from(at.point)
      moved[d] = coordinate
      const point = embedding.settled(moved)
      const { value } = acquisition(point)
      if (value > at.value && isFree(point)) at = { point, value }
    }
  }
  return at
}

function neighbours(axis: PointAxis, coordinate: number): number[] {
  const { count } = axis
  if (count === undefined) return []
  const position = axis.positionOf(coordinate)
  const positions =
    count <= VALUES_TRIED
      ? Array.from({ length: count }, (_, each) => each)
      : DISTANCES.flatMap(distance => [position - distance, position + distance])
  return positions.filter(each => each !== position && each >= 0 && each < count).map(each => axis.at(each))
}
