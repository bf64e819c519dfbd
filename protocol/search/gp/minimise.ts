/**
 * Minimise: a quasi-Newton search for the lowest point of a smooth function in a box.
 *
 * Owns the walk, not the function. Deterministic; no evaluation outside the box.
 */
import { addScaled, dot, type Vector } from './linear.js'

/** A value and its slopes. A value of `Infinity` marks a place where the function is not to be had. */
export interface Sloped {
  readonly value: number
  readonly gradient: Vector
}

/** Where low and high are equal, a coordinate is fixed. */
export interface Box {
  readonly low: Vector
  readonly high: Vector
}

/** A step must gain at least this share of what the slope promises (Armijo's rule). */
const GAIN_MIN = 1e-4
const HALVINGS_MAX = 12
/** No first step is longer than this: before there is any curvature to tell. */
const FIRST_STEP_MAX = 0.5

/**
 * Returns the best place found from `start` on, never worse than it.
 *
 * @param iterations  Steps at most; each costs one or a few evaluations.
 * @param tolerance   Ends where a step gains less than this.
 * Source: BFGS with projected steps (Nocedal and Wright, "Numerical Optimization", 6.1 and 16.7).
 */
export function minimise(
  objective: (x: Vector) => Sloped,
  start: Vector,
  { box, iterations, tolerance }: { box: Box; iterations: number; tolerance: number }
): { readonly x: Vector; readonly value: number } {
  let x = clipped(start, box)
  let { value, gradient } = objective(x)
  let curvature: Float64Array[] | undefined
  for (let iteration = 0; iteration < iterations; iteration++) {
    const slope = withoutBlocked(gradient, x, box)
    const length = Math.sqrt(dot(slope, slope))
    if (!(length > tolerance)) break
    const direction = descent(curvature, slope, length)
    const next = lineSearch(objective, { x, value, gradient }, direction, box)
    if (!next) {
      if (!curvature) break
      curvature = undefined
      continue
    }
    const moved = difference(next.x, x)
    // The slope of a coordinate that stands still changes too, yet says nothing of the way that is open.
    const bent = difference(next.gradient, gradient).map((change, i) => (moved[i] === 0 ? 0 : change))
    curvature = updated(curvature, moved, bent)
    const gain = value - next.value
    x = next.x
    value = next.value
    gradient = next.gradient
    if (gain < tolerance) break
  }
  return { x, value }
}

function clipped(x: Vector, { low, high }: Box): Vector {
  return x.map((each, i) => Math.min(high[i] as number, Math.max(low[i] as number, each)))
}

/** A slope that leads out of the box leads nowhere. */
function withoutBlocked(gradient: Vector, x: Vector, { low, high }: Box): Vector {
  return gradient.map((slope, i) => {
    const at = x[i] as number
    const isBlocked = slope > 0 ? at <= (low[i] as number) : at >= (high[i] as number)
    return isBlocked ? 0 : slope
  })
}

function descent(curvature: Float64Array[] | undefined, slope: Vector, length: number): Vector {
  if (!curvature) return slope.map(each => (-each * Math.min(FIRST_STEP_MAX, length)) / length)
  return slope.map((each, i) => (each === 0 ? 0 : -dot(curvature[i] as Float64Array, slope)))
}

interface Place extends Sloped {
  readonly x: Vector
}

function lineSearch(objective: (x: Vector) => Sloped, from: Place, direction: Vector, box: Box): Place | undefined {
  for (let halving = 0, step = 1; halving < HALVINGS_MAX; halving++, step *= halving < 3 ? 0.5 : 0.2) {
    const target = Float64Array.from(from.x)
    addScaled(target, step, direction)
    const x = clipped(target, box)
    const promised = dot(from.gradient, difference(x, from.x))
    if (!(promised < 0)) return undefined
    const { value, gradient } = objective(x)
    if (value <= from.value + GAIN_MIN * promised) return { x, value, gradient }
  }
  return undefined
}

function difference(a: Vector, b: Vector): Vector {
  return a.map((each, i) => each - (b[i] as number))
}

/** Returns the next estimate of the inverse Hessian; the old one where the step shows no upward curve. */
function updated(old: Float64Array[] | undefined, s: Vector, y: Vector): Float64Array[] | undefined {
  const sy = dot(s, y)
  const yy = dot(y, y)
  if (!(sy > 1e-10 * Math.sqrt(dot(s, s) * yy))) return old
  const rows = old ?? Array.from(s, (_, i) => new Float64Array(s.length).fill(sy / yy, i, i + 1))
  const hy = Float64Array.from(rows, row => dot(row, y))
  const factor = (1 + dot(y, hy) / sy) / sy
  for (const [i, row] of rows.entries()) {
    addScaled(row, factor * (s[i] as number) - (hy[i] as number) / sy, s)
    addScaled(row, -(s[i] as number) / sy, hy)
  }
  return rows
}
