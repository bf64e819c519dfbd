/**
 * Fine-tunes: two synthetic surfaces with the shape of what friends tune at home, one of LoRA, one of all weights.
 *
 * No measurement of a real model is in them. What they share with real ones: the learning rate decides nearly all;
 * with too small a one the loss stays at that of the untrained model, flat and telling nothing; some way above the best
 * one there is a cliff, before it the loss rises steeply, behind it training diverges; where the cliff lies depends on
 * batch, rank, alpha and warm-up. The other parameters differ by 1 to 5 % of the loss, which is little more than the
 * noise between two seeds.
 * Sources of the shape: "LoRA Without Regret" (Thinking Machines, 2025): LoRA's best learning rate is about ten times
 * that of full fine-tuning and hardly depends on the rank; LoRA bears large batches less. "Learning Rate Matters" (ICML
 * workshop, 2026): with tuned learning rates variants differ by 1 to 2 %. arXiv 2602.11171 and 2312.00949: which
 * parameters of LoRA are tuned, and how far apart their results are. arXiv 1810.05934 and 2304.11127 for spaces.
 */
import type { Parameters } from '../../../protocol/sweep-spec.js'
import type { ParameterMessage } from '../ask-tell/messages.js'
import { numberOf, type Problem } from './problem.js'

/** Decades before the cliff in which the loss rises. */
const RISE = 0.6
const RISE_LOSS = 0.05
/** A loss that is higher than this has left what a program still prints. */
const RISE_MAX = 5
const LAYERS = 12

const LEARNING_RATE: ParameterMessage = { name: 'learning_rate', type: 'float', low: 1e-6, high: 1e-2, log: true }
const COMMON: readonly ParameterMessage[] = [
  { name: 'warmup_ratio', type: 'float', low: 0, high: 0.2, log: false },
  { name: 'weight_decay', type: 'float', low: 1e-5, high: 0.3, log: true },
  { name: 'scheduler', type: 'cat', choices: ['linear', 'cosine', 'constant'] },
  { name: 'dropout', type: 'float', low: 0, high: 0.3, log: false }
]

export const LORA: Problem = {
  name: 'lora',
  space: [
    LEARNING_RATE,
    { name: 'batch_size', type: 'cat', choices: [4, 8, 16, 32, 64] },
    { name: 'lora_rank', type: 'cat', choices: [4, 8, 16, 32, 64, 128] },
    { name: 'lora_alpha', type: 'cat', choices: [8, 16, 32, 64, 128] },
    ...COMMON
  ],
  noise: 0.008,
  optimum: 1.12890625,
  optimumAt: {
    learning_rate: 10 ** -3.6 / 4,
    batch_size: 16,
    lora_rank: 64,
    lora_alpha: 128,
    warmup_ratio: 0.05,
    weight_decay: 3e-3,
    scheduler: 'cosine',
    dropout: 0.1
  },
  lossOf(parameters) {
    const [batch, dropout] = [numberOf(parameters, 'batch_size'), numberOf(parameters, 'dropout')]
    const [rank, alpha] = [numberOf(parameters, 'lora_rank'), numberOf(parameters, 'lora_alpha')]
    // What one step moves: its gradient is the less noisy the larger the batch, so that a larger step is right.
    const step = logStep(parameters, 16) + Math.log10(alpha / 32)
    const cliff = -2.9 + warming(parameters) - 0.1 * Math.log2(rank / 16)
    const learned = valley({ step, best: -3.6, cliff, untrained: 0.75, decades: 2 })
    if (learned === undefined) return undefined
    const capacity = 0.25 / rank + 0.5 * dropout ** 2
    const overfit = 0.005 * Math.max(0, Math.log2(rank / 16)) * Math.max(0, 1 - dropout / 0.1)
    const scaling = 0.002 * (Math.log2(alpha / rank) - 1) ** 2
    const large = 0.012 * Math.max(0, Math.log2(batch / 16)) ** 1.5 + 0.006 * Math.max(0, Math.log2(16 / batch))
    return 1.12 + learned + capacity + overfit + scaling + large + ofCommon(parameters, 3e-3)
  }
}

export const FULL: Problem = {
  name: 'full',
  space: [
    LEARNING_RATE,
    { name: 'batch_size', type: 'cat', choices: [8, 16, 32, 64, 128] },
    { name: 'epochs', type: 'int', low: 1, high: 5, log: false },
    { name: 'layer_decay', type: 'float', low: 0.7, high: 1, log: false },
    ...COMMON
  ],
  noise: 0.015,
  // Found by coordinate descent from many starts, over all combinations of choices.
  optimum: 0.648062417093,
  optimumAt: {
    learning_rate: 1.92937064e-5,
    batch_size: 32,
    epochs: 4,
    layer_decay: 0.9,
    warmup_ratio: 0.05,
    weight_decay: 1e-2,
    scheduler: 'cosine',
    dropout: 0.14
  },
  lossOf(parameters) {
    const [batch, dropout] = [numberOf(parameters, 'batch_size'), numberOf(parameters, 'dropout')]
    const [epochs, decay] = [numberOf(parameters, 'epochs'), numberOf(parameters, 'layer_decay')]
    // Lower layers learn more slowly: the mean of what each layer's step is multiplied by.
    const factors = Array.from({ length: LAYERS }, (_, layer) => decay ** layer)
    const mean = factors.reduce((sum, factor) => sum + factor, 0) / LAYERS
    const step = logStep(parameters, 32) + 0.6 * Math.log10(mean)
    const best = -4.8 - 0.1 * Math.log2(epochs / 3)
    const learned = valley({ step, best, cliff: -4 + warming(parameters), untrained: 1.4, decades: 2 })
    if (learned === undefined) return undefined
    const forgotten = 0.012 * Math.max(0, epochs - 2) * Math.max(0.3, 1 - dropout / 0.2) * 10 ** (0.3 * (step - best))
    const layers = 0.8 * (decay - 0.9) ** 2
    const large = 0.004 * Math.log2(batch / 32) ** 2
    return 0.62 + learned + 0.06 / epochs + forgotten + layers + large + 0.3 * dropout ** 2 + ofCommon(parameters, 1e-2)
  }
}

/** The common logarithm of what a step moves at a batch, beside a usual one. */
function logStep(parameters: Parameters, usualBatch: number): number {
  const batch = Math.sqrt(numberOf(parameters, 'batch_size') / usualBatch)
  // Schedules that fall move half of what a constant one does.
  const schedule = parameters['scheduler'] === 'constant' ? 2 : 1
  return Math.log10((numberOf(parameters, 'learning_rate') * schedule) / batch)
}

/** How many decades further the cliff is with a warm-up: 6 % of the steps do all that a warm-up can. */
function warming(parameters: Parameters): number {
  return 0.5 * Math.min(1, numberOf(parameters, 'warmup_ratio') / 0.06)
}

interface Valley {
  readonly step: number
  readonly best: number
  readonly cliff: number
  /** What the untrained model loses beside the best one. */
  readonly untrained: number
  /** How far below the best step most is lost. */
  readonly decades: number
}

/** What is lost to a wrong step; undefined behind the cliff. */
function valley({ step, best, cliff, untrained, decades }: Valley): number | undefined {
  const before = cliff - step
  if (!(before > 0)) return undefined
  const off = step - best
  const rise = Math.min(RISE_MAX, RISE_LOSS * (Math.max(0, RISE - before) / before))
  return (off < 0 ? untrained * (1 - Math.exp(-((off / decades) ** 2))) : 0.15 * off * off) + rise
}

/** What is lost to the parameters that both have. */
function ofCommon(parameters: Parameters, bestDecay: number): number {
  const decay = Math.log10(numberOf(parameters, 'weight_decay') / bestDecay)
  const warmup = numberOf(parameters, 'warmup_ratio') - 0.05
  const schedule = { cosine: 0, linear: 0.003 }[String(parameters['scheduler'])] ?? 0.02
  return 0.004 * decay ** 2 + 0.6 * warmup ** 2 + schedule
}
