/**
 * Truncated normals: masses of intervals under the standard normal, in logarithms, and what lies at a quantile.
 *
 * Owns the numerics alone: far in a tail, where a mass is less than a double holds, its logarithm stays exact. Never
 * rounds to a step and knows no parameter. What is computed here is recorded by the claimer, never recomputed for
 * agreement: two engines may differ in the last bit.
 */

/** The logarithm of the square root of 2 pi, which a normal density is divided by. */
export const LOG_SQRT_TWO_PI = 0.9189385332046728
const SQRT_PI = 1.772453850905516
const SQRT_HALF_PI = 1.2533141373155003
/** Newton's method converges in a handful of steps; this ends it for numbers that are none. */
const NEWTON_STEPS_MAX = 50
/** Of an interval narrower than this the mass is its middle's density: ends subtracted would leave no digits. */
const NARROW = 1 / 64

/** Returns the logarithm of the mass below `z`; exact to about 15 digits however far `z` lies in the tail. */
export function logMassBelow(z: number): number {
  return z > 0 ? Math.log1p(-tail(z)) : logTail(-z)
}

/**
 * Returns the logarithm of the mass between `a` and `b`, a < b.
 *
 * Computed on the side of the nearer tail: in the other one both masses would be rounded to 1.
 */
export function logMass(a: number, b: number): number {
  const middle = (a + b) / 2
  if ((b - a) * Math.max(1, Math.abs(middle)) < NARROW) return logNarrowMass(middle, b - a)
  if (b <= 0) return logOfDifference(logTail(-b), logTail(-a))
  if (a >= 0) return logOfDifference(logTail(a), logTail(b))
  return Math.log1p(-tail(-a) - tail(b))
}

/** Returns the logarithm of the mass of a narrow interval: the density in its middle, and how that bends. */
function logNarrowMass(middle: number, width: number): number {
  const square = middle * middle
  return Math.log(width) - LOG_SQRT_TWO_PI - square / 2 + (width * width * (square - 1)) / 24
}

/** Returns the point between `a` and `b` below which lies the share `u` of their mass; 0 <= u <= 1, a < b. */
export function truncatedQuantile(u: number, a: number, b: number): number {
  const mass = logMass(a, b)
  const z =
    a < 0
      ? pointAbove(logOfSum(logMassBelow(a), Math.log(u) + mass))
      : -pointAbove(logOfSum(logMassBelow(-b), Math.log1p(-u) + mass))
  return Math.min(b, Math.max(a, z))
}

/** Returns the point that lies above a mass with this logarithm: the inverse of `logMassBelow`. */
function pointAbove(logarithm: number): number {
  // More than half: the same from the other side, since Newton's method wants the tail.
  return logarithm > -Math.LN2 ? -pointInTail(Math.log(-Math.expm1(logarithm))) : pointInTail(logarithm)
}

/**
 * Newton's method, from a point below the one looked for. The logarithm of the mass is concave, so that no step goes
 * too far and each is larger than 0.
 */
function pointInTail(logarithm: number): number {
  let z = -Math.sqrt(-2 * logarithm)
  if (!Number.isFinite(z)) return z
  for (let i = 0; i < NEWTON_STEPS_MAX; i++) {
    const step = (logarithm - logTail(-z)) * SQRT_HALF_PI * scaledErfc(-z * Math.SQRT1_2)
    z += step
    if (!(Math.abs(step) > 1e-13 * Math.abs(z))) break
  }
  return z
}

/** Returns the mass between `a` and `b`, a <= 0 <= b: where no tail has to be exact, at a fraction of the cost. */
export function centralMass(a: number, b: number): number {
  return 1 - tail(-a) - tail(b)
}

/** Returns the mass above `z`, z >= 0. */
function tail(z: number): number {
  return 0.5 * Math.exp((-z * z) / 2) * scaledErfc(z * Math.SQRT1_2)
}

function logTail(z: number): number {
  return Math.log(0.5 * scaledErfc(z * Math.SQRT1_2)) - (z * z) / 2
}

/**
 * Returns exp(x^2) erfc(x), x >= 0: it falls as slowly as 1 / x does, so that no tail is too far.
 *
 * Source: Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969); about 16 digits.
 * The sums are written out because a search computes little else.
 */
function scaledErfc(x: number): number {
  if (x <= 0.46875) return Math.exp(x * x) * (1 - x * nearRatio(x * x))
  if (x <= 4) return middleRatio(x)
  const y = 1 / (x * x)
  return (1 / SQRT_PI - y * farRatio(y)) / x
}

/** Of erf(x) / x, by x^2. */
function nearRatio(y: number): number {
  const above =
    (((0.18577770618460315 * y + 3.1611237438705655) * y + 113.86415415105016) * y + 377.485237685302) * y +
    3209.3775891384694
  const below = (((y + 23.601290952344122) * y + 244.02463793444417) * y + 1282.6165260773723) * y + 2844.236833439171
  return above / below
}

function middleRatio(x: number): number {
  const above =
    (((2.1531153547440383e-8 * x + 0.5641884969886701) * x + 8.883149794388377) * x + 66.11919063714163) * x +
    298.6351381974001
  const below = (((x + 15.744926110709835) * x + 117.6939508913125) * x + 537.1811018620099) * x + 1621.3895745666903
  const restAbove = (((above * x + 881.952221241769) * x + 1712.0476126340707) * x + 2051.0783778260716) * x
  const restBelow = (((below * x + 3290.7992357334597) * x + 4362.619090143247) * x + 3439.3676741437216) * x
  return (restAbove + 1230.3393547979972) / (restBelow + 1230.3393548037495)
}

/** Of what is missing to 1 / (x sqrt(pi)), by 1 / x^2. */
function farRatio(y: number): number {
  const above =
    ((((0.016315387137302097 * y + 0.30532663496123236) * y + 0.36034489994980445) * y + 0.12578172611122926) * y +
      0.016083785148742275) *
      y +
    0.0006587491615298378
  const below =
    ((((y + 2.568520192289822) * y + 1.8729528499234673) * y + 0.5279051029514285) * y + 0.06051834131244132) * y +
    0.0023352049762686918
  return above / below
}

/** Of masses: log(exp(large) - exp(small)). */
function logOfDifference(large: number, small: number): number {
  return large + Math.log1p(-Math.exp(small - large))
}

/** Of masses: log(exp(a) + exp(b)). */
function logOfSum(a: number, b: number): number {
  const large = Math.max(a, b)
  if (large === Number.NEGATIVE_INFINITY) return large
  return large + Math.log1p(Math.exp(Math.min(a, b) - large))
}
