import fc from 'fast-check'
import t from 'tap'
import { logMass, logMassBelow, truncatedQuantile } from '../../protocol/search/truncated-normal.js'

/** True where two numbers agree to 13 digits. */
function isClose(found: number, expected: number): boolean {
  return Math.abs(found - expected) <= 1e-13 * Math.max(1, Math.abs(expected))
}

const point = fc.double({ noNaN: true, min: -60, max: 60 })
const interval = fc
  .tuple(point, fc.double({ noNaN: true, min: 1e-9, max: 60 }))
  .map(([low, extent]) => ({ low, high: low + extent }))
  .filter(({ low, high }) => high > low)

// All golden values were computed with 40 digits.
t.test('golden: the mass below a point, as a logarithm, keeps its digits however far in the tail', async t => {
  const golden: readonly (readonly [z: number, logarithm: number])[] = [
    [-1000, -500007.82669481216],
    [-40, -804.6084420137538],
    [-20, -203.91715537109727],
    [-6, -20.736768949974707],
    [-1, -1.8410216450092636],
    [-0.5, -1.1759117615936185],
    [0, -Math.LN2],
    [0.3, -0.4814101615884812],
    [3, -0.0013508099647481938],
    [8, -6.220960574271786e-16]
  ]
  for (const [z, logarithm] of golden) t.ok(isClose(logMassBelow(z), logarithm), `${z}`)
})

t.test('golden: the mass of an interval, in the middle, in either tail, and of next to no width', async t => {
  const golden: readonly (readonly [low: number, high: number, logarithm: number])[] = [
    [-1, 1, -0.38171514630212605],
    [-3, -2, -3.8443534263342056],
    [2, 3, -3.8443534263342056],
    [30, 31, -454.32124395634327],
    [-40, -39.9, -800.6294741601215],
    [-0.5, 8, -0.3689464152886573],
    [-2, 40, -0.023012909328963486],
    [-1e-4, 1e-4, -9.436131726287577],
    [0.3, 0.3001, -10.17429390681012]
  ]
  for (const [low, high, logarithm] of golden) t.ok(isClose(logMass(low, high), logarithm), `${low} to ${high}`)
})

t.test('golden: the point at a share of the mass', async t => {
  const golden: readonly (readonly [u: number, low: number, high: number, z: number])[] = [
    [0.5, -1, 1, 0],
    [0.1, -2, 5, -1.1726151277355994],
    [0.999, -3, 3, 2.8272888358711152],
    [0.25, 0, 2, 0.30367557775062376],
    [0.5, 20, 30, 20.03454167651402],
    [0.3, -30, -20, -20.0599598224127],
    [0.01, -0.01, 0.02, -0.009700000445049135]
  ]
  for (const [u, low, high, z] of golden) t.ok(isClose(truncatedQuantile(u, low, high), z), `${u}`)
})

t.test('the point at a share lies in the interval, grows with the share, and has that share below it', async () => {
  const share = fc.double({ noNaN: true, min: 0.001, max: 0.999 })
  fc.assert(
    fc.property(interval, share, share, ({ low, high }, u, v) => {
      const [first, second] = [Math.min(u, v), Math.max(u, v)].map(each => truncatedQuantile(each, low, high))
      if (first === undefined || second === undefined) return false
      return low <= first && first <= second && second <= high
    }),
    { numRuns: 2000 }
  )
  fc.assert(
    fc.property(fc.double({ noNaN: true, min: -8, max: 3 }), share, (low, u) => {
      const z = truncatedQuantile(u, low, low + 4)
      return Math.abs(Math.exp(logMass(low, z) - logMass(low, low + 4)) - u) < 1e-9
    }),
    { numRuns: 1000 }
  )
})

t.test('the ends of an interval are at the shares 0 and 1', async () => {
  fc.assert(
    fc.property(interval, ({ low, high }) => {
      const [first, last] = [truncatedQuantile(0, low, high), truncatedQuantile(1, low, high)]
      const reach = 1e-6 * Math.max(1, high - low)
      return Math.abs(first - low) < reach && last <= high
    })
  )
})

t.test('masses are never more than the whole, and two halves make one', async () => {
  fc.assert(
    fc.property(interval, ({ low, high }) => {
      const middle = low + (high - low) / 2
      if (!(low < middle && middle < high)) return true
      const [left, right, all] = [logMass(low, middle), logMass(middle, high), logMass(low, high)]
      const larger = Math.max(left, right)
      const sum = larger + Math.log1p(Math.exp(Math.min(left, right) - larger))
      return all <= 0 && Math.abs(sum - all) < 1e-8
    }),
    { numRuns: 2000 }
  )
})
