/**
 * A virtual pool: the cores of several machines with recorded ports, under one clock that the test turns.
 *
 * Owns when records and beats travel: all that is online meets at each tick. No timer, no promise, no chance: a run is
 * the same each time. Invariant: an entry reaches a machine at most once, and in the order of its log.
 */

import { applyEntry, type Beat, type Draft, LIMITS, type Pool, stamped } from '#protocol'
import { type Agent, createAgent, type Ports } from '../../agent/agent.js'
import type { BundleState } from '../../agent/local.js'
import type { AttemptSpec, Device, Exit, KeptPause, StopReason } from '../../agent/ports.js'
import { createWriter, foldAll, founded, keyOf, type Writer } from './records.js'

const OWNERS = { a: 'ann', b: 'bo', c: 'cy' } as const
export type MachineName = keyof typeof OWNERS

export const GPU: Device = { id: 'gpu0', vendor: 'nvidia', model: 'RTX 4090', memoryBytes: 24 * 2 ** 30 }

export interface VirtualMachine {
  readonly key: string
  readonly pool: Pool
  readonly log: Writer
  /** What the core did, in order: `append trial-claimed`, `start …-0-1`, `save-result …-0-1`. */
  readonly calls: string[]
  readonly started: AttemptSpec[]
  readonly stopped: { readonly id: string; readonly reason: StopReason }[]
  readonly beats: Beat[]
  /** What survives a crash. */
  readonly kept: {
    readonly approved: Set<string>
    readonly checkpoints: Set<string>
    readonly results: Map<string, Draft>
    pauses: readonly KeptPause[]
  }
  agent: Agent
  isOnline: boolean
  /** A machine that sleeps gets no tick and hears nothing. */
  isAwake: boolean
  /** What becomes of a bundle that is asked for. */
  bundles: BundleState
  /** Python packages that it finds. */
  packages: readonly string[]
  /** Nothing can be saved. */
  isDiskFull: boolean
}

export interface MachineOptions {
  readonly devices?: readonly Device[]
  readonly approveAll?: boolean
  readonly paused?: string
  readonly bundles?: BundleState
  readonly packages?: readonly string[]
  readonly isOnline?: boolean
  /** Ids of attempts that left a checkpoint before this start. */
  readonly checkpoints?: readonly string[]
}

export type VirtualPool = ReturnType<typeof createVirtualPool>

/** Returns a pool of ann, bo and cy in which `drafts` by ann are known everywhere. Machines are added by name. */
export function createVirtualPool(drafts: readonly Draft[]) {
  const machines = new Map<MachineName, VirtualMachine>()
  const ann = founded()
  for (const draft of drafts) ann.write(draft)
  /** The start is late enough that a machine may have been silent for long. */
  let now = 1e9
  const queues = new Map<VirtualMachine, Queue>()
  const queueOf = (machine: VirtualMachine) => queues.get(machine) ?? newQueue()

  /** Lets every machine fold what it wrote and hear what it asked for, until nothing is left to do. */
  function settle(): void {
    for (const machine of machines.values()) {
      const queue = queueOf(machine)
      while (queue.drafts.length + queue.tasks.length > 0) {
        for (const record of stamped(queue.drafts.splice(0), machine.pool, now)) {
          const { kind, clock, at, ...fields } = record
          applyEntry(machine.pool, machine.log.write({ kind, ...fields } as Draft, clock))
        }
        for (const task of queue.tasks.splice(0)) task()
        machine.agent.onLogChanged([machine.key])
      }
    }
  }

  /** Brings every entry and the latest beat of those online to the others, each once. */
  function exchange(): void {
    for (const to of online()) for (const from of online()) if (from !== to) deliver(from, to)
    settle()
  }

  function online(): VirtualMachine[] {
    return [...machines.values()].filter(machine => machine.isOnline && machine.isAwake)
  }

  function deliver(from: VirtualMachine, to: VirtualMachine): void {
    const { seen } = queueOf(to)
    const { entries, beats } = seen.get(from) ?? { entries: 0, beats: 0 }
    seen.set(from, { entries: from.log.entries.length, beats: from.beats.length })
    queueOf(from).held = from.log.entries.length
    const news = from.log.entries.slice(entries)
    foldAll(news, to.pool)
    if (news.length > 0) to.agent.onLogChanged([from.key])
    const beat = from.beats.at(-1)
    if (beat && from.beats.length > beats) to.agent.onPresence(from.key, beat, 10)
  }

  function begin(machine: VirtualMachine, options: MachineOptions): void {
    machine.agent.onDevices(options.devices ?? [GPU])
    machine.agent.begin()
    settle()
  }

  return {
    now: () => now,
    exchange,
    settle,

    add(name: MachineName, options: MachineOptions = {}): VirtualMachine {
      const queue = newQueue()
      const machine = createMachine(name, { ann, options, now: () => now, queue })
      queues.set(machine, queue)
      // It knows the others when it begins: what it would do before it meets them is another test.
      if (machine.isOnline) for (const other of online()) deliver(other, machine)
      machines.set(name, machine)
      begin(machine, options)
      return machine
    },

    /** A crash and a new start: what was not written down is lost. */
    restart(machine: VirtualMachine, options: MachineOptions = {}): void {
      const queue = queueOf(machine)
      queue.drafts.length = 0
      queue.tasks.length = 0
      for (const id of options.checkpoints ?? []) machine.kept.checkpoints.add(id)
      machine.agent = createAgent(
        portsOf(machine, queue, () => now),
        agentOptions(machine.key, options)
      )
      begin(machine, options)
    },

    /** Lets time pass, tick by tick; those online meet at each. */
    run(ms: number): void {
      const end = now + ms
      while (now < end) {
        now = Math.min(end, now + LIMITS.tickMs)
        for (const machine of machines.values()) if (machine.isAwake) machine.agent.onTick()
        settle()
        exchange()
      }
    },

    /** Ends a running attempt as its runner would tell. */
    exit(machine: VirtualMachine, id: string, end: Partial<Exit> & Pick<Exit, 'class'>): void {
      const value = end.class === 'complete' ? { value: 0.5 } : {}
      machine.agent.onExit(id, { metrics: {}, curve: [], seconds: 1, tail: '', ...value, ...end })
      settle()
    }
  }
}

interface Queue {
  readonly drafts: Draft[]
  readonly tasks: (() => void)[]
  /** How much of each other machine's log, and how many of its beats, have come here. */
  readonly seen: Map<VirtualMachine, { readonly entries: number; readonly beats: number }>
  /** How much of this machine's own log any other one has. */
  held: number
}

const newQueue = (): Queue => ({ drafts: [], tasks: [], seen: new Map(), held: 0 })

function createMachine(
  name: MachineName,
  world: { ann: Writer; options: MachineOptions; now: () => number; queue: Queue }
): VirtualMachine {
  const { options } = world
  const parts = {
    key: keyOf(name),
    pool: foldAll(world.ann.entries),
    log: createWriter(OWNERS[name], name, `${name}-virtual`),
    calls: [],
    started: [],
    stopped: [],
    beats: [],
    kept: {
      approved: new Set<string>(),
      checkpoints: new Set(options.checkpoints),
      results: new Map<string, Draft>(),
      pauses: []
    },
    isOnline: options.isOnline ?? true,
    isAwake: true,
    bundles: options.bundles ?? 'ready',
    packages: options.packages ?? [],
    isDiskFull: false
  }
  // The ports read the machine that they belong to, so the core comes last.
  const machine = parts as unknown as VirtualMachine
  machine.agent = createAgent(portsOf(machine, world.queue, world.now), agentOptions(machine.key, options))
  return machine
}

function agentOptions(machine: string, { approveAll = true, paused }: MachineOptions) {
  const about = { machine, name: 'desk', version: '0.1.0', platform: 'linux-x64', approveAll }
  return paused === undefined ? about : { ...about, paused }
}

function portsOf(machine: VirtualMachine, queue: Queue, now: () => number): Ports {
  const { calls, kept } = machine
  return {
    clock: { now, wall: now },
    log: {
      pool: () => machine.pool,
      append(drafts) {
        for (const { kind } of drafts) calls.push(`append ${kind}`)
        queue.drafts.push(...drafts)
      },
      isHeldByPeer({ log, block }) {
        const index = machine.log.entries.findIndex(entry => entry.log === log && entry.block === block)
        return index >= 0 && index < queue.held
      }
    },
    mesh: { announce: beat => void machine.beats.push(beat) },
    runner: {
      start(attempt) {
        calls.push(`start ${attempt.id}`)
        machine.started.push(attempt)
      },
      stop: (id, reason) => void machine.stopped.push({ id, reason })
    },
    probe: { environment: device => ({ CUDA_VISIBLE_DEVICES: device }), pace: () => undefined },
    keeper: {
      load: () => ({
        approved: [...kept.approved],
        results: [...kept.results].map(([id, draft]) => ({ id, draft })),
        checkpoints: [...kept.checkpoints],
        pauses: kept.pauses
      }),
      saveApproval(digest) {
        if (machine.isDiskFull) throw new Error('ENOSPC: no space left on device')
        kept.approved.add(digest)
      },
      saveResult(id, draft) {
        if (machine.isDiskFull) throw new Error('ENOSPC: no space left on device')
        calls.push(`save-result ${id}`)
        kept.results.set(id, draft)
      },
      dropResult(id) {
        calls.push(`drop-result ${id}`)
        kept.results.delete(id)
      },
      savePauses(pauses) {
        kept.pauses = pauses
      }
    },
    bundles: {
      want({ digest }, attempt = digest) {
        calls.push(attempt === digest ? 'fetch' : `fetch ${attempt}`)
        const state = machine.bundles
        if (state !== 'wanted') queue.tasks.push(() => machine.agent.onBundle(attempt, state))
      },
      forget: attempt => void calls.push(`forget ${attempt}`)
    },
    packages: {
      look(names) {
        calls.push(`look ${names.join(' ')}`)
        const found = Object.fromEntries(names.map(name => [name, machine.packages.includes(name)]))
        queue.tasks.push(() => machine.agent.onPackages(found))
      }
    },
    note: () => {}
  }
}
