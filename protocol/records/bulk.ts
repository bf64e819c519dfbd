/**
 * Bulk blocks: what an attempt leaves behind that only those fetch who look at it.
 *
 * The full loss curve and the end of the output, one block for each attempt, in a log beside the one that everybody
 * has. Total: no bytes make the reading throw, and nothing that is read here reaches the fold.
 */
import { z } from 'zod'
import { canonicalJson } from '../hash.js'
import { invariant } from '../invariant.js'
import { LIMITS } from '../limits.js'
import { isTooDeep } from './codec.js'
import { idHex } from './record.js'

const count = z.number().int().min(0)
const finite = z.number().finite()

const bulkSchema = z.object({
  sweep: idHex,
  trial: count.max(LIMITS.trialsPerSweep - 1),
  attempt: z.number().int().min(1).max(LIMITS.attemptsPerTrial),
  /** [step, objective], every one that the runner kept. */
  curve: z.array(z.tuple([finite, finite])).max(LIMITS.curvePointsRunning),
  /** The end of the output. */
  tail: z.string().max(LIMITS.bulkTailChars)
})
export type Bulk = z.infer<typeof bulkSchema>
export type BulkSubject = Pick<Bulk, 'sweep' | 'trial' | 'attempt'>

const decoder = new TextDecoder('utf-8', { fatal: true })
const encoder = new TextEncoder()

/**
 * Returns the bytes of an attempt's bulk block, at most `LIMITS.bulkBlockBytes`.
 *
 * What is over a limit is left out: the start of the output, and every other point of the curve.
 */
export function encodeBulk(bulk: Bulk): Uint8Array {
  let { curve } = bulk
  while (curve.length > LIMITS.curvePointsRunning) curve = curve.filter((_, index) => index % 2 === 0)
  const bytes = encoder.encode(canonicalJson({ ...bulk, curve, tail: bulk.tail.slice(-LIMITS.bulkTailChars) }))
  invariant(bytes.length <= LIMITS.bulkBlockBytes, 'curve and output are limited so that a block holds both')
  return bytes
}

/**
 * Reads a bulk block. Never throws.
 *
 * @param about  The attempt that it must be about: a result may point at somebody else's block.
 * @returns      Nothing when the bytes are no such block; whoever asked for it then has none.
 */
export function decodeBulk(bytes: Uint8Array, about: BulkSubject): Bulk | undefined {
  if (bytes.length > LIMITS.bulkBlockBytes) return undefined
  let item: unknown
  try {
    item = JSON.parse(decoder.decode(bytes))
  } catch {
    return undefined
  }
  if (isTooDeep(item)) return undefined
  const parsed = bulkSchema.safeParse(item)
  if (!parsed.success) return undefined
  const { sweep, trial, attempt } = parsed.data
  return sweep === about.sweep && trial === about.trial && attempt === about.attempt ? parsed.data : undefined
}
