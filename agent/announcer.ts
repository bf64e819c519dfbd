/**
 * The announcer: what a machine says of itself, to the log and to its peers, and when.
 *
 * Owns what counts as news. Who hears it is the ports' affair.
 */
import { type KnownDevice, LIMITS } from '#protocol'
import { beatIntervalMs, beatOf, paceOf } from './beat.js'
import type { Local } from './local.js'
import type { Log, Mesh, Probe } from './ports.js'

export interface AnnouncerPorts {
  readonly log: Pick<Log, 'pool' | 'append'>
  readonly mesh: Mesh
  readonly probe: Pick<Probe, 'pace'>
}

/** A machine as the log keeps it. */
interface Self {
  readonly name: string
  readonly version: string
  readonly platform: string
}

/** Returns what tells the log and the peers of a machine's news. */
export function createAnnouncer({ log, mesh, probe }: AnnouncerPorts, local: Local, self: Self) {
  let announced: string | undefined
  let lastBeat = { text: '', atMs: Number.NEGATIVE_INFINITY }
  let paceMs: number | undefined

  return {
    /** The log keeps what does not change from minute to minute: said once, and again when it did change. */
    tellLog(): void {
      const { name, version, platform } = self
      const news = { name, version, platform, devices: local.devices.map(lastingOf) }
      const known = log.pool().machines.get(local.machine)
      announced ??= known && textOf(known)
      if (textOf(news) === announced) return
      announced = textOf(news)
      log.append([{ kind: 'machine-announced', ...news }])
    },

    /** Peers hear what is new at most once a second, and now and then that nothing is. */
    tellPeers(nowMs: number): void {
      const age = nowMs - lastBeat.atMs
      // Whatever it would say: it is too soon, and most steps come right after another.
      if (age < LIMITS.presenceMinMs) return
      const pool = log.pool()
      const beat = beatOf(pool, local, nowMs)
      // Ages and seconds grow all the time; they alone are no news.
      const text = JSON.stringify({ ...beat, heard: 0, running: beat.running.map(each => ({ ...each, seconds: 0 })) })
      if (text === lastBeat.text && age < beatIntervalMs(pool)) return
      lastBeat = { text, atMs: nowMs }
      mesh.announce(beat)
      const nextPaceMs = paceOf(beat)
      if (nextPaceMs !== paceMs) probe.pace(nextPaceMs)
      paceMs = nextPaceMs
    }
  }
}

function lastingOf(device: KnownDevice): KnownDevice {
  const { id, vendor, model, memoryBytes, capability, bf16, isUnified, reservedBytes } = device
  return {
    id,
    vendor,
    model,
    memoryBytes,
    ...(capability === undefined ? {} : { capability }),
    ...(bf16 === undefined ? {} : { bf16 }),
    ...(isUnified === undefined ? {} : { isUnified }),
    ...(reservedBytes === undefined ? {} : { reservedBytes })
  }
}

function textOf({ name, version, platform, devices }: Self & { readonly devices: readonly KnownDevice[] }): string {
  return JSON.stringify([name, version, platform, devices.map(lastingOf)])
}
