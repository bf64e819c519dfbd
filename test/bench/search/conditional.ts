/**
 * A conditional mix: three optimisers, each with parameters that only it has, and two schedules with a warm-up.
 *
 * Synthetic. It is there for what a search must do with parameters that come and go: each optimiser has its own best
 * learning rate, two orders of magnitude apart, and the one that is easiest to get right is not the best.
 */
import type { Parameters } from '../../../protocol/sweep-spec.js'
import { numberOf, type Problem } from './problem.js'

/** Decades above its best learning rate at which an optimiser diverges. */
const CLIFF = 1.1

export const CONDITIONAL: Problem = {
  name: 'conditional',
  space: [
    { name: 'optimizer', type: 'cat', choices: ['sgd', 'adamw', 'lion'] },
    { name: 'learning_rate', type: 'float', low: 1e-5, high: 1, log: true },
    { name: 'momentum', type: 'float', low: 0, high: 0.99, log: false, when: { optimizer: ['sgd'] } },
    { name: 'one_minus_beta2', type: 'float', low: 1e-4, high: 1e-1, log: true, when: { optimizer: ['adamw'] } },
    { name: 'weight_decay', type: 'float', low: 1e-5, high: 1, log: true, when: { optimizer: ['adamw', 'lion'] } },
    { name: 'schedule', type: 'cat', choices: ['constant', 'cosine', 'one-cycle'] },
    { name: 'warmup', type: 'float', low: 0, high: 0.3, log: false, when: { schedule: ['cosine', 'one-cycle'] } },
    { name: 'layers', type: 'int', low: 1, high: 8, log: false },
    { name: 'width', type: 'int', low: 32, high: 1024, log: true }
  ],
  noise: 0.005,
  optimum: 0.5,
  optimumAt: {
    optimizer: 'adamw',
    learning_rate: 1e-3,
    one_minus_beta2: 5e-3,
    weight_decay: 2e-2,
    schedule: 'cosine',
    warmup: 0.05,
    layers: 4,
    width: 256
  },
  lossOf(parameters) {
    const [layers, width] = [numberOf(parameters, 'layers'), numberOf(parameters, 'width')]
    // Deeper networks bear smaller steps.
    const optimizer = ofOptimizer(parameters, 0.08 * (layers - 4))
    if (optimizer === undefined) return undefined
    const size = 0.004 * (layers - 4) ** 2 + 0.008 * Math.log2(width / 256) ** 2
    return 0.5 + optimizer + ofSchedule(parameters) + size
  }
}

/** What is lost to an optimiser and its own parameters; undefined: it diverges. */
function ofOptimizer(parameters: Parameters, deeper: number): number | undefined {
  const rate = numberOf(parameters, 'learning_rate')
  const decay = numberOf(parameters, 'weight_decay')
  const lost = (floor: number, curvature: number, decades: number, own: number) =>
    decades > CLIFF ? undefined : floor + curvature * decades ** 2 + own
  switch (parameters['optimizer']) {
    case 'sgd': {
      // Momentum adds steps up: what counts is their sum.
      const summed = rate / (1 - numberOf(parameters, 'momentum'))
      return lost(0.05, 0.06, decadesFrom(0.3, summed) + deeper, 0)
    }
    case 'adamw': {
      const beta2 = decadesFrom(5e-3, numberOf(parameters, 'one_minus_beta2'))
      return lost(0, 0.09, decadesFrom(1e-3, rate) + deeper, 0.01 * beta2 ** 2 + 0.008 * decadesFrom(2e-2, decay) ** 2)
    }
    default:
      return lost(0.02, 0.12, decadesFrom(1e-4, rate) + deeper, 0.012 * decadesFrom(0.3, decay) ** 2)
  }
}

function ofSchedule(parameters: Parameters): number {
  const warmup = numberOf(parameters, 'warmup')
  switch (parameters['schedule']) {
    case 'cosine':
      return 0.6 * (warmup - 0.05) ** 2
    case 'one-cycle':
      return 0.005 + 0.4 * (warmup - 0.2) ** 2
    default:
      return 0.03
  }
}

function decadesFrom(best: number, value: number): number {
  return Math.log10(value / best)
}
