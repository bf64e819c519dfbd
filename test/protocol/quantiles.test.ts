import fc from 'fast-check'
import t from 'tap'
import { betaQuantile, normalQuantile } from '../../protocol/search/quantiles.js'

/** Golden values: scipy.stats 1.x, `norm.ppf(u)`. */
const NORMAL: [u: number, z: number][] = [
  [1.1102230246251565e-16, -8.209536151601387],
  [1e-12, -7.034483825301131],
  [1e-6, -4.753424308822899],
  [0.001, -3.090232306167813],
  [0.02425, -1.972961051311885],
  [0.1, -1.2815515655446004],
  [0.3, -0.5244005127080409],
  [0.5, 0.0],
  [0.7, 0.5244005127080407],
  [0.925, 1.4395314709384563],
  [0.999, 3.090232306167813],
  [0.999999999, 5.997807019601637],
  [0.9999999999999999, 8.209536151601387]
]
/** Golden values: scipy.stats 1.x, `beta.ppf(u, a, b)`. */
const BETA: [a: number, b: number, u: number, x: number][] = [
  [1, 1, 1e-9, 1e-9],
  [1, 1, 0.25, 0.25],
  [1, 1, 0.999999, 0.999999],
  [2, 5, 1e-9, 8.165054699768939e-6],
  [2, 5, 0.25, 0.16116291679032652],
  [2, 5, 0.999999, 0.9555730480299243],
  [5, 2, 1e-9, 0.011096260926849797],
  [5, 2, 0.25, 0.6105205147992755],
  [5, 2, 0.999999, 0.9997417121706422],
  [0.5, 0.5, 1e-9, 2.4674011002723396e-18],
  [0.5, 0.5, 0.25, 0.14644660940672624],
  [0.5, 0.5, 0.999999, 0.9999999999975326],
  [0.1, 3, 1e-9, 2.3669013519449344e-91],
  [0.1, 3, 0.25, 2.257253955216028e-7],
  [0.1, 3, 0.999999, 0.9705827425593907],
  [3, 0.1, 1e-9, 0.002959535359880828],
  [3, 0.1, 0.25, 0.9863366739208057],
  [3, 0.1, 0.999999, 1.0],
  [50, 50, 1e-9, 0.2246097157129499],
  [50, 50, 0.25, 0.46622973766350095],
  [50, 50, 0.999999, 0.7253487058583226],
  [1000, 3, 1e-9, 0.9737061558569053],
  [1000, 3, 0.25, 0.996091171282535],
  [1000, 3, 0.999999, 0.999981764113265],
  [5000, 7000, 1e-9, 0.38985468233703435],
  [5000, 7000, 0.25, 0.41362856324772657],
  [5000, 7000, 0.999999, 0.43814991692009236],
  [10000.0, 10000.0, 1e-9, 0.4788038171705516],
  [10000.0, 10000.0, 0.25, 0.49761530237175505],
  [10000.0, 10000.0, 0.999999, 0.5168013571840735],
  [0.01, 0.02, 0.25, 2.449880769211123e-43],
  [0.01, 0.02, 0.999999, 1.0],
  [8, 1, 1e-9, 0.07498942093324558],
  [8, 1, 0.25, 0.8408964152537145],
  [8, 1, 0.999999, 0.9999998749999454]
]

function error(value: number, golden: number): number {
  return golden === 0 ? Math.abs(value) : Math.abs(value / golden - 1)
}

t.test('golden: quantiles of the normal distribution to 1e-14', async t => {
  for (const [u, z] of NORMAL) t.ok(error(normalQuantile(u), z) < 1e-14, `${u}`)
  t.equal(normalQuantile(0), normalQuantile(2 ** -54), 'a normal distribution has no least value')
})

t.test('golden: quantiles of beta distributions to 1e-10', async t => {
  for (const [a, b, u, x] of BETA) t.ok(error(betaQuantile(u, { a, b }), x) < 1e-10, `${a} ${b} ${u}`)
})

t.test('a quantile grows with its share, and a mirrored beta distribution mirrors it', async () => {
  const share = fc.double({ noNaN: true, min: 1e-6, max: 1 - 1e-6 })
  const shape = fc.double({ noNaN: true, min: 0.1, max: 1000 })
  fc.assert(
    fc.property(share, share, shape, shape, (u, v, a, b) => {
      const [low, high] = [Math.min(u, v), Math.max(u, v)]
      const mirrored = 1 - betaQuantile(1 - u, { a: b, b: a })
      const isOrdered = normalQuantile(low) <= normalQuantile(high)
      const isBetaOrdered = betaQuantile(low, { a, b }) <= betaQuantile(high, { a, b })
      return isOrdered && isBetaOrdered && Math.abs(betaQuantile(u, { a, b }) - mirrored) < 1e-9
    }),
    { numRuns: 100 }
  )
})
