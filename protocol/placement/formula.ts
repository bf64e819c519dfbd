/**
 * Formula: a first guess of the memory that fine-tuning a language model takes, before anybody tried.
 *
 * Owns the accounting of weights, optimiser, activations and logits of a decoder-only transformer, and the names
 * under which programs take what it needs. A guess that is too low costs one attempt, one that is too high keeps
 * trials from ever running: so where nothing is named it assumes what people with small cards do, and what runs
 * corrects it.
 */
import type { ModelShape, Parameters, ParameterValue } from '../sweep-spec.js'
import { plainName } from './effects.js'

const BATCH_SIZE = ['per_device_train_batch_size', 'micro_batch_size', 'train_micro_batch_size_per_gpu', 'batch_size']
const SEQUENCE = [
  ...['max_seq_length', 'max_seq_len', 'sequence_len', 'sequence_length', 'seq_length', 'seq_len'],
  ...['cutoff_len', 'model_max_length', 'max_length', 'block_size']
]
const RANK = ['lora_r', 'lora_rank', 'rank', 'r']
const CHECKPOINTING = ['gradient_checkpointing', 'use_gradient_checkpointing', 'activation_checkpointing']
const ATTENTION = ['attn_implementation', 'attention_implementation']
const OPTIMIZER = ['optim', 'optimizer', 'optimiser']
const PURE_BF16 = ['pure_bf16', 'bf16_full', 'full_bf16']
const FUSED_LOSS = /(^|_)liger(_|$)|(^|_)(fused|chunked|cut)_(linear_)?(cross_entropy|ce|loss)$/

const DEFAULT_BATCH_SIZE = 1
const DEFAULT_SEQUENCE = 2048
const DEFAULT_RANK = 16

/** Bytes of a weight: in bfloat16, its master copy in float32, and in 4 bits with the constants of its block. */
const BF16_BYTES = 2
const MASTER_BYTES = 4
const NF4_BYTES = 0.53
/** Bytes of a logit: bfloat16, its float32 copy and that one's gradient. */
const LOGIT_BYTES = 10
/** Bytes of a layer's activations by token and hidden unit, and of its attention scores by token, token and head. */
const LAYER_BYTES = 34
const SCORE_BYTES = 5
/** Fragmentation, workspaces and the framework; the driver's context. */
const OVERHEAD = 1.15
const CONTEXT_BYTES = 2 ** 29

/** How a model is trained, as far as it matters to memory. */
interface Training {
  readonly batchSize: number
  readonly sequence: number
  readonly rank: number
  readonly isCheckpointed: boolean
  readonly hasScores: boolean
  readonly hasFusedLoss: boolean
  readonly hasMaster: boolean
  /** Bytes of the optimiser's moments by trainable weight. */
  readonly momentBytes: number
}

/**
 * Returns a guess of the memory that a training takes, in whole bytes; nothing where a size that it needs is named
 * but no positive number.
 *
 * Assumed where the parameters do not say: batch size 1, 2,048 tokens, rank 16 on all linear layers, gradient
 * checkpointing on, FlashAttention, no fused loss, AdamW with float32 moments, and float32 master weights in full
 * fine-tuning. Source: Korthikanti et al., "Reducing Activation Recomputation in Large Transformer Models", 2022, for
 * activations; checked within a quarter of LLaMA-Factory's published figures.
 */
export function estimateBytes(shape: ModelShape, parameters: Parameters): number | undefined {
  const training = trainingOf(parameters)
  if (!training) return undefined
  const held = weightBytes(shape, training) + trainedBytes(shape, training)
  const bytes = Math.ceil((held + activationBytes(shape, training) + logitBytes(shape, training)) * OVERHEAD)
  const total = bytes + CONTEXT_BYTES
  return Number.isSafeInteger(total) ? total : undefined
}

function trainingOf(parameters: Parameters): Training | undefined {
  const named = byPlainName(parameters)
  const batchSize = sizeOf(named, BATCH_SIZE, DEFAULT_BATCH_SIZE)
  const sequence = sizeOf(named, SEQUENCE, DEFAULT_SEQUENCE)
  const rank = sizeOf(named, RANK, DEFAULT_RANK)
  if (batchSize === undefined || sequence === undefined || rank === undefined) return undefined
  const isFused = ([name, values]: readonly [string, readonly ParameterValue[]]) =>
    FUSED_LOSS.test(name) && values.every(isOn)
  return {
    batchSize,
    sequence,
    rank,
    isCheckpointed: firstOf(named, CHECKPOINTING).every(isOn),
    hasScores: firstOf(named, ATTENTION).includes('eager'),
    hasFusedLoss: [...named].some(isFused),
    hasMaster: !firstOf(named, PURE_BF16).some(isOn),
    momentBytes: momentBytesOf(firstOf(named, OPTIMIZER))
  }
}

/**
 * By the last part of each name, since `train.batch_size` is a batch size; a name may then stand for several values.
 */
function byPlainName(parameters: Parameters): Map<string, ParameterValue[]> {
  const named = new Map<string, ParameterValue[]>()
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null) continue
    const plain = plainName(name.split(/[./]/).at(-1) ?? name)
    named.set(plain, [...(named.get(plain) ?? []), value])
  }
  return named
}

/** The values of the first of several names that is there. */
function firstOf(named: ReadonlyMap<string, ParameterValue[]>, names: readonly string[]): readonly ParameterValue[] {
  const found = names.find(name => named.has(name))
  return (found !== undefined && named.get(found)) || []
}

/** The largest of the values; nothing when one of them is no positive number. */
function sizeOf(
  named: ReadonlyMap<string, ParameterValue[]>,
  names: readonly string[],
  absent: number
): number | undefined {
  const values = firstOf(named, names)
  if (values.length === 0) return absent
  const sizes = values.filter(value => typeof value === 'number').filter(value => value > 0)
  return sizes.length === values.length ? Math.max(...sizes) : undefined
}

function isOn(value: ParameterValue): boolean {
  return !(value === null || value === false || value === 0 || /^(false|no|off|none|0)$/i.test(String(value)))
}

function momentBytesOf(optimizers: readonly ParameterValue[]): number {
  const names = optimizers.map(value => String(value).toLowerCase())
  if (names.length === 0) return 8
  if (names.every(name => /8_?bit/.test(name))) return 2
  return names.every(name => name === 'sgd') ? 4 : 8
}

/** Weights of the embedding and of the head. Where a model shares them, this counts some in 16 bits instead of 4. */
function embeddingsOf({ parameters, vocabulary, hidden }: ModelShape): number {
  return Math.min(parameters, 2 * vocabulary * hidden)
}

function weightBytes(shape: ModelShape, { hasMaster }: Training): number {
  const { parameters } = shape
  const embeddings = embeddingsOf(shape)
  switch (shape.fineTuning) {
    case 'full':
      return parameters * (BF16_BYTES + (hasMaster ? MASTER_BYTES : 0))
    case 'lora':
      return parameters * BF16_BYTES
    case 'qlora':
      return (parameters - embeddings) * NF4_BYTES + embeddings * BF16_BYTES
  }
}

/** Gradients and moments of what is trained; adapters are float32 themselves, as their gradients are. */
function trainedBytes(shape: ModelShape, { rank, momentBytes }: Training): number {
  if (shape.fineTuning === 'full') return shape.parameters * (BF16_BYTES + momentBytes)
  return adapterWeights(shape, rank) * (MASTER_BYTES + MASTER_BYTES + momentBytes)
}

/**
 * Four matrices of attention, and three between the hidden and the inner size, which what is left of a layer tells.
 */
function adapterWeights(shape: ModelShape, rank: number): number {
  const { parameters, hidden, layers } = shape
  const inner = ((parameters - embeddingsOf(shape)) / layers - 4 * hidden * hidden) / (3 * hidden)
  return layers * rank * (8 * hidden + 3 * (hidden + Math.max(hidden, inner)))
}

function activationBytes({ hidden, layers, heads = 0 }: ModelShape, training: Training): number {
  const { batchSize, sequence, isCheckpointed, hasScores } = training
  const tokens = batchSize * sequence
  const layer = tokens * (LAYER_BYTES * hidden + (hasScores ? SCORE_BYTES * heads * sequence : 0))
  return isCheckpointed ? BF16_BYTES * tokens * hidden * layers + layer : layers * layer
}

function logitBytes({ hidden, vocabulary }: ModelShape, { batchSize, sequence, hasFusedLoss }: Training): number {
  return batchSize * sequence * (hasFusedLoss ? BF16_BYTES * hidden : LOGIT_BYTES * vocabulary)
}
