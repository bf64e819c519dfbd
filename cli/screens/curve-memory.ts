/**
 * The memory of a live screen: the values of running trials, as they were seen.
 *
 * Presence tells the latest value of a trial only, and the log has few reports of it; a screen that stays open has seen
 * the others. Forgets a trial when it no longer runs.
 */
import { LIMITS, type OverviewView, type TrialView } from '#protocol'

type Curve = readonly (readonly [number, number])[]

/** Returns a function that gives each overview's running trials the curves seen so far, where those tell more. */
export function createCurveMemory(): (view: OverviewView) => OverviewView {
  let seen = new Map<string, Curve>()
  return view => {
    if (!view.focus) return view
    const running = view.focus.running.map(trial => {
      const curve = extended(seen.get(keyOf(trial)) ?? [], trial)
      return { trial, curve, shown: curve.length > trial.curve.length ? { ...trial, curve } : trial }
    })
    seen = new Map(running.map(({ trial, curve }) => [keyOf(trial), curve]))
    return { ...view, focus: { ...view.focus, running: running.map(({ shown }) => shown) } }
  }
}

function keyOf({ sweep, trial }: TrialView): string {
  return `${sweep}/${trial}`
}

function extended(curve: Curve, { step, value }: TrialView): Curve {
  if (step === undefined || value === undefined) return curve
  const last = curve.at(-1)?.[0] ?? Number.NEGATIVE_INFINITY
  if (step === last) return curve
  // A step that goes back is another attempt: its curve begins anew.
  const kept = step < last ? [] : curve.length < LIMITS.curvePointsRunning ? curve : curve.filter((_, i) => i % 2 === 0)
  return [...kept, [step, value]]
}
