/**
 * Worker: a process that plays one schedule after the other, as it is told.
 *
 * It gives way to everything else on the machine: simulations take both cores for minutes.
 */
import { setPriority } from 'node:os'
import type { Answer, Task } from './replay.js'
import { simulate } from './simulate.js'

const NICE = 10

const say = (answer: Answer) => process.send?.(answer)
setPriority(NICE)
process.on('message', ({ seed, options }: Task) => say({ verdict: simulate(seed, options) }))
process.on('disconnect', () => process.exit())
say({ ready: true })
