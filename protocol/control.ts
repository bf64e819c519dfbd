/**
 * Control: what the command line asks its own agent, and what it gets.
 *
 * One request and one answer, each a line of JSON, over a socket that only the owner of the machine can open. The
 * answers are views: the same objects that `--json` prints.
 */
import { z } from 'zod'
import type { ErrorCode } from './errors.js'
import { idOf } from './hash.js'
import { LIMITS } from './limits.js'
import { recordedSpecSchema } from './sweep-spec.js'
import type { ExplainView } from './view/explain-view.js'
import type { ForecastView } from './view/forecast-view.js'
import type { InsightView } from './view/insight-view.js'
import type { MachineView } from './view/machine-view.js'
import type { BestView } from './view/ranking.js'
import type { SweepView } from './view/sweep-view.js'
import type { TrialView } from './view/trial-view.js'

const name = z.string().min(1).max(LIMITS.nameChars)
/** A sweep's id, the start of one, or its name. */
const sweep = z.string().min(1).max(LIMITS.nameChars)
const trial = z.number().int().min(0)

export const PAUSE_HOW = ['finish', 'stop', 'now'] as const
export type PauseHow = (typeof PAUSE_HOW)[number]

/** The folder of a sweep file, and the names of the sweep files in it. */
const code = {
  folder: z.string().max(LIMITS.pathBytes * 4),
  sweepFiles: z.array(z.string().max(LIMITS.pathBytes)).max(LIMITS.bundleFiles).readonly().optional()
}

export const requestSchema = z.discriminatedUnion('method', [
  z.object({ method: z.literal('status') }),
  z.object({ method: z.literal('found'), pool: name }),
  z.object({ method: z.literal('join'), invite: z.string().max(4096) }),
  z.object({ method: z.literal('invite') }),
  z.object({ method: z.literal('invites') }),
  z.object({ method: z.literal('machines') }),
  z.object({ method: z.literal('sweeps') }),
  z.object({ method: z.literal('sweep'), sweep }),
  z.object({ method: z.literal('submit'), spec: recordedSpecSchema, ...code }),
  /** What a sweep would need, that is not submitted; the two numbers are what only whoever asks knows. */
  z.object({
    method: z.literal('simulate'),
    spec: recordedSpecSchema,
    ...code,
    trialSeconds: z.number().finite().gt(0).optional(),
    watts: z.number().finite().gt(0).optional()
  }),
  z.object({ method: z.literal('approve'), sweep }),
  z.object({ method: z.literal('files'), sweep }),
  z.object({ method: z.literal('stop'), sweep }),
  z.object({ method: z.literal('trials'), sweep, limit: z.number().int().min(1).max(LIMITS.trialsPerSweep) }),
  /** `isFull`: with every point of the curve, fetched from the machine that ran it if need be. */
  z.object({ method: z.literal('trial'), sweep, trial, isFull: z.boolean().optional() }),
  z.object({ method: z.literal('explain'), sweep, trial }),
  z.object({ method: z.literal('insight'), sweep }),
  z.object({ method: z.literal('best'), sweep, limit: z.number().int().min(1).max(1000) }),
  z.object({ method: z.literal('logs'), sweep, trial }),
  z.object({ method: z.literal('overview'), sweep: sweep.optional() }),
  /**
   * Takes no work on this machine, or on one of its devices, until resumed. `finish`: what runs may end by itself.
   * `stop`: it gets its time for a checkpoint. `now`: it is killed.
   */
  z.object({
    method: z.literal('pause'),
    device: name.optional(),
    forMs: z.number().int().min(1).max(LIMITS.pauseMaxMs).optional(),
    how: z.enum(PAUSE_HOW)
  }),
  z.object({ method: z.literal('resume'), device: name.optional() }),
  z.object({ method: z.literal('doctor') }),
  z.object({ method: z.literal('down') })
])
export type ControlRequest = z.infer<typeof requestSchema>
export type ControlMethod = ControlRequest['method']

/** A sweep with what this machine's owner may decide about it. */
export interface LocalSweepView extends SweepView {
  /** `own`: submitted here. `approved`, `waiting`: the owner's decision. */
  readonly approval: 'approved' | 'waiting'
  /** Where the bundle is: nothing while it is not approved. */
  readonly bundleState?: string
  /** Why this machine takes no trial of it although it is approved, as a clause: `it lacks the package peft`. */
  readonly unmet?: string
}

export interface StatusView {
  readonly version: string
  readonly pid: number
  readonly home: string
  readonly machine: string
  readonly machineName: string
  readonly memberName: string
  /** Absent while this home is in no pool. */
  readonly pool?: {
    readonly id: string
    readonly name: string
    readonly members: readonly { readonly member: string; readonly name: string; readonly role: string }[]
  }
  /** True when a DHT node or a peer answers. */
  readonly isOnline: boolean
  readonly bootstrap: readonly string[]
  /** Machines with a live connection. */
  readonly connected: number
  readonly machines: number
  readonly paused?: string
  /** The digest of the folded pool: equal at two machines exactly when they agree. */
  readonly poolHash: string
  readonly records: number
  readonly sweeps: { readonly running: number; readonly waitingForApproval: number; readonly done: number }
  readonly attempts: number
}

/** What this machine's owner paused. */
export interface PausesView {
  readonly machineName: string
  /** Without `device`: the whole machine. Without `untilMs`, wall clock: until it is resumed. */
  readonly pauses: readonly { readonly device?: string; readonly untilMs?: number }[]
  /** Attempts that were told to end just now. */
  readonly ending: number
}

export interface InviteView {
  readonly id: string
  readonly text?: string
  readonly expiresAt: number
  readonly usedByName?: string
}

export interface OverviewView {
  readonly status: StatusView
  readonly machines: readonly MachineView[]
  readonly sweeps: readonly LocalSweepView[]
  /** The sweep asked for, else the newest one that runs, with its trials: running ones and the best. */
  readonly focus?: {
    readonly sweep: LocalSweepView
    readonly running: readonly TrialView[]
    readonly best: readonly TrialView[]
  }
}

export interface DoctorCheck {
  readonly name: string
  readonly verdict: 'ok' | 'warning' | 'problem'
  readonly detail: string
  readonly hint?: string
  /** The whole digest of the pool, of the check that is about it. */
  readonly digest?: string
}

/** One thing that `verify` looked at. `found`: to know about, and no damage. `wrong`: something does not hold. */
export interface VerifyCheck {
  readonly name: string
  readonly verdict: 'ok' | 'found' | 'wrong'
  readonly detail: string
  readonly hint?: string
}

/** What `verify` found in a home. */
export interface VerifyView {
  readonly home: string
  /** Absent where nothing could be folded. */
  readonly digest?: string
  readonly logs: number
  readonly records: number
  readonly checks: readonly VerifyCheck[]
  /** What the parts of the home take on the disk, in bytes. */
  readonly bytes: Readonly<Record<string, number>>
}

/** A line of the agent's program while it verifies: how far it is, and at last what it found. */
export type VerifyLine =
  | { readonly progress: string }
  | { readonly found: VerifyView }
  | { readonly error: { readonly code: ErrorCode; readonly message: string; readonly hint?: string } }

/** What each request gets. */
export interface ControlAnswers {
  readonly status: StatusView
  readonly found: StatusView
  readonly join: StatusView
  readonly invite: InviteView
  readonly invites: readonly InviteView[]
  readonly machines: readonly MachineView[]
  readonly sweeps: readonly LocalSweepView[]
  readonly sweep: LocalSweepView
  readonly submit: LocalSweepView
  readonly simulate: ForecastView
  readonly approve: LocalSweepView
  /** The files of a sweep's bundle, by path: what its owner may look at before the approval. */
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly executable: boolean }[]
  readonly stop: LocalSweepView
  readonly trials: readonly TrialView[]
  readonly trial: TrialView
  readonly explain: ExplainView
  readonly insight: InsightView
  readonly best: BestView & { readonly sweep: LocalSweepView }
  /** `missing`: why it is less than its machine kept. */
  readonly logs: {
    readonly machineName: string
    readonly isWhole: boolean
    readonly text: string
    readonly missing?: string
  }
  readonly overview: OverviewView
  readonly pause: PausesView
  readonly resume: PausesView
  readonly doctor: readonly DoctorCheck[]
  readonly down: { readonly attempts: number }
}

/** One line from the agent. */
export type ControlReply =
  | { readonly id: number; readonly answer: unknown }
  | {
      readonly id: number
      readonly error: { readonly code: ErrorCode; readonly message: string; readonly hint?: string }
    }

/** Bytes that every system takes as the path of a Unix socket: macOS has room for 104, the last one for a NUL. */
const SOCKET_PATH_BYTES = 103

/**
 * Returns the address at which the agent of a home listens: the same for the agent and for whoever asks it.
 *
 * A Unix socket inside the home where its path is short enough, else in a folder of the system's temporary one that the
 * home's path alone names; a named pipe on Windows.
 */
export function controlPath(place: {
  readonly home: string
  readonly platform: string
  readonly temporary: string
}): string {
  const name = idOf('control', place.home).slice(0, 16)
  if (place.platform === 'win32') return `\\\\.\\pipe\\hypersweep-${name}`
  const inside = `${place.home}/agent.sock`
  if (new TextEncoder().encode(inside).length <= SOCKET_PATH_BYTES) return inside
  return `${place.temporary}/hypersweep-${name}/agent.sock`
}

/**
 * The first line of an agent's output, for the command that started it.
 *
 * Everything else that it has to say goes to its log file. `address`: of the DHT node, where it runs one.
 */
export type StartLine =
  | { readonly ready: true; readonly pid: number; readonly address?: string }
  | { readonly error: { readonly code: ErrorCode; readonly message: string; readonly hint?: string } }
