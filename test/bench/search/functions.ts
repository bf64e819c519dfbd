/**
 * Functions: the test problems of the literature that need no data and have no noise.
 *
 * Source: Surjanovic and Bingham, "Virtual Library of Simulation Experiments": Branin, Hartmann 6-D, Rosenbrock.
 */
import type { Parameters } from '../../../protocol/sweep-spec.js'
import { numberOf, type Problem } from './problem.js'

const DIMENSIONS = 4
const ALPHA = [1, 1.2, 3, 3.2] as const
const A = [
  [10, 3, 17, 3.5, 1.7, 8],
  [0.05, 10, 17, 0.1, 8, 14],
  [3, 3.5, 1.7, 10, 17, 8],
  [17, 8, 0.05, 10, 0.1, 14]
] as const
const P = [
  [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
  [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
  [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665],
  [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381]
] as const

export const BRANIN: Problem = {
  name: 'branin',
  space: [
    { name: 'x', type: 'float', low: -5, high: 10, log: false },
    { name: 'y', type: 'float', low: 0, high: 15, log: false }
  ],
  noise: 0,
  optimum: 0.39788735772973816,
  optimumAt: { x: Math.PI, y: 2.275 },
  lossOf(parameters) {
    const [x, y] = [numberOf(parameters, 'x'), numberOf(parameters, 'y')]
    const valley = y - (5.1 / (4 * Math.PI ** 2)) * x * x + (5 / Math.PI) * x - 6
    return valley * valley + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) + 10
  }
}

export const HARTMANN6: Problem = {
  name: 'hartmann6',
  space: namesTo(6).map(name => ({ name, type: 'float', low: 0, high: 1, log: false })),
  noise: 0,
  optimum: -3.3223680114155147,
  optimumAt: at([0.2016895, 0.1500107, 0.4768739, 0.2753324, 0.3116516, 0.6573005]),
  lossOf(parameters) {
    const x = valuesOf(parameters, 6)
    const terms = ALPHA.map((alpha, row) => {
      const distance = x.reduce((sum, each, n) => sum + (A[row]?.[n] ?? 0) * (each - (P[row]?.[n] ?? 0)) ** 2, 0)
      return alpha * Math.exp(-distance)
    })
    return -terms.reduce((sum, term) => sum + term, 0)
  }
}

export const ROSENBROCK4: Problem = {
  name: 'rosenbrock4',
  space: namesTo(DIMENSIONS).map(name => ({ name, type: 'float', low: -5, high: 10, log: false })),
  noise: 0,
  optimum: 0,
  optimumAt: at([1, 1, 1, 1]),
  lossOf(parameters) {
    const x = valuesOf(parameters, DIMENSIONS)
    const pairs = x.slice(1).map((next, n) => [x[n] ?? 0, next] as const)
    return pairs.reduce((sum, [each, next]) => sum + 100 * (next - each * each) ** 2 + (1 - each) ** 2, 0)
  }
}

function namesTo(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `x${n}`)
}

function at(values: readonly number[]): Parameters {
  return Object.fromEntries(values.map((value, n) => [`x${n}`, value]))
}

function valuesOf(parameters: Parameters, count: number): number[] {
  return namesTo(count).map(name => numberOf(parameters, name))
}
