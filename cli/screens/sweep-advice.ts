/**
 * Advice: what to do next about a sweep, and what keeps it from going on.
 *
 * Owns the difference between a sweep that is well and one that only looks so: over without a result, or running on no
 * machine. Knows what a view tells and nothing more.
 */
import type { LocalSweepView, SweepView } from '#protocol'
import { shortId } from '../terminal/format.js'

/** Where the advice is given: what somebody looks at already is not advised again. */
export type AdvicePlace = 'list' | 'view' | 'best' | 'watch' | 'approve'

/** Returns the command that is useful next, and why. */
export function afterSweep(sweep: LocalSweepView, place: AdvicePlace): [command: string, why: string] {
  const id = shortId(sweep.sweep)
  const results: [string, string] =
    place === 'best' || place === 'view'
      ? [`hypersweep trial list ${id}`, 'see its trials']
      : [`hypersweep best ${id}`, 'see what it found']
  switch (sweep.state) {
    case 'arriving':
      return [`hypersweep watch ${id}`, 'see it arrive']
    case 'running':
      if (sweep.approval === 'waiting') return [`hypersweep approve ${id}`, 'see what it would run here']
      if (place !== 'view' && troubleOf(sweep) !== undefined) return [`hypersweep sweep view ${id}`, 'see why']
      if (place === 'approve' || !hasResult(sweep)) return [`hypersweep watch ${id}`, 'see it run']
      return results
    case 'failed':
      if (place === 'view') return [`hypersweep trial list ${id}`, 'see which trials failed']
      return [`hypersweep sweep view ${id}`, 'see why it failed']
    case 'done':
    case 'stopped':
      return hasResult(sweep) ? results : [`hypersweep trial list ${id}`, noResultText(sweep)]
  }
}

/** Returns whether no trial of it will be started any more. */
export function isOver({ state }: SweepView): boolean {
  return state === 'done' || state === 'stopped' || state === 'failed'
}

/** Returns whether it is over and nobody has anything of it. */
export function isFruitless(sweep: SweepView): boolean {
  return isOver(sweep) && !hasResult(sweep)
}

/** Returns whether it should run and no machine that is here runs it. */
export function runsNowhere({ state, runners }: SweepView): boolean {
  return state === 'running' && runners.length === 0
}

/** Returns `no trial has a result: 2 failed, 1 diverged`. */
export function noResultText({ trials, diverged }: SweepView): string {
  const parts = [
    ...(trials.stopped > 0 ? [`${trials.stopped} stopped`] : []),
    ...(trials.failed > 0 ? [`${trials.failed} failed`] : []),
    ...(diverged > 0 ? [`${diverged} diverged`] : [])
  ]
  return `no trial has a result${parts.length > 0 ? `: ${parts.join(', ')}` : ''}`
}

/** Returns why a sweep does not go on, as far as this machine knows, and what to do; nothing while all is well. */
export function troubleOf(sweep: LocalSweepView): string | undefined {
  if (isFruitless(sweep)) return noResultText(sweep)
  if (!runsNowhere(sweep)) return undefined
  if (sweep.approval === 'waiting')
    return `no machine runs it; here it needs \`hypersweep approve ${shortId(sweep.sweep)}\``
  if (sweep.lastFailure?.class === 'environment') {
    return (
      `no machine runs it: its environment failed on ${sweep.lastFailure.machine}. There, activate the environment ` +
      'that has it, `hypersweep down`, `hypersweep up`, and submit the sweep again'
    )
  }
  if (sweep.unmet !== undefined) return `no machine runs it; this one takes no trials of it: ${sweep.unmet}`
  return 'no machine that is here runs it; others may be away, or wait for the approval of their owners'
}

function hasResult({ best }: SweepView): boolean {
  return best?.value !== undefined
}
