/**
 * Machines: the real core of an agent with simulated ports, and the life of the computer that it runs on.
 *
 * Owns what survives which end: a crash keeps the disk, a power cut takes back its tail, a sleep keeps all and loses
 * time. Every call of the core goes through one door, so that a machine that is off or asleep does nothing.
 */
import { type Beat, type Device, type Draft, digestOf, LIMITS, type Pool } from '#protocol'
import { type Agent, createAgent, type Ports } from '../../agent/agent.js'
import { FOUNDING } from '../helpers/records.js'
import type { Bodies } from './body.js'
import type { Chance } from './chance.js'
import { createClocks, createTicker, tickMsOf } from './clocks.js'
import { copyDisk, type Disk, emptyDisk, fill, keepCheckpoint, keeperOf, loseTail } from './disk.js'
import type { Network, Station } from './network.js'
import { type Folded, openReplica, QUOTA_RETRY_MS, type Replica } from './replica.js'
import type { MachinePlan, Scenario } from './scenario.js'
import { scriptFor } from './script.js'
import { createSimulatedRunner } from './trainer.js'
import type { Watch } from './watch.js'
import type { World } from './world.js'

/** How long an agent that stops waits for its programs, in ms. */
const CLOSE_MS = LIMITS.stopGraceMs + 5000
/** A write that a full disk refused is tried again after this time, in ms (as in agent/store/log-writer.ts). */
const RETRY_MS = 5000
/** How long records wait for others to share a block with, in ms (as in agent/store/log-writer.ts). */
const LINGER_MS = 150
/** How often devices are looked at while somebody uses one, in ms. */
const LOOK_MS = 30_000

/**
 * `absent`: it has not joined yet. `frozen`: the agent alone stands still (SIGSTOP). `asleep`: the whole computer does.
 * `gone`: it never comes back.
 */
export type MachineState = 'absent' | 'off' | 'on' | 'closing' | 'frozen' | 'asleep' | 'gone'

export interface MachineParts {
  readonly world: World
  readonly chance: Chance
  readonly scenario: Scenario
  readonly plan: MachinePlan
  readonly bodies: Bodies
  readonly network: Network
  readonly watch: Watch
  /** A moment at which a fault hurts most: a claim is handed over, a program starts, a result's file comes or goes. */
  readonly onMoment: (machine: Machine) => void
}

export type Machine = ReturnType<typeof createMachine>

export function createMachine(parts: MachineParts) {
  const { world, chance, plan, network, watch } = parts
  const { name, key } = plan
  const disk = emptyDisk()
  const keeper = keeperOf(disk)
  const inbox: (() => void)[] = []
  let state: MachineState = 'absent'
  let agent: Agent | undefined
  let replica: Replica | undefined
  let checkpoint: Folded | undefined
  let beat: Beat | undefined
  let backup: Disk | undefined
  let devices: readonly Device[] = plan.devices
  /** Counts starts: what was planned in an earlier life is void. */
  let life = 0
  const clocks = createClocks(world, plan.clockMs)
  const tickMs = () => tickMsOf(agent?.local, replica?.pool())
  const ticker = createTicker({ world, onTick: () => tell(core => core.onTick()) })
  const [runner, station] = [runnerOf(), stationOf()]
  const isAwake = () => state === 'on' || state === 'closing'
  const isRunning = () => isAwake() || state === 'frozen' || state === 'asleep'

  function runnerOf() {
    return createSimulatedRunner({
      world,
      scriptOf: attempt => scriptFor(attempt, { scenario: parts.scenario, plan, chance, disk }),
      onReport: (id, report) => tell(core => core.onReport(id, report)),
      onExit: (id, exit, run) => {
        watch.ended(machine, run, exit.class)
        disk.checkpoints.delete(id)
        tell(core => core.onExit(id, exit))
      }
    })
  }

  function stationOf(): Station {
    return {
      key,
      replica: () => (isAwake() ? replica : undefined),
      lastBeat: () => beat,
      hear: (from, news, roundTripMs) => tell(core => core.onPresence(from, news, roundTripMs)),
      away: other => tell(core => core.onAway(other))
    }
  }

  /** The one door to the core. A core that stands still hears it when it goes on. */
  function tell(what: (core: Agent) => void): void {
    if (state === 'frozen' || state === 'asleep') {
      inbox.push(() => tell(what))
      return
    }
    if (!agent || !isAwake()) return
    what(agent)
    ticker.within(tickMs())
  }

  /** Most records are written at once; those that come close after others wait for company. */
  function flushSoon(inMs = 1 + chance.integer(chance.happens(0.2) ? LINGER_MS : 5)): void {
    const now = life
    world.after(inMs, () => {
      if (now !== life) return
      if (!isAwake()) inbox.push(flushSoon)
      else if (replica?.flush() === false) flushSoon(RETRY_MS)
    })
  }

  function ports(log: Replica): Ports {
    return {
      clock: clocks,
      log: {
        pool: log.pool,
        append: drafts => append(log, drafts),
        isHeldByPeer: place => network.isHeldElsewhere(station, place)
      },
      mesh: {
        announce(news) {
          beat = news
          network.announce(station, news)
        }
      },
      runner: {
        start(attempt) {
          watch.started(machine, attempt, runner.running())
          parts.onMoment(machine)
          runner.start(attempt)
        },
        stop: runner.stop
      },
      probe: { environment: device => ({ CUDA_VISIBLE_DEVICES: device }), pace: () => undefined },
      keeper: {
        ...keeper,
        saveResult(id, draft) {
          keeper.saveResult(id, draft)
          watch.acknowledge(machine, id, draft)
          parts.onMoment(machine)
        },
        dropResult(id) {
          keeper.dropResult(id)
          parts.onMoment(machine)
        }
      },
      bundles: { want: ({ digest }, attempt = digest) => fetchBundle(attempt), forget: () => undefined },
      packages: { look: () => undefined }, // No simulated sweep requires any.
      note(message, fields) {
        world.note(`${name} ${message} ${JSON.stringify(fields)}`)
        if (message === 'lost a claim') watch.frees(machine, `${fields.sweep}-${fields.trial}-${fields.attempt}`)
      }
    }
  }

  function append(log: Replica, said: readonly Draft[]): void {
    // A liar gives nothing back: what it claimed without working on it stays claimed.
    const drafts = plan.isHostile ? said.filter(draft => draft.kind !== 'trial-released') : said
    if (drafts.length === 0) return
    if (log.queued() === 0) flushSoon()
    log.append(drafts)
    for (const draft of drafts) {
      world.note(`${name} writes ${draft.kind}`)
      if (draft.kind !== 'trial-claimed') continue
      watch.claims(machine, `${draft.sweep}-${draft.trial}-${draft.attempt}`)
      parts.onMoment(machine)
    }
  }

  function fetchBundle(digest: string): void {
    const now = life
    world.after(chance.spread(200, 20_000), () => {
      if (now === life) tell(core => core.onBundle(digest, 'ready'))
    })
  }

  function onChanged(writers: readonly string[]): void {
    world.note(`${name} folds ${writers.length} of ${replica?.pool().entries}`)
    network.spread(station)
    // A change is told to peers at most once a second: the tick after that tells the rest.
    ticker.within(LIMITS.presenceMinMs)
    tell(core => core.onLogChanged(writers))
    watch.folded(machine, writers)
  }

  function start(): void {
    if (state !== 'off') return
    state = 'on'
    const now = ++life
    inbox.length = 0
    world.note(`${name} starts`)
    const log = openReplica({
      bodies: parts.bodies,
      disk,
      machine: key,
      member: plan.member,
      checkpoint,
      isOlder: plan.isOlder,
      quotaBytesPerDay: parts.scenario.quotaBytesPerDay,
      newLogKey: incarnation => digestOf(`log/${parts.scenario.seed}/${name}/${incarnation}/${life}`),
      now: world.now,
      wall: clocks.wall,
      onChanged: writers => now === life && onChanged(writers),
      onRejected: rejection => watch.rejected(machine, rejection),
      onFork: body => watch.forked(machine, body),
      onMembership: () => now === life && network.fetch(station),
      onOverQuota: () => world.after(QUOTA_RETRY_MS, () => now === life && network.fetch(station))
    })
    replica = log
    if (!log.flush()) flushSoon(RETRY_MS)
    const version = plan.isOlder ? '0.0.9' : '0.1.0'
    agent = createAgent(ports(log), { machine: key, name, version, platform: 'linux-x64', approveAll: true })
    // As agent/session.ts does: a power cut may have taken the founding itself.
    if (key === FOUNDING.machine && !log.pool().founding) append(log, [{ kind: 'pool-founded', ...FOUNDING }])
    network.refresh(station)
    tell(core => core.onDevices(devices))
    tellOfDisk()
    tell(core => core.begin())
  }

  /** Real probes look every second; here it is enough to see that somebody came, and later that nobody is there. */
  function lookAtDevices(): void {
    const now = life
    tell(core => core.onDevices(devices))
    const isWatched = [...(agent?.local.watched.values() ?? [])].some(({ hits, why }) => hits > 0 || why !== undefined)
    if (isWatched) world.after(LOOK_MS, () => now === life && lookAtDevices())
  }

  function tellOfDisk(): void {
    tell(core => core.onDisk(disk.isFull ? { freeBytes: 0, fault: 'ENOSPC' } : {}))
  }

  /** The process is gone: what it had in memory is lost, and its programs die with it. */
  function stopNow(how: string): void {
    if (!isRunning()) return
    world.note(`${name} ${how}`)
    watch.killed(machine, runner.running())
    for (const { attempt, ranMs } of runner.running()) {
      const { checkpointMs = 0 } = parts.scenario.sweeps.find(({ id }) => id === attempt.sweep) ?? {}
      keepCheckpoint(disk, attempt.id, { trainedMs: ranMs * plan.speed, everyMs: checkpointMs })
    }
    clocks.goOn()
    runner.kill()
    life++
    state = 'off'
    agent = undefined
    checkpoint = replica?.checkpoint()
    replica = undefined
    beat = undefined
    ticker.stop()
    network.refresh(station)
  }

  /** Waits for the programs' ends, then for the log; the mark comes last. */
  function closeUp(deadlineMs: number): void {
    const now = life
    const isDone = agent?.close() === 0 && replica?.queued() === 0
    if (!isDone && world.now() < deadlineMs) {
      world.after(100, () => now === life && (state === 'closing' ? closeUp(deadlineMs) : undefined))
      return
    }
    replica?.flush()
    stopNow('stopped')
    // The mark is a file of its own, which a full disk does not take.
    disk.cleanStop = !disk.isFull
    disk.unsynced = []
  }

  function wake(): void {
    if (state !== 'frozen' && state !== 'asleep') return
    world.note(`${name} wakes`)
    clocks.goOn()
    state = 'on'
    runner.pause(false)
    network.refresh(station)
    // Which of the events that waited comes first, or a tick, is chance.
    if (chance.happens(0.5)) tell(core => core.onTick())
    for (const event of inbox.splice(0)) event()
    ticker.within(tickMs())
  }

  const machine = controls()
  network.add(station)
  return machine

  /** What faults may do to it, and what checkers may ask. */
  function controls() {
    return {
      plan,
      name,
      key,
      station,
      disk,
      state: () => state,
      pool: (): Pool | undefined => replica?.pool(),
      replica: () => replica,
      agent: () => agent,
      /** True when it is awake and honest: what it says counts for the checkers. */
      isWitness: () => state === 'on' && !plan.isHostile,
      start,

      /** A newcomer has what the machine that invited it has, and starts. */
      join(inviter?: Disk): void {
        if (inviter) copyDisk({ ...emptyDisk(), held: inviter.held }, disk)
        state = 'off'
        start()
      },

      /** Writes what the owner decided: a sweep, an admission. */
      append(drafts: readonly Draft[]): void {
        if (replica && isAwake()) append(replica, drafts)
      },

      crash(): void {
        if (isRunning()) world.count('crash')
        stopNow('crashes')
      },
      powerCut(): void {
        if (!isRunning()) return
        world.count('power cut')
        stopNow('loses power')
        loseTail(disk, world.now(), chance.between(0, 30_000))
      },

      stop(): void {
        if (state !== 'on') return
        world.count('restart')
        state = 'closing'
        closeUp(world.now() + CLOSE_MS)
      },
      freeze(): void {
        if (state !== 'on') return
        world.note(`${name} freezes`)
        world.count('freeze')
        state = 'frozen'
        ticker.stop()
        network.refresh(station)
      },
      sleep(): void {
        if (state !== 'on') return
        world.note(`${name} sleeps`)
        world.count('sleep')
        state = 'asleep'
        clocks.stand()
        runner.pause(true)
        ticker.stop()
        network.refresh(station)
      },
      wake,
      jumpClock(ms: number): void {
        world.count('clock jump')
        clocks.jump(ms)
      },
      /** Something fills the disk, or gives room back. */
      fillDisk(isFull: boolean): void {
        if (disk.isFull === isFull) return
        world.note(`${name} has ${isFull ? 'no room' : 'room'}`)
        if (isFull) world.count('full disk')
        fill(disk, isFull)
        tellOfDisk()
        if (!isFull) network.fetch(station)
      },

      backUp(): void {
        backup = emptyDisk()
        copyDisk(disk, backup)
        // The backup of a running machine has no mark of an orderly stop.
        backup.cleanStop = false
        backup.unsynced = []
      },

      /** The disk becomes what it was at the backup. */
      restore(): void {
        if (!backup || state === 'gone' || state === 'absent') return
        world.count('restored backup')
        stopNow('gets its backup back')
        copyDisk(backup, disk)
        watch.lost(machine)
      },

      leave(): void {
        stopNow('is gone for good')
        world.count(key === FOUNDING.machine ? 'founder gone' : 'gone')
        state = 'gone'
        watch.lost(machine)
      },

      setDevices(next: readonly Device[]): void {
        devices = next
        if (next !== plan.devices) world.count(next.some(({ fault }) => fault) ? 'sick device' : 'game')
        lookAtDevices()
      }
    }
  }
}
