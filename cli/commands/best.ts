/**
 * `best`: the best trials of a sweep, and how to repeat the first.
 */
import { PoolError } from '#protocol'
import { type Cli, type CommonFlags, present } from '../cli.js'
import { type Ask, withAgent } from '../client.js'
import { drawBest } from '../screens/best-screen.js'
import { afterSweep } from '../screens/sweep-advice.js'
import { shortId } from '../terminal/format.js'
import { plainView } from '../terminal/plain.js'

export async function best(this: Cli, flags: CommonFlags & { readonly count: number }, sweep?: string): Promise<void> {
  const view = await withAgent(this, flags, async ask => {
    const asked = sweep ?? (await newestSweep(ask))
    return await ask({ method: 'best', sweep: asked, limit: flags.count })
  })
  present(this, flags, view, drawBest)
  if (flags.json) return
  const [first] = view.trials
  if (first) this.next(`hypersweep trial view ${shortId(first.sweep)} ${first.trial}`, 'see it in full')
  else this.next(...afterSweep(plainView(view.sweep), 'best'))
}

/** Errors: `NOT_FOUND` when the pool has no sweep. */
async function newestSweep(ask: Ask): Promise<string> {
  const [newest] = await ask({ method: 'sweeps' })
  if (newest) return newest.sweep
  throw new PoolError('NOT_FOUND', 'The pool has no sweep yet.', {
    hint: 'Start one with `hypersweep submit sweep.yaml`.'
  })
}
