/**
 * Presets: parameters that many sweeps share, so that a first file can be short.
 *
 * Owns the numbers and why they are these. A parameter that the file has itself takes the place of the preset's.
 */
import type { SweepSpec } from '#protocol'
import type { PRESETS } from './sweep-shape.js'

type Preset = (typeof PRESETS)[number]

/**
 * By preset: its parameters, named as Hugging Face's trainers and PEFT name them.
 *
 * `lora`: the learning rate decides most, ten times that of full fine-tuning whatever the rank; the rank decides little
 * once the rate is tuned; an effective batch of 8 to 32, since LoRA bears large ones less well.
 * Sources: "LoRA Without Regret" (Thinking Machines, 2025); "Learning Rate Matters" (ICML workshop, 2026).
 */
export const PRESET_PARAMETERS: Readonly<Record<Preset, SweepSpec['parameters']>> = {
  lora: {
    learning_rate: { distribution: 'log_uniform_values', min: 2e-5, max: 2e-3 },
    lora_r: { distribution: 'categorical', values: [8, 16, 32, 64] },
    lora_alpha: { distribution: 'constant', value: 32 },
    lora_dropout: { distribution: 'categorical', values: [0, 0.05] },
    per_device_train_batch_size: { distribution: 'constant', value: 2 },
    gradient_accumulation_steps: { distribution: 'categorical', values: [4, 8, 16] },
    warmup_ratio: { distribution: 'uniform', min: 0, max: 0.1 },
    weight_decay: { distribution: 'categorical', values: [0, 0.01] }
  }
}
