/**
 * The public face of the protocol: every name that the other folders may use, and nothing else.
 *
 * The protocol is pure: no Node built-in, no clock, no chance, no I/O. It runs in Node, a browser and the simulator.
 */
export * from './bundle.js'
export * from './claims.js'
export * from './configuration.js'
export * from './control.js'
export * from './early-stopping.js'
export * from './ending.js'
export * from './errors.js'
export type { FitGroup } from './forecast/fitting.js'
export * from './hash.js'
export * from './invariant.js'
export * from './limits.js'
export * from './nearest.js'
export * from './pace.js'
export * from './pareto.js'
export * from './placement/demand.js'
export * from './placement/effects.js'
export * from './placement/fit.js'
export * from './placement/formula.js'
export * from './placement/learned.js'
export * from './placement/place.js'
export * from './pool/digest.js'
export * from './pool/fold.js'
export {
  cutOf,
  isRemoved,
  mayRemove,
  membershipOf,
  reachOf,
  removalDrafts,
  roleOf
} from './pool/membership.js'
export * from './pool/pool.js'
export { positionText, toldPosition, UNIT_NAMES } from './position.js'
export * from './presence.js'
export * from './proposal.js'
export * from './records/bulk.js'
export * from './records/codec.js'
export * from './records/record.js'
export * from './search/condition.js'
export * from './search/constraint.js'
export * from './search/expression.js'
export type { Importance } from './search/importance.js'
export * from './search/search.js'
export * from './searches.js'
export * from './stopping/correlation.js'
export type { Progress, StoppingRule, Verdict } from './stopping/rule.js'
export * from './sweep-spec.js'
export * from './sweeps.js'
export * from './units.js'
export * from './vendors.js'
export * from './view/explain-view.js'
export * from './view/forecast-view.js'
export * from './view/insight-view.js'
export * from './view/live.js'
export * from './view/machine-view.js'
export * from './view/placement-view.js'
export * from './view/ranking.js'
export * from './view/sweep-view.js'
export * from './view/trial-view.js'
