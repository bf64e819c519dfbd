/**
 * `sweep insight`: what a sweep has taught, and the file of a next one.
 */
import { writeFile } from 'node:fs/promises'
import { type InsightView, PoolError } from '#protocol'
import { type Cli, type CommonFlags, present } from '../cli.js'
import { withAgent } from '../client.js'
import { drawInsight } from '../screens/insight-screen.js'
import { writeSweepText } from '../sweep-write.js'
import { shortId, shortNumber } from '../terminal/format.js'
import { plainLines, plainView } from '../terminal/plain.js'

export interface InsightFlags extends CommonFlags {
  readonly write?: string
}

export async function sweepInsight(this: Cli, flags: InsightFlags, sweep: string): Promise<void> {
  const view = await withAgent(this, flags, ask => ask({ method: 'insight', sweep }))
  const text = nextText(view)
  if (flags.write !== undefined) await writeNew(flags.write, text)
  present(this, flags, view, drawInsight)
  if (flags.json) return
  if (text === undefined) return this.next(`hypersweep trial list ${shortId(view.sweep)}`, 'see its trials')
  if (flags.write !== undefined) return this.next(`hypersweep check ${flags.write}`, 'see what it would run')
  this.out(`\n${this.sheet.style.dim('A NEXT SWEEP, to put beside the program')}\n${plainLines(text).trimEnd()}`)
  this.next(`hypersweep sweep insight ${shortId(view.sweep)} --write next.yaml`, 'keep it as a file')
}

/** Returns the next sweep's file; nothing while no trial has a result. */
function nextText({ next, ...view }: InsightView): string | undefined {
  if (!next) return undefined
  const { name, sweep, metric, best, ranges } = plainView(view)
  const narrowed = ranges.filter(each => each.next).map(each => each.name)
  return writeSweepText(next, [
    `After ${name} (${shortId(sweep)}), whose best ${metric.name} was ${shortNumber(best[0]?.value ?? 0)}.`,
    narrowed.length === 0 ? 'Its ranges are the same.' : `Narrower: ${narrowed.join(', ')}.`,
    'It begins with the best configurations.'
  ])
}

/** Errors: `REQUEST_INVALID` when there is nothing to write, or something is there that would be lost. */
async function writeNew(path: string, text: string | undefined): Promise<void> {
  if (text === undefined) {
    throw new PoolError('REQUEST_INVALID', 'No trial has a result yet, so there is no next sweep to write.')
  }
  try {
    await writeFile(path, text, { flag: 'wx' })
  } catch (cause) {
    const isThere = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST'
    const why = isThere ? 'it is there already' : String(cause instanceof Error ? cause.message : cause)
    throw new PoolError('REQUEST_INVALID', `${path} was not written: ${why}.`, { hint: 'Name another file.', cause })
  }
}
