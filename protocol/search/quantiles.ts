/**
 * Quantiles: the values below which a share of a normal or a beta distribution lies.
 *
 * Owns numerics alone. What it computes with `exp` and `log` is recorded by the claimer, never recomputed for
 * agreement.
 * Invariant: every result is finite.
 */

/** Draws are multiples of 2^-53: 0 stands for half of that, since a normal distribution has no least value. */
const LEAST = 2 ** -54

// Coefficients from the constant on. Numerators begin each pair.
const CENTRAL = [
  [
    3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987, 67265.7709270087,
    33430.57558358813, 2509.0809287301227
  ],
  [
    1, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271,
    28729.085735721943, 5226.495278852854
  ]
] as const
const MIDDLE = [
  [
    1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684,
    0.2417807251774506, 0.022723844989269184, 0.0007745450142783414
  ],
  [
    1, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457,
    0.0005475938084995345, 1.0507500716444169e-9
  ]
] as const
const FAR = [
  [
    6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487, 0.026532189526576124,
    0.0012426609473880784, 0.000027115555687434876, 2.0103343992922881e-7
  ],
  [
    1, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 0.0007868691311456133, 0.000018463183175100548,
    1.421511758316446e-7, 2.0442631033899397e-15
  ]
] as const

/**
 * Returns the value below which the share `u` of a standard normal distribution lies; relative error below 1e-14.
 *
 * @param u  At least 0, less than 1; 0 gives -8.3, the value of the smallest share that a draw can tell from it.
 * Source:   Wichura, "Algorithm AS 241: The Percentage Points of the Normal Distribution", Applied Statistics 1988.
 */
export function normalQuantile(u: number): number {
  const q = u - 0.5
  if (Math.abs(q) <= 0.425) return q * ratio(CENTRAL, 0.180625 - q * q)
  const tail = Math.sqrt(-Math.log(Math.max(LEAST, q < 0 ? u : 1 - u)))
  const z = tail <= 5 ? ratio(MIDDLE, tail - 1.6) : ratio(FAR, tail - 5)
  return q < 0 ? -z : z
}

/** Bisections after which two neighbours of a double's 2,100 binary places are told apart. */
const HALVINGS = 70
/** Beyond this logit a double holds 0 or 1. */
const LOGIT_MAX = 745

/**
 * Returns the value below which the share `u` of a beta distribution lies; relative error below 1e-9.
 *
 * @param u  At least 0, less than 1.
 * Source:   bisection of the regularised incomplete beta function, on the logit so that small values keep their digits.
 */
export function betaQuantile(u: number, { a, b }: { a: number; b: number }): number {
  if (u <= 0) return 0
  let [low, high] = [-LOGIT_MAX, LOGIT_MAX]
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2
    if (betaShare(middle, a, b) < u) low = middle
    else high = middle
  }
  return logistic((low + high) / 2)
}

/** Returns the share of a beta distribution below the value with this logit. */
function betaShare(logit: number, a: number, b: number): number {
  const [x, rest] = [logistic(logit), logistic(-logit)]
  // The continued fraction is quick below the mean; above it the other tail's is.
  if (x <= (a + 1) / (a + b + 2)) return lowerShare(x, rest, a, b)
  return 1 - lowerShare(rest, x, b, a)
}

function logistic(logit: number): number {
  return 1 / (1 + Math.exp(-logit))
}

const FRACTION_TERMS_MAX = 2000
const TINY = 1e-300

/** Source: Lentz's method for the continued fraction DLMF 8.17.22. */
function lowerShare(x: number, rest: number, a: number, b: number): number {
  if (x <= 0) return 0
  let c = 1
  let d = 1 / away(1 - ((a + b) * x) / (a + 1))
  let fraction = d
  for (let m = 1; m < FRACTION_TERMS_MAX; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / away(1 + even * d)
    c = away(1 + even / c)
    fraction *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / away(1 + odd * d)
    c = away(1 + odd / c)
    fraction *= d * c
    if (Math.abs(d * c - 1) < Number.EPSILON) break
  }
  const logFront = a * Math.log(x) + b * Math.log(rest) - logBeta(a, b)
  return (Math.exp(logFront) * fraction) / a
}

function away(value: number): number {
  return Math.abs(value) < TINY ? TINY : value
}

function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b)
}

/** Below this the series is no good, and the argument is raised first. */
const STIRLING_MIN = 15

/** Source: Stirling's series, DLMF 5.11.1, with five terms: below 1e-15 from 15 on. */
function logGamma(x: number): number {
  let raised = x
  let product = 1
  while (raised < STIRLING_MIN) product *= raised++
  const square = 1 / (raised * raised)
  const series = 1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)))
  const stirling = (raised - 0.5) * Math.log(raised) - raised + 0.5 * Math.log(2 * Math.PI) + series / raised
  return stirling - Math.log(product)
}

type Ratio = readonly [numerator: readonly number[], denominator: readonly number[]]

function ratio([numerator, denominator]: Ratio, x: number): number {
  return polynomial(numerator, x) / polynomial(denominator, x)
}

function polynomial(coefficients: readonly number[], x: number): number {
  return coefficients.reduceRight((sum, coefficient) => sum * x + coefficient, 0)
}
