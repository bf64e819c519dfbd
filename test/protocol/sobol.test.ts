import fc from 'fast-check'
import t from 'tap'
import { SOBOL_DIMENSIONS, shiftedSobol, sobolDraws, sobolPoint } from '../../protocol/search/sobol.js'
import { parametersAt } from '../../protocol/search/space.js'
import type { SweepSpec } from '../../protocol/sweep-spec.js'

const point = (n: number, dimensions: number) => Array.from({ length: dimensions }, (_, d) => sobolPoint(n, d))

const sobolAt = (spec: Pick<SweepSpec, 'parameters' | 'seed'>, index: number) =>
  parametersAt(spec, name => sobolDraws(spec)(index, name))

t.test('golden: the points of Joe and Kuo, as SciPy computes them', async t => {
  t.same(point(0, 5), [0, 0, 0, 0, 0])
  t.same(point(1, 5), [0.5, 0.5, 0.5, 0.5, 0.5])
  t.same(point(2, 5), [0.75, 0.25, 0.25, 0.25, 0.75])
  t.same(point(3, 5), [0.25, 0.75, 0.75, 0.75, 0.25])
  t.same(point(1000, 5), [0.2197265625, 0.0966796875, 0.5185546875, 0.6767578125, 0.2802734375])
})

t.test('each dimension takes each of 2^k intervals once, shifted or not', async t => {
  const isEven = (values: readonly number[]) =>
    new Set(values.map(u => Math.floor(u * values.length))).size === values.length
  for (let dimension = 0; dimension < SOBOL_DIMENSIONS; dimension++) {
    t.ok(isEven(Array.from({ length: 256 }, (_, n) => sobolPoint(n, dimension))), `${dimension}`)
    // Points 256 to 511: those from 1 on, of which the first 255 lack point 0.
    t.ok(isEven(Array.from({ length: 256 }, (_, n) => shiftedSobol(7, n + 255, dimension))), `${dimension} shifted`)
  }
})

t.test('golden: these points never change, or a sweep would change under the machines that run it', async t => {
  const shifted = (dimension: number) => [0, 1, 99_999].map(index => shiftedSobol(7, index, dimension))
  t.same(shifted(0), [0.9848504010587931, 0.7348504010587931, 0.4521126691251993])
  t.same(shifted(20), [0.6768311192281544, 0.4268311192281544, 0.07771765487268567])
  t.same(shifted(21), [0.17828586503506094, 0.11288396546150714, 0.8726816105228863])
})

t.test('a coordinate is at least 0 and less than 1, in every dimension of every seed', async () => {
  const index = fc.oneof(fc.nat(1e5), fc.integer({ min: 2 ** 31 - 2, max: 2 ** 32 - 2 }))
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), index, fc.nat(63), (seed, index, dimension) => {
      const u = shiftedSobol(seed, index, dimension)
      return u >= 0 && u < 1
    })
  )
})

t.test('parameters: constants take no dimension, the order of a file changes nothing', async t => {
  const a = { distribution: 'uniform', min: 0, max: 1 } as const
  const b = { distribution: 'constant', value: 'x' } as const
  const c = { distribution: 'categorical', values: ['p', 'q'] } as const
  const parameters = { c: { ...c, values: [...c.values] }, b, a } satisfies SweepSpec['parameters']
  const at = (index: number) => sobolAt({ parameters, seed: 7 }, index)
  t.equal(at(5)['a'], shiftedSobol(7, 5, 0))
  t.equal(at(5)['c'], shiftedSobol(7, 5, 1) < 0.5 ? 'p' : 'q')
  t.equal(at(5)['b'], 'x')
  t.same(at(5), sobolAt({ parameters: { a, b, c: parameters.c }, seed: 7 }, 5))
  const choices = Array.from({ length: 64 }, (_, n) => at(n + 63)['c'])
  t.equal(choices.filter(choice => choice === 'p').length, 32, 'choices come evenly')
})
