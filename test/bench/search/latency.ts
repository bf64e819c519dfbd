/**
 * Latency: how long a method takes to propose a trial beside many observations.
 *
 * Owns the made-up history: random trials of the LoRA problem with its noise, and a few that run. The first question is
 * told apart, since a method may keep what it computed for it. Some more are asked before any counts: a machine with
 * so many results has asked before, and while the engine still compiles what it runs, that is charged, too.
 */

import type { Observation } from '../../../protocol/search/dimension.js'
import { spaceOf } from '../ask-tell/messages.js'
import { METHODS, named } from '../ask-tell/methods.js'
import { drawOf } from '../ask-tell/session.js'
import { costOf, quantile, rounded } from '../rig.js'
import { LORA } from './fine-tune.js'
import { measured } from './problem.js'

const RUNNING = 8
const WARM_UP = 100
const ASKS = 20
const SEED = 1

export interface Latency {
  readonly method: string
  readonly observations: number
  readonly firstMs: number
  /** Of the questions beside so many results and a few more. */
  readonly medianMs: number
  readonly worstMs: number
}

/** Returns how long a method takes to propose, in milliseconds of processor time. Errors: there is no such method. */
export async function latencyOf(method: string, observations: number): Promise<Latency> {
  const space = spaceOf(LORA.space)
  const draw = drawOf(SEED, 'latency')
  const options = { seed: SEED, trials: observations + RUNNING + ASKS, parallel: RUNNING }
  const [random, propose] = [named(METHODS, 'random')(options), named(METHODS, method)(options)]
  const trial = (): Observation => {
    const parameters = random(space, [], draw)
    const loss = measured(LORA, parameters, draw)
    return loss === null ? { parameters, state: 'diverged' } : { parameters, state: 'complete', loss }
  }
  const running = (): Observation => ({ parameters: random(space, [], draw), state: 'running' })
  const warmUp = Math.min(WARM_UP, observations)
  const history = Array.from({ length: observations - warmUp }, trial)
  history.push(...Array.from({ length: RUNNING }, running))
  const times: number[] = []
  for (let n = 0; n < warmUp + ASKS; n++) {
    const { cpuMs } = await costOf(async () => void propose(space, history, draw))
    times.push(cpuMs)
    history[history.length - RUNNING] = trial()
    history.push(running())
  }
  const [firstMs = 0] = times
  const counted = times.slice(-ASKS).map(each => rounded(each))
  return {
    method,
    observations,
    firstMs: rounded(firstMs),
    medianMs: quantile(counted, 0.5),
    worstMs: quantile(counted, 1)
  }
}
