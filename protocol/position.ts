/**
 * Position: how far a training is, in the unit that its sweep's rule of early stopping counts in.
 *
 * Owns under which names programs tell epochs and tokens, and how people read a position. Steps of two trials are the
 * same work only while their batches are of one size; epochs and tokens are, whatever the batch.
 */
import type { StoppingUnit } from './stopping/rule.js'

/** The most usual first; Hugging Face's callback for W&B puts `train/` before them. */
const NAMES: Readonly<Record<'epochs' | 'tokens', readonly string[]>> = {
  epochs: ['epoch'],
  tokens: ['num_tokens', 'num_input_tokens_seen', 'tokens', 'tokens_seen', 'trained_tokens', 'total_tokens']
}
const PREFIX = 'train/'

/** One of what a rule counts. */
export const UNIT_NAMES: Readonly<Record<StoppingUnit, string>> = {
  steps: 'step',
  epochs: 'epoch',
  tokens: 'token',
  reports: 'report'
}

/** Returns a position for people, such as `step 9` or `epoch 0.5`. `position`: its number, as it shall be read. */
export function positionText(position: number | string, unit: StoppingUnit = 'steps'): string {
  return unit === 'tokens' ? `${position} tokens` : `${UNIT_NAMES[unit]} ${position}`
}

/** Returns the position that a line of metrics tells; nothing where it tells none, and of steps and reports. */
export function toldPosition(unit: StoppingUnit, metrics: Readonly<Record<string, number>>): number | undefined {
  if (unit !== 'epochs' && unit !== 'tokens') return undefined
  const names = NAMES[unit].flatMap(name => [name, `${PREFIX}${name}`])
  return names.map(name => (Object.hasOwn(metrics, name) ? metrics[name] : undefined)).find(isPosition)
}

function isPosition(value: number | undefined): value is number {
  return value !== undefined && Number.isFinite(value) && value >= 0
}
