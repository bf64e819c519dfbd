/**
 * Changes: what a program did otherwise than its parameters say.
 *
 * Owns the lines in which frameworks tell of it. A batch size that was halved without a word makes another trial of it:
 * its loss must not be compared as if nothing had happened.
 * Invariant: at most `LIMITS.changesPerResult` texts, none of them twice.
 */
import { LIMITS, type Parameters } from '#protocol'
import { startOf } from './lines.js'

/** Hugging Face Trainer with `auto_find_batch_size`; the first time it is what was asked for. */
const TRAINER = /Currently training with a batch size of: (\d+)/
/** Accelerate's `find_executable_batch_size`. */
const ACCELERATE = /Decreasing batch size to:? (\d+)/
/** Unsloth's banner. */
const UNSLOTH = /Batch size per device = (\d+) \| Gradient accumulation steps = (\d+)/
const BATCH_NAMES = ['per_device_train_batch_size', 'micro_batch_size', 'train_batch_size', 'batch_size']
const ACCUMULATION_NAMES = ['gradient_accumulation_steps', 'grad_accum', 'accumulate_grad_batches']

export interface Changes {
  /** Looks at a line of output. */
  read(line: string): void
  found(): readonly string[]
}

/** Returns what listens to a program's output for changes of its batch. */
export function createChanges(parameters: Parameters): Changes {
  const found = new Set<string>()
  let batch = numberAmong(parameters, BATCH_NAMES)
  const accumulation = numberAmong(parameters, ACCUMULATION_NAMES)

  function note(what: string, asked: number | undefined, used: number): void {
    if (asked === undefined || asked === used || found.size >= LIMITS.changesPerResult) return
    found.add(startOf(`the ${what} was ${used}, not ${asked}`, LIMITS.changeChars))
  }

  return {
    read(line) {
      const used = TRAINER.exec(line)?.[1] ?? ACCELERATE.exec(line)?.[1]
      if (used !== undefined) {
        note('batch size', batch, Number(used))
        batch ??= Number(used)
      }
      const banner = UNSLOTH.exec(line)
      if (!banner) return
      note('batch size', batch, Number(banner[1]))
      note('gradient accumulation', accumulation, Number(banner[2]))
    },
    found: () => [...found]
  }
}

function numberAmong(parameters: Parameters, names: readonly string[]): number | undefined {
  const value = names.map(name => parameters[name]).find(each => typeof each === 'number')
  return typeof value === 'number' ? value : undefined
}
