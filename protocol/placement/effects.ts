/**
 * Memory effects: how a parameter changes the memory that a trial needs.
 *
 * Owns what a parameter's name alone tells. A sweep that declares an effect knows better. Whoever is unsure says
 * `same`: it costs knowledge, since observations then count at equal values only, while a wrong `none` costs an
 * attempt.
 */
import type { MemoryEffect } from '../sweep-spec.js'

/** Parts of names of what trades memory for something else: more of it may take less, so that names tell nothing. */
const RELIEF = /(^|_)(freeze|frozen|unfreeze|offload|offloaded|checkpointing|shards?|skip|local_rank)(_|$)/

/** Names of what a training does rather than of how large it is. Matched on whole parts of a name. */
const NONE = [
  /(^|_)(lr\d*|lrf|learning_rate|weight_decay|wd|decay|momentum|temperature)(_|$)/,
  /(^|_)(alpha|beta\d*|betas|gamma|eps|epsilon)(_|$)/,
  /(^|_)(dropout|dropout_rate|drop_path|label_smoothing|seed|random_state|warmup|warm_up|patience|epochs?)(_|$)/,
  /(^|_)(gradient_accumulation|grad_accum|grad_accumulation|accumulation_steps|max_grad_norm)(_|$)/,
  /(^|_)(clip_(grad|gradient|norm|value)|(grad|gradient)_clip(ping)?)(_|$)/,
  /^((max|num|total|train|training|save|eval|logging)_)?steps$/
]

/** Names of what takes more memory the more there is of it. */
const UP = [
  /(^|_)(batch|batch_size|micro_batch|bs|mbs)(_per_(gpu|device|rank))?$/,
  /(^|_)(seq|sequence)_?(len|length)(_|$)|(^|_)(max_length|max_len|cutoff_len|block_size|n_ctx|max_tokens)$/,
  /(^|_)context(_(len|length|size|window))?$/,
  /(^|_)(r|rank|lora_r|lora_rank)$/,
  /(^|_)(hidden|width|depth|layers?|heads?|embd|ffn|channels|experts|vocabulary|vocab)(_(size|dim|dims|units))?$/,
  /(^|_)(d_model|d_ff|dim|embed_dim|image_size|img_size|imgsz|resolution|crop_size|num_params)$/
]

/**
 * Returns how a parameter changes memory: as declared, else by its name, else `same`.
 *
 * @param name  As a program calls it: `per_device_train_batch_size`, `model.hiddenSize`, `lora-r` are all understood.
 */
export function effectOf(name: string, declared?: MemoryEffect): MemoryEffect {
  if (declared !== undefined) return declared
  const plain = plainName(name)
  if (RELIEF.test(plain)) return NONE.some(pattern => pattern.test(plain)) ? 'none' : 'same'
  if (NONE.some(pattern => pattern.test(plain))) return 'none'
  return UP.some(pattern => pattern.test(plain)) ? 'up' : 'same'
}

/** Returns a name in lower case with `_` between its words: `model.hiddenSize` is `model_hidden_size`. */
export function plainName(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
}
