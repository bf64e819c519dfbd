/**
 * The demo's play: a pool is made, a sweep runs, a machine dies in the middle, and everybody agrees in the end.
 *
 * Returns facts; what is said about them is the command's matter. Every fact is read from the agents, none is assumed.
 */
import { setTimeout as wait } from 'node:timers/promises'
import {
  type ControlAnswers,
  type MachineView,
  type OverviewView,
  PoolError,
  type SweepView,
  type TrialView
} from '#protocol'
import type { Client } from '../client.js'
import { NAMES, type Name, type Stage, SWEEP_FILE } from './stage.js'

const POLL_MS = 250
/** The whole sweep, on a slow machine with one core, in ms. */
const SWEEP_MS = 5 * 60_000
const AGREE_MS = 30_000
/** The machine is killed after this many results, and this far into a trial: neither at its start nor near its end. */
const KILL_AFTER_RESULTS = 3
const KILL_FROM = 0.1
const KILL_TO = 0.5
const TRIALS_MAX = 1000

export interface Killed {
  readonly machine: Name
  readonly trial: number
  readonly attempt: number
  readonly step: number
}

export interface DemoFacts {
  readonly sweep: SweepView
  readonly trials: readonly TrialView[]
  readonly best: ControlAnswers['best']
  readonly machines: readonly MachineView[]
  readonly killed: Killed | undefined
  /** Who ended the trial that the dead machine had begun. */
  readonly finishedBy: string | undefined
  readonly poolHash: Readonly<Record<string, string>>
}

export interface PlayOptions {
  readonly stage: Stage
  readonly signal: AbortSignal
  /** A step of the play begins. */
  readonly onAct: (text: string) => void
  /** How it stands, as alice sees it. */
  readonly onOverview: (view: OverviewView) => void
}

/** Plays it through. Errors: `DEMO_FAILED` when a step fails or takes too long. */
export async function play(options: PlayOptions): Promise<DemoFacts> {
  const { stage, onAct } = options
  onAct('alice makes a pool and invites two friends')
  await makePool(stage)
  onAct('alice submits a sweep; bob approves its code, carol approves all that members send')
  await stage.type('alice', 'submit', SWEEP_FILE)
  await approve(stage)
  onAct('the pool trains')
  const alice = await stage.client('alice')
  try {
    const killed = await train(options, alice)
    onAct(killed ? `carol comes back after the SIGKILL, with a fresh log` : 'the sweep has ended')
    if (killed) await stage.type('carol', 'up', '--approve', 'all')
    const poolHash = await agreement(options)
    const best = await alice.ask({ method: 'best', sweep: 'digits', limit: 5 })
    const trials = await alice.ask({ method: 'trials', sweep: 'digits', limit: TRIALS_MAX })
    const machines = await alice.ask({ method: 'machines' })
    return {
      sweep: best.sweep,
      trials,
      best,
      machines,
      killed,
      finishedBy: killed && trials[killed.trial]?.machineName,
      poolHash
    }
  } finally {
    alice.close()
  }
}

async function makePool(stage: Stage): Promise<void> {
  await stage.type('alice', 'init', '--name', 'demo')
  await stage.type('alice', 'up')
  await Promise.all(
    (['bob', 'carol'] as const).map(async name => {
      await stage.type(name, 'join', await stage.type('alice', 'invite'))
      await stage.type(name, 'up', ...(name === 'carol' ? ['--approve', 'all'] : []))
    })
  )
}

/** Bob hears of the sweep a moment after alice has submitted it. */
async function approve(stage: Stage): Promise<void> {
  const bob = await stage.client('bob')
  try {
    const deadline = Date.now() + AGREE_MS
    while ((await bob.ask({ method: 'sweeps' })).length === 0) {
      if (Date.now() > deadline) throw failed('The sweep that alice submitted did not reach bob.')
      await wait(POLL_MS)
    }
  } finally {
    bob.close()
  }
  await stage.type('bob', 'approve', 'digits', '--yes')
}

/** Follows the sweep to its end; on the way carol's agent is killed. */
async function train({ stage, signal, onOverview, onAct }: PlayOptions, alice: Client): Promise<Killed | undefined> {
  const deadline = Date.now() + SWEEP_MS
  let killed: Killed | undefined
  for (;;) {
    signal.throwIfAborted()
    const view = await alice.ask({ method: 'overview', sweep: 'digits' })
    onOverview(view)
    const sweep = view.focus?.sweep
    if (!sweep || Date.now() > deadline) throw failed('The sweep did not end in time.')
    if (sweep.state !== 'running' && sweep.state !== 'arriving') return killed
    if (!killed && sweep.trials.done >= KILL_AFTER_RESULTS) {
      killed = await killInMidTrial(stage, view)
      if (killed) onAct(`carol is killed with SIGKILL in trial #${killed.trial}, at step ${killed.step}`)
    }
    await wait(POLL_MS)
  }
}

async function killInMidTrial(stage: Stage, view: OverviewView): Promise<Killed | undefined> {
  const attempt = view.machines.find(machine => machine.name === 'carol')?.running[0]
  const share = (attempt?.step ?? 0) / (attempt?.steps ?? Number.POSITIVE_INFINITY)
  if (!attempt || share < KILL_FROM || share > KILL_TO) return undefined
  const carol = await stage.client('carol')
  const { pid } = await carol.ask({ method: 'status' }).finally(() => carol.close())
  process.kill(pid, 'SIGKILL')
  return { machine: 'carol', trial: attempt.trial, attempt: attempt.attempt, step: attempt.step ?? 0 }
}

/** Asks every agent for its pool's digest until all give the same one. */
async function agreement({ stage, signal }: PlayOptions): Promise<Record<string, string>> {
  const clients = await Promise.all(NAMES.map(async name => ({ name, client: await stage.client(name) })))
  try {
    const deadline = Date.now() + AGREE_MS
    for (;;) {
      signal.throwIfAborted()
      const hashes = await Promise.all(
        clients.map(
          async ({ name, client }): Promise<[string, string]> => [
            name,
            (await client.ask({ method: 'status' })).poolHash
          ]
        )
      )
      if (new Set(hashes.map(([, hash]) => hash)).size === 1 || Date.now() > deadline) return Object.fromEntries(hashes)
      await wait(POLL_MS)
    }
  } finally {
    for (const { client } of clients) client.close()
  }
}

function failed(message: string): PoolError {
  return new PoolError('DEMO_FAILED', message, { hint: "Run it again with --keep and look into the agents' logs." })
}
