import fc from 'fast-check'
import t from 'tap'
import {
  type Demand,
  effectOf,
  estimateBytes,
  type MemoryEffect,
  type ModelShape,
  marginBytes,
  neededBytes,
  type Observation,
  type Parameters,
  predict
} from '#protocol'

const MIB = 2 ** 20
const GIB = 2 ** 30
const GB = 1e9

const ok = (parameters: Parameters, gib: number, model = 'RTX 3090'): Observation => {
  return { parameters, outcome: 'ok', bytes: gib * GIB, model }
}
const oom = (parameters: Parameters, gib: number, model = 'RTX 3090'): Observation => {
  return { parameters, outcome: 'oom', bytes: gib * GIB, model }
}
const inGib = ({ bytes }: Demand) => Number((bytes / GIB).toFixed(1))

t.test('effects: by name, whatever the spelling, unless the sweep declares them', async t => {
  const names: Readonly<Record<MemoryEffect, string>> = {
    none: `lr learning_rate learningRate lr0 seed weight_decay num_train_epochs lora_alpha adam_beta1 betas warmup_ratio
      lora_dropout hidden_dropout_prob gradient_accumulation_steps max_steps max_grad_norm lr_scheduler_type
      optimizer.eps train/seed`,
    up: `batch_size per_device_train_batch_size micro_batch_size train_micro_batch_size_per_gpu seq_len max_seq_length
      sequence_len block_size context_length lora_r lora_rank r rank hidden_size hiddenSize n_layers num-layers d_model
      n_heads model.hidden_dim vocab_size img_size batch`,
    same: `optimizer model precision gradient_checkpointing freeze_layers num_frozen_layers hidden_act local_rank
      n_steps clip_model num_workers activation_offload_layers`,
    up2: '',
    down: ''
  }
  for (const [effect, list] of Object.entries(names))
    for (const name of list.split(/\s+/).filter(each => each !== '')) t.equal(effectOf(name), effect, name)
  t.equal(effectOf('lr', 'down'), 'down')
})

t.test('a trial that asks for as much bounds the demand; what is no memory does not count', async t => {
  const log = [ok({ batch_size: 8, seq_len: 1024, lr: 1e-4, optimizer: 'adamw' }, 10)]
  t.same(predict({ batch_size: 4, seq_len: 1024, lr: 3e-5, optimizer: 'adamw' }, log), {
    bytes: Math.ceil(10 * GIB * 1.03),
    basis: 'observed',
    observations: 1
  })
  t.equal(predict({ batch_size: 8, seq_len: 1024, lr: 1, optimizer: 'adamw' }, log).basis, 'observed')
  t.same(predict({ batch_size: 4, seq_len: 1024, lr: 1, optimizer: 'lion' }, log), {
    bytes: 0,
    basis: 'unknown',
    observations: 0
  })
  t.equal(predict({ batch_size: 4, seq_len: 1024, optimizer: 'adamw', rank: 8 }, log).basis, 'unknown')
  t.equal(predict({ batch_size: 4, optimizer: 'adamw' }, log).basis, 'unknown', 'nobody knows its seq_len')
  t.equal(predict({ batch_size: 4 }, []).basis, 'unknown')
})

t.test('a smaller trial is scaled, the more carefully the further', async t => {
  const log = [ok({ batch_size: 2, seq_len: 512 }, 3)]
  const at = (batch_size: number, seq_len: number) => predict({ batch_size, seq_len }, log)
  t.same(at(4, 512), { bytes: Math.ceil(3 * GIB * 2 * 1.08), basis: 'scaled', observations: 1 })
  t.equal(at(4, 1024).bytes, Math.ceil(3 * GIB * 4 * 1.15))
  t.equal(at(16, 1024).bytes, Math.ceil(3 * GIB * 16 * 1.3))
  t.equal(at(1, 1024).bytes, Math.ceil(3 * GIB * 2 * 1.08), 'less of one parameter makes no room for another')
  t.same(predict({ batch_size: 4 }, [ok({ batch_size: 0 }, 3)]), {
    bytes: Math.ceil(3 * GIB * 1.03),
    basis: 'unknown',
    observations: 1
  })
})

t.test('declared effects: squares, and parameters of which more takes less', async t => {
  const effects = { seq: 'up2', shards: 'down', toString: 'up' } as const
  const log = [ok({ seq: 10, shards: 4 }, 2)]
  const at = (seq: number, shards: number) => predict({ seq, shards }, log, { effects }).bytes
  t.equal(at(20, 4), Math.ceil(2 * GIB * 4 * 1.15))
  t.equal(at(10, 8), Math.ceil(2 * GIB * 1.03))
  t.equal(at(10, 2), Math.ceil(2 * GIB * 2 * 1.08))
  t.equal(predict({ seq: 10, shards: 0 }, log, { effects }).basis, 'unknown')
  t.equal(predict({ valueOf: 1 }, [ok({}, 2)]).basis, 'unknown', 'a name that every object inherits is a name')
  t.equal(predict({ toString: 1 }, [ok({ toString: 2 }, 2)], { effects }).basis, 'observed')
})

t.test('two smaller trials on one line bound the demand by that line', async t => {
  const log = [ok({ seq_len: 1000, batch_size: 2 }, 6), ok({ seq_len: 2000, batch_size: 2 }, 7)]
  t.equal(predict({ seq_len: 8000, batch_size: 2 }, log).bytes, Math.ceil((7 * GIB + 6 * GIB) * 1.1))
  t.equal(predict({ seq_len: 8000, batch_size: 1 }, log).bytes, Math.ceil((7 * GIB + 6 * GIB) * 1.1))
  t.ok(inGib(predict({ seq_len: 8000, batch_size: 4 }, log)) > 28, 'not where another parameter asks for more, too')
  const close = [ok({ seq_len: 1900 }, 6.9), ok({ seq_len: 2000 }, 7)]
  t.equal(predict({ seq_len: 4000 }, close).bytes, Math.ceil(7 * GIB * 2 * 1.08), 'close points tell noise')
  const flags = { a: 'up' } as const
  t.equal(predict({ a: 2 }, [ok({ a: false }, 1), ok({ a: true }, 2)], { effects: flags }).bytes, Math.ceil(4.32 * GIB))
})

t.test('another model of device takes half a GiB more', async t => {
  const log = [ok({ batch_size: 8 }, 10)]
  t.equal(predict({ batch_size: 8 }, log, { model: 'H100' }).bytes, Math.ceil(10 * GIB * 1.03 + 512 * MIB))
  const both = [...log, ok({ batch_size: 8 }, 10.2, 'H100')]
  t.equal(predict({ batch_size: 8 }, both, { model: 'H100' }).bytes, Math.ceil(10.2 * GIB * 1.03))
})

t.test('who ran out of memory raises all that ask for as much, and nobody else', async t => {
  const log = [ok({ batch_size: 4 }, 6), oom({ batch_size: 8 }, 23.2)]
  const raised = Math.ceil(23.2 * GIB * 1.15 + 256 * MIB)
  t.same(predict({ batch_size: 8 }, log), { bytes: raised, basis: 'raised', observations: 2 })
  t.equal(predict({ batch_size: 16 }, log).bytes, Math.max(raised, Math.ceil(6 * GIB * 4 * 1.15)))
  t.ok(inGib(predict({ batch_size: 6 }, log)) < 14)
  t.same(predict({ batch_size: 9 }, [oom({ batch_size: 8 }, 23.2)], { formulaBytes: GIB }), {
    bytes: raised,
    basis: 'raised',
    observations: 1
  })
})

t.test('declared memory counts as it is, unless that much was too little', async t => {
  const log = [ok({ batch_size: 4 }, 6), oom({ batch_size: 8 }, 12)]
  const declaredBytes = 5 * GIB
  t.same(predict({ batch_size: 4 }, log, { declaredBytes }), {
    bytes: declaredBytes,
    basis: 'declared',
    observations: 1
  })
  t.equal(predict({ batch_size: 8 }, log, { declaredBytes }).basis, 'raised')
  t.equal(marginBytes({ bytes: declaredBytes, basis: 'declared' }), 0)
})

t.test('the formula counts until something comparable ran', async t => {
  const formulaBytes = 9 * GIB
  t.same(predict({ batch_size: 4 }, [], { formulaBytes }), { bytes: formulaBytes, basis: 'formula', observations: 0 })
  t.equal(predict({ batch_size: 4 }, [ok({ batch_size: 4 }, 6)], { formulaBytes }).basis, 'observed')
  t.equal(inGib(predict({ batch_size: 4 }, [ok({ batch_size: 0 }, 20)], { formulaBytes })), 20.6)
})

t.test('the margin is larger where the demand is a guess', async t => {
  t.equal(marginBytes({ bytes: 30 * GIB, basis: 'observed' }), Math.ceil(0.6 * GIB))
  for (const basis of ['scaled', 'raised', 'formula', 'unknown'] as const)
    t.equal(marginBytes({ bytes: 30 * GIB, basis }), 1.5 * GIB, basis)
  t.equal(marginBytes({ bytes: GIB, basis: 'observed' }), 384 * MIB)
  t.equal(neededBytes({ bytes: GIB, basis: 'observed' }), GIB + 384 * MIB)
  t.equal(neededBytes({ bytes: 0, basis: 'unknown' }), 0)
})

t.test('published figures: LLaMA-2-7B in 4 bits with FlashAttention 2, as it is learned', async t => {
  const log: Observation[] = []
  const predicted = [6, 7, 9, 12, 19, 32].map((gib, at) => {
    const parameters = { seq_len: 1024 * 2 ** at }
    const demand = predict(parameters, [...log])
    log.push(ok(parameters, gib))
    if (at > 0) t.ok(demand.bytes >= gib * GIB, `${inGib(demand)} for ${gib}`)
    return inGib(demand)
  })
  t.same(predicted, [0, 13, 9.9, 14.3, 20.7, 35.8])
  t.ok(inGib(predict({ seq_len: 65536 }, [...log, oom({ seq_len: 65536 }, 39)])) > 45)
})

/** Few values each, so that random trials compare with each other. */
const anyTrial = fc.record({
  batch_size: fc.constantFrom(1, 2, 3, 4, 8, 16),
  seq_len: fc.constantFrom(0, 256, 512, 1024, 4096),
  shards: fc.constantFrom(1, 2, 4),
  optimizer: fc.constantFrom('adamw', 'lion'),
  lr: fc.double({ min: 0, max: 1, noNaN: true })
})
const anyObservation = fc.record({
  parameters: anyTrial,
  outcome: fc.constantFrom('ok', 'ok', 'ok', 'oom'),
  bytes: fc.integer({ min: 1, max: 48 * 1024 }).map(mib => mib * MIB),
  model: fc.constantFrom('RTX 3060', 'RTX 4090')
})
const anyLog = fc.array(anyObservation, { maxLength: 14 })
const EFFECTS = { shards: 'down', seq_len: 'up2' } as const
const anyOptions = fc.record(
  { model: fc.constantFrom('RTX 3060', 'RTX 4090'), formulaBytes: fc.nat(2 ** 30), effects: fc.constant(EFFECTS) },
  { requiredKeys: ['effects'] }
)
type Trial = Parameters & { batch_size: number; seq_len: number; shards: number; optimizer: string }
const asksAtMost = (a: Trial, b: Trial) =>
  a.optimizer === b.optimizer && a.batch_size <= b.batch_size && a.seq_len <= b.seq_len && a.shards >= b.shards

t.test('random logs: the order of the observations does not matter', async t => {
  const shuffled = anyLog.chain(log => fc.tuple(fc.constant(log), fc.shuffledSubarray(log, { minLength: log.length })))
  fc.assert(
    fc.property(shuffled, anyTrial, anyOptions, ([log, other], trial, options) => {
      const [one, two] = [predict(trial, log, options), predict(trial, other, options)]
      return one.bytes === two.bytes && one.basis === two.basis && one.observations === two.observations
    }),
    { numRuns: 2000 }
  )
  t.pass()
})

t.test('random logs: whoever asks for more needs no less', async t => {
  fc.assert(
    fc.property(anyLog, anyTrial, anyTrial, anyOptions, (log, a, b, options) => {
      const more = {
        ...a,
        batch_size: Math.max(a.batch_size, b.batch_size),
        seq_len: Math.max(a.seq_len, b.seq_len),
        shards: Math.min(a.shards, b.shards)
      }
      const [less, greater] = [predict(a, log, options), predict(more, log, options)]
      const isLearned = greater.basis !== 'unknown' && greater.basis !== 'formula'
      // From 0 on nothing scales: then nothing that ran says how much more it takes.
      const isFromZero = a.seq_len === 0 && more.seq_len > 0
      return !isLearned || greater.bytes >= less.bytes || isFromZero
    }),
    { numRuns: 3000 }
  )
  t.pass()
})

/** It asks for the same and took no more than what is said to have been too little. */
const refutes = (ok: Observation, oom: Observation): boolean =>
  ok.outcome === 'ok' && ok.bytes <= oom.bytes && asksAtMost(oom.parameters as Trial, ok.parameters as Trial)

t.test(
  'what was enough for as much was not too little; and what a device was enough for, it is enough for',
  async t => {
    const ask = { batch_size: 4 }
    const ok = { parameters: ask, outcome: 'ok', bytes: 14 * GB, model: 'x', deviceBytes: 24 * GB } as const
    const oom = { parameters: ask, outcome: 'oom', bytes: 24 * GB, model: 'x' } as const
    t.equal(predict(ask, [ok, oom]).basis, 'observed', 'something else took it')
    const larger = predict({ batch_size: 8 }, [
      { ...ok, bytes: 4 * GB },
      { ...oom, parameters: { batch_size: 8 } }
    ])
    t.equal(larger.basis, 'raised', 'what asks for less refutes nothing')
    const smaller = predict(ask, [{ ...oom, bytes: 8 * GB }, ok, oom], { declaredBytes: 1 })
    t.equal(smaller.basis, 'raised', 'one that is refuted takes no other one along')
    t.equal(predict(ask, [ok, oom]).provenBytes, 24 * GB)
    t.equal(predict({ batch_size: 2 }, [ok]).provenBytes, 24 * GB)
    t.equal(predict({ batch_size: 8 }, [ok]).provenBytes, undefined)
  }
)

t.test('random logs: never below what the same or a smaller trial took, nor what was too little for it', async t => {
  fc.assert(
    fc.property(anyLog, anyTrial, anyOptions, (log, trial, options) => {
      const { bytes } = predict(trial, log, options)
      const declared = predict(trial, log, { ...options, declaredBytes: 1 }).bytes
      for (const observation of log) {
        if (!asksAtMost(observation.parameters, trial)) continue
        if (observation.outcome === 'ok') {
          if (bytes < observation.bytes) return false
        } else if (log.some(other => refutes(other, observation))) continue
        else if (Math.min(bytes, declared) < observation.bytes * 1.15 + 256 * MIB) return false
      }
      return true
    }),
    { numRuns: 3000 }
  )
  t.pass()
})

const LLAMA_2: ModelShape = { parameters: 6.74e9, hidden: 4096, layers: 32, vocabulary: 32000, fineTuning: 'qlora' }
const LLAMA_3: ModelShape = { ...LLAMA_2, parameters: 8.03e9, vocabulary: 128256, fineTuning: 'lora' }

t.test('the formula on LLaMA-2-7B, within a quarter of what LLaMA-Factory published', async t => {
  const inGb = (shape: ModelShape, batch_size: number, seq_len: number) =>
    Number(((estimateBytes(shape, { batch_size, seq_len, lora_r: 8 }) ?? 0) / GB).toFixed(1))
  const figures = [
    { published: 17, formula: 19.8, is: inGb({ ...LLAMA_2, fineTuning: 'lora' }, 4, 1024) },
    { published: 9, formula: 8.9, is: inGb(LLAMA_2, 4, 1024) },
    { published: 6, formula: 6.3, is: inGb(LLAMA_2, 1, 1024) },
    { published: 7, formula: 7.2, is: inGb(LLAMA_2, 1, 2048) },
    { published: 9, formula: 8.9, is: inGb(LLAMA_2, 1, 4096) },
    { published: 12, formula: 12.3, is: inGb(LLAMA_2, 1, 8192) },
    { published: 19, formula: 19, is: inGb(LLAMA_2, 1, 16384) },
    { published: 32, formula: 32.6, is: inGb(LLAMA_2, 1, 32768) }
  ]
  for (const { published, formula, is } of figures) {
    t.equal(is, formula)
    t.ok(Math.abs(is - published) < 0.25 * published)
  }
})

t.test('the formula on Llama-3-8B: the logits of a large vocabulary, unless the loss is fused', async t => {
  const gib = (parameters: Parameters, fineTuning: ModelShape['fineTuning'] = 'lora') =>
    Number(((estimateBytes({ ...LLAMA_3, fineTuning }, parameters) ?? 0) / GIB).toFixed(1))
  const at = (per_device_train_batch_size: number, max_seq_length: number) => ({
    per_device_train_batch_size,
    max_seq_length,
    r: 16
  })
  t.same(
    [at(1, 1024), at(1, 2048), at(2, 2048)].map(each => gib(each)),
    [20.3, 22.1, 25.8]
  )
  t.same(
    [at(1, 1024), at(1, 2048), at(2, 2048)].map(each => gib(each, 'qlora')),
    [9.3, 11.1, 14.8]
  )
  t.equal(gib({ ...at(2, 2048), use_liger_kernel: true }), 20.2)
  t.equal(gib({ ...at(2, 2048), use_liger_kernel: false }), 25.8)
  t.equal(gib({}), gib(at(1, 2048)), 'defaults')
})

t.test('the formula knows names with a path, switches, optimisers and full fine-tuning', async t => {
  const bytes = (parameters: Parameters, changes: Partial<ModelShape> = {}) =>
    estimateBytes({ ...LLAMA_2, ...changes }, parameters) ?? 0
  t.equal(bytes({ 'train.batchSize': 4, 'data/seq-len': 1024 }), bytes({ batch_size: 4, seq_len: 1024 }))
  t.equal(bytes({ 'a.batch_size': 2, 'b.batch_size': 4 }), bytes({ batch_size: 4 }), 'the larger of two')
  t.equal(bytes({ micro_batch_size: 2, batch_size: 64 }), bytes({ micro_batch_size: 2 }), 'what a device sees')
  t.ok(bytes({ gradient_checkpointing: false }) > 1.5 * bytes({ gradient_checkpointing: 'unsloth' }))
  t.equal(bytes({ gradient_checkpointing: true }), bytes({}))
  t.equal(bytes({ gradient_checkpointing: 'false' }), bytes({ gradient_checkpointing: 0 }))
  t.ok(bytes({ attn_implementation: 'eager' }, { heads: 32 }) > bytes({ attn_implementation: 'sdpa' }, { heads: 32 }))
  t.ok(bytes({ optim: 'paged_adamw_8bit', r: 64 }) < bytes({ optim: 'adamw_torch', r: 64 }))
  const full = (parameters: Parameters) => bytes({ seq_len: 1, ...parameters }, { fineTuning: 'full' }) / 6.74e9 / 1.15
  const close = (is: number, to: number) => t.ok(Math.abs(is - to) < 0.3, `${is} bytes by weight`)
  close(full({}), 16)
  close(full({ pure_bf16: true }), 12)
  close(full({ pure_bf16: true, optimizer: 'AdamW-8bit' }), 6)
  close(full({ optimizer: 'sgd' }), 12)
})

t.test('the formula makes no guess of what is no size', async t => {
  for (const value of ['auto', 0, -1, true]) t.equal(estimateBytes(LLAMA_2, { batch_size: value }), undefined)
  t.equal(estimateBytes(LLAMA_2, { seq_len: 1e150, batch_size: 1e150 }), undefined)
  t.ok(estimateBytes(LLAMA_2, { batch_size: null }), 'null is what programs call not set')
})

t.test('many observations that ask for the same count as many, and the largest of them bounds', async t => {
  const log = Array.from({ length: 5000 }, (_, at) => ok({ batch_size: 1 + (at % 8), lr: at / 5000 }, 4 + (at % 20)))
  const used = log.filter(each => Number(each.parameters['batch_size']) <= 4).map(each => each.bytes)
  const { bytes, observations } = predict({ batch_size: 4, lr: 0.1 }, log)
  t.equal(observations, log.length)
  t.equal(bytes, Math.ceil(Math.max(...used) * 1.03))
})

t.test('a list that has grown is read again', async t => {
  const log = [ok({ batch_size: 4 }, 6)]
  t.equal(inGib(predict({ batch_size: 4 }, log)), 6.2)
  log.push(ok({ batch_size: 4 }, 7))
  t.equal(inGib(predict({ batch_size: 4 }, log)), 7.2)
})

t.test('a text is no number', async t => {
  const log = [ok({ optimizer: '1' }, 6), ok({ optimizer: 'true' }, 6)]
  for (const optimizer of [1, true, '=1', '']) t.equal(predict({ optimizer }, log).basis, 'unknown')
  t.equal(predict({ optimizer: '1' }, log).basis, 'observed')
  t.equal(predict({}, [ok({ optimizer: '' }, 6), ok({ optimizer: null }, 6)]).basis, 'unknown', 'nor is it nothing')
})
