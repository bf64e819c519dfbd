/**
 * A mixed space: ranges on both scales, steps, choices, and conditions in a chain, with draws of a seed.
 */
import { type Dimension, type Draw, isPresent, type Space } from '../../protocol/search/dimension.js'
import { streamFrom } from '../../protocol/search/stream.js'
import type { Parameters } from '../../protocol/sweep-spec.js'

export const MIXED: Space = [
  { kind: 'categorical', name: 'batch', choices: [4, 8, 16, 32] },
  { kind: 'numeric', name: 'decay', low: 0, high: 0.1, isLog: false },
  { kind: 'numeric', name: 'lr', low: 1e-6, high: 1e-2, isLog: true },
  { kind: 'categorical', name: 'optimizer', choices: ['adamw', 'sgd', null] },
  { kind: 'numeric', name: 'rank', low: 4, high: 128, isLog: true, step: 1 },
  {
    kind: 'numeric',
    name: 'momentum',
    low: 0.5,
    high: 0.9,
    isLog: false,
    step: 0.1,
    when: { parameter: 'optimizer', values: ['sgd'] }
  },
  { kind: 'categorical', name: 'nesterov', choices: [true, false], when: { parameter: 'momentum', values: [0.8, 0.9] } }
]

/** Returns the draws of a seed. */
export function drawsOf(seed: number): Draw {
  return streamFrom(() => (Math.imul(seed + 1, 0x9e3779b1) >>> 0) / 2 ** 32)
}

/** Says whether a configuration has exactly the values that it should. */
export function isIn(space: Space, parameters: Parameters): boolean {
  const names = space.filter(dimension => isPresent(dimension, parameters)).map(({ name }) => name)
  return (
    JSON.stringify(names.sort()) === JSON.stringify(Object.keys(parameters).sort()) &&
    space.every(dimension => !Object.hasOwn(parameters, dimension.name) || takes(dimension, parameters[dimension.name]))
  )
}

function takes(dimension: Dimension, value: unknown): boolean {
  if (dimension.kind === 'categorical') return dimension.choices.some(choice => choice === value)
  if (typeof value !== 'number' || !(value >= dimension.low && value <= dimension.high)) return false
  const steps = (value - dimension.low) / (dimension.step ?? 1)
  return dimension.step === undefined || Math.abs(steps - Math.round(steps)) < 1e-9
}
