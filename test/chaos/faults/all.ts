/**
 * All faults, in the order in which a run plays them.
 */
import type { Fault } from './fault.js'
import { full } from './full.js'
import { kill } from './kill.js'
import { partition } from './partition.js'
import { rollback } from './rollback.js'
import { sleep } from './sleep.js'
import { tail } from './tail.js'
import { twins } from './twins.js'

export const FAULTS: readonly Fault[] = [kill, tail, rollback, twins, sleep, partition, full]
