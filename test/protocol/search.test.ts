import fc from 'fast-check'
import t from 'tap'
import { canonicalJson } from '../../protocol/hash.js'
import { LIMITS } from '../../protocol/limits.js'
import { combinationAt, combinations, gridAxis } from '../../protocol/search/grid.js'
import { configurationId, createSearch, distinctConfigurations, programSeed } from '../../protocol/search/search.js'
import { parametersAt, randomAxis, valueAt } from '../../protocol/search/space.js'
import {
  type Parameter,
  parameterSchema,
  type SweepSpec,
  sweepSpecSchema,
  valueSchema
} from '../../protocol/sweep-spec.js'

const LORA: SweepSpec['parameters'] = {
  lr: { distribution: 'log_uniform_values', min: 1e-5, max: 1e-2 },
  dropout: { distribution: 'q_uniform', min: 0, max: 0.3, q: 0.1 },
  r: { distribution: 'categorical', values: [8, 16, 32] },
  epochs: { distribution: 'int_uniform', min: 1, max: 6 },
  decay: { distribution: 'uniform', min: 0, max: 0.1 },
  batch: { distribution: 'q_log_uniform_values', min: 1, max: 64, q: 2 },
  optimizer: { distribution: 'constant', value: 'adamw' }
}
const SMALL: SweepSpec['parameters'] = {
  b: { distribution: 'categorical', values: ['x', 'y'] },
  a: { distribution: 'int_uniform', min: 0, max: 2 }
}

function sweep(changes: Partial<SweepSpec> = {}): SweepSpec {
  return {
    name: 'lora',
    command: ['train'],
    method: 'random',
    metric: { name: 'loss', goal: 'minimize', summary: 'last' },
    parameters: LORA,
    seed: 7,
    runCap: 8,
    onDuplicate: 'resample',
    leaseMs: LIMITS.leaseMs,
    ...changes
  }
}

function trialsOf(spec: SweepSpec) {
  const search = createSearch(spec)
  return Array.from({ length: search.trials }, (_, index) => search.trialAt(index))
}

/** A small sweep's trials in short: `2y=5` has a: 2, b: y and repeats trial 5. */
function inShort(spec: SweepSpec): string {
  const texts = trialsOf(spec).map(trial => {
    const { a, b } = trial?.parameters ?? {}
    return `${a}${b}${trial?.duplicateOf === undefined ? '' : `=${trial.duplicateOf}`}`
  })
  return texts.join(' ')
}

const largest = LIMITS.rangeMax
const finite = fc.double({ noNaN: true, min: -largest, max: largest })
const positive = fc.double({ noNaN: true, min: 1 / largest, max: largest })
const integer = fc.maxSafeInteger()
const value = fc.oneof(fc.constant(null), fc.boolean(), finite, fc.string({ maxLength: 3 }))
const ordered = (number: fc.Arbitrary<number>) =>
  fc
    .tuple(number, number)
    .filter(([a, b]) => a !== b)
    .map(([a, b]) => ({ min: Math.min(a, b), max: Math.max(a, b) }))
const shape = fc.double({ noNaN: true, min: LIMITS.betaShapeMin, max: LIMITS.betaShapeMax })
const quantum = (distribution: string, q: number) => (distribution.startsWith('q_') ? { q } : {})
/** Whatever the schema accepts, with all extremes. */
const anyParameter: fc.Arbitrary<Parameter> = fc.oneof(
  value.map(value => ({ distribution: 'constant' as const, value })),
  fc.array(value, { minLength: 1, maxLength: 5 }).map(values => ({ distribution: 'categorical' as const, values })),
  ordered(integer).map(range => ({ distribution: 'int_uniform' as const, ...range })),
  ordered(fc.integer({ min: -3, max: 3 })).map(range => ({ distribution: 'int_uniform' as const, ...range })),
  ordered(finite).map(range => ({ distribution: 'uniform' as const, ...range })),
  ordered(positive).map(range => ({ distribution: 'log_uniform_values' as const, ...range })),
  fc.tuple(ordered(finite), positive).map(([range, q]) => ({ distribution: 'q_uniform' as const, ...range, q })),
  fc
    .tuple(ordered(fc.integer({ min: -5, max: 5 })), fc.constantFrom(0.1, 0.25, 1, 2))
    .map(([range, q]) => ({ distribution: 'q_uniform' as const, ...range, q })),
  fc
    .tuple(ordered(positive), positive)
    .map(([range, q]) => ({ distribution: 'q_log_uniform_values' as const, ...range, q })),
  fc
    .array(fc.tuple(value, fc.double({ noNaN: true, min: 0, max: largest })), { minLength: 1, maxLength: 5 })
    .filter(pairs => pairs.some(([, probability]) => probability > 0))
    .map(pairs => ({
      distribution: 'categorical_w_probabilities' as const,
      values: pairs.map(([value]) => value),
      probabilities: pairs.map(([, probability]) => probability)
    })),
  fc
    .tuple(finite, positive, positive, fc.constantFrom('normal', 'q_normal', 'log_normal', 'q_log_normal'))
    .map(([mu, sigma, q, distribution]) => ({ distribution, mu, sigma, ...quantum(distribution, q) }) as Parameter),
  fc
    .tuple(shape, shape, positive, fc.constantFrom('beta', 'q_beta'))
    .map(([a, b, q, distribution]) => ({ distribution, a, b, ...quantum(distribution, q) }) as Parameter)
)
const quantile = fc.double({ noNaN: true, min: 0, max: 1, maxExcluded: true })
const anySweep = fc
  .record({
    parameters: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), anyParameter),
    method: fc.constantFrom('grid' as const, 'random' as const),
    seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    runCap: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
    onDuplicate: fc.constantFrom('resample' as const, 'reuse' as const, 'replicate' as const)
  })
  .map(changes => sweep(changes))

t.test('golden: these trials never change, or a sweep would change under the machines that run it', async t => {
  const search = createSearch(sweep({ runCap: 2000 }))
  // What is computed with exp or log may differ in its last bit between engines.
  const golden = { batch: 2, decay: 0.039438889655646084, dropout: 0.1, epochs: 6, optimizer: 'adamw', r: 8 }
  const { lr, ...exact } = search.trialAt(0)?.parameters ?? {}
  t.same(exact, golden)
  t.equal(Number(lr).toPrecision(12), '0.000169515119131')
  t.equal(search.trialAt(1000)?.parameters['decay'], 0.000703008242820935)
  t.same(
    [0, 1, 2].map(index => programSeed({ seed: 7 }, index)),
    [1251160222, 1635600861, 3104031293]
  )
})

t.test('golden: what becomes of a repeated configuration (rule C10)', async t => {
  const small = { parameters: SMALL, runCap: 8 }
  t.equal(inShort(sweep({ ...small, onDuplicate: 'replicate' })), '0x 1y 2x 2x 1x 2y 2y 0y')
  t.equal(inShort(sweep({ ...small, onDuplicate: 'reuse' })), '0x 1y 2x 2x=2 1x 2y 2y=5 0y')
  t.equal(inShort(sweep({ ...small, onDuplicate: 'resample' })), '0x 1y 2x 1x 0y 2y', 'six configurations, six trials')
})

t.test('grid: the last name varies fastest, repeated values count once, max is included', async t => {
  t.equal(inShort(sweep({ method: 'grid', parameters: SMALL, runCap: undefined })), '0x 0y 1x 1y 2x 2y')
  t.equal(inShort(sweep({ method: 'grid', parameters: SMALL, runCap: 3 })), '0x 0y 1x')
  const values = (parameter: Parameter) => {
    const axis = gridAxis(parameter)
    return Array.from({ length: axis?.count ?? 0 }, (_, i) => axis?.at(i))
  }
  t.same(values({ distribution: 'categorical', values: [1, 2, 1, '1', true] }), [1, 2, '1', true])
  t.same(values({ distribution: 'q_uniform', min: 0, max: 0.3, q: 0.1 }), [0, 0.1, 0.2, 0.3])
  t.same(values({ distribution: 'q_uniform', min: 1, max: 10, q: 4 }), [1, 5, 9])
  t.same(values({ distribution: 'uniform', min: 0, max: 1 }), [])
})

t.test('grid: every combination comes exactly once', async () => {
  const axis = fc.oneof(
    fc.array(value, { minLength: 1, maxLength: 4 }).map(values => ({ distribution: 'categorical' as const, values })),
    ordered(fc.integer({ min: -3, max: 3 })).map(range => ({ distribution: 'int_uniform' as const, ...range })),
    ordered(fc.integer({ min: 0, max: 2 })).map(range => ({ distribution: 'q_uniform' as const, ...range, q: 0.5 }))
  )
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom('a', 'b', 'c'), axis), parameters => {
      const size = combinations({ parameters })
      const all = Array.from({ length: size }, (_, index) => combinationAt({ parameters }, index))
      const distinct = new Set(all.map(canonicalJson))
      const product = Object.values(parameters).reduce((count, each) => count * (gridAxis(each)?.count ?? 0), 1)
      return size === product && distinct.size === size && combinationAt({ parameters }, size) === undefined
    }),
    { numRuns: 50 }
  )
})

t.test('a product of 64 full ranges is addressed, not built', async t => {
  const range = { distribution: 'int_uniform' as const, min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }
  const parameters = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`p${i}`, range]))
  const search = createSearch(sweep({ method: 'grid', parameters, runCap: undefined }))
  t.equal(search.trials, LIMITS.trialsPerSweep)
  t.equal(search.trialAt(99_999)?.parameters['p9'], Number.MIN_SAFE_INTEGER + 99_999)
})

t.test('a value is finite and keeps to its range; a quantised one is a multiple of q', async () => {
  fc.assert(
    fc.property(anyParameter, quantile, (parameter, u) => {
      const drawn = valueAt(parameter, u)
      if (parameter.distribution === 'constant') return Object.is(drawn, parameter.value)
      if ('values' in parameter) return parameter.values.includes(drawn)
      if (typeof drawn !== 'number' || !valueSchema.safeParse(drawn).success) return false
      if ('a' in parameter) return drawn >= 0 && drawn <= ('q' in parameter ? 1 + parameter.q : 1)
      if ('mu' in parameter) return drawn >= 0 || !parameter.distribution.endsWith('log_normal')
      if ('q' in parameter) return drawn >= parameter.min - parameter.q && drawn <= parameter.max + parameter.q
      return drawn >= parameter.min && drawn <= parameter.max
    }),
    { numRuns: 2000 }
  )
  fc.assert(
    fc.property(quantile, fc.constantFrom(0.1, 0.25, 3), (u, q) => {
      const steps = Number(valueAt({ distribution: 'q_uniform', min: -7, max: 9, q }, u)) / q
      return Math.abs(steps - Math.round(steps)) < 1e-9
    })
  )
})

t.test('a multiple of q beyond what a record may hold is its end', async t => {
  const parameter = {
    distribution: 'q_uniform',
    min: -9.999828255418545e149,
    max: 0,
    q: 3.4348916291691005e145
  } as const
  t.same([valueAt(parameter, 0), randomAxis(parameter)?.at(0)], [-LIMITS.rangeMax, -LIMITS.rangeMax])
})

t.test("values follow W&B's laws", async t => {
  const drawn = (parameter: Parameter, us: number[]) => us.map(u => valueAt(parameter, u))
  t.same(drawn({ distribution: 'int_uniform', min: 1, max: 4 }, [0, 0.24, 0.25, 0.99]), [1, 1, 2, 4])
  t.same(drawn({ distribution: 'categorical', values: ['a', 'b', 'b'] }, [0, 0.4, 0.9]), ['a', 'b', 'b'])
  t.same(drawn({ distribution: 'uniform', min: -1, max: 1 }, [0, 0.5]), [-1, 0])
  // The end points get half the mass of the others.
  t.same(drawn({ distribution: 'q_uniform', min: 0, max: 2, q: 1 }, [0, 0.24, 0.26, 0.74, 0.76]), [0, 0, 1, 1, 2])
  t.same(drawn({ distribution: 'q_uniform', min: 0, max: 0.3, q: 0.1 }, [0.99]), [0.3])
  t.match(
    Number(drawn({ distribution: 'log_uniform_values', min: 1e-4, max: 1e-2 }, [0.5])[0]).toFixed(9),
    '0.001000000'
  )
  t.same(drawn({ distribution: 'q_log_uniform_values', min: 1, max: 64, q: 8 }, [0, 0.5, 0.99]), [0, 8, 64])
  const weights = { values: ['a', 'b', 'c', 'd'], probabilities: [0.5, 0, 0.3, 0.2] }
  const weighted = { distribution: 'categorical_w_probabilities' as const, ...weights }
  t.same(drawn(weighted, [0, 0.49, 0.5, 0.79, 0.81, 1 - 2 ** -53]), ['a', 'a', 'c', 'c', 'd', 'd'])
  t.same(drawn({ distribution: 'normal', mu: 3, sigma: 2 }, [0.5]), [3])
  t.same(drawn({ distribution: 'q_normal', mu: 0, sigma: 1, q: 0.1 }, [0.16, 0.5, 0.84]), [-1, 0, 1])
  t.same(drawn({ distribution: 'log_normal', mu: 0, sigma: 1 }, [0.5]), [1])
  t.same(drawn({ distribution: 'q_log_normal', mu: 5, sigma: 1, q: 32 }, [0.1, 0.5, 0.9]), [32, 160, 544])
  t.same(drawn({ distribution: 'beta', a: 1, b: 1 }, [0]), [0])
  t.same(drawn({ distribution: 'q_beta', a: 2, b: 2, q: 0.25 }, [0, 0.01, 0.5, 0.99]), [0, 0, 0.5, 1])
})

t.test('a parameter is there only where its condition holds, and so on along a chain', async t => {
  const parameters: SweepSpec['parameters'] = {
    optimizer: { distribution: 'categorical', values: ['adam', 'sgd'] },
    momentum: { distribution: 'uniform', min: 0, max: 1, when: { parameter: 'optimizer', values: ['sgd'] } },
    nesterov: { distribution: 'categorical', values: [true], when: { parameter: 'momentum', values: [0.5] } }
  }
  const at = (u: number, momentum = 0.5) =>
    Object.keys(parametersAt({ parameters }, name => (name === 'momentum' ? momentum : u)))
  t.same(at(0), ['optimizer'])
  t.same(at(0.9), ['momentum', 'nesterov', 'optimizer'])
  t.same(at(0.9, 0.6), ['momentum', 'optimizer'])
  t.equal(distinctConfigurations({ parameters }), Number.POSITIVE_INFINITY)
  t.equal(createSearch(sweep({ method: 'grid', parameters })).trials, 0)
})

t.test('conditions that lead nowhere or in a circle are refused', async t => {
  const when = (parameter: string) => ({ parameter, values: [1] })
  const range = { distribution: 'constant' as const, value: 1 }
  const accepts = (parameters: SweepSpec['parameters']) => sweepSpecSchema.safeParse(sweep({ parameters })).success
  t.equal(accepts({ a: range, b: { ...range, when: when('a') }, c: { ...range, when: when('b') } }), true)
  t.equal(accepts({ a: { ...range, when: when('x') } }), false)
  t.equal(accepts({ a: { ...range, when: when('a') } }), false)
  t.equal(accepts({ a: { ...range, when: when('b') }, b: { ...range, when: when('a') } }), false)
})

t.test('the countable values of a parameter are those that draws give', async t => {
  // Draws stay below 2.5, so none is rounded to 3.
  t.equal(randomAxis({ distribution: 'q_uniform', min: 0, max: 2.5, q: 1 })?.count, 3)
  fc.assert(
    fc.property(anyParameter, quantile, (parameter, u) => {
      const axis = randomAxis(parameter)
      if (axis === undefined || axis.count > 100) return true
      const values = Array.from({ length: axis.count }, (_, i) => canonicalJson(axis.at(i)))
      return new Set(values).size === values.length && values.includes(canonicalJson(valueAt(parameter, u)))
    }),
    { numRuns: 2000 }
  )
})

t.test('a trial is a function of the spec and its index, whatever was asked for before', async () => {
  fc.assert(
    fc.property(anySweep, fc.array(fc.nat(60), { maxLength: 12 }), (spec, indexes) => {
      const [asked, fresh] = [createSearch(spec), createSearch(structuredClone(spec))]
      const early = indexes.map(index => canonicalJson(asked.trialAt(index)))
      const late = [...indexes].reverse().map(index => canonicalJson(fresh.trialAt(index)))
      return canonicalJson(early) === canonicalJson(late.reverse())
    }),
    { numRuns: 200 }
  )
})

t.test('any sweep that the schema accepts has its trials and no others', async t => {
  fc.assert(
    fc.property(anySweep, spec => {
      for (const parameter of Object.values(spec.parameters)) parameterSchema.parse(parameter)
      const search = createSearch(spec)
      const last = Math.min(search.trials, 30) - 1
      const names = Object.keys(spec.parameters).sort()
      const whole = canonicalJson(Object.keys(search.trialAt(last)?.parameters ?? {})) === canonicalJson(names)
      const isOutside = [-1, 0.5, Number.NaN, search.trials].every(index => search.trialAt(index) === undefined)
      return isOutside && (last < 0 || whole) && search.trials <= LIMITS.trialsPerSweep
    }),
    { numRuns: 300 }
  )
  t.equal(createSearch(sweep({ method: 'grid' })).trials, 0, 'a grid over a continuous range')
  t.equal(createSearch(sweep({ runCap: undefined })).trials, 0, 'a random sweep without an end')
})

t.test('resample never repeats a configuration, and ends when all were had', async t => {
  const parameters: SweepSpec['parameters'] = {
    ...SMALL,
    d: { distribution: 'q_uniform', min: 0, max: 0.3, q: 0.1 },
    e: { distribution: 'q_log_uniform_values', min: 1, max: 5, q: 1 }
  }
  t.equal(distinctConfigurations({ parameters }), 6 * 4 * 5)
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), seed => {
      const trials = trialsOf(sweep({ seed, parameters, runCap: 1000 }))
      return trials.length === 120 && new Set(trials.map(trial => canonicalJson(trial?.parameters))).size === 120
    }),
    { numRuns: 10 }
  )
})

t.test('reuse points to the first trial with the same configuration', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), seed => {
      const trials = trialsOf(sweep({ seed, parameters: SMALL, runCap: 30, onDuplicate: 'reuse' }))
      const ids = trials.map(trial => configurationId(trial?.parameters ?? {}))
      return trials.every((trial, index) => (trial?.duplicateOf ?? index) === ids.indexOf(ids[index] ?? ''))
    }),
    { numRuns: 10 }
  )
})

t.test('a configuration keeps its name in whatever order its parameters are held', async t => {
  t.equal(configurationId({ a: 1, b: 'x' }), configurationId({ b: 'x', a: 1 }))
  t.not(configurationId({ a: 1 }), configurationId({ a: '1' }))
})

t.test('a range without anything between its ends is refused', async t => {
  for (const distribution of ['int_uniform', 'uniform', 'log_uniform_values']) {
    t.equal(parameterSchema.safeParse({ distribution, min: 2, max: 2 }).success, false)
    t.equal(parameterSchema.safeParse({ distribution, min: 1, max: 2 }).success, true)
  }
  t.equal(parameterSchema.safeParse({ distribution: 'q_uniform', min: 3, max: 2, q: 1 }).success, false)
})
