/**
 * Steps: what a plan is made of. Each is an imperative that the agent carries out.
 */
import type { Bundle, Draft, Parameters, Submission, Verdict } from '#protocol'
import type { Charge } from './local.js'
import type { StopReason } from './ports.js'

/** One thing to do. */
export type Step =
  /** Make a claim: occupy the device and write the record. */
  | { readonly do: 'claim'; readonly charge: Charge; readonly draft: Draft }
  /** Occupy a device with an attempt that is this machine's already. */
  | { readonly do: 'resume'; readonly charge: Charge }
  | {
      readonly do: 'start'
      readonly charge: Charge
      readonly submission: Submission
      readonly parameters: Parameters
      /** The checkpoint of whoever gave the trial back is at hand (C7). */
      readonly hasCheckpoint: boolean
    }
  | {
      readonly do: 'stop'
      readonly charge: Charge
      readonly reason: StopReason
      readonly graceMs?: number
      /** What the sweep's rule said, where that is the reason. */
      readonly verdict?: Verdict
    }
  /** The sweep's rule lets an attempt go on. */
  | { readonly do: 'pass'; readonly charge: Charge }
  /** Give a device back: its claim did not hold, so nothing was trained. */
  | { readonly do: 'free'; readonly charge: Charge }
  | { readonly do: 'append'; readonly draft: Draft }
  /** `attempt`: the id of the one that the bundle, a checkpoint, is for. */
  | { readonly do: 'fetch'; readonly bundle: Bundle; readonly attempt?: string }
  /** Ask which of some Python packages this machine has. */
  | { readonly do: 'look'; readonly packages: readonly string[] }
